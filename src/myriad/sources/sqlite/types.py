"""From a declared type and the values that are there to a type that all of them fit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from myriad.model import MOST_DIGITS, TEXT, ForeignKey, Kind, Type
from myriad.sources.typing.sql import literal
from myriad.sources.typing.values import NUMBERS

_EXACT = 2**53  # whole numbers up to here are exact in double precision
_DECIMALS = ("DECIMAL", "NUMERIC", "DEC", "NUMBER")
# What text in a column declared so may be, the declared one first.
_TEXT_FORMS: dict[str, tuple[Kind, ...]] = {
    "DATE": (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ),
    "DATETIME": (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE),
    "TIMESTAMP": (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE),
    "TIMESTAMPTZ": (Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.DATE),
    "TIMESTAMP WITH TIME ZONE": (Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.DATE),
    "TIME": (Kind.TIME,),
    "BOOLEAN": (Kind.BOOLEAN,),
    "BOOL": (Kind.BOOLEAN,),
    "UUID": (Kind.UUID,),
    "GUID": (Kind.UUID,),
    "UNIQUEIDENTIFIER": (Kind.UUID,),
    "JSON": (Kind.JSONB,),
    "JSONB": (Kind.JSONB,),
}


@dataclass(frozen=True)
class Declared:
    """A declared type, taken apart: `NUMERIC(10, 2)` is NUMERIC, 10, 2."""

    text: str
    base: str
    decimal: Type | None

    @property
    def text_forms(self) -> tuple[Type, ...]:
        """Types that text in such a column may turn out to be."""
        return tuple(Type(kind) for kind in _TEXT_FORMS.get(self.base, ()))

    @property
    def is_text(self) -> bool:
        """Whether SQLite itself makes text of what is stored there."""
        if "INT" in self.base:
            return False
        return any(part in self.base for part in ("CHAR", "CLOB", "TEXT"))

    @property
    def is_float(self) -> bool:
        """Whether SQLite itself makes floating point numbers of what is stored there."""
        return any(part in self.base for part in ("REAL", "FLOA", "DOUB"))


def declared(text: str) -> Declared:
    """Take a declared type apart."""
    found = re.fullmatch(
        r"([^(]*)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(.*)", text.strip(), re.DOTALL
    )
    base = " ".join((found[1] + " " + found[4]).upper().split()) if found else text.upper()
    decimal = None
    if found and found[2] and base in _DECIMALS:
        precision, scale = int(found[2]), int(found[3] or 0)
        if 0 < precision <= MOST_DIGITS and scale <= precision:
            decimal = Type(Kind.NUMERIC, precision, scale, declared=True)
    return Declared(text.strip(), base, decimal)


@dataclass(frozen=True)
class Facts:
    """Aggregates over a column: how many values of each storage class, and their bounds.

    Attributes:
        undecimal: numbers that the declared precision and scale do not hold.
        forms: types that all text values fit, among those the declaration allows.
    """

    integers: int = 0
    reals: int = 0
    texts: int = 0
    blobs: int = 0
    low: int = 0
    high: int = 0
    undecimal: int = 0
    forms: tuple[Type, ...] = field(default=(), kw_only=True)

    @property
    def values(self) -> int:
        """How many are not null."""
        return self.integers + self.reals + self.texts + self.blobs


def aggregates(column: str, kind: Declared) -> list[str]:
    """Return the SQL of the seven aggregates that make `Facts`."""
    storage = f"typeof({column})"
    whole = f"CASE WHEN {storage} = 'integer' THEN {column} END"
    counts = [
        f"count(CASE WHEN {storage} = {literal(name)} THEN 1 END)"
        for name in ("integer", "real", "text", "blob")
    ]
    return [*counts, f"min({whole})", f"max({whole})", _undecimal(column, kind)]


def _undecimal(column: str, kind: Declared) -> str:
    if kind.decimal is None:
        return "0"
    # If rounding gives the same double, its shortest decimal has no more places than that.
    # SQLite's own arithmetic is sure of 15 digits only.
    scale, whole = kind.decimal.scale, kind.decimal.precision - kind.decimal.scale
    sure = f"abs({column}) < 1e{max(min(whole, 15 - scale), 0)}"
    real = f"typeof({column}) = 'real' AND {sure} AND round({column}, {scale}) = {column}"
    integer = f"typeof({column}) = 'integer' AND {column} > -1e{whole} AND {column} < 1e{whole}"
    numbers = f"typeof({column}) IN ('integer', 'real')"
    return f"count(CASE WHEN {numbers} AND NOT ({real}) AND NOT ({integer}) THEN 1 END)"


def decide(kind: Declared, facts: Facts, *, rowid: bool = False) -> tuple[Type, str]:
    """Return the type that all values fit, and why."""
    said = f"declared {kind.text}" if kind.text else "no declared type"
    if rowid:
        return _whole(kind, facts), f"{said}, the row number"
    chosen = _as_declared(kind, facts)
    if chosen is not None:
        return chosen, said if chosen == _expected(kind) or not kind.text else (
            f"{said}, every value fits {chosen}"
        )
    if facts.values == 0:
        return _expected(kind), f"{said}, no values"
    chosen = _by_storage(kind, facts)
    return chosen, f"{said}, {_classes(facts)}"


def _expected(kind: Declared) -> Type:
    """Return the type of a column so declared that holds nothing unusual."""
    if kind.decimal is not None:
        return kind.decimal
    if kind.text_forms:
        return kind.text_forms[0]
    if "INT" in kind.base:
        return _whole(kind, Facts())
    if kind.is_float:
        return Type(Kind.DOUBLE)
    if kind.base in _DECIMALS:
        return Type(Kind.NUMERIC)
    return Type(Kind.BYTEA) if kind.base == "BLOB" else TEXT


def _as_declared(kind: Declared, facts: Facts) -> Type | None:
    """Return the declared type if all values are such, else None."""
    numbers = facts.integers + facts.reals
    if facts.values == 0:
        return None
    if kind.is_text and facts.values == facts.texts:
        return TEXT
    if "INT" in kind.base and facts.values == facts.integers:
        return _whole(kind, facts)
    if kind.is_float and facts.values == numbers and _exact(facts):
        return Type(Kind.DOUBLE)
    if kind.base == "BLOB" and facts.values == facts.blobs:
        return Type(Kind.BYTEA)
    if kind.decimal is not None and facts.values == numbers and not facts.undecimal:
        return kind.decimal
    if kind.text_forms and facts.values == facts.texts and facts.forms:
        return facts.forms[0]
    truth = kind.text_forms == (Type(Kind.BOOLEAN),) and facts.values == facts.integers
    return Type(Kind.BOOLEAN) if truth and facts.low >= 0 and facts.high <= 1 else None


def _whole(kind: Declared, facts: Facts) -> Type:
    """Return the integer type that is at least as wide as declared and as needed."""
    if re.search(r"BIG|INT8|INT64|LONG", kind.base) or not -(2**31) <= facts.low <= facts.high < (
        2**31
    ):
        return Type(Kind.BIGINT)
    narrow = re.search(r"SMALL|TINY|INT2|INT16", kind.base)
    if narrow and facts.low >= -(2**15) and facts.high < 2**15:
        return Type(Kind.SMALLINT)
    return Type(Kind.INTEGER)


def _exact(facts: Facts) -> bool:
    return facts.low >= -_EXACT and facts.high <= _EXACT


def _by_storage(kind: Declared, facts: Facts) -> Type:
    """Return the type for values that are not what was declared; nothing is lost in any."""
    if facts.blobs:
        return Type(Kind.BYTEA)  # text and numbers among them as their UTF-8 bytes
    if facts.values == facts.integers:
        return _whole(kind, facts)
    if facts.values == facts.integers + facts.reals and _exact(facts):
        return Type(Kind.DOUBLE)
    return TEXT


def _classes(facts: Facts) -> str:
    names = {
        "integers": facts.integers,
        "reals": facts.reals,
        "texts": facts.texts,
        "BLOBs": facts.blobs,
    }
    found = [f"{count} {name}" for name, count in names.items() if count]
    if facts.blobs and len(found) > 1:
        return f"but {', '.join(found)}: all kept as bytes"
    return ", ".join(found) if len(found) == 1 else f"but {', '.join(found)}"


def default(sql: str | None, kind: Type) -> str | None:
    """Return SQLite's default as PostgreSQL's for a column of `kind`; None if it has no like.

    Raises ValueError if there is one that cannot be carried over.
    """
    plain = _unwrapped(sql or "NULL")
    word = plain.upper()
    if word == "NULL":
        return None
    clock = _clock(word, kind)
    if clock:
        return clock
    value = {"TRUE": "1", "FALSE": "0"}.get(word) or _string(plain)
    if value is None and not _is_number(plain):
        raise ValueError(plain)
    return _typed(plain if value is None else value, kind)


def _unwrapped(sql: str) -> str:
    sql = sql.strip()
    while sql.startswith("(") and sql.endswith(")"):
        sql = sql[1:-1].strip()
    return sql


def _clock(word: str, kind: Type) -> str | None:
    """Return the default that names the present; SQLite's clock is UTC."""
    now = "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')"
    match word, kind.kind:
        case "CURRENT_TIMESTAMP", Kind.TIMESTAMPTZ:
            return "CURRENT_TIMESTAMP"
        case "CURRENT_TIMESTAMP", Kind.TIMESTAMP:
            return now
        case "CURRENT_DATE", Kind.DATE:
            return f"({now}::date)"
        case "CURRENT_TIME", Kind.TIME:
            return f"({now}::time)"
    return None


