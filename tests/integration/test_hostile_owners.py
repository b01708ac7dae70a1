"""Somebody who may create databases never gets Myriad to run their code with its rights.

Nor does what they set there, or give to people by name, change anything for anybody elsewhere.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.connect import Target
from myriad.engines.postgres import databases
from myriad.engines.postgres.databases import create_database
from myriad.engines.postgres.hardening import LOGIN_TRIGGERS
from myriad.errors import PeopleError, PublishError
from myriad.people.postgres import rights
from myriad.publish.options import Options
from tests.harness import as_admin
from tests.hostile import Owner, add_owner

EVIL = """
CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'ALTER ROLE "NAME" SUPERUSER';
    RETURN 1;
END $$;
"""
REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReservedName)
# They fit better than PostgreSQL's own what the door asks, where `public` is looked at.
SHADOWS = """
CREATE FUNCTION public.evil(text[], text) RETURNS text[] LANGUAGE sql
    AS 'SELECT public.evil(); SELECT $1 || $2';
CREATE AGGREGATE public.array_agg(text) (sfunc = public.evil, stype = text[], initcond = '{}');
CREATE FUNCTION public.evil(oid, int4) RETURNS boolean LANGUAGE sql AS 'SELECT public.evil() = 0';
CREATE OPERATOR public.< (function = public.evil, leftarg = oid, rightarg = int4);
"""
WHO = "SELECT current_setting('session_authorization')"


@dataclass(frozen=True)
class Readers:
    """Two people who may read the same, and so share server connections.

    Attributes:
        each: name and password.
    """

    installation: Myriad
    group: str
    each: tuple[tuple[str, str], ...]

    def names(self) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(name) for name, _ in self.each)

    def seen(self, database: str) -> set[str]:
        """Return as whom they are known to PostgreSQL when they log in at the door."""
        found = set()
        for who in self.each:
            with closing(log_in(self.installation, who, database)) as connection:
                found.add(connection.execute(WHO).fetchall()[0][0])
        return found


@pytest.fixture
def readers(installation: Myriad, tag: str) -> Iterator[Readers]:
    people, names = installation.people, [f"reader {n} {tag}" for n in range(2)]
    each = people.add_people(names, [f"readers {tag}"])
    people.grant(f"readers {tag}", "public")
    yield Readers(installation, f"readers {tag}", tuple(each))
    people.remove(names)
    people.remove_group(f"readers {tag}")


@pytest.fixture
def owner(installation: Myriad) -> Iterator[Owner]:
    made = add_owner(installation.server())
    yield made
    made.remove()


def trap(owner: Owner, statements: str) -> None:
    owner.run(EVIL.replace("NAME", owner.name) + statements)


def log_in(installation: Myriad, who: tuple[str, str], database: str) -> psycopg.Connection:
    """Log in at the door."""
    server = installation.server()
    target = Target(server.host, server.port, database, *who)
    return psycopg.connect(target.uri(with_password=True), autocommit=True)


def test_the_trap_works_on_an_administrator_who_walks_into_it(owner: Owner) -> None:
    trap(owner, "")
    with closing(as_admin(owner.server, owner.database, autocommit=True)) as admin:
        admin.execute("SELECT public.evil()")
    assert owner.is_superuser()
    with closing(as_admin(owner.server, autocommit=True)) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(sql.Identifier(owner.name)))


def test_listing_what_is_published_runs_no_view_of_an_owner(
    owner: Owner, installation: Myriad
) -> None:
    trap(
        owner,
        "CREATE SCHEMA myriad;"
        "CREATE TABLE myriad.run (run uuid, finished timestamptz);"
        "CREATE TABLE myriad.reject (run uuid);"
        "CREATE VIEW myriad.published AS SELECT 'public'::text AS dataset, 't'::text AS name,"
        " NULL::uuid AS run, public.evil()::bigint AS rows, '{}'::jsonb AS report",
    )
    assert owner.database not in {row["database"] for row in installation.published()}
    with suppress(PublishError):
        installation.describe("t", owner.database)
    assert not owner.is_superuser()


@pytest.mark.parametrize("options", [{"append": True}, {"replace": True}, {}])
def test_publishing_into_an_owners_database_is_refused(
    owner: Owner, installation: Myriad, folder: Path, options: dict[str, Any]
) -> None:
    trap(owner, "CREATE TABLE public.t (a smallint, b int DEFAULT public.evil())")
    source = folder / "t.csv"
    source.write_text("a\n1\n")
    with pytest.raises(PublishError, match=f"belongs to {owner.name}"):
        installation.publish([source], Options(database=owner.database, **options))
    assert not owner.is_superuser()


@pytest.mark.parametrize("options", [{"append": True}, {"replace": True}])
def test_a_table_of_somebody_else_is_left_alone(
    owner: Owner, installation: Myriad, database: str, folder: Path, options: dict[str, Any]
) -> None:
    with closing(as_admin(installation.server(), database, autocommit=True)) as admin:
        admin.execute("CREATE TABLE public.t (a smallint, b int DEFAULT 1 / 0)")
        role = sql.Identifier(owner.name)
        admin.execute(sql.SQL("ALTER TABLE public.t OWNER TO {}").format(role))
    source = folder / "t.csv"
    source.write_text("a\n1\n")
    with pytest.raises(PublishError, match=f"belongs to {owner.name}"):
        installation.publish([source], Options(database=database, **options))
    with closing(as_admin(installation.server(), database, autocommit=True)) as admin:
        admin.execute("DROP TABLE public.t")


@pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
def test_the_door_runs_nothing_that_an_owner_made(
    owner: Owner, installation: Myriad, path: str
) -> None:
    trap(owner, SHADOWS)
    owner.run(f"ALTER DATABASE {owner.database} SET search_path = {path}", "main")
    with closing(log_in(installation, (owner.name, owner.password), owner.database)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)  # it has looked
    assert not owner.is_superuser()


def test_nobody_shares_anything_in_an_owners_database(owner: Owner, readers: Readers) -> None:
    [pool] = readers.seen("main")
    assert pool.startswith("myriad_pool_")
    let_in = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
    names = sql.Identifier(owner.database), sql.Identifier(readers.group)
    owner.run(let_in.format(*names).as_string(), "main")
    owner.run(f"ALTER DATABASE {owner.database} SET role = {owner.name}", "main")
    assert readers.seen(owner.database) == {name for name, _ in readers.each}


def test_what_an_owner_gives_by_name_in_their_database_counts_there_alone(
    owner: Owner, readers: Readers
) -> None:
    before = readers.seen("main")
    owner.run("CREATE TABLE t (a int); CREATE SCHEMA s; CREATE TYPE public.e AS ENUM ('x')")
    for what in ("SELECT ON t", "USAGE, CREATE ON SCHEMA s", "USAGE ON TYPE public.e"):
        owner.run((sql.SQL(f"GRANT {what} TO ") + readers.names()).as_string())
    given = sql.SQL("GRANT ALL ON DATABASE {} TO ").format(sql.Identifier(owner.database))
    owner.run((given + readers.names()).as_string(), "main")
    owner.run(
        (sql.SQL("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO ") + readers.names()).as_string()
    )
    assert readers.seen("main") == before
    assert readers.seen(owner.database) == {name for name, _ in readers.each}


def test_what_somebody_was_given_by_name_counts_where_it_holds(
    readers: Readers, installation: Myriad, database: str
) -> None:
    installation.people.grant(readers.group, "public", database)
    with closing(as_admin(installation.server(), database, autocommit=True)) as connection:
        connection.execute("CREATE TABLE public.t (a int)")
        connection.execute(sql.SQL("GRANT SELECT ON public.t TO ") + readers.names())
    assert readers.seen(database) == {name for name, _ in readers.each}
    assert len(readers.seen("main")) == 1


def test_a_database_of_an_old_name_is_another_one(
    owner: Owner, readers: Readers, installation: Myriad, tag: str
) -> None:
    name = f"sales {tag}"
    create_database(installation.server(), name)
    installation.people.grant(readers.group, "public", name)
    with closing(log_in(installation, readers.each[0], name)) as session:
        assert session.execute(WHO).fetchall()[0][0].startswith("myriad_pool_")
        with closing(as_admin(installation.server(), autocommit=True)) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
        owner.run(f'CREATE DATABASE "{name}"', "main")
        owner.run(f'GRANT ALL ON DATABASE "{name}" TO "{readers.group}"', "main")
        with pytest.raises(psycopg.OperationalError, match="was dropped"):
            session.execute(WHO)
    assert readers.seen(name) == {name for name, _ in readers.each}
    owner.run(f'DROP DATABASE "{name}"', "main")


def test_a_guard_that_an_owner_made_beforehand_is_not_ours(
    owner: Owner, installation: Myriad
) -> None:
    server = owner.server
    with closing(as_admin(server, owner.database, autocommit=True)) as connection:
        if server.version < LOGIN_TRIGGERS:
            pytest.skip("this PostgreSQL has no triggers on login")
        connection.execute("DROP EVENT TRIGGER myriad_guard; DROP SCHEMA myriad_guard CASCADE")
    trap(
        owner,
        "CREATE SCHEMA myriad_guard; CREATE FUNCTION myriad_guard.login() RETURNS event_trigger"
        " LANGUAGE plpgsql AS 'BEGIN PERFORM public.evil(); END'",
    )
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute("UPDATE hardened SET version = 'older'")
    databases.prepare(server, installation.settings.database)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.run(
            "CREATE OR REPLACE FUNCTION myriad_guard.login() RETURNS event_trigger"
            " LANGUAGE plpgsql AS 'BEGIN PERFORM public.evil(); END'"
        )
    server.connect(owner.database).close()
    assert not owner.is_superuser()


# What would run, or be found, in sessions that are not theirs: superusers alone may make it.
RESERVED = """
    CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION on_ddl();
    CREATE EVENT TRIGGER t ON login EXECUTE FUNCTION on_ddl();
    CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false);
    CREATE PUBLICATION p FOR ALL TABLES; CREATE TYPE shell;
    CREATE OPERATOR CLASS c DEFAULT FOR TYPE text USING hash AS OPERATOR 1 =;
    CREATE OPERATOR FAMILY f USING btree;
    ALTER OPERATOR FAMILY integer_ops USING btree ADD OPERATOR 1 < (int4, text);
    CREATE CAST (text AS int4) WITH INOUT AS IMPLICIT; DROP CAST (int4 AS int8);
    CREATE LANGUAGE evil HANDLER plpgsql_call_handler; CREATE EXTENSION file_fdw; LOAD 'plpgsql';
    CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid';
    CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'plpgsql';
    CREATE FUNCTION pg_catalog.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE OPERATOR pg_catalog.=== (function = int4eq, leftarg = int4, rightarg = int4);
    CREATE VIEW pg_catalog.v AS SELECT 1; CREATE TABLE information_schema.t ();
    CREATE TRIGGER t BEFORE INSERT ON pg_class FOR EACH ROW EXECUTE FUNCTION on_insert();
    CREATE RULE r AS ON SELECT TO pg_database DO INSTEAD SELECT 1;
    ALTER TABLE pg_proc ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON pg_class USING (true);
    CREATE INDEX ON pg_class (relname); CREATE STATISTICS s ON relname, relkind FROM pg_class;
    GRANT {me} TO myriad; GRANT myriad TO {me}; ALTER ROLE myriad SET search_path = public;
    ALTER DATABASE {db} OWNER TO myriad; ALTER SCHEMA public OWNER TO myriad;
    ALTER DEFAULT PRIVILEGES FOR ROLE myriad GRANT ALL ON TABLES TO {me};
    ALTER ROLE ALL SET search_path = public; ALTER DATABASE main SET search_path = public;
    ALTER DATABASE {db} SET session_preload_libraries = 'x';
    ALTER DATABASE {db} SET session_replication_role = replica;
    ALTER DATABASE {db} SET log_statement = 'none'; ALTER SYSTEM SET work_mem = '1GB';
    COMMENT ON FUNCTION pg_catalog.lower(text) IS 'x'; DROP SCHEMA myriad_guard CASCADE;
    CREATE FUNCTION myriad_guard.login(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    ALTER FUNCTION myriad_guard.login OWNER TO {me}"""


def test_what_would_reach_other_sessions_is_refused_to_an_owner(owner: Owner) -> None:
    owner.run(
        "CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )
    with closing(owner.connect()) as connection:
        for written in RESERVED.split(";"):
            statement = " ".join(written.split())
            statement = statement.replace("{db}", owner.database).replace("{me}", owner.name)
            with pytest.raises(REFUSED):
                connection.execute(statement.encode())


def test_an_open_transaction_of_an_owner_holds_up_a_grant_for_a_while_only(
    owner: Owner, readers: Readers, installation: Myriad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "LOCKED_WITHIN", "200ms")
    owner.run("CREATE TABLE t (a int)")
    with closing(owner.connect()) as connection:
        connection.execute("BEGIN; GRANT SELECT ON t TO PUBLIC")
        with pytest.raises(PeopleError, match="somebody's open transaction holds tables"):
            installation.people.grant(readers.group, "public", owner.database)
        connection.execute("ROLLBACK")
    installation.people.grant(readers.group, "public", owner.database)
    installation.people.revoke(readers.group, "public", owner.database)


def test_a_database_that_became_an_owners_meanwhile_is_not_published_into(
    owner: Owner, installation: Myriad, tag: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = installation.server(), f"sales {tag}"
    create_database(server, name)
    asked: list[str] = []

    def replaced_behind(connection: psycopg.Connection, database: str) -> databases.Owner | None:
        found = whose(connection, database)
        if not asked:
            with closing(as_admin(server, autocommit=True)) as admin:
                admin.execute(f'DROP DATABASE "{name}"'.encode())
            owner.run(f'CREATE DATABASE "{name}"', "main")
        asked.append(database)
        return found

    whose = databases.owner
    monkeypatch.setattr(databases, "owner", replaced_behind)
    source = folder / "t.csv"
    source.write_text("a\n1\n")
    with pytest.raises(PublishError, match=f"belongs to {owner.name}"):
        installation.publish([source], Options(database=name))
    assert asked[:2] == [name, name]
    owner.run(f'DROP DATABASE "{name}"', "main")
