"""The inner socket: a program of ours names the person; all else is as for everybody."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.control import asking
from myriad.door.login.inner import OURS
from myriad.people import Activity
from myriad.pgwire import wire
from myriad.running import inner
from tests.door_clients import LONG, Place, connect, made_place
from tests.door_inner import HERE, Inner, startup
from tests.door_script import SYNC, Ended, Wire, hold_log, unit
from tests.harness import as_admin, reachable_folder, wait_until

STRANGER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as stream:
    stream.settimeout(10)
    try:
        stream.connect(sys.argv[1])
    except PermissionError:
        print("closed to me")
    else:
        print(b"".join(iter(lambda: stream.recv(4096), b"")))
"""


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made
    hold_log(installation)


@pytest.fixture
def way_in(installation: Myriad) -> Inner:
    return Inner(installation)


def reader(way_in: Inner, place: Place, **told: str) -> Wire:
    return way_in.enter(place.reader.user, place.reader.database, **told)


def activity(installation: Myriad, name: str) -> list[Activity]:
    return installation.people.activity([name])


def as_nobody(path: str) -> str:
    if os.geteuid():
        pytest.skip("only root may become another user")
    command = [sys.executable, "-c", STRANGER, path]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_a_person_is_who_they_are_and_may_what_they_may(way_in: Inner, place: Place) -> None:
    with closing(reader(way_in, place)) as session:
        name = place.reader.user
        assert session.rows("SELECT current_user, session_user") == [(repr(name), repr(name))]
        assert session.rows("SELECT count(*) FROM flight") == [("'1000'",)]
        [error] = session.rows("INSERT INTO note (body) VALUES ('x')")
        assert error[1] == "42501"
        session.send(unit("SELECT $1::int + 1", "1"), SYNC)
        assert ("D", "'2'") in session.until()


def test_an_owner_has_connections_of_her_own(way_in: Inner, place: Place) -> None:
    with closing(way_in.enter(place.owner.user, place.owner.database)) as session:
        assert session.rows("CREATE TABLE mine AS SELECT 1 AS a") == []
        assert session.rows("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'") == [
            (repr(place.owner.user),)
        ]


def test_audit_and_activity_show_the_way_in_and_the_address_that_was_handed_over(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    name = place.reader.user
    with closing(reader(way_in, place, address="2001:DB8::0:1", way="page")) as session:
        session.rows("SELECT 'by way of the page'")
        [one] = activity(installation, name)
        assert (one.address, one.way, one.person) == ("2001:db8::1", "page", name)
    with connect(place.reader) as direct:
        direct.execute("SELECT 'directly'")
        assert [one.way for one in activity(installation, name)] == ["postgres"]
    wait_until(
        lambda: (
            {
                (ran.way, ran.address)
                for ran in installation.people.audit(name)
                if "by way of" in ran.statement or "directly" in ran.statement
            }
            == {("page", "2001:db8::1"), ("postgres", "127.0.0.1")}
        )
    )


def test_the_socket_is_our_own_users_alone(installation: Myriad) -> None:
    path = inner.path(installation.home)
    state = path.stat()
    assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o600, os.getuid())
    assert as_nobody(str(path)) == "closed to me\n"


def test_another_user_is_refused_even_where_the_file_lets_them_in(
    installation: Myriad,
) -> None:
    """The door asks the system who connected; it does not rest on the file's rights."""
    path = inner.path(installation.home)
    with reachable_folder() as folder:
        link = folder / "inner.sock"
        os.link(path, link)
        link.chmod(0o666)
        try:
            said = as_nobody(str(link))
        finally:
            link.chmod(0o600)
    assert "only programs of this installation connect here" in said
    assert "28000" in said


@pytest.mark.parametrize(
    "name", ["myriad", "Myriad", "postgres", "pg_monitor", "myriad_pool_0123456789abcdef", "nobody"]
)
def test_nobody_comes_as_myriad_as_a_role_of_its_own_or_as_nobody(
    way_in: Inner, place: Place, name: str
) -> None:
    with pytest.raises(Ended, match="nobody may come in as"):
        way_in.enter(name, place.reader.database)