def _string(plain: str) -> str | None:
    """Return the content of a quoted string; SQLite takes double quotes for one too."""
    for mark in "'\"":
        if re.fullmatch(f"{mark}(?:[^{mark}]|{mark}{mark})*{mark}", plain, re.DOTALL):
            return plain[1:-1].replace(mark * 2, mark)
    return None


def _is_number(plain: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\s*(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", plain))


def _typed(value: str, kind: Type) -> str:
    """Return `value` as a literal for a column of `kind`; raises ValueError if it is none."""
    if kind.kind is Kind.TEXT:
        return literal(value)
    if kind.kind is Kind.BOOLEAN and value.lower() in ("0", "1", "true", "false"):
        return "true" if value.lower() in ("1", "true") else "false"
    if kind.kind in NUMBERS:
        return _number(value, kind)
    iso = {Kind.DATE: r"\d{4}-\d\d-\d\d", Kind.TIMESTAMP: r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"}
    if kind.kind in iso and re.fullmatch(iso[kind.kind], value):
        return literal(value)
    raise ValueError(value)


def _number(value: str, kind: Type) -> str:
    try:
        number = Decimal(value.replace(" ", ""))
    except InvalidOperation:
        raise ValueError(value) from None
    bounds = {Kind.SMALLINT: 2**15, Kind.INTEGER: 2**31, Kind.BIGINT: 2**63}
    if kind.kind in bounds and (
        number != number.to_integral_value() or abs(number) >= bounds[kind.kind]
    ):
        raise ValueError(value)
    if not number.is_finite() or abs(number.adjusted()) > 300:  # noqa: PLR2004 - double's range
        raise ValueError(value)
    if kind.kind is Kind.NUMERIC and number != round(number, kind.scale):
        raise ValueError(value)
    return format(number, "f")


def may_refer(
    key: ForeignKey, own: Mapping[str, tuple[Type, str]], other: Mapping[str, tuple[Type, str]]
) -> bool:
    """Say whether a foreign key has types that PostgreSQL can compare."""
    pairs = zip(key.columns, key.target, strict=True)
    return all(comparable(own[column][0], other[target][0]) for column, target in pairs)


def comparable(one: Type, other: Type) -> bool:
    """Say whether PostgreSQL can compare the two, as a foreign key must."""
    return one.kind is other.kind or {one.kind, other.kind} <= NUMBERS
