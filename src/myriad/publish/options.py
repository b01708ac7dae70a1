"""What a person may ask of `publish`, and how it tells how far it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from myriad.errors import UsageError
from myriad.model import Key
from myriad.publish import keys
from myriad.sources.base import ReadOptions

ENGINES = ("postgres", "cassandra", "both")


@dataclass(frozen=True)
class Options:
    """What to publish where, and how.

    Attributes:
        database, dataset: None: the settings' defaults.
        table: the name of the one table; several files are then put together in it.
        to: `postgres`, `cassandra` or `both`.
        keys: table name → key, or just its columns; the name "" stands for the only table.
        replace: replace even a table that Myriad did not publish.
        append: add to the table that is there.
        dry_run: work out everything, load nothing.
        max_rejects: how many records may be left out before the publish fails.
        keep_names: leave names as they are in the source.
    """

    database: str | None = None
    dataset: str | None = None
    table: str | None = None
    to: str = "postgres"
    keys: Mapping[str, Key | tuple[str, ...]] = field(default_factory=dict)
    replace: bool = False
    append: bool = False
    dry_run: bool = False
    max_rejects: int = 0
    keep_names: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself; raises UsageError."""
        if self.to not in ENGINES:
            raise UsageError(
                f"there is no engine {self.to!r}", hint=f"One of {', '.join(ENGINES)}."
            )
        if self.replace and self.append:
            raise UsageError("replace and append exclude each other", hint="Give one of them.")
        if self.max_rejects < 0:
            raise UsageError("the number of rejects cannot be negative", hint="0 allows none.")

    def key_for(self, table: str) -> Key | None:
        """Return the key asked for `table`, None if none was; raises UsageError."""
        key = self.keys.get(table, self.keys.get("")) or None
        if key is None or isinstance(key, Key):
            return key
        return keys.checked(Key(tuple(key)))


@dataclass(frozen=True)
class Step:
    """How far a publish is.

    Attributes:
        phase: `reading`, `proving types`, `loading`, `building keys`, `replacing`.
        rows: loaded so far of this table.
        share: of the source that was read, 0 to 1.
        size: bytes of the source.
    """

    table: str
    phase: str
    rows: int = 0
    share: float = 0.0
    size: int = 0


Progress = Callable[[Step], None]
