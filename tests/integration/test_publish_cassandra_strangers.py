"""What others do in Cassandra before and while a table is published is no part of it."""

import time
from collections.abc import Callable

import pytest

from myriad import Myriad
from myriad.cql.names import quoted
from myriad.errors import PublishError, SchemaRefused
from myriad.people import People
from myriad.publish.cassandra import keyspaces, record, switch
from myriad.publish.options import Step
from tests.cql_people import Login, as_administrator, refused
from tests.keyspaces import Space

PAY = "id,salary\n1,10\n2,20\n3,30\n"
TABLE = "CREATE TABLE {}.pay (id bigint PRIMARY KEY, salary bigint)"
HOUR = 3_600_000_000  # µs


@pytest.fixture
def people(clustered: Myriad) -> People:
    return clustered.people


def once(phase: str, act: Callable[[], object]) -> Callable[[Step], None]:
    """Return what acts when a publish is first at a phase."""
    left = [act]

    def tell(step: Step) -> None:
        if step.phase == phase and left:
            left.pop()()

    return tell


def pay(space: Space) -> dict[int, int]:
    return dict(space.ask("SELECT id, salary FROM {}.pay"))


def table_id(space: Space) -> str:
    [(found,)] = space.ask(
        "SELECT id FROM system_schema.tables WHERE keyspace_name = '{}' AND table_name = 'pay'"
    )
    return str(found)


def folders(space: Space) -> set[str]:
    """Return the folders of this keyspace's tables on the node."""
    place = space.installation.home.cassandra / "node1" / "data" / "data" / space.dataset
    return {path.name for path in place.iterdir() if any(path.glob("*-Data.db"))}


@pytest.mark.parametrize(
    "phase",
    [
        "loading",
        pytest.param(
            "replacing",
            marks=pytest.mark.nightly(
                daily="tests/integration/test_publish_cassandra_strangers.py"
                "::test_a_table_that_somebody_makes_meanwhile_is_not_filled_and_not_touched"
            ),
        ),
    ],
)
def test_a_table_that_somebody_makes_meanwhile_is_not_filled_and_not_touched(
    space: Space, phase: str
) -> None:
    space.publish(space.write("other.csv", PAY), "id")  # so that the keyspace is there
    path = space.write("pay.csv", PAY)
    made = once(phase, lambda: space.ask(TABLE))
    with pytest.raises(SchemaRefused, match="somebody has made it meanwhile"):
        space.publish(path, "id", progress=made)
    assert pay(space) == {}
    assert (space.loads(), space.staged()) == ([], set())
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        space.publish(path, "id")
    assert pay(space) == {}
    assert {name.split("-")[0] for name in folders(space)} == {"other"}


def test_a_table_that_is_dropped_and_made_again_meanwhile_is_a_strangers(space: Space) -> None:
    path = space.write("pay.csv", PAY)
    space.publish(path, "id")

    def make_again() -> None:
        space.ask("DROP TABLE {}.pay")
        space.ask(TABLE)

    with pytest.raises(SchemaRefused, match="another table than when the publish began"):
        space.publish(path, progress=once("loading", make_again))
    assert pay(space) == {}
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        space.publish(path, "id")


