"""Members of a workspace who want what others may: in vain."""

from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from myriad import Myriad
from myriad.errors import PeopleError
from tests import workspaces
from tests.harness import wait_until
from tests.workspaces import Lab

# What code of one person's can hide in, and what reaches further than a workspace.
CODE = (
    "CREATE FUNCTION lab.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "CREATE PROCEDURE lab.p() LANGUAGE sql AS 'SELECT 1'",
    "CREATE AGGREGATE lab.a (int) (sfunc = int4pl, stype = int)",
    "CREATE OPERATOR lab.&&& (leftarg = int, rightarg = int, function = int4pl)",
    "CREATE TRIGGER t BEFORE UPDATE ON lab.bait EXECUTE FUNCTION tsvector_update_trigger()",
    "CREATE RULE r AS ON INSERT TO lab.bait DO ALSO SELECT 1",
    "CREATE POLICY p ON lab.bait USING ((SELECT count(*) FROM hr.pay) > 0)",
    "CREATE TYPE lab.e AS ENUM ('a')",
    "CREATE TYPE lab.c AS (a int)",
    "CREATE DOMAIN lab.d AS int CHECK (VALUE > 0)",
    "CREATE STATISTICS lab.s ON a, b FROM lab.bait",
    'CREATE COLLATION lab.co FROM "C"',
    "CREATE TEXT SEARCH CONFIGURATION lab.ts (copy = simple)",
    "CREATE CONVERSION lab.cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE SCHEMA theirs",
    "CREATE EXTENSION pg_trgm",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE PUBLICATION p FOR TABLE lab.bait",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION myriad_workspace.begins()",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "ALTER SCHEMA lab RENAME TO mine",
    "DROP SCHEMA lab CASCADE",
    "DROP OWNED BY CURRENT_USER",
    "DROP TRIGGER myriad_room ON lab.bait",
    "ALTER TRIGGER myriad_room ON lab.bait RENAME TO other",
    "ALTER TABLE lab.bait DISABLE TRIGGER myriad_room",
    "ALTER TABLE lab.bait DISABLE TRIGGER ALL",
    "ALTER TABLE lab.bait SET SCHEMA public",
    "DROP EVENT TRIGGER myriad_workspace_begins",
    "SET event_triggers = off",
    "SET session_replication_role = replica",
    "UPDATE myriad_workspace.room SET most = 1e15",
    "SELECT myriad_workspace.check_all(0)",
    "SELECT myriad_workspace.full('x', 1, 1)",
)
# What would run for whoever reads or fills something.
CALLS = (
    "CREATE VIEW lab.x AS SELECT set_config('search_path', 'lab', false)",
    "CREATE TABLE lab.x (a text DEFAULT set_config('role', 'x', false))",
    "CREATE TABLE lab.x (a text CHECK (set_config('search_path', a, false) <> ''))",
    "ALTER TABLE lab.bait ADD COLUMN x text DEFAULT set_config('search_path', 'lab', false)",
    "CREATE VIEW lab.x AS SELECT setval('lab.numbers', 7)",
    "CREATE VIEW lab.x AS SELECT a FROM lab.bait WHERE lo_creat(-1) > 0",
    "CREATE VIEW lab.x AS SELECT query_to_xml('TABLE hr.pay', true, true, '')",
    "CREATE VIEW lab.x AS SELECT table_to_xml('lab.bait', true, true, '')",
    "CREATE VIEW lab.x AS SELECT pg_read_file('/etc/passwd')",
    "CREATE VIEW lab.x AS SELECT pg_terminate_backend(1)",
    "CREATE MATERIALIZED VIEW lab.x AS SELECT pg_advisory_unlock(1) AS a",
)


