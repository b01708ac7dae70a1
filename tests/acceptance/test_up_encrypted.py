"""A PostgreSQL of somebody else's that is reached over TLS alone: a proxy adds that."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from myriad.home.home import Home
from tests.crowd import LONG, installed
from tests.elsewhere import elsewhere
from tests.harness import reachable_folder
from tests.tls_proxy import certificate, proxy
from tests.two_doors import Sessions

LOCAL = "127.0.0.1"
MODES = ["prefer", "verify-full"]
_THIS = "tests/acceptance/test_up_encrypted.py"
_DAILY = f"{_THIS}::test_people_come_by_the_door_to_a_server_that_wants_tls[verify-full]"


@pytest.fixture(scope="module")
def encrypted() -> Iterator[tuple[str, Path]]:
    """Its DSN, and the file of who vouches for it."""
    with elsewhere() as theirs, reachable_folder() as folder:
        files = certificate(folder, LOCAL)
        with proxy(files, (LOCAL, 0), (LOCAL, theirs.port), when_asked=True) as (_, port):
            named = conninfo_to_dict(theirs.dsn)
            yield make_conninfo("", **{**named, "port": port}), files[0]


@pytest.mark.parametrize(
    "mode", [pytest.param(MODES[0], marks=pytest.mark.nightly(daily=_DAILY)), MODES[1]]
)
def test_people_come_by_the_door_to_a_server_that_wants_tls(
    encrypted: tuple[str, Path], mode: str, folder: Path
) -> None:
    dsn, roots = encrypted
    named, rose = {"sslmode": mode}, f"rose_{MODES.index(mode)}"
    if mode == "verify-full":
        named["sslrootcert"] = str(roots)
    with (
        installed(Home(folder / "home"), postgres_at=make_conninfo(dsn, **named)) as found,
        ExitStack() as stack,
    ):
        found.add([rose])
        found.myriad.people.set_limits([rose], {"statement_seconds": 0.5})
        session = Sessions(found.place, rose, stack).one()
        assert session.execute("SELECT session_user").fetchone() == (rose,)
        with pytest.raises(psycopg.errors.QueryCanceled, match=r"longer than 0\.5 seconds"):
            session.execute(LONG)
        assert session.execute("SELECT 1").fetchone() == (1,)
