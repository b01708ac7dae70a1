"""Decide which tables a publish makes: their names, their keys, which sources feed which."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from myriad.errors import PublishError, UsageError
from myriad.model import TEXT, Column, ForeignKey, Index, Key, Kind, Table, Type
from myriad.publish import naming
from myriad.publish.options import Options
from myriad.sources.base import TableSource

MAX_COLUMNS = 1600  # PostgreSQL's MaxHeapAttributeNumber is 1,600

MAX_DIGITS = 38  # of Arrow's decimal128

_WHOLE = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
_WHOLE_DIGITS = (5, 10, 19)


@dataclass
class Target:
    """One table to be made, and the sources whose records go into it.

    Attributes:
        table: with the names it will have; `refresh` takes over newly proven types.
        key: what was asked for, in the source's names or the table's.
    """

    sources: list[TableSource]
    name: str
    table: Table = field(init=False)
    keep_names: bool = False
    key: Key | None = None
    text_columns: set[str] = field(default_factory=set)
    table_names: dict[str, str] = field(default_factory=dict)

    def refresh(self) -> None:
        """Work out `table` from what the sources believe now; raises PublishError."""
        first = self.sources[0].table
        originals = [column.name for column in first.columns]
        if not originals:
            raise PublishError(f"{self.sources[0].origin} has no columns", hint="Nothing to load.")
        if len(originals) > MAX_COLUMNS:
            raise PublishError(
                f"{self.sources[0].origin} has {len(originals):,} columns,"
                f" PostgreSQL's tables have at most {MAX_COLUMNS:,}",
                hint="Split the file, or turn columns into rows.",
            )
        chosen = naming.unique(originals, keep=self.keep_names)
        renamed = dict(zip(originals, chosen, strict=True))
        columns = tuple(
            replace(column, name=name, original=column.original)
            for column, name in zip(self._merged(), chosen, strict=True)
        )
        self.table = Table(
            self.name,
            first.original,
            columns,
            primary_key=self._primary_key(first, renamed, chosen),
            foreign_keys=tuple(self._foreign_key(key, renamed) for key in first.foreign_keys),
            indexes=tuple(
                Index(tuple(renamed[name] for name in index.columns), index.unique)
                for index in first.indexes
            ),
            notes=first.notes,
        )

    def keep_key(self, key: tuple[str, ...]) -> None:
        """Keep the key that the table had, if nobody said another and the columns are there."""
        if not self.table.primary_key and {c.name for c in self.table.columns} >= set(key):
            self.key = Key(key) if key else None
            self.refresh()

    @property
    def resolved_key(self) -> Key | None:
        """The key in the names of the table's columns; None if none was asked for."""
        if self.key is None:
            return None
        chosen = {column.name for column in self.table.columns}
        renamed = {column.original: column.name for column in self.table.columns}
        return self.key.renamed({old: new for old, new in renamed.items() if old not in chosen})

    def _merged(self) -> list[Column]:
        merged = list(self.sources[0].table.columns)
        for source in self.sources[1:]:
            columns = source.table.columns
            if [column.name for column in columns] != [column.name for column in merged]:
                raise PublishError(
                    f"{source.origin} has other columns than {self.sources[0].origin}",
                    hint="Files for one table need the same columns in the same order.",
                )
            merged = [_wider(one, two) for one, two in zip(merged, columns, strict=True)]
        return [
            replace(column, type=TEXT, why="PostgreSQL refused a value as " + str(column.type))
            if column.name in self.text_columns
            else column
            for column in merged
        ]

    def _primary_key(
        self, table: Table, renamed: dict[str, str], chosen: list[str]
    ) -> tuple[str, ...]:
        if self.key is None:
            return tuple(renamed[name] for name in table.primary_key)
        unknown = [name for name in self.key.columns if name not in chosen and name not in renamed]
        if unknown:
            raise PublishError(
                f"table {self.name} has no column {unknown[0]!r} for its key",
                hint=f"Its columns: {', '.join(chosen)}.",
            )
        return tuple(name if name in chosen else renamed[name] for name in self.key.columns)

    def _foreign_key(self, key: ForeignKey, renamed: dict[str, str]) -> ForeignKey:
        def target_name(name: str) -> str:
            return name if self.keep_names else naming.snake(name)

        return replace(
            key,
            columns=tuple(renamed[name] for name in key.columns),
            table=self.table_names.get(key.table, target_name(key.table)),
            target=tuple(target_name(name) for name in key.target),
        )


def _wider(one: Column, two: Column) -> Column:
    if one.type == two.type:
        return one if one.why == two.why else replace(one, why=f"{one.type} in every file")
    kinds = {one.type.kind, two.type.kind}
    if kinds <= {*_WHOLE, Kind.NUMERIC}:
        kind = _wider_number(one.type, two.type)
        why = f"{one.type} in one file, {two.type} in another"
        return replace(one, type=kind, why=one.why if kind == one.type else why)
    if "no values" in (one.why, two.why):
        return two if one.why == "no values" else one
    return replace(one, type=TEXT, why=f"{one.type} in one file, {two.type} in another")


def _wider_number(one: Type, two: Type) -> Type:
    if Kind.NUMERIC not in (one.kind, two.kind):
        return max(one, two, key=lambda kind: _WHOLE.index(kind.kind))
    scale = max(_places(one)[1], _places(two)[1])
    whole = max(_places(one)[0], _places(two)[0])
    if whole + scale > MAX_DIGITS:
        return TEXT  # each file's numbers are exact, but no type carries those of both
    return Type(Kind.NUMERIC, MAX_DIGITS, scale)


def _places(kind: Type) -> tuple[int, int]:
    """Return how many digits fit before and after the point."""
    if kind.kind is Kind.NUMERIC:
        return kind.precision - kind.scale, kind.scale
    return _WHOLE_DIGITS[_WHOLE.index(kind.kind)], 0


def targets(sources: Sequence[TableSource], options: Options) -> list[Target]:
    """Return the tables to make; raises UsageError, PublishError if names or keys do not fit."""
    if not sources:
        raise PublishError("there is no table in what was named", hint="Nothing to publish.")
    if options.table is not None:
        groups = {options.table: list(sources)}
        named = [options.table]
    else:
        groups = {}
        for source in sources:
            name = source.table.name
            if name in groups:
                raise UsageError(
                    f"two tables would be called {name}: {groups[name][0].origin}, {source.origin}",
                    hint=f"--table {name} puts them together into one; else publish one by one.",
                )
            groups[name] = [source]
        named = naming.unique(list(groups), keep=options.keep_names)
    if options.table is not None:
        naming.check("table", options.table)
    made = [
        Target(list(group), name, keep_names=options.keep_names, key=options.key_for(name))
        for name, group in zip(named, groups.values(), strict=True)
    ]
    _check_keys(options, [target.name for target in made])
    for target in made:
        target.table_names = dict(zip(groups, named, strict=True))
        target.refresh()
    return made


def _check_keys(options: Options, tables: list[str]) -> None:
    unknown = [name for name in options.keys if name and name not in tables]
    if unknown:
        raise UsageError(
            f"--key is for table {unknown[0]!r}, which is not published here",
            hint=f"Tables: {', '.join(tables)}.",
        )
    if "" in options.keys and len(tables) > 1:
        raise UsageError(
            f"--key names no table and there are {len(tables)}",
            hint=f"--key {tables[0]}=COL; tables: {', '.join(tables)}.",
        )
