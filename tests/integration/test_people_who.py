"""Who may see a table, and by what."""

import json
from contextlib import closing

import psycopg
import pytest

from myriad.errors import PeopleError
from myriad.people import People
from tests.harness import as_admin, run
from tests.publishing import Place


@pytest.fixture
def hr(place: Place) -> Place:
    place.publish(place.write("people.csv", "id,name,pay\n1,Ann,10\n"), dataset="hr")
    return place


def by_hand(hr: Place, *statements: str) -> None:
    with closing(as_admin(hr.installation.server(), hr.database, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def seen(people: People, hr: Place, table: str = "hr.people") -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for each in people.who(table, hr.database).access:
        found.setdefault(each.who, []).append((each.right(), each.by))
    return found


def test_columns_are_told_in_the_table_s_order(people: People, hr: Place, tag: str) -> None:
    people.add_people([f"r{tag}"], [f"g{tag}"])
    people.add_people([f"s{tag}"])
    people.grant(f"g{tag}", "hr.people", hr.database, columns=["pay", "name", "id"])
    by_hand(
        hr,
        f'GRANT CONNECT ON DATABASE "{hr.database}" TO "s{tag}"',
        f'GRANT USAGE ON SCHEMA hr TO "s{tag}"',
        f'GRANT SELECT (pay, id) ON hr.people TO "s{tag}"',
    )
    found = {each.who: each for each in people.who("hr.people", hr.database).access}
    assert found[f"r{tag}"].columns == ("id", "name", "pay")
    assert found[f"s{tag}"].columns == ("id", "pay")
    assert found[f"r{tag}"].by == f"g{tag}: hr.people (read id, name, pay)"


def test_it_names_everybody_and_each_grant_by_which_they_see_it(
    people: People, hr: Place, tag: str
) -> None:
    one, two, three = f"a{tag}", f"b{tag}", f"c{tag}"
    people.add_people([f"r{tag}"], [one, two])
    people.add_people([f"s{tag}"], [two])
    people.add_people([f"t{tag}"], [three])
    people.grant(one, "hr", hr.database, write=True)
    people.grant(two, "hr.people", hr.database, columns="name")
    people.grant(three, "public", hr.database)  # of the database, and not of this dataset
    assert seen(people, hr) == {
        f"r{tag}": [
            ("write", f"{one}: hr (write)"),
            ("read name", f"{two}: hr.people (read name)"),
        ],
        f"s{tag}": [("read name", f"{two}: hr.people (read name)")],
    }
    assert all(each.granted for each in people.who("hr.people", hr.database).access)
    people.leave(two, [f"s{tag}"])
    people.revoke(one, "hr", hr.database)
    assert seen(people, hr) == {f"r{tag}": [("read name", f"{two}: hr.people (read name)")]}
    people.disable([f"r{tag}"])
    assert seen(people, hr) == {}
    for wrong in ("hr.nothing", "nothing", "hr", "nowhere.people"):
        with pytest.raises(PeopleError) as error:
            people.who(wrong, hr.database)
        assert error.value.hint


def test_what_was_given_outside_myriad_is_named_as_such(
    people: People, hr: Place, tag: str
) -> None:
    group, rose, other = f"g{tag}", f"r{tag}", f"x{tag}"
    people.add_people([rose, f"s{tag}"], [group])
    people.grant(group, "hr.people", hr.database, columns="name")
    by_hand(
        hr,
        f'GRANT SELECT (pay) ON hr.people TO "{group}"',
        f'GRANT UPDATE ON hr.people TO "{rose}"',
        f'CREATE ROLE "{other}" LOGIN IN ROLE pg_read_all_data',
        f'GRANT CONNECT ON DATABASE "{hr.database}" TO "{other}"',
        "CREATE VIEW hr.shown AS SELECT name FROM hr.people",
    )
    both = [("read name", f"{group}: hr.people (read name)"), ("read pay", f"by hand, to {group}")]
    try:
        assert seen(people, hr) == {
            rose: [*both, ("write", "by hand")],
            f"s{tag}": both,
            other: [("read", "by hand, to pg_read_all_data")],
        }
        found = people.who("hr.people", hr.database)
        assert {each.who for each in found.access if not each.person} == {other}
        assert found.views == ("hr.shown",)
        by_hand(hr, "GRANT SELECT ON hr.people TO PUBLIC")
        assert seen(people, hr)[""] == [("read", "by hand, to everybody: PUBLIC")]
    finally:
        by_hand(hr, f'DROP OWNED BY "{other}"', f'DROP ROLE "{other}"')


def test_owners_see_what_they_own(people: People, hr: Place, tag: str) -> None:
    people.add_people([f"r{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "hr.people", hr.database)
    by_hand(hr, f'ALTER TABLE hr.people OWNER TO "g{tag}"')
    assert seen(people, hr) == {f"r{tag}": [("write", f"owner: g{tag}")]}


def test_a_workspace_is_what_its_people_see_by(people: People, hr: Place, tag: str) -> None:
    maker, group, server = f"r{tag}", f"g{tag}", hr.installation.server()
    [(_, password), _] = people.add_people([maker, f"s{tag}"], [group])
    people.create_workspace(group, "lab", hr.database)
    try:
        where = f"host={server.host} port={server.port} dbname={hr.database}"
        with psycopg.connect(where, user=maker, password=password) as connection:
            connection.execute("CREATE TABLE lab.mine (a int)")
        ways = seen(people, hr, "lab.mine")
        assert ways[f"s{tag}"] == [("read", "workspace lab")]
        assert ways[maker][0] == ("write", "owner")
    finally:
        people.drop_workspace("lab", hr.database)


def test_the_commands_say_it(people: People, hr: Place, tag: str) -> None:
    group, home = f"g{tag}", hr.installation.home
    people.add_people([f"r{tag}"], [group])
    place = "--database", hr.database
    done = run(home, "grant", group, "public,hr", *place)
    assert done.stdout == f"{group} may read public, hr in {hr.database}\n"
    done = run(home, "grant", group, "hr.people", "--columns", "name,id", *place)
    assert done.stdout == f"{group} may read name, id of hr.people in {hr.database}\n"
    assert f"hr.people in {hr.database} (read name, id)" in run(home, "group", "list").stdout
    shown = run(home, "show", "hr.people", *place).stdout
    assert f"granted: {group} may read\n" in shown
    assert f"granted: {group} may read name, id\n" in shown
    lines = run(home, "who", "hr.people", *place).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["who", "may", "by"],
        [f"r{tag}", "read", f"{group}:", "hr", "(read)"],
    ]
    told = json.loads(run(home, "who", "hr.people", *place, "--json").stdout)
    assert {each["who"] for each in told["access"]} == {f"r{tag}"}
    done = run(home, "revoke", group, "hr", *place)
    assert done.stdout == (
        f"{group} has hr in {hr.database} (read) no more; it still has"
        f" hr.people in {hr.database} (read name, id)\n"
    )
    assert run(home, "revoke", group, "hr.people", "-q", *place).stdout == ""
    assert "Nobody but who runs Myriad" in run(home, "who", "hr.people", *place).stderr
    wrong = run(home, "grant", group, "hr.people", "--columns", "nmae", "--write", *place)
    assert wrong.returncode
    assert "hint: Leave --write out" in wrong.stderr
