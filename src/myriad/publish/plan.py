"""Decide which tables a publish makes: their names, their keys, which sources feed which."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from myriad.errors import PublishError, UsageError
from myriad.model import TEXT, Column, ForeignKey, Index, Key, Kind, Table, Type
from myriad.publish import column_choice, keys, lasting, naming, recipes, together, whence
from myriad.publish.options import Options
from myriad.publish.recipes import Recipe
from myriad.sources.base import MAX_COLUMNS, TableSource
from myriad.sources.nothing import Nothing
from myriad.sources.options import Said
from myriad.wording import number_of

SHOWN = 20  # names in an error


@dataclass
class Target:
    """One table to be made, and the sources whose records go into it.

    Attributes:
        table: with the names it will have; `refresh` takes over newly proven types.
        recipe: what was said of it, now or before.
        key: what was asked for, in the source's names or the table's; None: nothing.
        key_is_asked: it was, by this publish, and is not only remembered.
        there: column → type of the table that is there, where those shall stay.
        strict: what does not fit those types is a misfit; else the types change.
        proven: every value was looked at.
        holds: rows are added to the table that is there: its numbers get wider only when a value is
            met that needs it, for those of text are believed to be wide.
        held: columns of the source that are read so now.
        outgrown: columns that have such a value.
        picked: places of the source's columns, in the table's order.
        names: what the source's columns are called, there and here, also those left out.
        marks: of each source by its name what it was: `version`, `content`, and the `tables` that
            come of it; see `sources.base.Mark`.
        said_anew: how values are written, as far as it was said now and not before.
        came: as what it is published: `source`, its `path` from wherever it is named, what `table`
            is called after, `sheet`, `records`.
    """

    sources: list[TableSource]
    name: str
    recipe: Recipe = field(default_factory=Recipe)
    table: Table = field(init=False)
    key: Key | None = None
    there: dict[str, Type] = field(default_factory=dict)
    strict: bool = True
    proven: bool = False
    key_is_asked: bool = False
    holds: bool = False
    held: set[str] = field(default_factory=set)
    outgrown: set[str] = field(default_factory=set)
    picked: list[int] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    said_anew: Said = field(default_factory=Said)
    came: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Any] = field(default_factory=dict)
    text_columns: set[str] = field(default_factory=set)
    table_names: dict[str, str] = field(default_factory=dict)

    @property
    def keep_names(self) -> bool:
        """Whether names stay as they are in the source."""
        return bool(self.recipe.keep_names)

    def refresh(self) -> None:
        """Work out `table` from what the sources believe now; raises PublishError, UsageError."""
        first = self.sources[0].table
        originals = [column.name for column in first.columns]
        if not originals:
            raise PublishError(f"{self.sources[0].origin} has no columns", hint="Nothing to load.")
        names = column_choice.Names(self.recipe, originals)
        self.picked, self.names = names.picked, names.all
        if len(self.picked) > MAX_COLUMNS:
            raise PublishError(
                f"{self.sources[0].origin} has {number_of(len(originals), 'column')},"
                f" PostgreSQL's tables have at most {MAX_COLUMNS:,}",
                hint="Split the file, leave some out with --exclude, or turn columns into rows.",
            )
        merged = self._merged()
        self.held = set()
        columns = tuple(self._column(merged[at], at, names) for at in self.picked)
        renamed = {originals[at]: names.chosen[at] for at in self.picked}
        self.table = Table(
            self.name,
            first.original,
            columns,
            primary_key=self._primary_key(first, renamed),
            foreign_keys=tuple(
                self._foreign_key(key, renamed)
                for key in first.foreign_keys
                if set(key.columns) <= set(renamed)
            ),
            indexes=tuple(
                Index(tuple(renamed[name] for name in index.columns), index.unique)
                for index in first.indexes
                if set(index.columns) <= set(renamed)
            ),
            notes=(*first.notes, *self._opened()),
            checks=first.checks,
            views=first.views,
        )

    def tell(self, note: str) -> None:
        """Have its report tell this."""
        self.sources[0].notes = (*self.sources[0].notes, note)
        self.refresh()

    def _opened(self) -> list[str]:
        """Return what is to be known of how the sources were opened, and of how they differ."""
        notes = [note for source in self.sources for note in source.notes]
        notes += together.notes(self.sources)
        return list(dict.fromkeys(notes))

    def _column(self, column: Column, at: int, names: column_choice.Names) -> Column:
        name, strict = names.chosen[at], self.strict or not self.proven
        if (asked := names.type_of(at)) is not None:
            column = lasting.as_asked(column, asked, self.there.get(name), strict=strict)
        elif self._holds(column, name):
            self.held.add(column.name)
            column = replace(column, type=self.there[name], why=f"as before; {column.why}")
        elif not self.holds and lasting.decided(column, self.there.get(name), self.said_anew):
            column = lasting.as_asked(column, column.type, None, strict=strict)
        elif name in self.there and column.name not in self.text_columns:
            column = lasting.as_there(column, self.there[name], strict=strict)
        return replace(column, name=name, original=column.original)

    def _holds(self, column: Column, name: str) -> bool:
        there = self.there.get(name)
        if not self.holds or there is None or column.name in self.outgrown | self.text_columns:
            return False
        proof = column.type.kind is Kind.NUMERIC and not column.type.declared
        return lasting.wider(column.type, there) and not proof

    def outgrow(self, column: str) -> bool:
        """Let a column get wider that has a value which needs it; say whether it was held.

        If it was not, that value will be a reject, and those of others must be none by mistake.
        """
        was_held = column in self.held
        self.outgrown |= {column} if was_held else self.held
        return was_held

    def keep(self, key: tuple[str, ...], there: Mapping[str, Type], *, strict: bool) -> None:
        """Keep the types that the table has, and its key unless somebody said another.

        Raises PublishError if somebody did and it is not there: another key is none that was meant.
        """
        renames = self.recipe.rename
        self.there, self.strict = {renames.get(c, c): kind for c, kind in there.items()}, strict
        self.refresh()
        kept = tuple(renames.get(column, column) for column in key)
        if not self.table.primary_key and {c.name for c in self.table.columns} >= set(kept):
            if kept:
                self.refuse_lost_key()
            self.key = Key(kept) if kept else None
            self.refresh()

    def refuse_lost_key(self) -> None:
        """Raise PublishError if the key that its recipe has is not there."""
        if self.key is not None and not self.table.primary_key:
            columns = [column.name for column in self.table.columns]
            known = {*columns, *(column.original for column in self.table.columns)}
            missing = next(name for name in self.key.columns if name not in known)
            raise PublishError(
                f"table {self.name} has no column {missing!r} for its key, which its recipe has",
                hint=f"`myriad recipe {shlex.quote(self.name)} --forget key`, or say another --key."
                f" {keys.hint(missing, columns)}",
            )

    def asked(self, types: Mapping[str, str]) -> frozenset[str]:
        """Return the columns for which `types` names one, by their names here or in the source."""
        columns = self.table.columns
        return frozenset(c.name for c in columns if c.name in types or c.original in types)

    def used(self, options: Options) -> str:
        """Return what of its recipe nobody said now, as `publish` takes it."""
        return recipes.used(self.recipe, options.said(self.name, self.recipe.sources))

    def lose_key(self) -> None:
        """Have no key, whatever the table had."""
        self.key = None
        self.table = replace(self.table, primary_key=())

    @property
    def resolved_key(self) -> Key | None:
        """The key in the names of the table's columns; None if none was asked for."""
        if self.key is None:
            return None
        chosen = {column.name for column in self.table.columns}
        renamed = {column.original: column.name for column in self.table.columns}
        return self.key.renamed({old: new for old, new in renamed.items() if old not in chosen})

    def places(self, source: TableSource) -> list[int]:
        """Return where the columns that come along, in the table's order, are in a source."""
        order = together.order(self.sources[0], source)
        return [order[at] for at in self.picked]

    def _merged(self) -> list[Column]:
        merged = list(self.sources[0].table.columns)
        for source in self.sources[1:]:
            order = together.order(self.sources[0], source)
            columns = [source.table.columns[at] for at in order]
            merged = [together.wider(one, two) for one, two in zip(merged, columns, strict=True)]
        return [
            replace(column, type=TEXT, why="PostgreSQL refused a value as " + str(column.type))
            if column.name in self.text_columns
            else column
            for column in merged
        ]

    def _primary_key(self, table: Table, renamed: dict[str, str]) -> tuple[str, ...]:
        if self.key is None:
            whole = set(table.primary_key) <= set(renamed)
            return tuple(renamed[name] for name in table.primary_key) if whole else ()
        chosen = list(renamed.values())
        unknown = [name for name in self.key.columns if name not in chosen and name not in renamed]
        if unknown and not self.key_is_asked:
            return ()  # a key that the table had; its contract says whether it may go
        if unknown:
            raise PublishError(
                f"table {self.name} has no column {unknown[0]!r} for its key",
                hint=keys.hint(unknown[0], chosen),
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


def targets(
    sources: Sequence[TableSource], options: Options, remembered: Mapping[str, Recipe]
) -> list[Target]:
    """Return the tables to make; raises UsageError, PublishError if names or keys do not fit.

    `remembered` are the recipes of tables that were published before, by their names.
    """
    if not sources:
        raise PublishError("there is no table in what was named", hint="Nothing to publish.")
    groups = _grouped(sources, options)
    named = _named(list(groups), options, remembered)
    made = [
        _target(group, name, options, remembered)
        for name, group in zip(named, groups.values(), strict=True)
    ]
    _check_keys(options, [target.name for target in made])
    called = dict(zip(groups, named, strict=True))
    for target in made:
        called |= {source.table.name: target.name for source in target.sources}
    for target in made:
        target.table_names = called
        target.marks = _marks(target, made)
        _note_unknown(target)
        target.refresh()
    _check_columns(options, made)
    return made


def _note_unknown(target: Target) -> None:
    """Let the report name what its recipe has of columns that are not there any more."""
    first = target.sources[0]
    if not isinstance(first, Nothing):  # an empty file does not say which columns it would have
        originals = [column.name for column in first.table.columns]
        notes = column_choice.forgotten_notes(target.name, target.recipe, originals)
        first.notes = (*first.notes, *notes)


def _marks(target: Target, made: Sequence[Target]) -> dict[str, dict[str, Any]]:
    """Return what the sources of a table were, each with all tables that come of it."""
    found = {}
    for source in target.sources:
        tables = [each.name for each in made if source.named in {s.named for s in each.sources}]
        found[source.named] = {**asdict(source.mark), "tables": tables}
    return found


def engine(made: Sequence[Target]) -> str:
    """Return the engine that gets these tables, or `both`; raises UsageError if they differ."""
    engines = {target.recipe.to or "postgres": target.name for target in made}
    if len(engines) > 1:
        listed = ", ".join(f"{table} to {to}" for to, table in engines.items())
        raise UsageError(
            f"these tables went to different engines before: {listed}",
            hint="Publish them one by one, or say --to.",
        )
    return next(iter(engines))


def _grouped(sources: Sequence[TableSource], options: Options) -> dict[str, list[TableSource]]:
    if options.table is not None:
        naming.check("table", options.table)
        parts: dict[str, list[TableSource]] = {}
        for source in sources:
            name = f"{options.table}_{source.part}" if source.part else options.table
            parts.setdefault(name, []).append(source)
        return parts
    groups: dict[str, list[TableSource]] = {}
    for source in sources:
        name = source.table.name
        if naming.says_nothing(name) and not options.keep_names:
            raise UsageError(
                f"{source.origin}: no table can be called after {name!r}",
                hint="Say how it shall be called: --table NAME.",
            )
        if name in groups and source.group and source.group == groups[name][0].group:
            groups[name].append(source)
            continue
        if name in groups:
            raise UsageError(
                f"two tables would be called {name}: {groups[name][0].origin}, {source.origin}",
                hint=f"--table {name} puts them together into one; else publish each by itself,"
                " under another name with --table.",
            )
        groups[name] = [source]
    return groups


def _named(raw: list[str], options: Options, remembered: Mapping[str, Recipe]) -> list[str]:
    if options.table is not None:
        return [options.table, *naming.unique(raw[1:], keep=bool(options.keep_names))]
    return naming.unique([table_name(name, options, remembered) for name in raw], keep=True)


def table_name(raw: str, options: Options, remembered: Mapping[str, Recipe]) -> str:
    """Return what the table of a source called `raw` is called."""
    if options.table is not None:
        return options.table
    keep = options.keep_names
    if keep is None:
        keep = raw in remembered and bool(remembered[raw].keep_names)
    return raw if keep else naming.snake(raw)


def _target(
    sources: Sequence[TableSource], name: str, options: Options, remembered: Mapping[str, Recipe]
) -> Target:
    before = remembered.get(name, Recipe())
    origins = tuple(dict.fromkeys(source.origin for source in sources))
    originals = [column.name for column in sources[0].table.columns]
    recipe = before.updated(column_choice.relevant(options.said(name, origins), originals))
    key = options.key_for(name)
    if key is None and recipe.key is not None:
        key = keys.parse(recipe.key)
    asked = options.key_for(name) is not None
    called_after = table_name(sources[0].stem, options, remembered)
    came = whence.came(sources[0].named, called_after, recipe)
    anew = Said(
        recipe.decimal if recipe.decimal != before.decimal else None,
        recipe.dates if recipe.dates != before.dates else None,
    )
    made = Target(list(sources), name, recipe, key=key, key_is_asked=asked, came=came)
    return replace(made, said_anew=anew)


def _check_columns(options: Options, made: Sequence[Target]) -> None:
    """Raise UsageError for a column that was named now and that no table has."""
    said = options.said("", ())
    missing = [
        set(column_choice.Names(said, [c.name for c in target.sources[0].table.columns]).unknown())
        for target in made
    ]
    for name in sorted(set.intersection(*missing)):
        raise UsageError(
            f"no column is called {name!r}",
            hint=f"Columns of {made[0].name}: "
            + ", ".join(column.name for column in made[0].sources[0].table.columns[:SHOWN]),
        )


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
