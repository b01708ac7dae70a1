"""Workspaces whose database was dropped: they keep nobody from anything, and nobody's code runs."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg import sql

from myriad import Myriad
from myriad.engines.postgres.databases import create_database
from myriad.people import Workspace
from myriad.running.workspaces import Workspaces
from tests import workspaces
from tests.harness import run, wait_until
from tests.workspaces import Lab

DROP = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")


@pytest.fixture(scope="module")
def lab(installation: Myriad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield from workspaces.make(installation, tmp_path_factory.mktemp("lab"))


@pytest.fixture
def gone(lab: Lab) -> Iterator[Workspace]:
    """Return a workspace of `lab`; its database was dropped, and sorts before that of the lab."""
    server, name = lab.installation.server(), f"a{uuid.uuid4().hex[:8]}"
    create_database(server, name)
    made = lab.people.create_workspace(lab.name("lab"), "lost", name)
    _run(lab, DROP.format(sql.Identifier(name)))
    try:
        yield made
    finally:
        if made in [_unmeasured(each) for each in lab.people.list_workspaces()]:
            lab.people.drop_workspace("lost", name)
        _run(lab, DROP.format(sql.Identifier(name)))


def _unmeasured(found: Workspace) -> Workspace:
    return Workspace(found.database, found.dataset, found.role, found.megabytes, found.groups)


def _run(lab: Lab, *texts: sql.Composed | str, database: str = "postgres") -> None:
    with closing(lab.installation.server().connect(database, autocommit=True)) as connection:
        for text in texts:
            connection.execute(text if isinstance(text, sql.Composed) else text.encode())


def test_commands_go_on_and_it_is_dropped_like_any_other(lab: Lab, gone: Workspace) -> None:
    home, person = lab.installation.home, lab.name("passing")
    listed = run(home, "group", "list")
    assert f"lost in {gone.database} (create, 0 of" in listed.stdout
    lab.people.add_people([person], groups=[lab.name("lab")])
    lab.people.remove([person])
    lab.people.drop_workspace("lost", gone.database)
    assert "lost" not in run(home, "list").stdout
    assert lab.admin(f"SELECT FROM pg_roles WHERE rolname = '{gone.role}'") == []


def test_it_is_taken_from_its_groups(lab: Lab, gone: Workspace) -> None:
    lab.people.revoke(lab.name("lab"), "lost", gone.database)
    [left] = [each for each in lab.people.list_workspaces() if each.role == gone.role]
    assert left.groups == ()


def test_where_the_database_is_made_again_it_is_a_new_one(lab: Lab, gone: Workspace) -> None:
    create_database(lab.installation.server(), gone.database)
    again = lab.people.create_workspace(lab.name("staff"), "lost", gone.database)
    assert again.groups == (lab.name("staff"),)
    assert again.role != gone.role
    lab.people.drop_workspace("lost", gone.database)


def test_what_has_its_name_by_now_is_not_dropped_for_it(lab: Lab, gone: Workspace) -> None:
    create_database(lab.installation.server(), gone.database)
    _run(lab, "CREATE SCHEMA lost", "CREATE TABLE lost.t (a int)", database=gone.database)
    lab.people.drop_workspace("lost", gone.database)
    _run(lab, "SELECT FROM lost.t", database=gone.database)


def test_who_owns_the_database_by_now_runs_nothing_with_our_rights(
    lab: Lab, gone: Workspace
) -> None:
    owner = lab.name("heir")
    lab.passwords.update(lab.people.add_people([owner], owner=True))
    _run(lab, f"CREATE DATABASE {gone.database} OWNER {owner}")
    _run(
        lab,
        f"SET SESSION AUTHORIZATION {owner}",
        "CREATE SCHEMA myriad_workspace",
        "CREATE FUNCTION myriad_workspace.evil() RETURNS bigint LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$",
        "CREATE VIEW myriad_workspace.room AS SELECT oid AS schema, 0::oid AS role,"
        " myriad_workspace.evil() AS most, 0::bigint AS bytes FROM pg_namespace",
        database=gone.database,
    )
    try:
        assert gone.database in {each.database for each in lab.people.list_workspaces()}
        lab.people.remove([lab.name("mia")])
        lab.people.drop_workspace("lost", gone.database)
    finally:
        _run(lab, DROP.format(sql.Identifier(gone.database)))


def test_one_database_that_fails_keeps_no_other_from_being_measured(lab: Lab) -> None:
    """Its guard cannot be brought up to date: it belongs to somebody."""
    name, owner = f"a{uuid.uuid4().hex[:8]}", lab.name("other")
    create_database(lab.installation.server(), name)
    lab.people.create_workspace(lab.name("lab"), "lost", name)
    lab.passwords.update(lab.people.add_people([owner], owner=True))
    _run(lab, f"ALTER DATABASE {name} OWNER TO {owner}")
    stop = threading.Event()
    keeper = Workspaces(lab.installation.server, stop)
    keeper.start()
    try:
        lab.ask(
            "rose", "CREATE TABLE lab.m AS SELECT repeat('x', 99) FROM generate_series(1, 9999)"
        )
        wait_until(lambda: lab.workspace("lab").bytes > 100_000)
    finally:
        stop.set()
        keeper.join()
        _run(lab, DROP.format(sql.Identifier(name)))
        lab.people.drop_workspace("lost", name)
