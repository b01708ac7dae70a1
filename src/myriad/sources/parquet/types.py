"""Arrow types and values as the model's: exact, or named as what does not fit."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from myriad.model import TEXT, Kind, Type
from myriad.sources.base import arrow_type
from myriad.sources.parquet import nested
from myriad.sources.typing.values import NUMBERS, Encoded, Encoder, Values, positions

_WHOLE = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT})
_SIMPLE: dict[pa.DataType, Kind] = {
    pa.bool_(): Kind.BOOLEAN,
    pa.int8(): Kind.SMALLINT,
    pa.uint8(): Kind.SMALLINT,
    pa.int16(): Kind.SMALLINT,
    pa.uint16(): Kind.INTEGER,
    pa.int32(): Kind.INTEGER,
    pa.uint32(): Kind.BIGINT,
    pa.int64(): Kind.BIGINT,
    pa.float16(): Kind.REAL,
    pa.float32(): Kind.REAL,
    pa.float64(): Kind.DOUBLE,
    pa.date32(): Kind.DATE,
    pa.date64(): Kind.DATE,
}
# PostgreSQL's calendar begins on 4714-11-24 BC (Julian day 0); in days before 1970.
_FIRST_DAY = -2_440_588
_MICROSECONDS_A_DAY = 86_400_000_000
_LONGEST_TYPE_NAME = 80
_NOT_UTF8 = "holds text that is not valid UTF-8"


def type_of(kind: pa.DataType) -> tuple[Type, str]:
    """Return the type for a Parquet column, and why; `may_not_fit` says if it must be proven."""
    said = str(kind)[:_LONGEST_TYPE_NAME]
    if isinstance(kind, pa.BaseExtensionType):
        named = {"arrow.uuid": Kind.UUID, "arrow.json": Kind.JSONB}.get(kind.extension_name)
        return (Type(named), said) if named else type_of(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)
    if nested.is_nested(kind):
        return Type(Kind.JSONB), said
    if pa.types.is_null(kind):
        return TEXT, "no values"
    if pa.types.is_duration(kind):
        return Type(Kind.BIGINT), f"{said}: the number of {kind.unit}"
    return _scalar(kind), said


def _scalar(kind: pa.DataType) -> Type:
    if kind in _SIMPLE:
        return Type(_SIMPLE[kind])
    if pa.types.is_uint64(kind):
        return Type(Kind.NUMERIC, 20, 0, declared=True)
    if pa.types.is_decimal(kind):
        more = max(-kind.scale, 0)  # zeros that stand before the point
        return Type(Kind.NUMERIC, kind.precision + more, kind.scale + more, declared=True)
    if pa.types.is_timestamp(kind):
        return Type(Kind.TIMESTAMPTZ if kind.tz else Kind.TIMESTAMP)
    if pa.types.is_time(kind):
        return Type(Kind.TIME)
    return Type(Kind.BYTEA) if nested.is_bytes(kind) else TEXT


def may_not_fit(kind: pa.DataType, chosen: Type) -> bool:
    """Say whether only the values tell that they fit: nanoseconds, far-off years, JSON."""
    if isinstance(kind, pa.BaseExtensionType):
        return chosen.kind is Kind.JSONB
    return chosen.kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def convert(array: Values, kind: Type, encoder: Encoder) -> Encoded:
    """Return an Arrow column of whatever type as a column of `kind`; nothing is rounded."""
    if kind == TEXT and array.type == pa.uuid():
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return Encoded(pa.array(texts, pa.string()))
    array = _plain(array)
    broken: Mapping[int, str] = {}
    if pa.types.is_string(array.type):
        array, broken = _sound(array)
    encoded = _converted(array, kind, encoder)
    return Encoded(encoded.array, encoded.misfits, {**encoded.broken, **broken})


def _plain(array: Any) -> Values:  # noqa: ANN401 - the stubs have a class for each type
    """Unwrap dictionaries and extensions; one type each for text and for bytes."""
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _plain(array.cast(pa.string(), safe=False))
    if nested.is_bytes(kind):
        return _plain_bytes(array)
    if pa.types.is_float16(kind):
        return _plain(array.cast(pa.float32()))
    if pa.types.is_duration(kind):
        return _plain(array.cast(pa.int64()))
    if pa.types.is_null(kind):
        return _plain(array.cast(pa.string()))
    whole: Values = array
    return whole


def _plain_bytes(array: Values) -> Values:
    return array if pa.types.is_binary(array.type) else array.cast(pa.binary())


def _sound(array: Values) -> tuple[Values, Mapping[int, str]]:
    """Take out text that is not UTF-8: Parquet's reader lets it through."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        values: list[str | None] = []
        broken: dict[int, str] = {}
        for at, data in enumerate(array.cast(pa.binary()).to_pylist()):
            try:
                values.append(None if data is None else data.decode())
            except UnicodeDecodeError:
                values.append(None)
                broken[at] = _NOT_UTF8
        return pa.array(values, pa.string()), broken
    return array, {}


