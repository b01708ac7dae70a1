"""What somebody with read access may not do to others."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad import Myriad
from myriad.engines.postgres.hardening import harden
from tests.harness import as_admin

REFUSED = """
    SELECT lo_create(0); SELECT lo_creat(-1); SELECT lo_from_bytea(0, 'x'); SELECT lo_unlink(1);
    SELECT lo_open(1, 262144); SELECT lo_get(1); SELECT lo_get(1, 0, 1); SELECT lo_put(1, 0, 'x');
    SELECT loread(0, 1); SELECT lowrite(0, 'x'); SELECT lo_import('/etc/passwd');
    SELECT lo_import('/etc/passwd', 9); SELECT lo_export(1, '/tmp/x');
    SELECT pg_sleep(0); SELECT pg_sleep_for('0'); SELECT pg_sleep_until(now());
    SELECT pg_advisory_lock(1); SELECT pg_advisory_lock(1, 2); SELECT pg_try_advisory_lock(1);
    SELECT pg_advisory_xact_lock(1); SELECT pg_advisory_xact_lock_shared(1, 2);
    SELECT pg_try_advisory_xact_lock_shared(1);
    SELECT pg_logical_emit_message(false, 'a', 'b');
    SELECT pg_logical_emit_message(true, 'a', ''::bytea);
    SELECT pg_terminate_backend(pg_backend_pid()); SELECT pg_cancel_backend(pg_backend_pid());
    SELECT query_to_xml('SELECT 1', true, true, '');
    SELECT table_to_xml('pg_class', true, true, '');
    SELECT schema_to_xml('public', true, true, ''); SELECT database_to_xml(true, true, '');
    SELECT ts_stat('SELECT to_tsvector(1::text)'); SELECT ts_rewrite('a'::tsquery, 'SELECT 1');
    SELECT pg_export_snapshot(); DO 'BEGIN END'; DO LANGUAGE plpgsql 'BEGIN END';
    CREATE TABLE t (a int); CREATE TABLE public.t (a int); CREATE TEMP TABLE t (a int);
    CREATE SCHEMA s; CREATE VIEW v AS SELECT 1; CREATE SEQUENCE s; CREATE TYPE ty AS (a int);
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE EXTENSION hstore;
    CREATE DATABASE mine; CREATE ROLE friend; ALTER ROLE CURRENT_USER CREATEDB;
    SET ROLE myriad; SET SESSION AUTHORIZATION myriad; GRANT myriad TO CURRENT_USER;
    COPY given TO PROGRAM 'id'; COPY given TO '/tmp/x'; SELECT pg_read_file('/etc/passwd');
    SELECT pg_ls_dir('.'); SELECT pg_stat_file('.'); SELECT pg_reload_conf();
    SELECT * FROM pg_authid; SELECT * FROM pg_shadow; SELECT * FROM pg_largeobject;
    SELECT * FROM hidden.secret; INSERT INTO given VALUES (2); TRUNCATE given; DROP TABLE given;
    ALTER TABLE given ADD b int; CREATE INDEX ON given (a); COMMENT ON TABLE given IS 'x';
    SET event_triggers = off; SET log_statement = 'none'; ALTER SYSTEM SET work_mem = '1GB';
    CHECKPOINT; VACUUM FULL pg_class
"""
# Somebody who shares a role, and a connection, with others must not see what they do, nor change
# settings where the door does not look.
ALSO_REFUSED = """
    SELECT query FROM pg_stat_get_activity(NULL);
    SELECT * FROM pg_stat_replication; SELECT * FROM pg_stat_progress_copy;
    SELECT * FROM pg_stat_progress_create_index; SELECT * FROM pg_stat_get_progress_info('VACUUM');
    SELECT pg_stat_get_backend_idset(); SELECT pg_stat_get_backend_activity(1);
    SELECT pg_stat_get_backend_client_addr(1); SELECT pg_stat_get_backend_userid(1);
    SELECT pg_stat_get_backend_start(1); SELECT pg_stat_get_backend_wait_event(1);
    SELECT * FROM pg_prepared_statements; SELECT * FROM pg_prepared_statement();
    SELECT * FROM pg_cursors; SELECT * FROM pg_cursor(); SELECT pg_notify('channel', 'text');
    UPDATE pg_settings SET setting = 'hidden' WHERE name = 'search_path';
    UPDATE pg_catalog.pg_settings SET setting = '0' WHERE name = 'statement_timeout'
