"""Open a SQLite file that somebody else owns: read-only, trusting nothing in it."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from myriad.errors import SourceEmpty, SourceError
from myriad.sources.base import MORE_MEMORY, OPENING, Tell, nobody

MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 5.0  # a writer's commit takes less; one that takes longer is worth a question
STEPS = 100_000  # of SQLite's machine between two looks at the clock: some milliseconds
OLDEST = (3, 37, 0)  # PRAGMA table_list, which tells shadow tables from tables

_HARDENED = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA query_only = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA cache_size = -16000",
)


class Connection(sqlite3.Connection):
    """Calls `goes_on` from time to time while a statement runs, and keeps what that raised.

    SQLite itself ends the statement for it, and says no more than that it did.
    """

    goes_on: Callable[[], None] | None = None
    raised: BaseException | None = None


def connect(path: Path, origin: str, longest: int, tell: Tell = nobody) -> Connection:
    """Open `path` and begin one read transaction; all that is read later is of that moment.

    `tell` is called while statements run, until `goes_on` is None.

    Raises SourceError if it is no SQLite database, damaged, encrypted, or locked by a writer.
    """
    _check(path, origin)
    pending = has_wal(path)
    with explained(origin):
        try:
            con = _begin(path, "mode=ro", longest)
        except sqlite3.OperationalError as error:
            if _errorname(error) != "SQLITE_CANTOPEN" or pending:
                raise
            # In WAL mode SQLite makes a file beside it, which a read-only folder refuses.
            # Without a -wal nothing is pending, and nobody can be writing there.
            con = _begin(path, "mode=ro&immutable=1", longest)
    con.goes_on = partial(tell, OPENING, origin, 0, 0)
    return con


class TakesTooLong(Exception):
    """A statement did not end in the time that it was given."""


@contextmanager
def patience(con: Connection, seconds: float) -> Iterator[None]:
    """Give statements so long; raises TakesTooLong where one is ended for it."""
    until = time.monotonic() + seconds
    con.set_progress_handler(lambda: _told(con) or time.monotonic() > until, STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        late = con.raised is None and time.monotonic() > until
        if _errorname(error) == "SQLITE_INTERRUPT" and late:
            raise TakesTooLong from None
        raise
    finally:
        _heed_signals(con)


def _heed_signals(con: Connection) -> None:
    # Python looks for signals when it is called: Ctrl-C then ends the statement.
    con.set_progress_handler(lambda: _told(con), STEPS)


def _told(con: Connection) -> bool:
    try:
        if con.goes_on is not None:
            con.goes_on()
    except BaseException as error:
        con.raised = error
        raise
    return False


def has_wal(path: Path) -> bool:
    """Say whether a write-ahead log lies beside the file."""
    return _companion(path, "-wal").exists()


def size(path: Path) -> int:
    """Return the bytes of a database with those in its write-ahead log."""
    log = _companion(path, "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def in_wal_mode(path: Path) -> bool:
    """Say whether writers may write while others read, as the file's header has it."""
    # https://www.sqlite.org/fileformat.html, 1.3: the versions for reading and writing
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def tidy(path: Path) -> None:
    """Have SQLite remove the empty -wal and -shm that reading in WAL mode made.

    Only a connection that may write removes them, and only if nobody else has the file open.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True)) as con:
        con.execute("SELECT count(*) FROM sqlite_schema").fetchall()


@contextmanager
def explained(origin: str, con: Connection | None = None) -> Iterator[None]:
    """Turn what SQLite says into SourceError, or into what ended a statement of `con`."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        name = _errorname(error)
        if name == "SQLITE_INTERRUPT":  # by an exception in the progress handler
            raised = con.raised if con is not None else None
            raise raised or KeyboardInterrupt from None
        message = f"{origin}: SQLite cannot read it: {error}"
        raise SourceError(message, hint=_hint(name, origin)) from error


def _errorname(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", "")


def _hint(name: str, origin: str) -> str:
    copy = f"sqlite3 {Path(origin).name} '.backup copy.db'"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"Another program is writing to it. Try again later, or publish a copy: {copy}"
    if name.startswith("SQLITE_CANTOPEN"):
        return "The folder must allow reading, or writing if a -wal file lies beside it."
    if name.startswith("SQLITE_READONLY"):
        return "A writer was interrupted. Open it once with sqlite3 so that it recovers."
    if name.startswith("SQLITE_NOTADB"):
        return "It is damaged or encrypted. Decrypt it first, or export its tables."
    if name.startswith("SQLITE_TOOBIG"):
        return (
            "A row or value is longer than memory allows. Keep such values as files; or"
            f" {MORE_MEMORY}"
        )
    if name.startswith("SQLITE_CORRUPT"):
        return "It is damaged. Try sqlite3's .recover, and publish what that gives."
    return ""


def _check(path: Path, origin: str) -> None:
    if sqlite3.sqlite_version_info < OLDEST:
        raise SourceError(
            f"{origin}: Python's SQLite is {sqlite3.sqlite_version}, which is too old",
            hint="Use a Python whose SQLite is 3.37 or newer.",
        )
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise SourceError(f"{origin}: {error.strerror}", hint="Check the path.") from error
    if not start:
        raise SourceEmpty(origin)
    if start != MAGIC:
        raise SourceError(
            f"{origin}: this is no SQLite database, or it is encrypted",
            hint="It must begin with 'SQLite format 3'. Decrypt it first, or check the ending.",
        )


def _companion(path: Path, ending: str) -> Path:
    real = path.resolve()
    return real.with_name(real.name + ending)


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(os.fsencode(path.resolve()))}?{how}"


def _begin(path: Path, how: str, longest: int) -> Connection:
    con = sqlite3.connect(
        _uri(path, how),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    try:
        con.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        _heed_signals(con)
        for statement in (*_HARDENED, "BEGIN", "SELECT count(*) FROM sqlite_schema"):
            con.execute(statement).fetchall()
    except BaseException:
        con.close()
        raise
    return con