def _converted(array: Values, kind: Type, encoder: Encoder) -> Encoded:
    source = array.type
    if nested.is_nested(source):
        return _nested(array, kind)
    if pa.types.is_string(source):
        return encoder.from_text(array, kind)
    if nested.is_bytes(source):
        return _bytes(array, kind)
    if not kind.long and _casts(source, kind):
        try:
            return _in_range(array.cast(arrow_type(kind)), kind)
        except pa.ArrowInvalid:
            if kind.kind not in NUMBERS:
                return _one_by_one(array, kind)
    if kind == TEXT:
        return Encoded(_texts(array))
    if pa.types.is_temporal(source):
        return _none_fits(array, kind)
    return encoder.encode(array.to_pylist(), kind)


def _casts(source: pa.DataType, kind: Type) -> bool:
    """Say whether Arrow's safe cast is exact or refuses."""
    target = kind.kind
    if pa.types.is_integer(source):
        return target in NUMBERS
    if pa.types.is_floating(source):
        return target is Kind.DOUBLE or (target is Kind.REAL and source == pa.float32())
    if pa.types.is_decimal(source):
        return target in _WHOLE or target is Kind.NUMERIC
    if pa.types.is_date(source):
        return target in (Kind.DATE, Kind.TIMESTAMP)
    if pa.types.is_timestamp(source):
        return target is (Kind.TIMESTAMPTZ if source.tz else Kind.TIMESTAMP)
    if pa.types.is_time(source):
        return target is Kind.TIME
    return pa.types.is_boolean(source) and target is Kind.BOOLEAN


def _in_range(array: Values, kind: Type) -> Encoded:
    """Mark dates before PostgreSQL's calendar; Arrow's last ones are before PostgreSQL's."""
    unit = {
        Kind.DATE: (pa.int32(), 1),
        Kind.TIMESTAMP: (pa.int64(), _MICROSECONDS_A_DAY),
        Kind.TIMESTAMPTZ: (pa.int64(), _MICROSECONDS_A_DAY),
    }.get(kind.kind)
    if unit is None:
        return Encoded(array)
    counted = array.cast(unit[0])
    first = pa.scalar(_FIRST_DAY * unit[1], unit[0])
    return Encoded(array, positions(pc.less(counted, first)))


def _one_by_one(array: Values, kind: Type) -> Encoded:
    target = arrow_type(kind)
    made: list[Values] = []
    misfits: list[int] = []
    for at in range(len(array)):
        try:
            encoded = _in_range(array[at : at + 1].cast(target), kind)
        except pa.ArrowInvalid:
            encoded = _none_fits(array[at : at + 1], kind)
        made.append(encoded.array)
        misfits += [at] * len(encoded.misfits)
    return Encoded(pa.concat_arrays(made), misfits)


def _none_fits(array: Values, kind: Type) -> Encoded:
    nothing = pa.array([None] * len(array), arrow_type(kind))
    return Encoded(nothing, positions(array.is_valid()))


def _texts(array: Values) -> Values:
    """Return numbers, truths and times as text that names them exactly."""
    if pa.types.is_decimal(array.type):
        values = (None if v is None else format(v, "f") for v in array.to_pylist())
        return pa.array(values, pa.string())
    return nested.plain_texts(array)


def _bytes(array: Values, kind: Type) -> Encoded:
    if kind.kind is Kind.BYTEA:
        return Encoded(array)
    if kind.kind is not Kind.UUID:
        return _none_fits(array, kind)
    misfits = [at for at, v in enumerate(array.to_pylist()) if v is not None and len(v) != 16]  # noqa: PLR2004 - bytes of a UUID
    return Encoded(array, misfits)


def _nested(array: Values, kind: Type) -> Encoded:
    if kind.kind not in (Kind.JSONB, Kind.TEXT):
        return _none_fits(array, kind)
    try:
        texts = nested.json_texts(array)
    except UnicodeDecodeError:
        return _nested_one_by_one(array, kind)
    reasons = ((at, nested.problem(text)) for at, text in enumerate(texts) if text)
    broken = {at: why for at, why in reasons if why}
    return Encoded(pa.array(texts, pa.string()), (), broken)


def _nested_one_by_one(array: Values, kind: Type) -> Encoded:
    """Find the values with text that is not UTF-8."""
    made: list[Values] = []
    broken: dict[int, str] = {}
    for at in range(len(array)):
        try:
            nested.json_texts(array[at : at + 1])
            encoded = _nested(array[at : at + 1], kind)
            if encoded.broken:
                broken[at] = encoded.broken[0]
        except UnicodeDecodeError:
            encoded = _none_fits(array[at : at + 1], kind)
            broken[at] = _NOT_UTF8
        made.append(encoded.array)
    return Encoded(pa.concat_arrays(made), (), broken)
