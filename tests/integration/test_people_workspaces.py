"""A workspace: its people make tables there and see each other's; nobody else has a part in it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from myriad import Myriad
from myriad.errors import PeopleError, SchemaRefused
from myriad.people.postgres import workspaces as rooms
from myriad.people.tables import SQL
from myriad.publish.options import Options
from tests import workspaces
from tests.harness import as_admin, run, wait_until
from tests.workspaces import Lab


@pytest.fixture(scope="module")
def lab(installation: Myriad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield from workspaces.make(installation, tmp_path_factory.mktemp("lab"))


def test_people_make_tables_views_and_temporary_tables_and_see_each_others(lab: Lab) -> None:
    lab.ask(
        "rose",
        "CREATE TABLE lab.mine (id serial PRIMARY KEY, v text DEFAULT upper('x'), CHECK (id > 0))",
        "INSERT INTO lab.mine (v) VALUES ('a'), (DEFAULT)",
        "CREATE INDEX ON lab.mine (lower(v))",
        "CREATE VIEW lab.joined AS"
        " SELECT m.v, s.amount FROM lab.mine m JOIN public.sales s USING (id)",
        "CREATE TABLE lab.copied AS SELECT * FROM public.sales",
        "SELECT * INTO lab.taken FROM public.sales",
        "CREATE MATERIALIZED VIEW lab.kept AS SELECT sum(amount) FROM public.sales",
        "REFRESH MATERIALIZED VIEW lab.kept",
        "CREATE TABLE lab.parts (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE lab.part PARTITION OF lab.parts FOR VALUES FROM (0) TO (10)",
        "ALTER TABLE lab.copied ADD COLUMN note text",
        "COMMENT ON TABLE lab.mine IS 'Rose''s'",
    )
    assert lab.ask("bob", "SELECT v, amount FROM lab.joined ORDER BY v") == [("X", 200), ("a", 100)]
    for name in ("mine", "copied", "taken", "kept", "parts", "part"):
        lab.ask("bob", f"SELECT * FROM lab.{name}")
    held = lab.ask("rose", "CREATE TEMP TABLE t AS SELECT 1 AS a", "TABLE t")
    assert held == [(1,)]


def test_what_is_mine_others_change_only_where_i_let_them(lab: Lab) -> None:
    lab.ask("rose", "CREATE TABLE lab.own AS SELECT 1 AS a")
    for text in (
        "INSERT INTO lab.own VALUES (2)",
        "DELETE FROM lab.own",
        "DROP TABLE lab.own",
        "ALTER TABLE lab.own ADD COLUMN b int",
        "TRUNCATE lab.own",
    ):
        assert lab.refused("bob", text).sqlstate == "42501"
    lab.ask("rose", f"GRANT INSERT ON lab.own TO {lab.name('lab')}")
    lab.ask("bob", "INSERT INTO lab.own VALUES (2)")
    assert lab.ask("rose", "TABLE lab.own") == [(1,), (2,)]


def test_who_is_not_of_the_group_has_no_way_in(lab: Lab) -> None:
    lab.ask("rose", "CREATE TABLE lab.closed AS SELECT 1 AS a")
    assert lab.refused("ann", "TABLE lab.closed").sqlstate == "42501"
    assert lab.refused("ann", "CREATE TABLE lab.theirs (a int)").sqlstate == "42501"
    assert lab.refused("ann", "CREATE TEMP TABLE theirs (a int)").sqlstate == "42501"
    with pytest.raises(PeopleError, match="is a workspace"):
        lab.people.grant(lab.name("readers"), "lab", lab.database)


def test_others_go_on_sharing_server_connections(lab: Lab) -> None:
    """Whatever stands in a workspace: a view there may tell who asks, a table has a trigger."""
    lab.ask("rose", "CREATE VIEW lab.me AS SELECT current_user AS me, random() AS r")
    with closing(lab.connect("ann")) as ann, closing(lab.connect("rose")) as rose:
        ann.execute("SELECT 1")
        rose.execute("SELECT 1")
        users = {name for (name,) in lab.admin("SELECT DISTINCT usename FROM pg_stat_activity")}
    assert lab.name("ann") not in users
    assert lab.name("rose") in users
    [(me,)] = lab.ask("bob", "SELECT me FROM lab.me")
    assert me == lab.name("bob")


def test_nothing_is_published_into_a_workspace_and_nothing_published_becomes_one(
    lab: Lab, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a\n1\n", "utf-8")
    with pytest.raises(SchemaRefused, match="is a workspace"):
        lab.installation.publish(file, Options(database=lab.database, dataset="lab"))
    for dataset in ("public", "hr", "myriad", "pg_catalog", "information_schema"):
        with pytest.raises(PeopleError):
            lab.create("lab", dataset)
    lab.admin("CREATE SCHEMA by_hand; CREATE TABLE by_hand.t (a int)")
    with pytest.raises(PeopleError, match="begins empty"):
        lab.create("lab", "by_hand")


def test_a_table_under_a_view_of_somebodys_is_published_again(lab: Lab, tmp_path: Path) -> None:
    lab.ask(
        "rose",
        "CREATE VIEW lab.watch AS SELECT sum(amount) AS n FROM public.sales",
        "CREATE MATERIALIZED VIEW lab.kept_sum AS SELECT sum(amount) AS n FROM public.sales",
    )
    file = tmp_path / "sales.csv"
    file.write_text("id,amount\n1,7\n", "utf-8")
    lab.installation.publish(file, Options(database=lab.database))
    assert lab.ask("bob", "TABLE lab.watch") == [(7,)]
    lab.ask("rose", "REFRESH MATERIALIZED VIEW lab.kept_sum")
    assert lab.ask("bob", "TABLE lab.kept_sum") == [(7,)]
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN"
    assert lab.admin(f"{owners} ('watch', 'kept_sum')") == [(lab.name("rose"),)]
    file.write_text("id,amount\n1,100\n2,200\n", "utf-8")
    lab.installation.publish(file, Options(database=lab.database))


def test_what_somebody_leaves_belongs_to_the_workspace(lab: Lab) -> None:
    people = lab.people
    lab.passwords.update(people.add_people([lab.name("tim")], groups=[lab.name("lab")]))
    lab.ask(
        "tim",
        "CREATE TABLE lab.left (id serial, a int)",
        "INSERT INTO lab.left (a) VALUES (1)",
        "CREATE VIEW lab.left_view AS SELECT a FROM lab.left",
        "CREATE SEQUENCE lab.left_numbers",
        f"GRANT INSERT ON lab.left TO {lab.name('lab')}",
    )
    with closing(lab.connect("tim")) as session:
        session.execute("CREATE TEMP TABLE t AS SELECT 1")
        people.remove([lab.name("tim")])
    assert lab.ask("bob", "TABLE lab.left_view") == [(1,)]
    lab.ask("bob", "DROP VIEW lab.left_view", "ALTER TABLE lab.left ADD COLUMN b int")
    assert lab.name("tim") not in {person.name for person in people.list_people()}


def test_a_group_that_loses_a_workspace_leaves_its_tables_to_the_next(lab: Lab) -> None:
    people, group = lab.people, lab.name("club")
    people.add_groups([group])
    people.join(group, [lab.name("rose")])
    people.join(lab.name("readers"), [lab.name("rose")])
    lab.create("club", "club", 5)
    lab.ask("rose", "CREATE TABLE club.t AS SELECT 1 AS a", "CREATE VIEW club.v AS TABLE club.t")
    people.revoke(group, "club", lab.database)
    assert lab.refused("rose", "TABLE club.t").sqlstate == "42501"
    assert lab.workspace("club").groups == ()
    lab.create("readers", "club")
    assert lab.ask("ann", "TABLE club.v") == [(1,)]
    people.remove_group(group)
    people.revoke(lab.name("readers"), "club", lab.database)
    assert lab.ask("ann", "SELECT count(*) FROM public.sales") == [(2,)]
    assert lab.refused("ann", "CREATE TEMP TABLE t (a int)").sqlstate == "42501"
    people.leave(lab.name("readers"), [lab.name("rose")])
    people.drop_workspace("club", lab.database)
    assert lab.admin("SELECT FROM pg_namespace WHERE nspname = 'club'") == []


def test_what_was_killed_before_it_was_written_down_is_done_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made, given or dropped stands in another database than what is written of it."""
    given = {"database": lab.database, "dataset": "half"}
    lab.people.add_groups([lab.name("half")])
    lab.people.join(lab.name("half"), [lab.name("bob")])
    for text, do in (
        ("enter_workspace", lambda: lab.create("half", "half", 5)),
        ("drop_workspace", lambda: lab.people.drop_workspace(**given)),
    ):
        with monkeypatch.context() as patch:
            patch.delitem(SQL, text)
            with pytest.raises(KeyError):
                do()
        if text == "enter_workspace":
            lab.ask("bob", "CREATE TABLE half.t AS SELECT 1 AS a")
        do()
    assert lab.admin("SELECT FROM pg_namespace WHERE nspname = 'half'") == []
    assert lab.create("half", "half", 5).groups == (lab.name("half"),)
    lab.people.drop_workspace(**given)


