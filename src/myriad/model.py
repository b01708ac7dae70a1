"""The neutral schema that sources, loaders and reports speak.

A source works out `Table`s; a loader turns them into what its engine understands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """A value's kind; the text is PostgreSQL's name for it."""

    BOOLEAN = "boolean"
    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    REAL = "real"
    DOUBLE = "double precision"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    UUID = "uuid"
    JSONB = "jsonb"
    TEXT = "text"
    BYTEA = "bytea"


MAX_DIGITS = 38  # of a number that Arrow's decimal128 and DuckDB's DECIMAL carry
# Before the point, and behind it; PostgreSQL's numeric(p, s) names no more. Beyond MAX_DIGITS,
# batches carry numbers as text.
MOST_DIGITS = 1000
FAST_DIGITS = 18  # DuckDB's DECIMAL up to here is one machine word
BIG = 2**63  # values of text say nothing of those to come: whole numbers are bigint from the start
_NAMED = {
    "bool": Kind.BOOLEAN,
    "int2": Kind.SMALLINT,
    "int": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.BIGINT,
    "decimal": Kind.NUMERIC,
    "float4": Kind.REAL,
    "float8": Kind.DOUBLE,
    "float": Kind.DOUBLE,
    "double": Kind.DOUBLE,
    "time without time zone": Kind.TIME,
    "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "json": Kind.JSONB,
    "string": Kind.TEXT,
    "varchar": Kind.TEXT,
    "character varying": Kind.TEXT,
    "character": Kind.TEXT,
    "citext": Kind.TEXT,
}


@dataclass(frozen=True)
class Type:
    """A kind with what is needed to carry its values exactly.

    Attributes:
        kind: what the values are.
        precision: for NUMERIC: how many digits the batches carry.
        scale: for NUMERIC: how many of them come after the point.
        declared: for NUMERIC: the source declared precision and scale, so the table does too.
        format: how text of it is written: the name of a form (`sources.typing.forms`), empty for
            the plain one.
    """

    kind: Kind
    precision: int = 38
    scale: int = 0
    declared: bool = False
    format: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.NUMERIC and self.declared:
            return f"numeric({self.precision},{self.scale})"
        return str(self.kind)

    @property
    def long(self) -> bool:
        """Whether batches carry it as text: plain decimals with exactly `scale` places."""
        return self.kind is Kind.NUMERIC and self.precision > MAX_DIGITS

    @classmethod
    def named(cls, text: str) -> "Type":
        """Return the type that PostgreSQL or a person calls so; raises ValueError for others."""
        base, _, modifier = " ".join(text.lower().split()).partition("(")
        base = base.strip()
        digits = re.fullmatch(r"(\d+)(?:,\s*(\d+))?\)", modifier)
        if base in ("numeric", "decimal") and digits:
            precision, scale = int(digits[1]), int(digits[2] or 0)
            if not (0 < precision <= MOST_DIGITS and scale <= precision):
                raise ValueError(text)
            return cls(Kind.NUMERIC, precision, scale, declared=True)
        if modifier and base not in ("character varying", "character", "varchar"):
            raise ValueError(text)
        return cls(_NAMED[base]) if base in _NAMED else cls(Kind(base))


TEXT = Type(Kind.TEXT)


def carried(whole: int, scale: int) -> int:
    """Return a precision for numbers of so many digits before and behind the point.

    One more digit than seen has room, on either side, where that costs nothing. 0: no type holds
    them.
    """
    if whole + 2 + scale <= FAST_DIGITS:
        return FAST_DIGITS
    if whole + scale <= MAX_DIGITS:
        return MAX_DIGITS
    return MOST_DIGITS + scale if max(whole, scale) <= MOST_DIGITS else 0


@dataclass(frozen=True)
class Column:
    """A column: its name in the table, its name in the source, and why it has its type.

    Attributes:
        default: a literal of SQL that both sides understand, already quoted; None if there is none.
        places: most digits behind the point among its numbers, also where others are no numbers.
        digits: most before it, likewise.
        identity: it counts on by itself, from the greatest number that its counter gave out.
        order: in which form its values were written, now or before; see `Type.format`.
        forms: in which they may be written, where nothing says which, or no type was asked for.
    """

    name: str
    original: str
    type: Type
    why: str = ""
    not_null: bool = False
    default: str | None = None
    places: int = 0
    digits: int = 0
    identity: int | None = None
    order: str = ""
    forms: tuple[str, ...] = ()


class Order(StrEnum):
    """In which order rows stand in a partition; the text is that of SQL and CQL."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True)
