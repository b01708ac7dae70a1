"""How clients log in through the door: TLS, versions of the protocol, settings, refusals."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

import psycopg
import pytest
from psycopg import sql

import myriad
from myriad import Myriad
from myriad.connect import Target
from myriad.home.home import Home
from tests.door_clients import LONG, Place, cancelling, connect, made_place
from tests.harness import as_admin, up

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def statuses(connection: psycopg.Connection) -> dict[str, str | None]:
    names = (
        "server_version server_encoding client_encoding application_name default_transaction_"
        "read_only in_hot_standby is_superuser session_authorization DateStyle IntervalStyle "
        "TimeZone integer_datetimes standard_conforming_strings scram_iterations search_path"
    )
    return {name: connection.info.parameter_status(name) for name in names.split()}


@pytest.mark.parametrize("who", ["reader", "writer", "owner"])
def test_parameter_statuses_are_those_of_a_direct_connection(place: Place, who: str) -> None:
    person: Target = getattr(place, who)
    more = {
        "client_encoding": "LATIN1",
        "application_name": "ü",
        "options": "-c TimeZone=Asia/Tokyo",
    }
    for keywords in ({}, more) if person.user.isascii() else ({},):
        with (
            connect(person, **keywords) as ours,
            place.direct(person, **{"options": "", **keywords}) as theirs,
        ):
            mine, direct = statuses(ours), statuses(theirs)
            if not keywords:
                direct["application_name"] = ""
            if who != "owner":  # in a database of Myriad's: what was granted
                direct["search_path"] = "public"
            assert mine == direct
            assert mine["session_authorization"] == person.user


def test_channel_binding_over_tls(place: Place) -> None:
    with connect(place.reader, sslmode="require", channel_binding="require") as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT 1").fetchone() == (1,)
        big = connection.execute("SELECT repeat('x', 5000000)").fetchone()
        assert big is not None
        assert len(big[0]) == 5_000_000


def test_without_tls_there_is_no_channel_binding(place: Place) -> None:
    with connect(place.reader, sslmode="disable") as connection:
        assert not connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        connect(place.reader, sslmode="disable", channel_binding="require")


@pytest.mark.parametrize("version", ["3.0", "3.2", "latest"])
def test_versions_of_the_protocol(place: Place, version: str) -> None:
    if psycopg.pq.version() < 180000:
        pytest.skip("libpq 18 is needed to ask for a version of the protocol")
    with connect(place.reader, max_protocol_version=version) as connection:
        assert connection.pgconn.parameter_status(b"server_version")
        with cancelling(place, connection), pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(LONG)
        assert connection.execute("SELECT 1").fetchone() == (1,)


# By hand, where no client does it


def startup(*pairs: str, version: int = 3 << 16) -> bytes:
    body = struct.pack("!I", version) + b"".join(part.encode() + b"\0" for part in pairs) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def request(code: int) -> bytes:
    return struct.pack("!II", 8, code)


class Wire:
    """A client that speaks the protocol by hand."""

    def __init__(self, who: Target) -> None:
        self.socket = socket.create_connection((who.host, who.port), timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Send something and return the first message that comes."""
        self.socket.sendall(data)
        kind, size = struct.unpack("!cI", self.take(5))
        return kind, self.take(size - 4)

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the server closed the connection"
            data += part
        return data


