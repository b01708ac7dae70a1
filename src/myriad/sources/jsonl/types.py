"""What a JSON key's values have in common, and how they become a column."""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from myriad.model import BIG, TEXT, Kind, Type, carried
from myriad.sources.base import arrow_type
from myriad.sources.jsonl.records import CONSTANTS, Number
from myriad.sources.typing import casts, digits
from myriad.sources.typing.values import Encoded, Encoder
from myriad.wording import number_of

FORMS = tuple(Type(kind) for kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.UUID))
_WHY = {
    Kind.DATE: "dates (ISO 8601)",
    Kind.TIMESTAMP: "timestamps without a time zone",
    Kind.TIMESTAMPTZ: "timestamps with an offset",
    Kind.UUID: "UUIDs",
    Kind.TIME: "times of day",
}
_LABELS: dict[type, str] = {
    bool: "boolean",
    int: "whole number",
    Number: "decimal",
    str: "text",
    dict: "object",
    list: "array",
    bytes: "binary value",
}
SHOWN = 40  # characters of a value that is an example
# What `json.dumps` calls for a text that is to stay as it is, not as ASCII; in C.
_quoted = json.encoder.encode_basestring


@dataclass
class Evidence:
    """All that is known of one key's values; `look` adds to it.

    Attributes:
        digits, scale: most digits before and behind the point.
        exponents: a number has one, or only a double keeps it.
        doubles_only: a number is none, or a negative zero.
        doubles: every number is the shortest or exact text of a double.
        forms: types that all texts fit.
        first: the first value of each class, and its line, 0 if that is not known.
        but: what most texts were until the first that is not.
    """

    counts: Counter[type] = field(default_factory=Counter)
    low: int = 0
    high: int = 0
    digits: int = 0
    scale: int = 0
    exponents: bool = False
    doubles_only: bool = False
    doubles: bool = True
    forms: list[Type] = field(default_factory=lambda: list(FORMS))
    first: dict[type, tuple[Any, int]] = field(default_factory=dict)
    but: str = ""

    def look(self, values: Sequence[Any], lines: Sequence[int], encoder: Encoder) -> None:
        """Take in more values, and the lines that they stand in."""
        classes = Counter(map(type, values))
        del classes[type(None)]
        for new in classes.keys() - self.counts.keys():
            self.first[new] = next(
                (value, line)
                for value, line in zip(values, lines, strict=True)
                if type(value) is new
            )
        self.look_at_numbers([value for value in values if type(value) in (int, Number)])
        self.counts += Counter({kind: classes[kind] for kind in classes.keys() - {int, Number}})
        if str in classes and self.forms:
            texts = pa.array([v if type(v) is str else None for v in values], pa.string())
            misfits = encoder.misfits(texts, self.forms)
            self.forms = [form for form in self.forms if form not in misfits]
            if not self.forms:
                self.but = _but(misfits, values, lines)

    def look_at_numbers(self, values: Sequence[int | Number]) -> None:
        """Take in more values, all of them numbers."""
        self.counts.update(map(type, values))
        if whole := [value for value in values if type(value) is int]:
            self._look_at_whole(whole)
        for value in values:
            if type(value) is Number:
                self._look_at_decimal(value)

    def look_at_places(self, count: int, digits: int, scale: int) -> None:
        """Take in so many doubles; up to so many digits stand before and behind the point."""
        self.counts[Number] += count
        self.digits, self.scale = max(self.digits, digits), max(self.scale, scale)

    def _look_at_whole(self, values: Sequence[int]) -> None:
        self.low, self.high = min(self.low, *values), max(self.high, *values)
        self.digits = max(self.digits, len(str(max(-self.low, self.high))))
        self.doubles = self.doubles and self.low >= -(2**53) and self.high <= 2**53

    def _look_at_decimal(self, value: Number) -> None:
        if value in CONSTANTS:
            self.exponents = self.doubles_only = True
            return
        plain = value.lstrip("-")
        mantissa, _, exponent = plain.lower().partition("e")
        whole, _, fraction = mantissa.partition(".")
        power = int(exponent or 0)
        self.digits = max(self.digits, len(whole) + power)
        self.scale = max(self.scale, len(fraction) - power)
        zero = not (whole + fraction).strip("0")
        self.doubles_only = self.doubles_only or (zero and plain != value)
        self.exponents = self.exponents or bool(exponent) or self.doubles_only
        self.doubles = self.doubles and is_double(value)

    def decide(self) -> tuple[Type, str]:
        """Return the narrowest type that all values fit, and why."""
        kinds = set(self.counts)
        if not kinds:
            return TEXT, "no values"
        if kinds & {dict, list}:
            return Type(Kind.JSONB), self._named()
        if kinds == {bool}:
            return Type(Kind.BOOLEAN), "true or false"
        if kinds == {bytes}:
            return Type(Kind.BYTEA), "binary values"
        if kinds <= {int, Number}:
            return self._number()
        if kinds == {str}:
            form = self.forms[0] if self.forms else TEXT
            return form, _WHY.get(form.kind, "text") + self.but
        return TEXT, f"mixed: {self._named()}"

    def _named(self) -> str:
        """Say of which classes how many values are, and where the first of the rarest is."""
        if len(self.counts) == 1:
            return f"{_LABELS[next(iter(self.counts))]}s"
        kinds = self.counts.most_common()
        rare = kinds[-1][0]
        value, line = self.first[rare]
        named = ", ".join(number_of(count, _LABELS[kind]) for kind, count in kinds)
        return f"{named}; first {_LABELS[rare]}: {_example(value, line)}"

    def _number(self) -> tuple[Type, str]:
        if set(self.counts) == {int}:
            return self._whole()
        if self.exponents and self.doubles:
            return Type(Kind.DOUBLE), "decimals with exponents, or no numbers such as NaN"
        precision = 0 if self.doubles_only else carried(self.digits, self.scale)
        if precision:
            why = f"decimals with up to {number_of(self.scale, 'place')}, exact"
            return Type(Kind.NUMERIC, precision, self.scale), why
        return TEXT, "numbers that no number type here holds exactly"

    def _whole(self) -> tuple[Type, str]:
        why = f"whole numbers of up to {number_of(self.digits, 'digit')}"
        if self.low >= -BIG and self.high < BIG:
            return Type(Kind.BIGINT), why
        precision = carried(self.digits, 0)
        if precision:
            return Type(Kind.NUMERIC, precision, 0), why
        return TEXT, why


