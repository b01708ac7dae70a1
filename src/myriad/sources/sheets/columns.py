"""What the columns of a sheet have in common, and how they become what the table has."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from myriad.model import TEXT, Kind, Type
from myriad.sources.base import arrow_type
from myriad.sources.jsonl.records import Number, scan
from myriad.sources.jsonl.types import Evidence, encode
from myriad.sources.sheets.cells import EXACT, plain
from myriad.sources.typing.values import NUMBERS, Encoded, Encoder, Values

_WHOLE = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT})
_EXACT: Any = pa.scalar(float(EXACT))
_LEAST: Any = pa.scalar(1e-4)  # below Python writes a double with an exponent, Arrow some without
_CALENDAR = {
    pa.date32(): Kind.DATE,
    pa.timestamp("us"): Kind.TIMESTAMP,
    pa.time64("us"): Kind.TIME,
}


def look(evidence: Evidence, column: Values, rows: Sequence[int], encoder: Encoder) -> None:
    """Take in the cells of some records, and in which rows they are."""
    if pa.types.is_floating(column.type):
        _look_at_numbers(evidence, column.drop_null())
    elif column.type in _CALENDAR:
        evidence.counts[str] += len(column) - column.null_count
        evidence.forms = [Type(_CALENDAR[column.type])]
    else:
        evidence.look(values(column), rows, encoder)


def _look_at_numbers(evidence: Evidence, column: Any) -> None:  # noqa: ANN401 - see _is_whole
    whole = _is_whole(column)
    if pc.any(whole).as_py():
        found = column.filter(whole)
        evidence.look_at_numbers([int(pc.min(found).as_py()), int(pc.max(found).as_py())])
    rest = column.filter(pc.invert(whole))
    texts = pc.utf8_ltrim(rest.cast(pa.string()), "-")
    usual = pc.and_(pc.greater_equal(pc.abs(rest), _LEAST), pc.match_substring(texts, "."))
    usual = pc.and_(usual, pc.invert(pc.match_substring(texts, "e")))
    evidence.look_at_numbers([_number(v) for v in rest.filter(pc.invert(usual)).to_pylist()])
    texts = texts.filter(usual)
    if len(texts):
        point = pc.find_substring(texts, ".")
        places = pc.subtract(pc.binary_length(texts), point)
        evidence.look_at_places(len(texts), pc.max(point).as_py(), pc.max(places).as_py() - 1)


def _is_whole(column: Any) -> Any:  # noqa: ANN401 - the stubs have a class for each type
    return pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT))


def _all_whole(column: Values) -> bool:
    return pc.all(_is_whole(column)).as_py() is not False


def _number(value: float) -> int | Number:
    made = plain(value)
    if isinstance(made, int):
        return made
    return Number(json.dumps(made))  # as JSON writes those that are none, too


def values(column: Values) -> list[Any]:
    """Return cells as a parser of JSON gives them."""
    found = column.to_pylist()
    if column.type == pa.json_():
        return [None if text is None else scan(text, 0)[0] for text in found]
    if pa.types.is_floating(column.type):
        return [None if value is None else _number(value) for value in found]
    if column.type in _CALENDAR:
        return [None if value is None else plain(value) for value in found]
    return found


def encoded(column: Values, kind: Type, encoder: Encoder) -> Encoded:
    """Return cells as a column of `kind`."""
    target = arrow_type(kind)
    if column.type == target:
        return Encoded(column)
    try:
        if pa.types.is_floating(column.type) and kind.kind is Kind.NUMERIC:
            return Encoded(column.cast(pa.string()).cast(target))
        if kind.kind in _WHOLE and pa.types.is_floating(column.type) and _all_whole(column):
            return Encoded(column.cast(target))
    except pa.ArrowInvalid:
        pass
    if pa.types.is_string(column.type) and kind.kind not in NUMBERS and kind != TEXT:
        return encoder.from_text(column, kind)
    return encode(values(column), kind, encoder)