def test_what_holds_workspaces_is_made_by_several_at_once(lab: Lab) -> None:
    """`up` makes it where it finds the first one in a database, which commands do meanwhile."""
    server = lab.installation.server()
    with (
        ThreadPoolExecutor(1) as threads,
        closing(server.connect(lab.database)) as first,
        closing(server.connect(lab.database)) as second,
    ):
        rooms.install(first)
        found = threads.submit(rooms.install, second)
        waits = [second.info.backend_pid]
        blocked = "SELECT WHERE cardinality(pg_blocking_pids(%s)) > 0"
        with closing(as_admin(server, autocommit=True)) as looker:
            wait_until(lambda: looker.execute(blocked, waits).fetchall())
        first.commit()
        found.result(30)
        second.commit()


def test_the_last_workspace_takes_the_database_with_it(lab: Lab) -> None:
    people, group = lab.people, lab.name("guests")
    people.add_groups([group])
    lab.passwords.update(people.add_people([lab.name("gil")], groups=[group]))
    lab.create("guests", "guests", 5)
    wait_until(lambda: lab.makes("gil", "CREATE TABLE guests.t (a int)"))  # the door has heard
    people.revoke(group, "guests", lab.database)
    wait_until(lambda: _is_kept_out(lab, "gil"))
    with pytest.raises(PeopleError, match="no grant"):
        people.revoke(group, "guests", lab.database)