"""
# The door answers for these, with one row of the asker's own: see test_door_activity.py.
FROM_ACTIVITY = (
    "SELECT * FROM pg_stat_activity",
    "SELECT pid, query FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()",
)
ATTACKS = [line.strip() for line in f"{REFUSED};{ALSO_REFUSED}".split(";")]
# Of the door, which says no to what could only reach others who share the connection.
REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)
# PostgreSQL has them all refused or does nothing but warn.
WARNS_ONLY = {"VACUUM FULL pg_class"}


@dataclass
class Reader:
    name: str
    password: str
    database: str
    installation: Myriad

    def connect(self, database: str | None = None, options: str = "") -> psycopg.Connection:
        server = self.installation.server()
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=self.name,
            password=self.password,
            dbname=database or self.database,
            autocommit=True,
            options=options,
        )

    def direct(self) -> psycopg.Connection:
        """Connect as this role without the door."""
        dsn = self.installation.server().dsn
        mine = make_conninfo(dsn, user=self.name, dbname=self.database, options="")
        return psycopg.connect(mine, autocommit=True)


@pytest.fixture(scope="module")
def reader(installation: Myriad) -> Iterator[Reader]:
    """Somebody who may read `main`, where there is also what they may not."""
    tag = uuid.uuid4().hex[:8]
    with closing(as_admin(installation.server(), "main", autocommit=True)) as connection:
        connection.execute("DROP SCHEMA IF EXISTS hidden CASCADE")
        connection.execute("CREATE TABLE IF NOT EXISTS given AS SELECT 1 AS a")
        connection.execute("CREATE SCHEMA hidden")
        connection.execute("CREATE TABLE hidden.secret AS SELECT 42 AS a")
    people = installation.people
    [(name, password)] = people.add_people([f"reader {tag}"], [f"readers {tag}"])
    people.grant(f"readers {tag}", "public")
    yield Reader(name, password, "main", installation)
    people.remove([name])
    people.remove_group(f"readers {tag}")
    with closing(as_admin(installation.server(), "main", autocommit=True)) as connection:
        connection.execute("DROP SCHEMA hidden CASCADE")
        connection.execute("DROP TABLE given")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_reader_is_refused(reader: Reader, attack: str) -> None:
    with closing(reader.connect()) as connection:
        _refused(connection, attack)


@pytest.mark.parametrize("attack", [*ATTACKS, *FROM_ACTIVITY])
def test_postgresql_refuses_a_reader_without_the_doors_help(reader: Reader, attack: str) -> None:
    with closing(reader.direct()) as connection:
        _refused(connection, attack, psycopg.errors.InsufficientPrivilege)


def _refused(
    connection: psycopg.Connection,
    attack: str,
    *errors: type[psycopg.Error],
) -> None:
    assert connection.execute("SELECT a FROM given").fetchone() == (1,)
    if attack in WARNS_ONLY:
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.sqlstate or ""))
        connection.execute(attack)
        assert notices == ["01000"]
        return
    with pytest.raises(errors or REFUSALS):
        connection.execute(attack)


def test_no_overload_of_a_dangerous_function_is_left_to_readers(reader: Reader) -> None:
    with closing(reader.connect()) as connection:
        left = connection.execute("""
            SELECT oid::regprocedure::text FROM pg_proc
            WHERE has_function_privilege(oid, 'EXECUTE')
              AND proname ~ '^(lo_|lo(read|write)$|pg_sleep|pg_.*backend$'
                            '|pg_(try_)?advisory_(?!unlock)'
                            '|pg_logical_|dblink|pg_read_|pg_ls_|.*_to_xml|pg_notify$'
                            '|pg_stat_get_(activity|backend|progress)|pg_cursor$|pg_prepared_st)'
              AND NOT prosrc LIKE 'pg_logical_slot%'""").fetchall()
        every = connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname ~ '^(lo_|pg_sleep|pg_(try_)?advisory)'"
        ).fetchone()
    assert left == []
    assert every is not None
    assert every[0] > 40  # the catalog that was looked at is the real one


def test_a_reader_cannot_hold_up_a_publish_by_a_lock(reader: Reader) -> None:
    with closing(reader.connect()) as connection:
        for mode in ("ROW EXCLUSIVE", "SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                connection.transaction(),
            ):
                connection.execute(f"LOCK given IN {mode} MODE")


@pytest.mark.parametrize("database", ["myriad", "postgres", "template1", "template0"])
def test_a_reader_cannot_connect_to_what_was_not_granted(reader: Reader, database: str) -> None:
    refused = r"permission denied|not currently accepting"
    with pytest.raises(psycopg.OperationalError, match=refused):
        reader.connect(database)


def test_a_reader_cannot_connect_to_another_database(reader: Reader, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        reader.connect(database)


def test_only_people_with_passwords_get_in_over_tcp(reader: Reader) -> None:
    server = reader.installation.server()
    for user in ("myriad", "myriad_owner", "readers", "postgres"):
        with pytest.raises(psycopg.OperationalError, match=r"rejects|authentication failed"):
            psycopg.connect(
                host=server.host, port=server.port, user=user, password="x", dbname="main"
            )


def test_an_owner_has_in_their_own_database_what_readers_lack(installation: Myriad) -> None:
    tag = uuid.uuid4().hex[:8]
    [(name, password)] = installation.people.add_people([f"owner {tag}"], owner=True)
    owner = Reader(name, password, "main", installation)
    with closing(owner.connect()) as connection:
        for refused in (
            "SELECT pg_advisory_lock(1)",
            "SELECT lo_create(0)",
            "SELECT pg_notify('a', 'b')",
            "SELECT * FROM pg_stat_get_activity(NULL)",
            "CREATE TABLE t (a int)",
            "CREATE TEMP TABLE t ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)
        # What reaches no further than a connection is theirs: they share none.
        for allowed in ("SELECT pg_sleep(0)", "DO 'BEGIN END'", "TABLE pg_prepared_statements"):
            connection.execute(allowed)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE DATABASE soft TEMPLATE template0")
        connection.execute(f"CREATE DATABASE own_{tag}")
    with closing(owner.connect(f"own_{tag}")) as connection:
        for allowed in (
            "SELECT pg_sleep(0)",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT lo_unlink(lo_create(0))",
            "SELECT ts_stat('SELECT to_tsvector(1::text)')",
            "DO 'BEGIN END'",
            "CREATE TEMP TABLE t (a int)",
            "CREATE TABLE t (a int)",
            "SELECT pg_notify('a', 'b')",
            "SELECT * FROM pg_stat_activity",
            "UPDATE pg_settings SET setting = 'hex' WHERE name = 'bytea_output'",
        ):
            connection.execute(allowed)
        for refused in (
            "SELECT lo_import('/etc/passwd')",
            "SELECT lo_export(1, '/tmp/x')",
            "SELECT pg_read_file('/etc/passwd')",
            "DROP EVENT TRIGGER myriad_guard",
            "ALTER EVENT TRIGGER myriad_guard DISABLE",
            "DROP SCHEMA myriad_guard CASCADE",
            f"ALTER DATABASE own_{tag} SET event_triggers = off",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)
    with closing(owner.connect()) as connection:
        connection.execute(f"DROP DATABASE own_{tag}")
    installation.people.remove([name])


def test_opening_the_own_database_to_public_lets_nobody_in(
    installation: Myriad, reader: Reader
) -> None:
    tag = uuid.uuid4().hex[:8]
    [(name, password)] = installation.people.add_people([f"owner {tag}"], owner=True)
    owner = Reader(name, password, "main", installation)
    with closing(owner.connect()) as connection:
        connection.execute(f"CREATE DATABASE own_{tag}")
        connection.execute(f"GRANT CONNECT ON DATABASE own_{tag} TO PUBLIC")
        for options in ("", "-c event_triggers=off"):
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                reader.connect(f"own_{tag}", options=options)
        let_in = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
        connection.execute(let_in.format(sql.Identifier(f"own_{tag}"), sql.Identifier(reader.name)))
        reader.connect(f"own_{tag}").close()
        connection.execute(f"DROP DATABASE own_{tag}")  # waits for who is leaving


def test_hardening_again_changes_nothing_and_says_that_nothing_is_open(
    installation: Myriad, database: str
) -> None:
    with closing(as_admin(installation.server(), database, autocommit=True)) as connection:
        versions = (
            "SELECT oid, xmin::text FROM pg_proc UNION ALL SELECT oid, xmin::text FROM pg_database"
        )
        before = connection.execute(f"{versions} ORDER BY 1, 2").fetchall()
        assert harden(connection, owners_may_use=False) == []
        assert connection.execute(f"{versions} ORDER BY 1, 2").fetchall() == before


def test_a_server_that_we_may_not_harden_says_what_is_left_open(
    installation: Myriad, database: str
) -> None:
    with closing(as_admin(installation.server(), database, autocommit=True)) as connection:
        connection.execute("GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC")
        connection.execute("GRANT TEMPORARY ON DATABASE " + database + " TO PUBLIC")
        role = f"admin_{uuid.uuid4().hex[:8]}"
        connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"ALTER DATABASE {database} OWNER TO {role}")
        connection.execute(f"SET SESSION AUTHORIZATION {role}")
        left = harden(connection, owners_may_use=False)
        assert left == ["EXECUTE ON ROUTINE pg_sleep(double precision) FROM PUBLIC"]
        connection.execute("RESET SESSION AUTHORIZATION")
        assert harden(connection, owners_may_use=False) == []
        connection.execute(f"ALTER DATABASE {database} OWNER TO myriad")
        connection.execute(f"DROP ROLE {role}")
