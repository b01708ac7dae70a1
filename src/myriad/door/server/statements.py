"""Prepared statements: those of a client, and what the server has of them on one connection.

A client's Parse always goes to the server, under a name of its own, so that it is parsed with that
client's settings and the tables of that moment. On another server connection the statement is
prepared anew when it is needed; there, and only there, one may serve several sessions: it must have
been parsed after each one's own Parse, under the same settings. So it never is older than what the
session was told. decisions/0008-prepared-statements.md says why, and what it saves.
"""

import hashlib
import itertools
import math
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from myriad.door.server.settings import Values
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire.faults import Fault
from myriad.pgwire.wire import HEADER_BYTES, cut

# Nobody can guess it, so no client's own name is ever one of ours.
PREFIX = f"myriad_{secrets.token_hex(8)}"
NOBODY = f"{PREFIX}_none".encode()
OURS = re.compile(rb"%s_\w+" % PREFIX.encode())
ANYTHING = "*"  # stands for settings of which nobody knows which they are
MOST_ON_A_CONNECTION = 200  # each may hold a plan of some 100 kB in the server
MOST_BYTES_ON_A_CONNECTION = 16 << 20  # of their texts, or one that is longer
STATEMENT_BYTES = 400  # of the small objects of one
MOST_SHARED_BYTES = 32 << 10  # longer texts are seldom sent by many
# Literals that mean another moment whenever they are parsed.
_MOMENTS = re.compile(rb"(?i)\b(?:now|today|tomorrow|yesterday)\b(?!\s*\()")

CHANGED = Fault(
    "0A000",
    "cached plan must not change result type",
    "A table, type or setting has changed since the statement was prepared. Prepare it again.",
    routine="RevalidateCachedQuery",  # by which drivers know that preparing again helps
)

_numbers = itertools.count(1)
Key = int | tuple[bytes, Values]


def _new_name() -> bytes:
    return f"{PREFIX}_{next(_numbers)}".encode()


class Clock:
    """Counts the Parses that were answered: which of two came first."""

    def __init__(self) -> None:
        self.now = 0

    def tick(self) -> int:
        """Return the next moment."""
        self.now += 1
        return self.now


CLOCK = Clock()


class Description(NamedTuple):
    """Types of parameters, and names and types of columns: digests, to be compared."""

    parameters: bytes
    columns: bytes


def parameters_of(message: bytes) -> bytes:
    """Return the digest of a ParameterDescription."""
    return _digest(message[HEADER_BYTES:])


def columns_of(message: bytes) -> bytes:
    """Return the digest of a RowDescription or NoData: of what PostgreSQL itself compares.

    That is each column's name, type and type modifier, as equalRowTypes (tupdesc.c) has it; not
    which table it comes from, and in which format.
    """
    body = message[HEADER_BYTES:]
    position, parts = 2, []
    while position < len(body):
        name, position = cut(body, position)
        parts += [
            name,
            b"\0",
            body[position + 6 : position + 10],
            body[position + 12 : position + 16],
        ]
        position += 18
    return _digest(b"".join(parts))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


@dataclass(slots=True, eq=False)
class Statement:
    """A statement that a client has prepared.

    Attributes:
        sql, types: the text as it goes to the server, and what follows it in Parse.
        values: the settings under which it was parsed.
        shared: others may use what the server has of it, and it what others have.
        token: its number.
        parsed: when the server had parsed it.
        shape: how the server described it then.
        told_parameters, told_columns: the client heard of that.
        size: how much memory it takes, about.
    """

    sql: bytes
    types: bytes
    verdict: Verdict
    values: Values
    shared: bool
    token: int = field(default_factory=_numbers.__next__)
    parsed: float = math.inf
    shape: Description | None = None
    told_parameters: bool = False
    told_columns: bool = False
    size: int = field(init=False)
    _key: tuple[bytes, Values] | None = None
    _has_key: bool | None = None

    def __post_init__(self) -> None:
        self.size = len(self.sql) + len(self.types) + self.values.bytes + STATEMENT_BYTES

    @property
    def key(self) -> tuple[bytes, Values] | None:
        """By which others may find it; found out when it is asked for: most have no name."""
        if self._has_key is None:
            self._has_key = (
                self.shared and len(self.sql) <= MOST_SHARED_BYTES and not _MOMENTS.search(self.sql)
            )
            if self._has_key:
                digest = hashlib.sha256(b"%d " % len(self.sql) + self.sql + self.types).digest()
                self._key = (digest, self.values.parsing)
        return self._key

    def accepts(self, described: Description, *, again: bool) -> bool:
        """Say whether the client may get what is described so; `again`: it is told columns anew."""
        if self.shape is None:
            return not self.told_parameters and (again or not self.told_columns)
        parameters = not self.told_parameters or described.parameters == self.shape.parameters
        columns = again or not self.told_columns or described.columns == self.shape.columns
        return parameters and columns