@pytest.fixture(scope="module")
def lab(installation: Myriad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for made in workspaces.make(installation, tmp_path_factory.mktemp("lab")):
        made.ask("rose", "CREATE TABLE lab.bait (a int, b int)", "CREATE SEQUENCE lab.numbers")
        yield made


def test_nobody_plants_code_or_reaches_beyond(lab: Lab) -> None:
    failed = {}
    with closing(lab.connect("rose")) as rose:
        for text in CODE:
            try:
                rose.execute(text.encode())
                failed[text] = "went well"
            except psycopg.Error as error:
                if error.sqlstate not in ("42501", "42704", "0A000"):
                    failed[text] = f"{error.sqlstate} {error}"
        rose.execute("GRANT ALL ON SCHEMA lab TO PUBLIC")  # a warning: she has nothing to give
    assert failed == {}
    has = "has_schema_privilege('public', 'lab', 'USAGE')"
    assert lab.admin(f"SELECT {has}") == [(False,)]


def test_nothing_that_is_kept_runs_more_than_reads_for_others(lab: Lab) -> None:
    for text in CALLS:
        error = lab.refused("rose", text)
        assert error.sqlstate == "42501", text
    lab.ask(
        "rose",
        "CREATE TABLE lab.usual (id uuid DEFAULT gen_random_uuid(), n int DEFAULT nextval("
        "'lab.numbers'), at timestamptz DEFAULT now(), day date DEFAULT current_date)",
        "CREATE VIEW lab.usually AS SELECT random() AS r, count(*) OVER () AS n FROM lab.usual",
    )


def test_a_workspace_is_shared_with_its_groups_alone(lab: Lab) -> None:
    pool = lab.admin("SELECT rolname FROM pg_roles WHERE rolname ~ '^myriad_pool'")
    others = ["PUBLIC", *(lab.name(one) for one in ("ann", "bob", "readers", "staff"))]
    with closing(lab.connect("rose")) as rose:
        for other in [*others, *(name for (name,) in pool)]:
            for what in ("SELECT", "SELECT (a)", "ALL"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    rose.execute(f"GRANT {what} ON lab.bait TO {other}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rose.execute(f"GRANT USAGE ON SEQUENCE lab.numbers TO {other}".encode())
        with rose.transaction(), pytest.raises(psycopg.errors.InsufficientPrivilege):
            rose.execute(f"GRANT SELECT ON lab.bait TO {lab.name('bob')}".encode())
        for owner in ("bob", "ann", "lab"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rose.execute(f"ALTER TABLE lab.bait OWNER TO {lab.name(owner)}".encode())
    assert lab.refused("ann", "TABLE lab.bait").sqlstate == "42501"


def test_a_view_shows_nothing_that_the_group_may_not_read(lab: Lab) -> None:
    """Mia may; a view of hers reads with her rights."""
    for text in (
        "CREATE VIEW lab.pay AS SELECT * FROM hr.pay",
        "CREATE VIEW lab.pay AS SELECT count(*) FROM hr.pay",
        "CREATE VIEW lab.pay AS SELECT 1 AS a WHERE EXISTS (SELECT FROM hr.pay)",
        "CREATE MATERIALIZED VIEW lab.pay AS SELECT * FROM hr.pay",
        "CREATE RECURSIVE VIEW lab.pay (a) AS SELECT amount FROM hr.pay",
    ):
        assert "may not read" in str(lab.refused("mia", text))
    lab.ask("mia", "CREATE VIEW lab.fine AS SELECT 1 AS amount")
    error = lab.refused(
        "mia", "CREATE OR REPLACE VIEW lab.fine AS SELECT id::int AS amount FROM hr.pay"
    )
    assert "may not read" in str(error)


def test_a_view_never_runs_with_its_readers_rights(lab: Lab) -> None:
    """Else Mia, who reads Rose's view, would read `hr` for Rose."""
    text = "CREATE VIEW lab.trap WITH (security_invoker) AS SELECT * FROM lab.bait"
    assert "security_invoker" in str(lab.refused("rose", text))
    lab.ask("rose", "CREATE VIEW lab.trap WITH (security_invoker = off) AS SELECT * FROM lab.bait")
    for value in ("true", "on", "1", "'yes'"):
        text = f"ALTER VIEW lab.trap SET (security_invoker = {value})"
        assert "security_invoker" in str(lab.refused("rose", text))
    assert lab.refused("rose", "CREATE VIEW lab.theirs AS TABLE hr.pay").sqlstate == "42501"


def test_a_whole_row_is_as_much_as_all_its_columns(lab: Lab) -> None:
    """It names none of them; the group may read one."""
    lab.people.grant(lab.name("lab"), "hr.pay", lab.database, columns="id")
    try:
        for row in (
            "to_jsonb(p) AS a FROM hr.pay AS p",
            "p FROM hr.pay AS p",
            "count(p) AS a FROM hr.pay AS p",
            "p::text AS a FROM hr.pay AS p ORDER BY p",
            "j::text AS a FROM (hr.pay AS p CROSS JOIN public.sales AS s (b, c)) AS j",
            "(SELECT p) AS a FROM hr.pay AS p",
            "max(row_to_json(p)::text) AS a FROM hr.pay AS p GROUP BY p",
        ):
            error = lab.refused("mia", f"CREATE VIEW lab.row AS SELECT {row}")
            assert "may not read" in str(error), row
        lab.ask("mia", "CREATE VIEW lab.ids AS SELECT id, count(*) FROM hr.pay GROUP BY id")
        assert len(lab.ask("rose", "TABLE lab.ids")) == 2
    finally:
        lab.people.revoke(lab.name("lab"), "hr.pay", lab.database)


def test_a_view_is_closed_to_groups_that_may_not_read_what_it_shows_any_more(lab: Lab) -> None:
    """Mia still may, and it reads with her rights; it stays open to her."""
    lab.people.grant(lab.name("lab"), "hr", lab.database)
    lab.ask("mia", "CREATE VIEW lab.shown AS SELECT amount FROM hr.pay")
    lab.ask("mia", f"GRANT SELECT (amount) ON lab.shown TO {lab.name('lab')}")
    assert len(lab.ask("rose", "TABLE lab.shown")) == 2
    lab.people.revoke(lab.name("lab"), "hr", lab.database)
    wait_until(lambda: not lab.makes("rose", "TABLE lab.shown"))
    lab.ask("mia", "TABLE lab.shown", f"GRANT SELECT ON lab.shown TO {lab.name('lab')}")
    wait_until(lambda: not lab.makes("rose", "TABLE lab.shown"))


def test_a_view_is_closed_before_a_group_comes_that_may_read_less(lab: Lab) -> None:
    lab.create("staff", "shared", 5)
    lab.ask("mia", "CREATE VIEW shared.pay AS SELECT amount FROM hr.pay")
    lab.create("readers", "shared")
    assert lab.refused("ann", "TABLE shared.pay").sqlstate == "42501"
    assert len(lab.ask("mia", "TABLE shared.pay")) == 2


def test_what_explain_makes_is_held_as_all_else(lab: Lab) -> None:
    """No event trigger sees that."""
    lab.ask("rose", "EXPLAIN ANALYZE CREATE TABLE lab.unseen AS SELECT 1 AS a")
    trigger = "SELECT 1 FROM pg_trigger WHERE tgrelid = 'lab.unseen'::regclass"
    wait_until(lambda: lab.admin(trigger) != [])
    group = lab.name("lab")
    text = "EXPLAIN ANALYZE SELECT 1 AS a INTO lab.nobodys"
    with closing(lab.connect("rose")) as rose, rose.transaction():
        rose.execute(f"SET LOCAL ROLE {group}".encode())
        rose.execute(text.encode())
    lab.ask("bob", "CREATE TABLE lab.goes_on (a int)", f"GRANT ALL ON lab.goes_on TO {group}")
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'lab.nobodys'::regclass"
    wait_until(lambda: lab.admin(owner)[0][0].startswith("myriad_workspace_"))


def test_what_is_handed_to_a_group_past_the_guard_belongs_to_the_workspace(lab: Lab) -> None:
    """No event trigger sees REASSIGN OWNED; a group that owns something could not be removed."""
    lab.ask(
        "rose",
        "CREATE TABLE lab.handed (id serial, b int GENERATED ALWAYS AS IDENTITY)",
        "CREATE VIEW lab.handed_view AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW lab.handed_copy AS SELECT 1 AS a",
        "CREATE SEQUENCE lab.handed_numbers",
        f"REASSIGN OWNED BY {lab.name('rose')} TO {lab.name('lab')}",
    )
    owners = (
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'lab'::regnamespace AND relname ~ '^handed'"
    )
    wait_until(lambda: lab.admin(owners) == [(lab.workspace("lab").role,)])
    lab.ask("bob", "DROP TABLE lab.handed", "DROP VIEW lab.handed_view")


def test_who_writes_where_nothing_asks_for_room_is_ended(lab: Lab) -> None:
    with closing(lab.connect("rose", autocommit=False)) as rose:
        rose.execute("EXPLAIN ANALYZE CREATE TABLE lab.held AS SELECT 1 AS a")
        rose.commit()
        with suppress(psycopg.OperationalError):
            wait_until(lambda: not rose.execute("INSERT INTO lab.held VALUES (1)"))
    trigger = "SELECT 1 FROM pg_trigger WHERE tgrelid = 'lab.held'::regclass"
    wait_until(lambda: lab.admin(trigger) != [])


def test_what_others_did_is_no_reason_to_refuse_anything(lab: Lab) -> None:
    lab.ask("rose", "CREATE TABLE lab.odd (a int)")
    lab.admin(f"GRANT SELECT ON lab.odd TO {lab.name('ann')}")
    lab.ask("bob", "CREATE TABLE lab.usual_work (a int)")
    lab.admin("DROP TABLE lab.odd")


def test_what_somebody_left_is_held_as_what_is_ones_own(lab: Lab) -> None:
    """The group's people may change it: in the name of the workspace's role."""
    lab.ask("rose", "CREATE TABLE lab.left_here (a int)")
    lab.admin(f"ALTER TABLE lab.left_here OWNER TO {lab.workspace('lab').role}")
    for text in (
        f"GRANT SELECT ON lab.left_here TO {lab.name('ann')}",
        "GRANT SELECT (a) ON lab.left_here TO PUBLIC",
        "ALTER TABLE lab.left_here DISABLE TRIGGER myriad_room",
        f"ALTER TABLE lab.left_here OWNER TO {lab.name('lab')}",
    ):
        assert lab.refused("rose", text).sqlstate == "42501", text
    lab.ask("bob", "DROP TABLE lab.left_here")


def test_a_person_of_two_workspaces_opens_neither_to_the_other(lab: Lab) -> None:
    lab.create("staff", "den", 5)
    lab.ask("rose", "CREATE TABLE lab.secret AS SELECT 1 AS a")
    assert "may not read" in str(lab.refused("mia", "CREATE VIEW den.v AS TABLE lab.secret"))
    lab.ask("mia", "CREATE TABLE lab.root (a int) PARTITION BY RANGE (a)")
    text = "CREATE TABLE den.leaf PARTITION OF lab.root FOR VALUES FROM (0) TO (9)"
    assert "in another place" in str(lab.refused("mia", text))
    assert "in another place" in str(
        lab.refused(
            "mia", "CREATE TABLE lab.up (a int)", "CREATE TABLE den.sub () INHERITS (lab.up)"
        )
    )
    lab.ask("mia", "CREATE TABLE lab.moves (a int)")
    assert lab.refused("mia", "ALTER TABLE lab.moves SET SCHEMA den").sqlstate == "42501"


def test_what_is_made_is_made_in_ones_own_name(lab: Lab) -> None:
    with closing(lab.connect("rose")) as rose:
        rose.execute(f"SET ROLE {lab.name('lab')}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="own name"):
            rose.execute("CREATE TABLE lab.nobodys (a int)")


def test_what_is_set_in_the_name_of_a_group_counts_for_nobody(lab: Lab) -> None:
    group = lab.name("lab")
    pids = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE usename ~ '^myriad_pool_' AND datname = current_database() ORDER BY 1"
    )
    with closing(lab.connect("rose")) as rose, closing(lab.connect("ann")) as ann:
        ann.execute("SELECT 1")
        before = lab.admin(pids)
        rose.execute(f"SET ROLE {group}".encode())
        rose.execute(f"ALTER ROLE {group} SET work_mem = '77MB'".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only your own password"):
            rose.execute(f"ALTER ROLE {group} PASSWORD 'of the whole group'".encode())
        assert lab.ask("bob", "SHOW work_mem") == lab.admin("SHOW work_mem")
        ann.execute("SELECT 1")
        assert lab.admin(pids) == before
        rose.execute(f"ALTER ROLE {group} RESET ALL".encode())


def test_a_temporary_table_is_in_nobody_elses_way(lab: Lab) -> None:
    """One that is called as a published table hides it from its own session alone."""
    with closing(lab.connect("rose")) as rose, closing(lab.connect("bob")) as bob:
        rose.execute("CREATE TEMP TABLE sales AS SELECT 0 AS amount")
        assert rose.execute("SELECT * FROM sales").fetchall() == [(0,)]
        bob.execute("SET search_path = public")
        assert bob.execute("SELECT count(*) FROM sales").fetchone() == (2,)
    with closing(lab.connect("rose")) as rose:
        assert rose.execute("SELECT count(*) FROM public.sales").fetchone() == (2,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            rose.execute("SELECT * FROM pg_temp.sales")


def test_any_name_will_do(lab: Lab) -> None:
    for name in ('x"; DROP SCHEMA lab; --', "Łucja 山", "x" * 63, "select"):
        lab.create("lab", name, 5)
        quoted = name.replace('"', '""')
        lab.ask("rose", f'CREATE TABLE "{quoted}"."{quoted}" (a int)')
        lab.ask("rose", f'INSERT INTO "{quoted}"."{quoted}" VALUES (1)')
        lab.people.drop_workspace(name, lab.database)


def test_a_database_of_somebodys_has_no_workspaces(lab: Lab) -> None:
    person = lab.name("owner")
    lab.passwords.update(lab.people.add_people([person], owner=True))
    mine = lab.name("mine")
    server = lab.installation.server()
    with closing(server.connect(autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {mine} OWNER {person}".encode())
    try:
        with pytest.raises(PeopleError, match="is not Myriad's"):
            lab.people.create_workspace(lab.name("lab"), "lab", mine)
    finally:
        with closing(server.connect(autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE {mine} WITH (FORCE)".encode())
