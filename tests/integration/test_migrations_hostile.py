"""Nothing that somebody else put under the name of what Myriad keeps ever runs, or is believed."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from myriad import Myriad
from myriad.engines.postgres import databases
from myriad.errors import MyriadError, NotOurs
from myriad.migrations.migrations import CONTROL, RECORD
from myriad.publish.options import Options
from tests.harness import run
from tests.publishing import Place

# The worst case: an owner made all that, and then Myriad came to own it: REASSIGN OWNED does so.
TABLES = """
    CREATE TABLE myriad.run (run uuid PRIMARY KEY, started timestamptz, finished timestamptz,
        dataset text, sources text[], report jsonb);
    CREATE TABLE myriad.published (dataset text, name text, run uuid REFERENCES myriad.run,
        rows bigint, report jsonb, PRIMARY KEY (dataset, name));
    CREATE TABLE myriad.reject (run uuid REFERENCES myriad.run, source text, table_name text,
        line bigint, raw text, reason text);
    CREATE TABLE myriad.migration (number int PRIMARY KEY, name text, at timestamptz);
"""
PLANTED = {
    "a view": "DROP TABLE myriad.migration;"
    " CREATE VIEW myriad.migration AS SELECT theirs.evil() AS number",
    "a materialized view": "CREATE MATERIALIZED VIEW myriad.more AS SELECT 1",
    "a trigger": "CREATE TRIGGER evil BEFORE INSERT ON myriad.run FOR EACH ROW"
    " EXECUTE FUNCTION theirs.evil_row()",
    "a trigger on statements": "CREATE TRIGGER evil BEFORE INSERT ON myriad.migration"
    " FOR EACH STATEMENT EXECUTE FUNCTION theirs.evil_row()",
    "a rule": "CREATE RULE evil AS ON INSERT TO myriad.run DO ALSO SELECT theirs.evil()",
    "a default": "ALTER TABLE myriad.reject ADD more int DEFAULT theirs.evil()",
    "a generated column": "ALTER TABLE myriad.reject ADD more int"
    " GENERATED ALWAYS AS (theirs.calm(line)) STORED",
    "a check": "ALTER TABLE myriad.published ADD CHECK (theirs.evil() > 0)",
    "an index": "CREATE INDEX ON myriad.published (theirs.calm(rows))",
    "a partial index": "CREATE INDEX ON myriad.published (rows) WHERE theirs.calm(rows) > 0",
    "an exclusion": "ALTER TABLE myriad.published ADD EXCLUDE USING btree"
    " (theirs.calm(rows) WITH =)",
    "statistics": "CREATE STATISTICS theirs.evil ON (theirs.calm(rows)), name"
    " FROM myriad.published",
    "a policy": "CREATE POLICY evil ON myriad.published USING (theirs.evil() > 0)",
    "row security": "ALTER TABLE myriad.published ENABLE ROW LEVEL SECURITY",
    "a domain": "CREATE DOMAIN theirs.evil_text AS text CHECK (theirs.evil() > 0);"
    " ALTER TABLE myriad.run ALTER dataset TYPE theirs.evil_text",
    "a child": "CREATE TABLE theirs.child () INHERITS (myriad.run)",
    "a foreign key from outside": "CREATE TABLE theirs.mine (run uuid REFERENCES myriad.run"
    " ON DELETE CASCADE)",
    "a function": "CREATE FUNCTION myriad.max(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "an operator": "CREATE OPERATOR myriad.> (LEFTARG = bigint, RIGHTARG = int,"
    " FUNCTION = theirs.greater)",
    "a type": "CREATE TYPE myriad.text AS ENUM ('evil')",
    "a partitioned table": "CREATE TABLE myriad.parts (n int) PARTITION BY LIST (n)",
    "a right to make things": "GRANT CREATE ON SCHEMA myriad TO pg_monitor",
    "a right to write": "GRANT INSERT ON myriad.run TO pg_monitor",
    "a right to a trigger": "GRANT TRIGGER ON myriad.run TO pg_monitor",
    "a right to write a column": "GRANT UPDATE (rows) ON myriad.published TO PUBLIC",
}
EVIL = """
    CREATE FUNCTION theirs.evil() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN ALTER ROLE {owner} SUPERUSER; RETURN 1; END $$;
    CREATE FUNCTION theirs.evil_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN ALTER ROLE {owner} SUPERUSER; RETURN NULL; END $$;
    CREATE FUNCTION theirs.calm(bigint) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN ALTER ROLE {owner} SUPERUSER; RETURN 1; END $$;
    CREATE FUNCTION theirs.greater(bigint, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
"""


@contextmanager
def made(installation: Myriad) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    databases.create_database(installation.server(), name)
    yield name
    with closing(installation.server().connect(autocommit=True)) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def database(installation: Myriad) -> Iterator[str]:
    """One for all tests here: each begins with an empty one."""
    with made(installation) as name:
        yield name


@pytest.fixture
def other(installation: Myriad) -> Iterator[str]:
    with made(installation) as name:
        yield name


@pytest.fixture
def owner(installation: Myriad) -> Iterator[str]:
    name = f"owner_{uuid.uuid4().hex[:8]}"
    with closing(installation.server().connect(autocommit=True)) as admin:
        admin.execute(f"CREATE ROLE {name}")
        yield name
        admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def planted(installation: Myriad, database: str, owner: str) -> Iterator[psycopg.Connection]:
    """An administrator's connection to a database in which an owner may make what they like."""
    with closing(installation.server().connect(database, autocommit=True)) as admin:
        admin.execute(f"CREATE SCHEMA myriad AUTHORIZATION {owner}")
        admin.execute(f"CREATE SCHEMA theirs AUTHORIZATION {owner}")
        admin.execute(f"GRANT USAGE ON LANGUAGE plpgsql TO {owner}")
        admin.execute(f"SET ROLE {owner}; {TABLES}")
        admin.execute(EVIL.replace("{owner}", owner))
        yield admin
        admin.execute(f"RESET ROLE; DROP SCHEMA myriad, theirs CASCADE; DROP OWNED BY {owner}")


def is_superuser(admin: psycopg.Connection, name: str) -> bool:
    found = admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    return bool(found and found[0])


def test_what_an_owner_made_first_is_refused(
    planted: psycopg.Connection, owner: str, database: str
) -> None:
    planted.execute("INSERT INTO myriad.migration VALUES (1, 'initial', now()); RESET ROLE")
    for kind in (CONTROL, RECORD):
        with pytest.raises(NotOurs, match=f"schema myriad of database {database}.*schema myriad"):
            kind.bring_up_to_date(planted)
    assert not is_superuser(planted, owner)


@pytest.mark.parametrize("what", PLANTED)
def test_what_an_owner_left_in_what_is_ours_now_is_refused_and_never_runs(
    planted: psycopg.Connection, owner: str, database: str, what: str
) -> None:
    planted.execute(PLANTED[what].replace("{owner}", owner))
    planted.execute(f"RESET ROLE; REASSIGN OWNED BY {owner} TO CURRENT_USER")
    planted.execute("SET search_path = pg_catalog, pg_temp")
    for kind in (CONTROL, RECORD):
        with pytest.raises(NotOurs, match=f"schema myriad of database {database}"):
            kind.bring_up_to_date(planted)
        with pytest.raises(NotOurs):
            kind.number(planted)
    assert not is_superuser(planted, owner)
    found = planted.execute("SELECT to_regclass('myriad.cassandra_load')").fetchone()
    assert found == (None,)


def test_without_any_of_it_the_same_tables_are_taken(
    planted: psycopg.Connection, owner: str
) -> None:
    planted.execute(f"RESET ROLE; REASSIGN OWNED BY {owner} TO CURRENT_USER")
    planted.execute("GRANT USAGE ON SCHEMA myriad TO pg_monitor")
    planted.execute("GRANT SELECT ON ALL TABLES IN SCHEMA myriad TO pg_monitor")
    RECORD.bring_up_to_date(planted)
    assert RECORD.number(planted) == len(RECORD.steps)


def test_publish_and_show_refuse_such_a_database_and_up_and_list_serve_the_others(
    planted: psycopg.Connection,
    owner: str,
    place: Place,
    database: str,
    other: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    planted.execute(PLANTED["a trigger"])
    planted.execute(f"RESET ROLE; REASSIGN OWNED BY {owner} TO CURRENT_USER")
    source = Path(place.folder) / "t.csv"
    source.write_text("a\n1\n")
    installation = place.installation
    with pytest.raises(NotOurs, match=database):
        installation.publish([source], Options(database=database))
    with pytest.raises(NotOurs, match=database):
        installation.describe("t", database)
    installation.publish([source], Options(database=other))
    told: list[MyriadError] = []
    listed = {row["database"] for row in installation.published(told.append)}
    assert other in listed
    assert database not in listed
    assert [database in each.message and each.hint != "" for each in told] == [True]
    shown = run(installation.home, "list")
    assert other in shown.stdout
    assert f"schema myriad of database {database}" in shown.stderr
    assert "hint: " in shown.stderr
    databases.prepare(installation.server(), "main")
    assert f"'{database}' is not to be had" in caplog.text
    assert not is_superuser(planted, owner)