def test_a_table_of_a_stranger_that_is_replaced_is_made_anew_and_theirs_no_more(
    clustered: Myriad, space: Space, people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"spy {tag}"])
    space.publish(space.write("other.csv", PAY), "id")
    space.ask(TABLE)
    as_administrator(clustered, f"GRANT ALL ON TABLE {space.dataset}.pay TO {quoted(name)}")
    session, before = login(name, password), table_id(space)
    assert session.query(f"SELECT * FROM {space.dataset}.pay") == []
    (table,) = space.publish(space.write("pay.csv", PAY), "id", replace=True).tables
    assert any("Myriad did not make it: the table is dropped" in note for note in table.notes)
    assert (pay(space), table_id(space) != before) == ({1: 10, 2: 20, 3: 30}, True)
    for statement in ("SELECT * FROM {}.pay", "GRANT SELECT ON TABLE {}.pay TO " + quoted(name)):
        refused(session, statement.replace("{}", space.dataset))
    people.remove([name])


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_strangers.py::"
    "test_a_table_that_is_dropped_and_made_again_meanwhile_is_a_strangers"
)
def test_rights_on_the_name_of_a_table_that_is_yet_to_come_are_gone_when_it_comes(
    clustered: Myriad, space: Space, people: People, login: Login, tag: str
) -> None:
    """As those that the node of whoever made one of that name grants late."""
    [(name, password)] = people.add_people([f"spy {tag}"])
    space.publish(space.write("other.csv", PAY), "id")
    resource, held = f"data/{space.dataset}/pay", "{'SELECT', 'AUTHORIZE'}"
    as_administrator(
        clustered,
        "INSERT INTO system_auth.role_permissions (role, resource, permissions)"
        f" VALUES ('{name}', '{resource}', {held})",
    )
    space.publish(space.write("pay.csv", PAY), "id")
    refused(login(name, password), f"SELECT * FROM {space.dataset}.pay")
    people.remove([name])


def test_a_table_that_is_loaded_does_not_tell_the_names_of_its_columns(space: Space) -> None:
    seen: list[str] = []
    columns = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = 'myriad_next'"
    look = once("proving the counts", lambda: seen.extend(name for (name,) in space.ask(columns)))
    header = "part,secret_z,secret_a,secret_é,secret_list\n"
    rows = 'p,1,x,2.5,"[1,2]"\nq,2,y,,"[3]"\n'
    space.publish(space.write("t.csv", header + rows), "part/secret_z", progress=look)
    assert seen
    assert not [name for name in seen if "sec" in name.lower() or name == "part"]
    found = sorted(space.ask('SELECT secret_z, secret_a, "secret_é", secret_list FROM {}.t'))
    assert [(*row[:2], row[3]) for row in found] == [(1, "x", [1, 2]), (2, "y", [3])]
    assert [row[2] and float(row[2]) for row in found] == [2.5, None]


def test_a_keyspace_that_somebody_makes_at_the_same_moment_is_refused(
    clustered: Myriad, keyspace: str
) -> None:
    cluster, place = clustered.cluster(), ("main", keyspace)
    with record.opened(clustered.server()) as written, cluster.session() as session:
        with pytest.raises(PublishError, match="Myriad did not make it"):
            keyspaces.make(written, cluster, session, keyspace, place)
        assert written.keyspace(keyspace) is None


def test_a_keyspace_that_was_begun_and_made_by_somebody_else_is_ours_alone(
    clustered: Myriad, people: People, login: Login, keyspace: str, tag: str
) -> None:
    [(name, password)] = people.add_people([f"spy {tag}"])
    as_administrator(clustered, f"GRANT ALL ON KEYSPACE {keyspace} TO {quoted(name)}")
    cluster, place, session = clustered.cluster(), ("main", keyspace), login(name, password)
    session.query(f"CREATE TABLE {keyspace}.mine (k int PRIMARY KEY)")
    with record.opened(clustered.server()) as written, cluster.session() as ours:
        written.announce(keyspace, *place)
        assert keyspaces.make(written, cluster, ours, keyspace, place)
    for statement in ("SELECT * FROM {}.mine", "CREATE TABLE {}.more (k int PRIMARY KEY)"):
        refused(session, statement.replace("{}", keyspace))
    people.remove([name])