def _is_kept_out(lab: Lab, who: str) -> bool:
    try:
        lab.connect(who).close()
    except psycopg.OperationalError:
        return True
    return False


def test_what_it_holds_and_may_hold_is_shown_and_changed_by_the_same_command(lab: Lab) -> None:
    assert lab.workspace("lab").megabytes == workspaces.MEGABYTES
    assert lab.create("lab", "lab", 9).megabytes == 9
    assert lab.create("lab", "lab").megabytes == 9  # said nothing: it stays
    lab.create("lab", "lab", workspaces.MEGABYTES)
    lab.ask(
        "rose",
        "CREATE TABLE lab.some AS SELECT repeat('x', 1000) AS t, g FROM generate_series(1, 2000) g",
    )
    wait_until(lambda: lab.workspace("lab").bytes > 1_000_000)
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(PeopleError):
            lab.create("lab", "lab", wrong)


def test_commands_make_show_and_drop_it(lab: Lab) -> None:
    home, place = lab.installation.home, ("--database", lab.database)
    groups = f"{lab.name('staff')},{lab.name('readers')}"
    made = run(home, "grant", groups, "shop", "--create", "--megabytes", "7", *place)
    assert made.stdout == f"{groups} may make tables in shop in {lab.database}: 7 MB\n"
    wrong = run(home, "grant", groups, "shop", "--create", "--write", *place)
    assert wrong.returncode == 2
    line = f"shop in {lab.database} (create, 0 of 7 MB)"
    assert (
        f"workspace {line} of {lab.name('readers')}, {lab.name('staff')}\n"
        in run(home, "list").stdout
    )
    assert line in run(home, "group", "list").stdout
    told = {each["name"]: each for each in json.loads(run(home, "group", "list", "--json").stdout)}
    assert told[lab.name("staff")]["workspaces"] == [
        {
            "database": lab.database,
            "dataset": "shop",
            "megabytes": 7.0,
            "groups": [lab.name("readers"), lab.name("staff")],
            "bytes": 0,
        }
    ]
    taken = run(home, "revoke", groups, "shop", *place)
    assert "what is there stays" in taken.stdout
    asked = run(home, "unpublish", "--dataset", "shop", *place, given="n\n")
    assert asked.returncode != 0
    assert lab.workspace("shop").groups == ()
    dropped = run(home, "unpublish", "--dataset", "shop", "--yes", *place)
    assert dropped.stdout == f"{lab.database}.shop: dropped, for good\n"
    assert "shop" not in run(home, "list").stdout


def test_a_name_that_is_used_otherwise_is_refused_with_what_uses_it(lab: Lab) -> None:
    for name, used in (
        ("public", "where tables are published unless a dataset is named"),
        ("myriad", "PostgreSQL's own, or Myriad's"),
    ):
        with pytest.raises(PeopleError, match=used):
            lab.people.create_workspace(lab.name("readers"), name, lab.database)
