"""Tables that are granted one by one, in Cassandra."""

import pytest

from myriad import Myriad
from myriad.errors import PeopleError
from tests.cql_people import Login, as_administrator, refused
from tests.keyspaces import Space

READ = "SELECT v FROM {}.t WHERE k = 1"


def test_a_table_is_granted_alone_and_stays_so_whatever_becomes_of_it(
    clustered: Myriad, space: Space, login: Login, tag: str
) -> None:
    people, group = clustered.people, f"g{tag}"
    for name in ("t", "other"):
        (space.folder / f"{name}.csv").write_text("k,v\n1,one\n")
        space.publish(space.folder / f"{name}.csv", "k")
    [(name, password)] = people.add_people([f"r{tag}"], [group])
    session, read = login(name, password), READ.format(space.dataset)
    refused(session, read)
    with pytest.raises(PeopleError, match="Cassandra, which grants no columns"):
        people.grant(group, f"{space.dataset}.t", columns="v")
    people.grant(group, f"{space.dataset}.t")
    assert session.query(read) == [("one",)]
    refused(session, f"SELECT v FROM {space.dataset}.other WHERE k = 1")
    refused(session, f"INSERT INTO {space.dataset}.t (k, v) VALUES (2, 'two')")
    space.publish(space.folder / "t.csv", "k")
    assert session.query(read) == [("one",)]
    clustered.unpublish(f"{space.dataset}.t")
    space.publish(space.folder / "t.csv", "k")
    assert session.query(read) == [("one",)]
    as_administrator(clustered, f'GRANT MODIFY ON {space.dataset}.t TO "{name}"')
    found = people.who(f"{space.dataset}.t").access
    assert {(each.who, each.engine, each.right(), each.by) for each in found} == {
        (name, "cassandra", "read", f"{group}: {space.dataset}.t (read)"),
        (name, "cassandra", "write", "by hand"),
    }
    people.revoke(group, f"{space.dataset}.t")
    refused(session, read)


def test_columns_of_a_table_in_both_engines_are_granted_in_one(
    clustered: Myriad, space: Space, login: Login, tag: str
) -> None:
    people, group = clustered.people, f"g{tag}"
    (space.folder / "t.csv").write_text("k,v\n1,one\n")
    space.publish(space.folder / "t.csv", "k", to="both")
    [(name, password)] = people.add_people([f"r{tag}"], [group])
    given = people.grant(group, f"{space.dataset}.t", columns="v")
    assert people.columns_in_cassandra(given) == [f"{space.dataset}.t"]
    refused(login(name, password), READ.format(space.dataset))
    found = people.who(f"{space.dataset}.t").access
    assert [(each.engine, each.right()) for each in found] == [("postgres", "read v")]
    people.revoke(group, f"{space.dataset}.t")
