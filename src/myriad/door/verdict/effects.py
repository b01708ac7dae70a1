"""What a text of SQL does, as it is found out: the collector behind `verdict.analyse`."""

from dataclasses import dataclass, field

from myriad.door.verdict.password import PasswordChange

NOT_PRIVILEGED = "42501"
NOT_SUPPORTED = "0A000"
SYNTAX_ERROR = "42601"
TOO_DEEP = "54001"
TOO_MUCH = "54000"
NOT_IN_REPERTOIRE = "22021"

LOAD = "load more with COPY"
MOST_SPANS = 10_000  # of a text: places that name the person; 1,664 columns have 1,664
MOST_SETTINGS = 1000  # that a text may change: PostgreSQL has some 400


def words(text: str) -> frozenset[str]:
    """Return the words of a text: long tables of names are read most easily so."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text must not run on a connection that people share.

    Attributes:
        password: what it changes of passwords: one's own the door changes itself.
    """

    sqlstate: str
    message: str
    hint: str
    password: PasswordChange | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """One place of a text, bytes `start` to `end` of its UTF-8 form, where something else shall be.

    `alias` is the output name PostgreSQL would give it, in lower case, and so tells which function
    it is. `form` is how a literal may stand there: "cast" (an expression), "query" (a scalar
    sub-select, which carries the output name), "table" (an expression in FROM that needs an alias).
    """

    start: int
    end: int
    alias: str
    form: str


@dataclass(frozen=True, slots=True)
class BySql:
    """What a text does by SQL that concerns messages of the protocol: statements, COPY data."""

    prepares: bool = False  # PREPARE name
    executes: frozenset[str] = frozenset()  # the names in EXECUTE name, and in PREPARE name
    deallocates: tuple[str, ...] = ()  # the names in DEALLOCATE name, in their order
    deallocates_all: bool = False  # DEALLOCATE ALL
    loads: bool = False  # COPY FROM STDIN


@dataclass(slots=True)
class _BySql:
    """The fields of `BySql` while the text is walked."""

    prepares: bool = False
    executes: set[str] = field(default_factory=set)
    deallocates: list[str] = field(default_factory=list)
    deallocates_all: bool = False
    loads: bool = False

    def found(self) -> BySql:
        """Return what was found."""
        ended = tuple(self.deallocates), self.deallocates_all
        return BySql(self.prepares, frozenset(self.executes), *ended, self.loads)


@dataclass(slots=True)
class Effects:
    """The fields of a verdict while the text is walked; see `verdict.Verdict` for their meaning."""

    source: bytes
    harmless: frozenset[str]
    refusal: Refusal | None = None
    stateful: bool = False
    opaque: bool = False
    pins: str = ""
    closes: bool = False
    settings: set[str] = field(default_factory=set)
    local: set[str] = field(default_factory=set)
    restores: set[str] = field(default_factory=set)
    reported: set[tuple[str, str | None]] = field(default_factory=set)
    resets: bool = False
    discards: bool = False
    sequences: bool = False
    reads_sequences: bool = False
    renews: bool = False
    by_sql: _BySql = field(default_factory=_BySql)
    identity: dict[int, Span] = field(default_factory=dict)
    activity: dict[int, Span] = field(default_factory=dict)
    shadowed: bool = False  # something else has that view's name here
    processes: bool = False
    signals: bool = False

    def refuse(self, message: str, hint: str, sqlstate: str = NOT_PRIVILEGED) -> None:
        """Remember the first reason to refuse; PostgreSQL, too, reports the first error."""
        if self.refusal is None:
            self.refusal = Refusal(sqlstate, message, hint)

    def pin(self, reason: str, *, closes: bool = False) -> None:
        """State that stays with the server session and cannot be made again on another one."""
        self.stateful = True
        self.closes = self.closes or closes
        self.pins = self.pins or reason

    def close(self) -> None:
        """State that DISCARD ALL does not undo."""
        self.stateful = self.closes = True

    def hide(self) -> None:
        """Code that the text does not show: it may do anything the person may do."""
        self.stateful = self.opaque = self.sequences = True
