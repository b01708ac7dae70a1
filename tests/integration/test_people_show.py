"""`myriad person show`: who somebody is, what they may see by which group, what they do."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.connect import Target
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import PeopleError
from myriad.home.home import Home
from myriad.people import People
from myriad.settings import Settings
from tests.harness import reachable_folder, run
from tests.publishing import Place


@pytest.fixture
def people(installation: Myriad) -> People:
    return installation.people


def enter(installation: Myriad, name: str, database: str) -> psycopg.Connection:
    server = installation.server()
    uri = Target(server.host, server.port, database, name, name).uri(with_password=True)
    return psycopg.connect(uri, autocommit=True)


@pytest.fixture
def rose(people: People, place: Place, tag: str, tmp_path: Path) -> Iterator[str]:
    """Rose may read a table that is published, by one of her two groups."""
    name = f"rose{tag}"
    file = tmp_path / "members.csv"
    file.write_text("id,name\n1,Ada\n")
    run(place.installation.home, "publish", file, "--database", place.database)
    people.add_people([name], [f"a{tag}", f"b{tag}"], passwords={name: name})
    people.grant(f"a{tag}", "public", place.database)
    yield name
    people.remove([name])


def test_all_of_somebody_is_shown(
    installation: Myriad, people: People, place: Place, rose: str, tag: str
) -> None:
    people.set_limits(rose, {"rows": 77})
    people.grant(f"b{tag}", "public.members", place.database, columns="name")
    with closing(enter(installation, rose, place.database)) as session:
        session.execute("SELECT name FROM members")
        shown = run(installation.home, "person", "show", rose)
        found = json.loads(run(installation.home, "person", "show", rose, "--json").stdout)
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["person", rose]
    assert ["groups", f"a{tag},", f"b{tag}"] in lines
    assert ["login", "yes"] in lines
    assert [place.database, "public", "read", f"a{tag}", "members"] in lines
    assert [place.database, "public.members", "read", "name", f"b{tag}", "members"] in lines
    assert ["rows", "77", "own"] in lines
    assert lines[-1][:2] == [place.database, "idle"]
    assert found["limits"]["rows"] == {"value": 77, "from": "own"}
    assert [each["tables"] for each in found["grants"]] == [["members"], ["members"]]
    assert [each["statement"] for each in found["sessions"]] == ["SELECT name FROM members"]
    assert (found["owner"], found["owns"], found["by_name"]) == (False, [], [])


def test_what_is_owned_and_given_by_name_is_shown(
    installation: Myriad, people: People, rose: str, tag: str
) -> None:
    owner = f"owner{tag}"
    people.add_people([owner], owner=True, passwords={owner: owner})
    with closing(enter(installation, owner, "main")) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(owner)))
        session.execute(f'GRANT CONNECT ON DATABASE "{owner}" TO "{rose}"')
        assert people.detail(owner).owns == (f'database "{owner}"',)
        assert people.detail(rose).by_name == (owner,)
        assert people.detail(owner).by_name == ()
        shown = run(installation.home, "person", "show", rose).stdout
        assert f"by name  something in {owner}" in shown
        session.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(owner)))
    people.remove([owner])


def test_who_cannot_log_in_is_shown_as_such(
    installation: Myriad, people: People, rose: str
) -> None:
    run(installation.home, "person", "until", rose, "2020-01-31")
    assert "login   ended 2020-01-31" in run(installation.home, "person", "show", rose).stdout
    people.disable([rose])
    assert "login   disabled" in run(installation.home, "person", "show", rose).stdout
    assert people.detail(rose).sessions == ()


def test_nobody_is_shown_who_is_not_there(installation: Myriad) -> None:
    for name in ("nobody", "a\0b", "myriad", "'; DROP"):
        done = run(installation.home, "person", "show", name)
        assert (done.returncode, "no person called" in done.stderr) == (1, True)


def test_without_a_door_all_else_is_shown() -> None:
    with reachable_folder() as folder:
        engine = EmbeddedPostgres(Home(folder / "home"), Settings())
        try:
            people = People(engine.start(), Settings())
            people.add_people(["Rose"], owner=True)
            found = people.detail("Rose")
            assert (found.person.owner, found.sessions) == (True, None)
            with pytest.raises(PeopleError):
                people.detail("Kim")
        finally:
            engine.stop()
