"""Sessions on the bare wire: through the door, or straight to PostgreSQL to compare with."""

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import myriad
from myriad import Myriad
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.databases import create_database
from myriad.pgwire import scram, wire
from tests.harness import reachable_folder

PATIENCE = 4.0  # seconds for one answer; no statement here needs one
SYNC, FLUSH, TERMINATE = wire.SYNC, wire.FLUSH, wire.TERMINATE
COPY_DONE = wire.message(b"c", b"")
Answer = tuple[str, ...]  # the kind of a message, and what of it must be the same


@dataclass(frozen=True)
class Place:
    """Where to connect to, and from: an installation, the passwords of its people, an address."""

    installation: Myriad = field(repr=False)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    source: str = ""

    @property
    def server(self) -> Server:
        return self.installation.server()

    def door(self, person: str, database: str, **startup: str) -> "Wire":
        """Log in through the door."""
        found = Wire(self._knock())
        found.log_in({"user": person, "database": database, **startup}, self.passwords[person])
        return found

    def direct(self, person: str, database: str, **startup: str) -> "Wire":
        """Log in over PostgreSQL's own socket, which lets us in as anybody."""
        found = Wire(self.stream())
        found.log_in({"user": person, "database": database, **startup}, "")
        return found

    def alike(self, person: str, database: str, **startup: str) -> "Wire":
        """Log in so, to look where the door lets people look who were granted `public`."""
        said = "search_path" in startup.get("options", "")
        path = {} if said else {"search_path": "public"}
        return self.direct(person, database, **path, **startup)

    def stream(self) -> socket.socket:
        """Connect to PostgreSQL's own socket, and no more."""
        where = conninfo_to_dict(self.server.dsn)
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE)
        stream.connect(f"{where['host']}/.s.PGSQL.{where['port']}")
        return stream

    def stranger(self) -> "Wire":
        """Connect to the door, and no more."""
        return Wire(self._knock())

    def _knock(self) -> socket.socket:
        where, source = (self.server.host, self.server.port), (self.source, 0)
        stream = socket.create_connection(where, PATIENCE, source if self.source else None)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def admin(self, database: str) -> psycopg.Connection:
        """Connect as administrator."""
        return psycopg.connect(make_conninfo(self.server.dsn, dbname=database), autocommit=True)

    def busy(self) -> int:
        """How many of the door's server connections PostgreSQL has in a transaction or at work."""
        with closing(self.admin("myriad")) as connection:
            [(count,)] = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle'"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        return int(count)


@contextmanager
def up_with(**settings: object) -> Iterator[Place]:
    """Give an installation of its own with these settings."""
    with reachable_folder() as folder:
        installed = myriad.open(folder / "home", **settings)
        installed.up_detached()
        try:
            yield Place(installed)
        finally:
            hold_log(installed)
            installed.down()


def hold_log(installed: Myriad) -> None:
    """Fail if the door met an error of its own."""
    log = (installed.home.logs / "door.log").read_text()
    assert "Traceback" not in log, log[-5000:]


def goes_on(other: "Wire") -> None:
    """Hold that another session is served as ever."""
    assert other.rows("SELECT 'still here'") == [("'still here'",)]


def add_database(place: Place, name: str, table: str) -> None:
    """Make a database of the administrator's with something in it."""
    create_database(place.server, name)
    with closing(place.admin(name)) as connection:
        connection.execute(table)


@contextmanager
def shared(installation: Myriad, database: str, people: list[str], table: str) -> Iterator[Place]:
    """Give a database to people who share server connections; all of them go at the end."""
    names = installation.people
    place = Place(installation, dict(names.add_people(people, [f"{database} group"])))
    add_database(place, database, table)
    names.grant(f"{database} group", "public", database, write=True)
    try:
        yield place
    finally:
        names.remove(people)
        with closing(place.admin("postgres")) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(database)))


def add_own_database(place: Place, owner: str, name: str) -> None:
    """Make a database that a person owns."""
    with closing(place.direct(owner, place.installation.settings.database)) as session:
        answers = session.query(f"CREATE DATABASE {name}")
    assert answers[-1] == ("Z", "I"), answers
    assert answers[0][0] == "C", answers


@contextmanager
def owning(place: Place, owner: str, database: str) -> Iterator[None]:
    """Give a person a database that they own; both go at the end."""
    people = place.installation.people
    place.passwords.update(people.add_people([owner], owner=True))
    add_own_database(place, owner, database)
    try:
        yield
    finally:
        with closing(place.admin("postgres")) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(database)))
        people.remove([owner])