@dataclass(slots=True, eq=False)
class Instance:
    """What the server has of a statement, on one connection.

    Attributes:
        owner: the token of the statement for which it was parsed.
        since: no later than when it was parsed.
        size: of its text and settings, in bytes.
        unit: in which it was parsed.
        described: how the server described it; None: not yet.
    """

    owner: int
    since: int
    size: int
    name: bytes = field(default_factory=_new_name)
    unit: object = None
    described: Description | None = None


def is_too_much(count: int, size: int) -> bool:
    """Say whether a server connection would keep less than that many statements of that size."""
    return count > MOST_ON_A_CONNECTION or (size > MOST_BYTES_ON_A_CONNECTION and count > 1)


class Prepared:
    """The instances on one server connection, the least recently used first.

    Attributes:
        standing: tokens of the statements that have their clients' names there: see `sql_execute`.
        by_sql: SQL's PREPARE was sent there; `lasts`: and has made something.
    """

    __slots__ = ("_bytes", "_gone", "_known", "by_sql", "lasts", "standing")

    def __init__(self) -> None:
        self.by_sql = self.lasts = False
        self.standing: dict[bytes, int] = {}
        self._known: OrderedDict[Key, Instance] = OrderedDict()
        self._bytes = 0
        self._gone: list[bytes] = []  # names that are still to be closed there

    def __len__(self) -> int:
        return len(self._known)

    def find(self, statement: Statement, *, shared: bool) -> Instance | None:
        """Return what may be used for a statement; `shared`: also what others use."""
        key: Key = statement.token
        found = self._known.get(key)
        if found is None and statement.key is not None:
            key = statement.key
            found = self._known.get(key)
            if found is not None and not shared:
                return self._own(statement, key, found)
            if found and found.since < statement.parsed and found.owner != statement.token:
                return None  # older than what the session has heard
        if found is not None:
            self._known.move_to_end(key)
        return found

    def _own(self, statement: Statement, key: Key, found: Instance) -> Instance | None:
        """Keep for a statement alone what was parsed for it: its settings are no others' now."""
        if found.owner != statement.token:
            return None
        del self._known[key]
        self._known[statement.token] = found
        return found

    def put(self, key: Key, instance: Instance) -> None:
        """Note what is prepared now; what was there before, or not used for long, is to go."""
        self.drop(key)
        self._known[key] = instance
        self._bytes += instance.size
        while is_too_much(len(self._known), self._bytes):
            self.drop(next(iter(self._known)))

    def drop(self, key: Key, instance: Instance | None = None) -> None:
        """Let go of what is known by a key, if it is that; it is to be closed."""
        found = self._known.get(key)
        if found is not None and instance in {None, found}:
            del self._known[key]
            self._bytes -= found.size
            self._gone.append(found.name)

    def stood(self, name: bytes) -> bytes:
        """Return by which name the server knows what a client calls so; nobody's if by none."""
        return name if self.standing.pop(name, None) is not None else NOBODY

    def take_gone(self) -> list[bytes]:
        """Return the names that are to be closed, and rely on it that they are."""
        gone = self._gone
        if gone:
            self._gone = []
        return gone

    def gone_again(self, name: bytes) -> None:
        """Hear that a name is still to be closed."""
        self._gone.append(name)

    def key_of(self, name: bytes) -> Key | None:
        """Return the key of what has that name in the server."""
        return next((key for key, each in self._known.items() if each.name == name), None)

    def clear(self) -> None:
        """Hear that nothing is prepared any more."""
        self._known.clear()
        self._gone.clear()
        self.standing.clear()
        self.by_sql = self.lasts = False
        self._bytes = 0