def test_nobody_comes_as_a_pools_role_that_is_there(way_in: Inner, place: Place) -> None:
    with connect(place.reader) as direct, closing(as_admin(place.server)) as administrator:
        direct.execute("SELECT 1")
        asked = (
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'myriad\\_pool\\_%' OR NOT rolcanlogin"
        )
        roles = [name for (name,) in administrator.execute(asked).fetchall()]
    assert any(name.startswith("myriad_pool_") for name in roles)
    assert len(roles) > 2
    for name in roles:
        with pytest.raises(Ended):
            way_in.enter(name, place.reader.database)


def test_whoever_could_not_log_in_with_a_password_cannot_come_so(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    people, database = installation.people, place.reader.database
    [(name, _)] = people.add_people(["Gerd"], [])
    with pytest.raises(Ended, match="permission denied for database"):
        way_in.enter(name, database)
    changes = {
        "VALID UNTIL '2001-01-01'": "nobody may come in as",
        "VALID UNTIL 'infinity' NOLOGIN": "is not permitted to log in",
        "LOGIN PASSWORD NULL": "nobody may come in as",
    }
    for change, refusal in changes.items():
        with closing(as_admin(place.server, autocommit=True)) as administrator:
            administrator.execute(f'ALTER ROLE "{name}" {change}'.encode())
        with pytest.raises(Ended, match=refusal):
            way_in.enter(name, database)
    people.remove([name])
    with pytest.raises(Ended, match="nobody may come in as"):
        way_in.enter(name, database)
    with pytest.raises(Ended, match="does not exist"):
        way_in.enter(place.reader.user, "no such database")


def test_a_person_who_is_removed_is_thrown_out(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    people = installation.people
    group = next(
        person.groups[0] for person in people.list_people() if person.name == place.reader.user
    )
    [(name, _)] = people.add_people(["Hans"], [group])
    with closing(way_in.enter(name, place.reader.database)) as session:
        assert session.rows("SELECT 1") == [("'1'",)]
        people.remove([name])
        assert "57P01" in str(session.to_the_end())


def test_limits_of_a_person_hold_over_both_ways(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    people, name = installation.people, place.reader.user
    people.set_limits(name, {"connections": 2, "rows": 10})
    try:
        with connect(place.reader), closing(reader(way_in, place)) as session:
            with pytest.raises(Ended, match="too many connections for role"):
                reader(way_in, place)
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                connect(place.reader)
            [error] = [
                answer for answer in session.query("SELECT * FROM flight") if answer[0] == "E"
            ]
            assert error[2] == "54000"
    finally:
        people.set_limits(name, {}, reset=True)


def test_statements_of_both_ways_are_counted_together(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    people, name = installation.people, place.reader.user
    people.set_limits(name, {"concurrent": 1})
    try:
        with connect(place.reader) as direct, closing(reader(way_in, place)) as session:
            direct.execute("BEGIN")
            session.send(wire.query("SELECT 'served'"))
            wait_until(lambda: "waiting" in {one.state for one in activity(installation, name)})
            direct.execute("COMMIT")
            assert ("D", "'served'") in session.until()
    finally:
        people.set_limits(name, {}, reset=True)


def test_all_sessions_of_an_id_are_ended_and_no_others(
    way_in: Inner, place: Place, installation: Myriad
) -> None:
    server = installation.server()
    with (
        closing(reader(way_in, place, id="mine", scope="read")) as idle,
        closing(reader(way_in, place, id="mine")) as busy,
        closing(reader(way_in, place, id="other")) as other,
        connect(place.reader) as direct,
    ):
        busy.send(wire.query(LONG))
        wait_until(lambda: place.runs(place.reader, LONG))
        assert asking.ask(server, "end_ids", ["mine", ""]) == {"ended": 2}
        assert "was withdrawn" in str(idle.to_the_end())
        busy.to_the_end()
        wait_until(lambda: not place.runs(place.reader, LONG))
        assert other.rows("SELECT 1") == [("'1'",)]
        assert direct.execute("SELECT 1").fetchone() == (1,)
        assert asking.ask(server, "end_ids", ["mine", ""]) == {"ended": 0}


def test_a_statement_is_cancelled_as_over_the_other_way(way_in: Inner, place: Place) -> None:
    with closing(reader(way_in, place)) as session:
        session.send(wire.query(LONG))
        wait_until(lambda: place.runs(place.reader, LONG))
        with closing(way_in.stream()) as stream:
            stream.sendall(wire.cancel(session.number, session.key))
        assert "57014" in str(session.until())


def test_a_client_that_hangs_up_takes_its_statement_with_it(way_in: Inner, place: Place) -> None:
    session = reader(way_in, place)
    session.send(wire.query(LONG))
    wait_until(lambda: place.runs(place.reader, LONG))
    session.stream.close()
    wait_until(lambda: not place.runs(place.reader, LONG))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        *[({f"{OURS}{name}": None}, f"{name} is missing") for name in HERE],
        ({f"{OURS}password": "x"}, "is not known"),
        ({f"{OURS}scope": "READ"}, "scope has no such value"),
        ({f"{OURS}scope": ""}, "scope has no such value"),
        ({f"{OURS}way": "postgres"}, "way has no such value"),
        ({f"{OURS}way": "a\x1b[2J"}, "way has no such value"),
        ({f"{OURS}way": "x" * 17}, "way has no such value"),
        ({f"{OURS}id": ""}, "id has no such value"),
        ({f"{OURS}id": "x" * 65}, "id has no such value"),
        ({f"{OURS}address": "somewhere"}, "address has no such value"),
        ({f"{OURS}address": "1.2.3.4\t5"}, "address has no such value"),
        ({"replication": "database"}, "replication is not possible"),
        ({"options": "-d 5"}, "invalid command-line argument"),
        ({"role": "myriad"}, "not available here"),
        ({"session_authorization": "myriad"}, "not available here"),
    ],
)
def test_a_startup_message_says_what_it_must_and_no_more(
    way_in: Inner, place: Place, change: dict[str, str | None], refusal: str
) -> None:
    said = {**startup(place.reader.user, place.reader.database), **change}
    with pytest.raises(Ended, match=refusal):
        way_in.log_in({name: value for name, value in said.items() if value is not None})


def test_an_option_that_comes_twice_is_refused(way_in: Inner, place: Place) -> None:
    """As of a program that passes on a name that somebody typed, with a NUL and more in it."""
    said = wire.startup(startup(place.reader.user, place.reader.database, scope="read"))[4:-1]
    hidden = said + f"{OURS}scope\0all\0\0".encode()
    with closing(way_in.stream()) as stream:
        stream.sendall((len(hidden) + 4).to_bytes(4, "big") + hidden)
        assert "comes twice" in str(Wire(stream).to_the_end())


def test_over_the_other_way_in_these_options_mean_nothing(
    place: Place, installation: Myriad
) -> None:
    who = place.reader
    with closing(socket.create_connection((who.host, who.port), 10)) as stream:
        session = Wire(stream)
        said = startup(who.user, who.database, way="page", address="8.8.8.8")
        session.log_in(said, who.password)
        [one] = activity(installation, who.user)
        assert (one.way, one.address) == ("postgres", "127.0.0.1")
        with pytest.raises(Ended, match="password authentication failed"):
            Wire(socket.create_connection((who.host, who.port), 10)).log_in(said, "wrong")


def test_it_asks_for_no_encryption(way_in: Inner, place: Place) -> None:
    with closing(way_in.stream()) as stream:
        stream.sendall(wire.ssl_request())
        assert stream.recv(1) == b"N"
        session = Wire(stream)
        session.log_in(startup(place.reader.user, place.reader.database), "")
        assert session.rows("SELECT 1") == [("'1'",)]