def test_rows_and_deletions_from_the_future_are_found_named_and_gone(space: Space) -> None:
    path = space.write("pay.csv", PAY)
    space.publish(path, "id")
    ahead = time.time_ns() // 1000 + HOUR
    space.ask(f"INSERT INTO {{}}.pay (id, salary) VALUES (4, 40) USING TIMESTAMP {ahead}")
    space.ask(f"UPDATE {{}}.pay USING TIMESTAMP {ahead} SET salary = 0 WHERE id = 1")
    (table,) = space.publish(path).tables
    assert pay(space) == {1: 10, 2: 20, 3: 30}
    [note] = [note for note in table.notes if "of the future" in note]
    assert "id = 4" in note
    assert "id = 1" in note
    space.ask(f"DELETE FROM {{}}.pay USING TIMESTAMP {ahead} WHERE id = 2")
    assert 2 not in pay(space)
    (table,) = space.publish(path).tables
    assert pay(space) == {1: 10, 2: 20, 3: 30}
    assert any("deletions with timestamps of the future" in note for note in table.notes)
    space.ask("INSERT INTO {}.pay (id, salary) VALUES (4, 41)")
    assert pay(space)[4] == 41  # nothing of the future is left


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_strangers.py::"
    "test_a_table_of_a_stranger_that_is_replaced_is_made_anew_and_theirs_no_more"
)
def test_what_others_write_while_a_table_is_published_stays_and_is_named(space: Space) -> None:
    path = space.write("pay.csv", PAY)
    space.publish(path, "id")

    def write() -> None:
        for number in (97, 98, 99):
            space.ask("INSERT INTO {}.pay (id, salary) VALUES (?, 1)", [number])
        space.ask("DELETE FROM {}.pay WHERE id = 3")

    (table,) = space.publish(path, progress=once("loading", write)).tables
    assert pay(space) == {1: 10, 2: 20, 97: 1, 98: 1, 99: 1}
    [note] = [note for note in table.notes if "others wrote" in note]
    assert "5 rows instead of 3" in note
    assert "id = 99" in note
    assert "missing: id = 3" in note


@pytest.mark.parametrize(
    "at",
    [
        "loading",
        pytest.param(
            "before the swap",
            marks=pytest.mark.nightly(
                daily="tests/integration/test_publish_cassandra_strangers.py"
                "::test_what_others_wrote_before_a_load_goes_on_is_replaced_by_it[loading]"
            ),
        ),
    ],
)
def test_what_others_wrote_before_a_load_goes_on_is_replaced_by_it(space: Space, at: str) -> None:
    space.publish(space.write("pay.csv", PAY), "id")
    path = space.write("pay.csv", PAY.replace("0\n", "5\n"))
    space.killed(path, at)
    space.ask("DELETE FROM {}.pay WHERE id = 1")
    space.ask("UPDATE {}.pay SET salary = 0 WHERE id = 2")
    space.ask("INSERT INTO {}.pay (id, salary) VALUES (99, 1)")
    space.publish(path)
    assert pay(space) == {1: 15, 2: 25, 3: 35}
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_strangers.py::"
    "test_rows_and_deletions_from_the_future_are_found_named_and_gone"
)
def test_a_switch_that_did_not_hide_the_old_rows_is_not_called_done(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(space.write("pay.csv", PAY + "4,40\n"), "id")
    path = space.write("pay.csv", PAY)
    with monkeypatch.context() as patch:
        patch.setattr(switch, "_hide_old", lambda *_: None)
        with pytest.raises(PublishError, match=r"4 rows instead of 3; more: id = 4"):
            space.publish(path)
    space.publish(path)  # the same command finishes it
    assert pay(space) == {1: 10, 2: 20, 3: 30}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra.py::"
    "test_append_adds_rows_and_refuses_those_that_are_there"
)
def test_an_append_is_counted_with_what_was_there(space: Space) -> None:
    space.publish(space.write("pay.csv", PAY), "id")
    more = space.write("more.csv", "id,salary\n4,40\n")
    write = once("loading", lambda: space.ask("INSERT INTO {}.pay (id, salary) VALUES (99, 1)"))
    (table,) = space.publish(more, table="pay", append=True, progress=write).tables
    assert not [note for note in table.notes if "others wrote" in note]  # it was counted, too
    assert pay(space) == {1: 10, 2: 20, 3: 30, 4: 40, 99: 1}
