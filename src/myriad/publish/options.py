"""What a person may ask of `publish`, and how it tells how far it is."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from myriad.errors import UsageError
from myriad.model import Key
from myriad.publish import keys, recipes
from myriad.publish.contract import Change
from myriad.publish.recipes import Recipe
from myriad.sources.options import ReadOptions

PAUSE = 0.2  # seconds between two steps of what comes before there are tables
FIRST = ("fetching", "unpacking", "decoding", "opening")
# What can be done where somebody else has the table: only `publish` can wait for that.
AGAIN = "Try again when that has ended."
PUBLISH_AGAIN = "Publish when that has ended, or with --wait."


@dataclass(frozen=True)
class Options:
    """What to publish where, and how. What is None or empty is as the table's recipe has it.

    Attributes:
        database, dataset: None: the settings' defaults.
        table: the name of the one table; several files are then put together in it.
        to: `postgres`, `cassandra` or `both`; None: as before, else `postgres`.
        to_is_remembered: nobody said `to`, the recipe has it.
        keys: table name → key, or just its columns; the name "" stands for the only table.
        replace: replace even a table that Myriad did not publish.
        append: add to the table that is there.
        merge: insert into the table that is there, or update, by its key.
        delete_missing: of a merge, rows go that the source does not have.
        again: add also what was added before.
        keep_going: publish the other files where one cannot be.
        wait: seconds to wait for somebody else who publishes the same table.
        if_changed: leave tables as they are whose sources did not change; None: as before.
        dry_run: work out everything, load nothing.
        check: read and prove everything as a publish does, and change nothing.
        max_rejects: how many records may be left out before the publish fails; None: 0.
        keep_names: leave names as they are in the source.
        types: column → type, as PostgreSQL names it; columns by their old or new names.
        renames: column → the name that it gets.
        columns, exclude: those that come along, in this order; those that do not.
        contract: which changes of a table that is there are permitted: see `contract.Level`.
        allow: changes that are permitted this once.
    """

    database: str | None = None
    dataset: str | None = None
    table: str | None = None
    to: str | None = None
    to_is_remembered: bool = False
    keys: Mapping[str, Key | tuple[str, ...]] = field(default_factory=dict)
    replace: bool = False
    append: bool = False
    merge: bool = False
    delete_missing: bool = False
    again: bool = False
    keep_going: bool = False
    wait: float = 0.0
    if_changed: bool | None = None
    dry_run: bool = False
    check: bool = False
    max_rejects: int | None = None
    keep_names: bool | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    types: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    contract: str | None = None
    allow: frozenset[Change] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself; raises UsageError."""
        self._check_ways()
        dataset, point, name = (self.table or "").rpartition(".")
        if point:
            raise UsageError(
                f"a table cannot be called {self.table!r}: that is taken for DATASET.TABLE",
                hint=f"--dataset {shlex.quote(dataset)} --table {shlex.quote(name)}.",
            )
        if self.dry_run and self.check:
            raise UsageError("a dry run reads no values that could be checked", hint="Give one.")
        if (self.max_rejects or 0) < 0:
            raise UsageError("the number of rejects cannot be negative", hint="0 allows none.")
        recipes.refuse_limits(self.types)
        recipes.check(self.said("", ()))

    def _check_ways(self) -> None:
        """Refuse two ways of publishing at once; raises UsageError."""
        ways = [way for way in ("replace", "append", "merge") if getattr(self, way)]
        if len(ways) > 1:
            raise UsageError(f"{' and '.join(ways)} exclude each other", hint="Give one of them.")
        if self.delete_missing and not self.merge:
            raise UsageError("--delete-missing is for --merge", hint="Give both, or neither.")
        if self.delete_missing and self.to not in (None, "postgres"):
            raise UsageError(
                "Cassandra cannot tell which rows a source lacks while others write:"
                " --delete-missing is for PostgreSQL",
                hint="Merge without it, or publish the whole table again.",
            )
        if self.again and not self.append:
            raise UsageError("--again is for --append", hint="Give both, or neither.")
        if self.keep_going and self.table is not None and not self.adds:
            raise UsageError(
                "--table puts the files together into one table: all of them, or none",
                hint="--keep-going is for files with tables of their own, --append and --merge.",
            )
        if self.wait < 0:
            raise UsageError("nobody can wait for less than 0 seconds", hint="--wait SECONDS.")

    @property
    def adds(self) -> bool:
        """Whether rows come to those of a table that is there."""
        return self.append or self.merge

    @property
    def changes(self) -> bool:
        """Whether anything shall change: neither a dry run nor a check."""
        return not (self.dry_run or self.check)

    def key_for(self, table: str) -> Key | None:
        """Return the key asked for `table`, None if none was; raises UsageError."""
        key = self.keys.get(table, self.keys.get("")) or None
        if key is None or isinstance(key, Key):
            return key
        return keys.checked(Key(tuple(key)))

    def said(self, table: str, sources: tuple[str, ...]) -> Recipe:
        """Return what was said of one table that comes from `sources`; raises UsageError."""
        key = self.key_for(table)
        return Recipe(
            sources,
            None if key is None else str(key),
            self.types,
            self.renames,
            self.columns,
            self.exclude,
            self.keep_names,
            self.max_rejects,
            self.contract,
            self.read.delimiter,
            self.read.quote,
            self.read.encoding,
            self.read.header,
            self.read.nulls,
            self.read.skip or None,
            None if self.to_is_remembered else self.to,
            self.read.decimal,
            self.read.dates,
            None if self.read.null_words else True,
            self.read.sheet,
            self.read.records,
            self.read.nested,
            if_changed=self.if_changed,
        )


@dataclass(frozen=True)
class Step:
    """How far a publish is.

    Attributes:
        table: its name; of what comes before there are tables the source's.
        phase: one of `FIRST`; `reading`, `proving types`, `loading`, `building keys`, `waiting`,
            `replacing`.
        rows: loaded so far of this table.
        share: of the source that was read, 0 to 1.
        size: bytes of the source; where nobody knows how many it has, those that came.
        notice: what a person should know at once, such as for whom is waited.
    """

    table: str
    phase: str
    rows: int = 0
    share: float = 0.0
    size: int = 0
    notice: str = ""


Progress = Callable[[Step], None]


class Telling:
    """Tells how far it is with a source before there are tables: a few times a second."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._last = progress, time.monotonic()

    def __call__(self, doing: str, what: str, came: int, whole: int) -> None:
        """Take it as `sources.base.Tell` does."""
        now = time.monotonic()
        if now - self._last >= PAUSE:
            self._last = now
            share = min(came / whole, 1.0) if whole else 0.0
            self._progress(Step(what, doing, share=share, size=whole or came))


def silent(step: Step) -> None:
    """Tell nobody."""