def _example(value: object, line: int) -> str:
    return repr(said(value)[:SHOWN]) + (f" in line {line}" if line else "")


def _but(
    misfits: Mapping[Type, tuple[int, int]], values: Sequence[Any], lines: Sequence[int]
) -> str:
    """Say which form most texts have, and where the first is that has not; else nothing."""
    form, (count, at) = min(misfits.items(), key=lambda found: found[1][0])
    if 2 * count > sum(type(value) is str for value in values):
        return ""
    return f"; {_WHY[form.kind]} but for the first {_example(values[at], lines[at])}"


def said(value: object) -> str:
    """Return a parsed value as people read it: text as it is, the rest as JSON."""
    return value if type(value) is str else dumps(value)


def is_double(value: str) -> bool:
    """Say whether a double names this number: 17 digits do, unless it over- or underflows."""
    if value in CONSTANTS:
        return True
    number = float(value)
    if number != 0 and len(value) <= casts.DOUBLE_DIGITS and math.isfinite(number):
        return True
    mantissa = value.lower().partition("e")[0].replace("-", "").replace(".", "").lstrip("0")
    return (
        math.isfinite(number)
        and (number != 0 or not mantissa)
        and len(mantissa) <= casts.DOUBLE_DIGITS
    )


def encode(values: Sequence[Any], kind: Type, encoder: Encoder) -> Encoded:
    """Return parsed JSON values as a column of `kind`."""
    if kind.kind not in (Kind.BYTEA, Kind.JSONB) and bytes in set(map(type, values)):
        values = [_base64(value) if type(value) is bytes else value for value in values]
    match kind.kind:
        case Kind.JSONB:
            made = [None if v is None else dumps(v) for v in values]
            return Encoded(pa.array(made, pa.string()))
        case Kind.BOOLEAN:
            flags = [v if type(v) is bool else None for v in values]
            return Encoded(pa.array(flags, pa.bool_()), _others(values, bool))
        case Kind.DOUBLE:
            return encoder.encode([_as_float(value) for value in values], kind)
        case Kind.NUMERIC:
            return _decimals(values, kind) or encoder.encode(values, kind)
        case _:
            return encoder.encode(values, kind)


def _others(values: Sequence[Any], wanted: type) -> list[int]:
    return [at for at, v in enumerate(values) if v is not None and type(v) is not wanted]


def _as_float(value: object) -> object:
    if type(value) is Number and is_double(value):
        return float(value)
    return value


def _decimals(values: Sequence[Any], kind: Type) -> Encoded | None:
    """Return numbers as decimals at once; None if one of them does not fit."""
    if not set(map(type, values)) <= {int, Number, type(None)}:
        return None
    if kind.long:
        return _long(values, kind)
    tokens = [None if value is None else str(value) for value in values]
    try:
        return Encoded(pa.array(tokens, pa.string()).cast(arrow_type(kind)))
    except pa.ArrowInvalid:
        return None


def _long(values: Sequence[Any], kind: Type) -> Encoded | None:
    if CONSTANTS.intersection(values):
        return None
    numbers = [None if value is None else Decimal(value) for value in values]
    texts = [None if number is None else digits.text_of(number, kind) for number in numbers]
    pairs = enumerate(zip(numbers, texts, strict=True))
    misfits = [at for at, (number, text) in pairs if number is not None and text is None]
    return Encoded(pa.array(texts, pa.string()), misfits)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def dumps(value: object) -> str:
    """Return a parsed value as JSON again, with every number as it was written.

    Bytes become base64; NaN and the infinities, which JSON has not, strings.
    """
    return _WRITTEN.get(type(value), str)(value)


def _members(value: dict[str, Any]) -> str:
    find = _WRITTEN.get
    return f"{{{','.join([f'{_quoted(k)}:{find(type(v), str)(v)}' for k, v in value.items()])}}}"


def _elements(value: list[Any]) -> str:
    find = _WRITTEN.get
    return f"[{','.join([find(type(v), str)(v) for v in value])}]"


# A table of functions takes half as long as one that asks what a value is.
_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    Number: lambda value: _quoted(value) if value in CONSTANTS else value,
    bytes: lambda value: _quoted(_base64(value)),
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    dict: _members,
    list: _elements,
}