class Ended(Exception):
    """The other side has closed the connection; holds what it answered before."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(answers)
        self.answers = answers


class Wire:
    """One session, message by message.

    Attributes:
        parameters: what the server told of its settings.
        status: of the transaction, as the last ReadyForQuery said.
        most_at_once: how many bytes are read at once.
    """

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.most_at_once = 1 << 16
        self.parameters: dict[str, str] = {}
        self.status = ""
        self.number, self.key = 0, b""
        self._data = bytearray()

    def send(self, *messages: bytes) -> None:
        """Send all of this in one piece."""
        self.stream.sendall(b"".join(messages))

    def read(self) -> tuple[str, bytes]:
        """Return the next message; raises Ended."""
        while len(self._data) < 5 or len(self._data) < self._size():
            self.receive()
        size = self._size()
        message = bytes(self._data[:size])
        del self._data[:size]
        kind = chr(message[0])
        self._note(kind, message[5:])
        return kind, message[5:]

    def receive(self) -> None:
        """Wait for more of what is answered; raises Ended."""
        try:
            more = self.stream.recv(self.most_at_once)
        except ConnectionError:
            more = b""
        if not more:
            raise Ended([])
        self._data += more

    def has_more(self, seconds: float) -> bool:
        """Say whether something of an answer is there, or comes within that time."""
        if len(self._data) >= 5 and len(self._data) >= self._size():
            return True
        return bool(select.select([self.stream], [], [], seconds)[0])

    def _size(self) -> int:
        return 1 + int.from_bytes(self._data[1:5], "big")

    def _note(self, kind: str, body: bytes) -> None:
        if kind == "S":
            name, value, _ = body.split(b"\0")
            self.parameters[name.decode()] = value.decode()
        elif kind == "Z":
            self.status = body.decode()
        elif kind == "K":
            self.number, self.key = int.from_bytes(body[:4], "big"), body[4:]

    def log_in(self, startup: dict[str, str], password: str) -> None:
        """Log in; raises Ended with the error if that is refused."""
        client = scram.Client(password)
        self.send(wire.startup(startup))
        while True:
            kind, body = self.read()
            if kind == "E":
                raise Ended([shown(kind, body)])
            if kind == "Z":
                return
            if kind == "R":
                self._authenticate(client, int.from_bytes(body[:4], "big"), body[4:])

    def _authenticate(self, client: scram.Client, code: int, body: bytes) -> None:
        if code == 10:
            first = client.first()
            self.send(
                wire.message(b"p", wire.text(scram.PLAIN) + len(first).to_bytes(4, "big") + first)
            )
        elif code == 11:
            self.send(wire.message(b"p", client.final(body)))
        elif code == 12:
            client.verify(body)

    def until(self, last: str = "Z", times: int = 1) -> list[Answer]:
        """Read answers up to one of kind `last`; raises Ended with what came before the end."""
        answers: list[Answer] = []
        while times:
            try:
                kind, body = self.read()
            except Ended:
                raise Ended(answers) from None
            if kind != "S":
                answers.append(shown(kind, body))
            times -= kind in last
        return answers

    def query(self, text: str) -> list[Answer]:
        """Run a simple query."""
        self.send(wire.query(text))
        return self.until()

    def rows(self, text: str) -> list[Answer]:
        """Return the rows of a simple query, or its error."""
        return [answer[1:] for answer in self.query(text) if answer[0] in "DE"]

    def to_the_end(self) -> list[Answer]:
        """Return all that is still answered; the other side must close the connection."""
        try:
            while True:
                self.until()
        except Ended as ended:
            return ended.answers

    def vanish(self) -> None:
        """Be gone, as a client whose machine is cut off is."""
        linger = struct.pack("ii", 1, 0)
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.stream.close()

    def close(self) -> None:
        """Leave as one should."""
        with suppress(OSError):
            self.send(TERMINATE)
        self.stream.close()


def shown(kind: str, body: bytes) -> Answer:
    """Return what of a message must be the same with and without the door."""
    if kind in "EN":
        fields = wire.error_fields(body)
        return (kind, fields["V"], fields["C"], fields["M"])
    if kind == "T":
        return (kind, *_columns(body))
    if kind == "D":
        return (kind, *(repr(value) for value in wire.row(body)))
    if kind == "A":
        return (kind, body[4:].decode())
    return (kind, body.hex() if kind == "t" else body.decode(errors="replace"))


def _columns(body: bytes) -> list[str]:
    """Return each column's name, type and format; a table's OID is another in each database."""
    found, position = [], 2
    for _ in range(int.from_bytes(body[:2], "big")):
        name, position = wire.cut(body, position)
        found.append(f"{name.decode()} {body[position + 6 : position + 18].hex()}")
        position += 18
    return found


# Messages


def parse(text: str, name: str = "", types: bytes = b"\0\0") -> bytes:
    return wire.parse(name.encode(), text.encode(), types)


def bind(*values: str, portal: str = "", name: str = "") -> bytes:
    parts = b"".join(len(v.encode()).to_bytes(4, "big") + v.encode() for v in values)
    count = len(values).to_bytes(2, "big")
    return wire.message(
        b"B", portal.encode() + b"\0" + name.encode() + b"\0\0\0" + count + parts + b"\0\0"
    )


def describe(kind: str = "P", name: str = "") -> bytes:
    return wire.message(b"D", kind.encode() + name.encode() + b"\0")


def close(kind: str = "S", name: str = "") -> bytes:
    return wire.message(b"C", kind.encode() + name.encode() + b"\0")


def execute(portal: str = "", rows: int = 0) -> bytes:
    return wire.message(b"E", portal.encode() + b"\0" + rows.to_bytes(4, "big"))


def unit(text: str, *values: str, name: str = "") -> bytes:
    """Parse, Bind, Describe and Execute, without Sync."""
    return parse(text, name) + bind(*values, name=name) + describe() + execute()


def copy_data(data: bytes) -> bytes:
    return wire.message(b"d", data)


def copy_fail(reason: str = "no") -> bytes:
    return wire.message(b"f", reason.encode() + b"\0")