def fields(body: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def test_newer_versions_and_unknown_options_are_negotiated(place: Place) -> None:
    who = place.reader
    pairs = ("user", who.user, "database", who.database, "_pq_.telepathy", "on")
    with Wire(who) as wire:
        kind, body = wire.ask(startup(*pairs))
        assert kind == b"v"
        assert body == struct.pack("!II", 3 << 16, 1) + b"_pq_.telepathy\0"
    with Wire(who) as wire:
        kind, body = wire.ask(startup(*pairs[:4], version=3 << 16 | 9999))
        assert (kind, body) == (b"v", struct.pack("!II", 3 << 16 | 2, 0))
    with Wire(who) as wire:
        kind, body = wire.ask(startup(*pairs[:4], version=2 << 16))
        assert (kind, fields(body)["C"]) == (b"E", "0A000")


def test_gss_is_declined_and_tls_offered(place: Place) -> None:
    with Wire(place.reader) as wire:
        wire.socket.sendall(request(GSS_REQUEST))
        assert wire.take(1) == b"N"
        wire.socket.sendall(request(SSL_REQUEST))
        assert wire.take(1) == b"S"
    with Wire(place.reader) as wire:
        wire.socket.sendall(request(GSS_REQUEST))
        assert wire.take(1) == b"N"
        kind, body = wire.ask(startup("user", place.reader.user))
        assert kind == b"R"
        assert body == struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"


# Settings to begin with


def test_settings_at_the_start(place: Place) -> None:
    options = (
        r"-c search_path=pg_catalog -c statement_timeout=5s --work-mem=5MB -c DateStyle=German"
    )
    with connect(place.reader, options=options) as connection:
        names = ("search_path", "statement_timeout", "work_mem", "datestyle")
        found = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        assert found == [("pg_catalog",), ("5s",), ("5MB",), ("German, DMY",)]
        connection.execute("SET search_path = public")
        connection.execute("SET work_mem = '6MB'")
        connection.execute("RESET ALL")
        again = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        assert again == found
        with connect(place.reader) as other:
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
    quoted = r"-c application_name=a\ b\\c"
    with connect(place.reader, options=quoted) as connection:
        assert connection.execute("SHOW application_name").fetchone() == ("a b\\c",)


def test_statement_timeout_from_the_start_works(place: Place) -> None:
    with (
        connect(place.reader, options="-c statement_timeout=50ms") as connection,
        pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"),
    ):
        connection.execute(LONG)


@pytest.mark.parametrize("encoding", ["LATIN1", "LATIN9", "WIN1252"])
def test_client_encodings(place: Place, encoding: str) -> None:
    with connect(place.reader, client_encoding=encoding) as connection:
        assert connection.info.encoding != "utf-8"
        row = connection.execute(
            "SELECT 'é' || chr(233), length('é'), current_user::text"
        ).fetchone()
        assert row == ("éé", 1, place.reader.user)
        bound = connection.execute("SELECT %s::text, length(%s)", ["é", "é"]).fetchone()
        assert bound == ("é", 1)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("SELECT chr(8364) || chr(945)")
        assert caught.value.sqlstate == "22P05"


# Refusals: as the server itself says it


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "wrong password": ({"password": "wrong"}, "password authentication failed for user", "28P01"),
    "unknown name": ({"user": "nobody there"}, "password authentication failed for user", "28P01"),
    "no such database": ({"dbname": "nowhere"}, 'database "nowhere" does not exist', "3D000"),
    "no grant": ({"dbname": "main"}, 'permission denied for database "main"', "42501"),
    "unknown setting": (
        {"options": "-c nothing_like_it=1"},
        'unrecognized configuration parameter "nothing_like_it"',
        "42704",
    ),
    "bad value": (
        {"options": "-c work_mem=lots"},
        'invalid value for parameter "work_mem": "lots"',
        "22023",
    ),
    "setting for administrators": (
        {"options": "-c log_statement=all"},
        'permission denied to set parameter "log_statement"',
        "42501",
    ),
    "other switches": ({"options": "-B 10"}, "-B", "42601"),
    "replication": ({"replication": "database"}, "replication", "0A000"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refusals(place: Place, case: str) -> None:
    keywords, message, _ = REFUSED[case]
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(place.reader, **keywords)
    assert "FATAL:  " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("change", ["NOLOGIN", "VALID UNTIL '2020-01-01'"])
def test_accounts_that_may_not_log_in(place: Place, change: str) -> None:
    who = place.reader
    alter = sql.SQL("ALTER ROLE {} " + change).format(sql.Identifier(who.user))
    back = sql.SQL("ALTER ROLE {} LOGIN VALID UNTIL 'infinity'").format(sql.Identifier(who.user))
    said = "is not permitted to log in" if change == "NOLOGIN" else "password authentication failed"
    with closing(as_admin(place.server, autocommit=True)) as administrator:
        administrator.execute(alter)
        try:
            with pytest.raises(psycopg.OperationalError, match=said):
                connect(who)
        finally:
            administrator.execute(back)
    with connect(who) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_replication_is_refused_before_the_login(place: Place) -> None:
    with Wire(place.reader) as wire:
        kind, body = wire.ask(startup("user", place.reader.user, "replication", "database"))
        assert (kind, fields(body)["C"], fields(body)["S"]) == (b"E", "0A000", "FATAL")


def test_long_names_are_cut_as_the_server_does(place: Place) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(place.reader, dbname="d" * 80)
    assert f'database "{"d" * 63}" does not exist' in str(caught.value)
    with pytest.raises(psycopg.OperationalError, match=f'user "{"n" * 63}"'):
        connect(place.reader, user="n" * 80)


# Other settings of the door


def test_without_tls_it_is_declined(made_home: Home) -> None:
    with up(made_home, MYRIAD_TLS="off") as started:
        started.wait_ready()
        server = myriad.open(made_home.folder).server()
        there = Target(server.host, server.port, "main", "nobody")
        with Wire(there) as wire:
            wire.socket.sendall(request(SSL_REQUEST))
            assert wire.take(1) == b"N"
            assert wire.ask(startup("user", "nobody"))[0] == b"R"
        with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
            connect(there, sslmode="require")


def test_nobody_comes_in_without_tls_where_it_is_required(made_home: Home) -> None:
    with up(made_home, MYRIAD_TLS="require") as started:
        started.wait_ready()
        installed = myriad.open(made_home.folder)
        server = installed.server()
        [(name, password)] = installed.people.add_people(["rose"], ["g"])
        installed.people.grant("g", "public", "main")
        there = Target(server.host, server.port, "main", name, password)
        with Wire(there) as wire:
            kind, body = wire.ask(startup("user", name))
            assert (kind, fields(body)["C"]) == (b"E", "28000")
            assert "TLS" in fields(body)["M"]
        with connect(there, sslmode="prefer") as connection:
            assert connection.pgconn.ssl_in_use