class Key:
    """What names one row: together all its columns are unique.

    Attributes:
        partition: in Cassandra they say where a row is; who reads names all of them.
        clustering: in which order the rows of one partition stand.
    """

    partition: tuple[str, ...]
    clustering: tuple[tuple[str, Order], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (*self.partition, *(name for name, _ in self.clustering))

    def renamed(self, names: Mapping[str, str]) -> "Key":
        """Return the key with other names for its columns; those not in `names` stay."""
        return Key(
            tuple(names.get(name, name) for name in self.partition),
            tuple((names.get(name, name), order) for name, order in self.clustering),
        )

    def __str__(self) -> str:
        """The key as `--key` takes it: `carrier,month/time_hour:desc,flight`."""
        after = (
            _written(name) + (":desc" if order is Order.DESC else "")
            for name, order in self.clustering
        )
        parts = [",".join(map(_written, self.partition)), ",".join(after)]
        return "/".join(part for part in parts if part)


def _written(name: str) -> str:
    plain = re.fullmatch(r"\w+", name) is not None
    return name if plain else '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class ForeignKey:
    """Columns of one table that name rows of another; names are those of the tables loaded."""

    columns: tuple[str, ...]
    table: str
    target: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"


@dataclass(frozen=True)
class Index:
    """An index on plain columns."""

    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True)
class Part:
    """A name within SQL, as the source has it: of a column of a table, of a table, or a label."""

    table: str = ""
    column: str = ""
    label: str = ""


# SQL of PostgreSQL's, but for names that publish gives.
Phrase = tuple[str | Part, ...]


@dataclass(frozen=True)
class Check:
    """A condition that all rows of a table meet; `said` is how the source writes it."""

    phrase: Phrase
    said: str


@dataclass(frozen=True)
class View:
    """A query over tables that are loaded together, and names for what it chooses."""

    name: str
    columns: tuple[str, ...]
    phrase: Phrase


@dataclass(frozen=True)
class Table:
    """A table: columns in order, keys and indexes, and what could not be carried over.

    Attributes:
        views: those of the whole file, with the first of its tables.
    """

    name: str
    original: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    notes: tuple[str, ...] = field(default=())
    checks: tuple[Check, ...] = ()
    views: tuple[View, ...] = ()

    def column(self, name: str) -> Column:
        """Return the column called `name`; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


SHOWN = 80  # characters of a rejected record


@dataclass(frozen=True)
class Reject:
    """A record that could not be loaded: where it stands, what it says, and why not.

    Attributes:
        line: 1-based line of text, or row number for sources without lines; 0 if unknown.
        raw: the record as it stands in the source, or as near as can be shown.
        value: the one of its values that is the reason, if that is known.
    """

    source: str
    table: str
    line: int
    raw: str
    reason: str
    value: str | None = None

    def __str__(self) -> str:
        """The reject in a line for people."""
        return f"{reject_place(self.source, self.line)}: {self.reason}: {self._shown!r}"

    @property
    def _shown(self) -> str:
        whole = self.raw if self.value is None else self.value
        return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}…"


def reject_place(source: str, line: int) -> str:
    """Return where a rejected record stands, for people; line 0 is unknown."""
    return f"{source}, line {line}" if line else source
