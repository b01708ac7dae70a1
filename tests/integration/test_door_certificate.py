"""The door's certificate: renewed while people stay connected; TLS from the first byte."""

import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

import myriad
from myriad.home.home import Home
from myriad.running import tls
from myriad.settings import Settings
from tests.harness import up, wait_until


@dataclass(frozen=True)
class Place:
    """A home with a certificate of somebody's own, where rose may come in."""

    home: Home
    certificate: Path
    key: Path
    port: int = 0
    password: str = ""

    def connect(self, **options: str) -> psycopg.Connection:
        """Come in as rose, sure that the certificate is the one in the file now."""
        trust = {"sslmode": "verify-full", "sslrootcert": str(self.certificate), **options}
        return psycopg.connect(
            f"host=localhost port={self.port} user=rose dbname=main",
            password=self.password,
            autocommit=True,
            channel_binding="require",
            **trust,  # type: ignore[arg-type]
        )

    def renew(self, *, key_too: bool = True) -> None:
        """Put another certificate in the place of the one that is there."""
        made = Home(self.certificate.parent / uuid.uuid4().hex)
        made.create()
        tls.prepare(made, Settings())
        if key_too:
            (made.secrets / "door.key").replace(self.key)
        (made.secrets / "door.crt").replace(self.certificate)


@pytest.fixture
def place(made_home: Home, folder: Path) -> Iterator[Place]:
    made = Place(made_home, folder / "own.crt", folder / "own.key")
    made.renew()
    files = {"MYRIAD_TLS_CERTIFICATE": str(made.certificate), "MYRIAD_TLS_KEY": str(made.key)}
    with up(made_home, **files) as started:
        started.wait_ready()
        installed = myriad.open(made_home)
        [(_, password)] = installed.people.add_people(["rose"], ["readers"])
        installed.people.grant("readers", "public")
        yield Place(made_home, made.certificate, made.key, installed.server().port, password)
        assert started.end() == 0


def _is_shown(place: Place) -> bool:
    try:
        place.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_new_certificate_is_taken_without_losing_a_session(place: Place) -> None:
    with closing(place.connect()) as before:
        place.renew(key_too=False)  # as it is between the two files of a renewal
        log = place.home.logs / "myriad.log"
        wait_until(lambda: "the certificate stays as it was" in log.read_text())
        place.renew()
        wait_until(lambda: _is_shown(place))
        assert before.execute("SELECT session_user").fetchone() == ("rose",)
    assert "a new certificate is shown" in (place.home.logs / "door.log").read_text()


def test_tls_may_begin_without_a_question(place: Place) -> None:
    if pq.version() < 170000:
        pytest.skip(f"libpq {pq.version()} has no sslnegotiation: it came with 17")
    with closing(place.connect(sslnegotiation="direct")) as session:
        assert session.pgconn.ssl_in_use
        assert session.execute("SELECT repeat('x', 100000)").fetchone() == ("x" * 100_000,)


@pytest.mark.nightly(by_day=["named0"])
@pytest.mark.parametrize("named", [[], ["http/1.1"]])
def test_tls_of_another_protocol_is_refused(place: Place, named: list[str]) -> None:
    context = ssl.create_default_context(cafile=str(place.certificate))
    if named:
        context.set_alpn_protocols(named)
    with (
        socket.create_connection(("127.0.0.1", place.port), 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        answer = client.recv(1000)
    assert b"without ALPN protocol negotiation extension" in answer


def test_what_only_looks_like_tls_ends(place: Place) -> None:
    for text in (b"\x16", b"\x16\x03\x01", b"\x16" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70_000):
        with socket.create_connection(("127.0.0.1", place.port), 20) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(1000):
                    pass
            except ConnectionResetError:
                pass
    place.connect().close()
