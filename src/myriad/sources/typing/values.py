"""Python values and text to Arrow values of a type; what does not fit is counted, never changed."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import NoneType
from typing import Any, TypeAlias, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from myriad.model import TEXT, Kind, Type
from myriad.sources.base import Workspace, arrow_type
from myriad.sources.typing import casts, duck

# Classes of values that Arrow takes for a kind as they are; Arrow itself refuses overflow.
# (It does not refuse fractions: 1.5 would become 1, so a float never goes to an integer here.)
_NATIVE: dict[Kind, frozenset[type]] = {
    Kind.BOOLEAN: frozenset({bool}),
    Kind.SMALLINT: frozenset({int}),
    Kind.INTEGER: frozenset({int}),
    Kind.BIGINT: frozenset({int}),
    Kind.DOUBLE: frozenset({int, float}),
    Kind.TEXT: frozenset({str}),
    Kind.BYTEA: frozenset({bytes}),
}
NUMBERS = frozenset(
    {Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE}
)
# An Arrow array of whatever type the context says.
Values: TypeAlias = "pa.Array[Any]"
_REFUSED = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)


def encoder(workspace: Workspace) -> "Encoder":
    """Return the one that all sources of a workspace use."""
    made: Encoder = workspace.shared.setdefault("encoder", Encoder(workspace))
    return made


@dataclass(frozen=True)
class Encoded:
    """One column of a batch.

    Attributes:
        array: values as `arrow_type` has them; null where the value does not fit.
        misfits: positions of the values that do not fit, ascending.
        broken: positions of values that no type can hold, and why.
    """

    array: Values
    misfits: Sequence[int] = ()
    broken: Mapping[int, str] = field(default_factory=dict)


class Encoder:
    """Makes Arrow columns; holds a small DuckDB, which converts text as it does for CSV."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._opened: duckdb.DuckDBPyConnection | None = None

    @property
    def _con(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:  # most files have no text to convert
            self._opened = duck.connect(self._workspace)
            # Results must come in the order of the batch, which is too small to share out.
            self._opened.execute("SET preserve_insertion_order = true; SET threads = 1")
        return self._opened

    def close(self) -> None:
        """Let go of DuckDB."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def encode(self, values: Sequence[object], kind: Type) -> Encoded:
        """Return Python values (None, bool, int, float, str, bytes) as `kind`."""
        classes = set(map(type, values)) - {NoneType}
        if classes <= _NATIVE.get(kind.kind, frozenset()):
            try:
                return Encoded(pa.array(values, arrow_type(kind)))
            except _REFUSED:
                pass
        if kind.kind is Kind.BOOLEAN and classes == {int}:
            return _collect(values, kind, _truth)
        if kind.kind in (Kind.TEXT, Kind.BYTEA):
            return _collect(values, kind, written if kind.kind is Kind.TEXT else as_bytes)
        if kind.kind is Kind.REAL and classes <= {int, float}:
            return _collect(values, kind, _single)
        if kind.kind is Kind.DOUBLE and classes <= {int, float}:
            return _collect(values, kind, _double)
        if kind.kind is Kind.NUMERIC and not kind.long and classes <= {int, float}:
            try:
                return Encoded(_decimals(values, kind))
            except _REFUSED:
                pass
        if classes == {str} and kind.kind not in NUMBERS:
            return self.from_text(pa.array(values, pa.string()), kind)
        # Text stays text: "5" is no number, however much it looks like one.
        written_out = _collect(values, TEXT, _digits if kind.kind in NUMBERS else _plain)
        # Numbers that are none of text are written here with a point, however others are.
        plain = replace(kind, format="") if kind.kind in NUMBERS else kind
        encoded = self.from_text(written_out.array, plain)
        return Encoded(encoded.array, sorted({*encoded.misfits, *written_out.misfits}))

    def from_text(self, array: Values, kind: Type) -> Encoded:
        """Return text as `kind`; only what survives the round trip fits."""
        if kind == TEXT:
            return Encoded(array)
        if array.null_count == len(array):
            return Encoded(pa.array([None] * len(array), arrow_type(kind)))
        at_once = _calendar(array, kind)
        if at_once is not None:
            return Encoded(at_once)
        value, test = casts.cast("v", kind), casts.mismatch("v", kind)
        query = f"SELECT {value} AS v, {test} AS wrong FROM b"
        values, wrong = self._ask(query, v=array)
        made = values.cast(arrow_type(kind))
        # A null made of something is a misfit, whatever the test said.
        lost = pc.or_(wrong, pc.and_(pc.is_null(made), pc.is_valid(array)))
        return Encoded(made, positions(lost))

    def misfits(self, array: Values, kinds: Iterable[Type]) -> dict[Type, tuple[int, int]]:
        """Return those of `kinds` that not every value of `array` fits.

        Each with the number of values that do not, and the position of the first.
        """
        asked = list(kinds)
        if not asked or array.null_count == len(array):
            return {}
        tests = (casts.mismatch("v", kind) for kind in asked)
        counted = (f"count_if({test}), min(CASE WHEN {test} THEN n END)" for test in tests)
        places = pa.array(range(len(array)), pa.int64())
        found = self._ask(f"SELECT {', '.join(counted)} FROM b", v=array, n=places)
        numbers = iter(column[0].as_py() for column in found)
        pairs = zip(asked, zip(numbers, numbers, strict=True), strict=True)
        return {kind: (int(count), int(first)) for kind, (count, first) in pairs if count}

    def _ask(self, query: str, **columns: Values) -> list[Values]:
        self._con.register("b", pa.table(columns))
        try:
            found = self._con.sql(query).to_arrow_table()
        finally:
            self._con.unregister("b")
        return [_whole(column) for column in found.columns]


def _calendar(array: Values, kind: Type) -> "Values | None":
    """Return plain ISO dates or timestamps, None if there is anything else among them.

    Asking DuckDB costs 2 ms a batch, mostly for planning; Arrow needs 0.1 ms.
    """
    length = {Kind.DATE: 10, Kind.TIMESTAMP: 19}.get(kind.kind)
    if length is None or kind.format:
        return None
    lengths = pc.utf8_length(cast("pa.StringArray", array))
    if not pc.min(lengths).as_py() == pc.max(lengths).as_py() == length:
        return None
    try:
        made = array.cast(arrow_type(kind))
    except pa.ArrowInvalid:
        return None
    return (
        made if pc.min(pc.binary_slice(array.cast(pa.binary()), 0, 4)).as_py() != b"0000" else None
    )


def _decimals(values: Sequence[object], kind: Type) -> Values:
    """Return numbers as decimals; raises ArrowInvalid if one of them is not exactly that."""
    shortest = [None if value is None else repr(value) for value in values]
    return pa.array(shortest, pa.string()).cast(arrow_type(kind))


def _whole(column: "pa.ChunkedArray[Any]") -> Values:
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def positions(flags: Values) -> list[int]:
    """Return where `flags` are true."""
    return [position.as_py() for position in pc.indices_nonzero(flags)]


class _Misfit(Exception):
    pass


def _collect(values: Sequence[object], kind: Type, convert: Callable[[object], object]) -> Encoded:
    """Convert value by value; what raises, or what Arrow refuses alone, is a misfit."""
    made: list[object] = []
    misfits: list[int] = []
    target = arrow_type(kind)
    for position, value in enumerate(values):
        try:
            made.append(None if value is None else convert(value))
            if kind != TEXT:
                pa.scalar(made[-1], target)
        except (_Misfit, *_REFUSED):
            misfits.append(position)
            del made[position:]
            made.append(None)
    return Encoded(pa.array(made, target), misfits)


def written(value: object) -> str:
    """Return a scalar as text that names it exactly; raises for what is no scalar."""
    match value:
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case float():
            return _float_text(value)
        case int() | Decimal():
            return str(value)
        case _:
            raise _Misfit


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_bytes(value: object) -> bytes:
    """Return bytes as they are and any other scalar as its text in UTF-8."""
    return value if isinstance(value, bytes) else written(value).encode()


def _plain(value: object) -> str:
    """Return a scalar as `text` reads it: 2.0 is the whole number 2, and 1e-05 is 0.00001."""
    if isinstance(value, float) and math.isfinite(value):
        value = Decimal(repr(value))
    if not isinstance(value, Decimal):
        return written(value)
    if value == 0:
        return "0"
    shown = format(value, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _digits(value: object) -> str:
    if type(value) is str:
        raise _Misfit
    return _plain(value)


def _truth(value: object) -> bool:
    if value not in (0, 1):
        raise _Misfit
    return bool(value)


def _single(value: object) -> float:
    number = _double(value)
    if math.isfinite(number) and pa.scalar(number, pa.float32()).as_py() != number:
        raise _Misfit
    return number


def _double(value: object) -> float:
    assert isinstance(value, (int, float))  # noqa: S101 - the caller looked at the classes
    try:
        number = float(value)
    except OverflowError:
        raise _Misfit from None
    if isinstance(value, int) and int(number) != value:
        raise _Misfit
    return number
