"""Grants of several things at once, of single tables and of columns, and what becomes of them."""

import psycopg
import pytest

from myriad.errors import PeopleError
from myriad.people import People
from tests.granting import DENIED, STAFF, Ask, grants_of
from tests.publishing import Place


def test_a_table_alone_is_read_and_nothing_else_of_its_dataset(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    people.grant(group, "hr.people", hr.database)
    assert ask("SELECT count(*) FROM hr.people") == [(2,)]
    hr.publish(hr.write("later.csv", "a\n1\n"), dataset="hr")
    for denied in ("SELECT * FROM hr.pay", "SELECT * FROM hr.later", "DELETE FROM hr.people"):
        with pytest.raises(DENIED):
            ask(denied)
    people.grant(group, "hr.people", hr.database, write=True)
    ask("UPDATE hr.people SET team = 'green'")
    people.revoke(group, "hr.people", hr.database)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        ask("SELECT 1")
    assert grants_of(people, group) == []


def test_columns_alone_are_read(people: People, group: str, hr: Place, ask: Ask) -> None:
    people.grant(group, "hr.people", hr.database, columns="name,team")
    assert ask("SELECT name, team FROM hr.people ORDER BY 1")[0] == ("Ann", "red")
    assert grants_of(people, group) == [f"hr.people in {hr.database} (read name, team)"]
    for denied in ("SELECT * FROM hr.people", "SELECT salary FROM hr.people"):
        with pytest.raises(DENIED):
            ask(denied)
    people.revoke(group, "hr.people", hr.database, columns=["team"])
    assert ask("SELECT name FROM hr.people ORDER BY 1")[0] == ("Ann",)
    with pytest.raises(DENIED):
        ask("SELECT team FROM hr.people")


def test_several_groups_and_places_at_once_are_granted_or_none(
    people: People, group: str, hr: Place, tag: str
) -> None:
    other = f"with,comma{tag}"
    people.add_groups([other, f"h{tag}"])
    given = people.grant(f"{group},h{tag}", "public,hr.people", hr.database)
    assert [(grant.group, grant.name) for grant in given] == [
        (name, where) for name in (group, f"h{tag}") for where in ("public", "hr.people")
    ]
    before = people.list_grants()
    for groups, places in (
        (f"{group},nobody", "hr"),
        (group, "hr,nowhere"),
        (group, "hr,hr.nothing"),
        ([group, other], "hr.people,hr.pay.amount"),
    ):
        with pytest.raises(PeopleError) as error:
            people.grant(groups, places, hr.database)
        assert error.value.hint
    with pytest.raises(PeopleError, match="no grant of 'hr'"):
        people.revoke(f"{group},h{tag}", "public,hr", hr.database)
    assert people.list_grants() == before
    assert [grant.group for grant in people.grant(other, "hr", hr.database)] == [other]
    people.revoke(f"{group},h{tag}", "public,hr.people", hr.database)
    assert grants_of(people, group) == []


def test_a_dataset_and_a_table_are_taken_back_each_by_itself(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    people.grant(group, "hr.people", hr.database, columns="name")
    people.grant(group, "hr", hr.database, write=True)
    assert ask("SELECT salary FROM hr.people ORDER BY 1") == [(31337,), (41414,)]
    people.revoke(group, "hr", hr.database)
    assert ask("SELECT name FROM hr.people ORDER BY 1") == [("Ann",), ("Bob",)]
    for denied in (
        "SELECT salary FROM hr.people",
        "SELECT * FROM hr.pay",
        "DELETE FROM hr.people",
    ):
        with pytest.raises(DENIED):
            ask(denied)
    people.grant(group, "hr", hr.database)
    people.revoke(group, "hr.people", hr.database)
    assert ask("SELECT salary FROM hr.people ORDER BY 1") == [(31337,), (41414,)]


def test_what_is_granted_of_a_table_outlives_all_that_becomes_of_it(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    people.grant(group, "hr.people", hr.database, columns="name,team")
    people.grant(group, "hr.pay", hr.database)
    read = "SELECT name, team FROM hr.people"
    report = hr.publish(
        hr.write("people.csv", "id,name,salary\n1,Cid,1\n"), dataset="hr", contract="free"
    )
    assert any(f"{group} may read team" in note for note in report.tables[0].notes)
    assert ask("SELECT name FROM hr.people") == [("Cid",)]
    hr.publish(hr.write("people.csv", STAFF), dataset="hr", contract="free")
    assert ask(f"{read} ORDER BY 1")[0] == ("Ann", "red")
    with pytest.raises(DENIED):
        ask("SELECT salary FROM hr.people")
    hr.installation.undo("hr.people", database=hr.database)
    hr.installation.undo("hr.people", database=hr.database, to=3)
    assert ask(f"{read} ORDER BY 1")[0] == ("Ann", "red")
    hr.installation.rename("hr.people", "staff", hr.database)
    assert ask("SELECT name, team FROM hr.staff ORDER BY 1")[0] == ("Ann", "red")
    hr.publish(hr.write("staff.csv", STAFF), dataset="hr")
    assert ask("SELECT name, team FROM hr.staff ORDER BY 1")[0] == ("Ann", "red")
    for purge, names in ((False, ["hr.pay", "hr.staff"]), (True, ["hr.pay"])):
        hr.installation.unpublish("hr.staff", database=hr.database, purge=purge)
        assert [grant.name for grant in people.list_grants() if grant.group == group] == names
        hr.publish(hr.write("staff.csv", STAFF), dataset="hr")
    with pytest.raises(DENIED):
        ask("SELECT name FROM hr.staff")
    assert ask("SELECT amount FROM hr.pay") == [(10,)]
