"""What people's tools ask of the catalog still has an answer, and old databases are hardened."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from psycopg import sql

from myriad import Myriad
from myriad.engines.postgres import databases, programs
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.hardening import VERSION
from tests.harness import as_admin

PSQL = ("\\d", "\\d given", "\\d+ given", "\\dt", "\\dt+", "\\l", "\\l+", "\\du", "\\dn+", "\\df")
MORE_PSQL = ("\\dv *.*", "\\di", "\\ds", "\\dT", "\\dp", "\\ddp", "\\dx", "\\dconfig", "\\conninfo")
# What pgAdmin 4 asks when it connects; it gives up where one of them fails.
PGADMIN = (
    (
        "SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',"
        "false) FROM pg_settings WHERE name = 'bytea_output'; SET client_encoding='utf-8'"
    ),
    (
        "SELECT db.oid as did, db.datname, has_database_privilege(db.oid, 'CREATE') as cancreate"
        " FROM pg_catalog.pg_database db WHERE db.datname = current_database()"
    ),
    (
        "SELECT gss_authenticated, encrypted FROM pg_catalog.pg_stat_gssapi"
        " WHERE pid = pg_backend_pid()"
    ),
    (
        "SELECT roles.oid as id, roles.rolsuper, 'pg_signal_backend' = ANY(ARRAY(SELECT r.rolname"
        " FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = roles.oid))"
        " FROM pg_catalog.pg_roles as roles WHERE rolname = current_user"
    ),
    "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
)
# What the JDBC driver's metadata, DBeaver, Metabase and Power BI ask.
CATALOG = (
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM information_schema.table_privileges",
    "SELECT * FROM information_schema.key_column_usage",
    "SELECT * FROM information_schema.character_sets",
    "SELECT * FROM information_schema.routines",
    (
        "SELECT n.nspname, c.relname, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, 1),"
        " obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid ="
        " c.relnamespace LEFT JOIN pg_attrdef d ON d.adrelid = c.oid"
    ),
    "SELECT name, setting, source FROM pg_settings",
    # pgAdmin's dashboard, DBeaver's session manager
    (
        "SELECT 'session_stats' AS chart_name, pg_catalog.row_to_json(t) FROM (SELECT"
        ' (SELECT count(*) FROM pg_catalog.pg_stat_activity) AS "Total",'
        " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active') AS \"Active\")"
        " t UNION ALL SELECT 'tps_stats', pg_catalog.row_to_json(t) FROM (SELECT"
        " sum(xact_commit) FROM pg_catalog.pg_stat_database) t"
    ),
    (
        "SELECT pid, datname, usename, client_addr, backend_start, state,"
        " wait_event_type || ': ' || wait_event, pg_catalog.pg_blocking_pids(pid), query"
        " FROM pg_catalog.pg_stat_activity WHERE datname = (SELECT datname FROM"
        " pg_catalog.pg_database WHERE datname = current_database()) ORDER BY pid"
    ),
    "SELECT sa.* FROM pg_catalog.pg_stat_activity sa",
    "SELECT * FROM pg_timezone_names",
    "SELECT * FROM pg_stat_user_tables",
    "SELECT * FROM pg_stats",
    "SELECT * FROM pg_locks",
    "SELECT pg_total_relation_size('given'), pg_database_size(current_database())",
    "SELECT pg_backend_pid(), version(), pg_is_in_recovery(), pg_postmaster_start_time()",
    "SELECT set_config('search_path', 'public', false), current_setting('search_path')",
    "SHOW ALL",
)


@dataclass
class Reader:
    name: str
    password: str
    server: Server

    def environment(self) -> dict[str, str]:
        given = {"PGHOST": self.server.host, "PGPORT": str(self.server.port), "PGUSER": self.name}
        return os.environ | given | {"PGPASSWORD": self.password, "PGDATABASE": "main"}

    def url(self) -> sqlalchemy.URL:
        where = {"host": self.server.host, "port": str(self.server.port)}
        return sqlalchemy.URL.create(
            "postgresql+psycopg", self.name, self.password, database="main", query=where
        )

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.server.host,
            port=self.server.port,
            user=self.name,
            password=self.password,
            dbname="main",
            autocommit=True,
        )


@pytest.fixture(scope="module")
def reader(installation: Myriad) -> Iterator[Reader]:
    tag = uuid.uuid4().hex[:8]
    server = installation.server()
    with closing(as_admin(server, "main", autocommit=True)) as connection:
        connection.execute("CREATE TABLE given (a int PRIMARY KEY, b text DEFAULT 'x' NOT NULL)")
    people = installation.people
    [(name, password)] = people.add_people([f"tools {tag}"], [f"tools of {tag}"])
    people.grant(f"tools of {tag}", "public")
    yield Reader(name, password, server)
    people.remove([name])
    people.remove_group(f"tools of {tag}")
    with closing(as_admin(server, "main", autocommit=True)) as connection:
        connection.execute("DROP TABLE given")


@pytest.fixture(scope="module")
def program() -> programs.Programs:
    return programs.find("", Path("/nowhere"), None)


def run(reader: Reader, *command: object) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        env=reader.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("command", PSQL + MORE_PSQL)
def test_psql_describes(reader: Reader, program: programs.Programs, command: str) -> None:
    run(reader, program.path("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-c", command)


def test_pg_dump_dumps_what_was_granted(reader: Reader, program: programs.Programs) -> None:
    dumped = run(reader, program.path("pg_dump"), "--no-owner", "--table", "public.given")
    assert "CREATE TABLE public.given" in dumped


def test_sqlalchemy_reflects(reader: Reader) -> None:
    engine = sqlalchemy.create_engine(reader.url())
    with engine.connect() as connection:
        table = sqlalchemy.Table("given", sqlalchemy.MetaData(), autoload_with=connection)
        assert sqlalchemy.inspect(connection).get_schema_names() == ["information_schema", "public"]
    engine.dispose()
    assert [column.name for column in table.primary_key] == ["a"]


@pytest.mark.parametrize("query", PGADMIN + CATALOG)
def test_a_tools_question_has_an_answer(reader: Reader, query: str) -> None:
    with closing(reader.connect()) as connection:
        found = connection.execute(query.encode())
        while found.nextset():
            pass
        assert found.rowcount > 0 or "FROM" in query


def test_a_database_of_an_older_version_is_hardened_at_the_next_start(
    installation: Myriad, database: str
) -> None:
    server = installation.server()
    with closing(as_admin(server, database, autocommit=True)) as connection:
        connection.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_activity TO PUBLIC")
        connection.execute("GRANT UPDATE ON pg_settings TO PUBLIC")
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = x").format(_id(database)))
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute("UPDATE hardened SET version = 'older'")
    databases.prepare(server, "main")
    rights = (
        "SELECT has_function_privilege('public', 'pg_stat_get_activity(int)', 'EXECUTE'),"
        " has_table_privilege('public', 'pg_settings', 'UPDATE')"
    )
    # What owners make of template1 is theirs alone: what reaches nobody else is everybody's there.
    for name, of_owners in ((database, 0), ("main", 0), ("template1", 1), ("postgres", 0)):
        with closing(as_admin(server, name, autocommit=True)) as connection:
            assert connection.execute(rights).fetchone() == (False, bool(of_owners))
    with closing(as_admin(server, autocommit=True)) as connection:
        versions = connection.execute("SELECT DISTINCT version FROM hardened").fetchall()
    assert versions == [(VERSION,)]


def test_whom_owners_let_into_their_database_stays_when_it_is_hardened_again(
    installation: Myriad,
) -> None:
    tag = uuid.uuid4().hex[:8]
    server = installation.server()
    [(name, _)] = installation.people.add_people([f"owner {tag}"], owner=True)
    own = f"own {tag}"
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(_id(own), _id(name)))
    with closing(as_admin(server, own, autocommit=True)) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_stat_get_activity FROM myriad_owner")
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_notify FROM PUBLIC")  # as it once was
    databases.prepare(server, "main")
    with closing(as_admin(server, own, autocommit=True)) as connection:
        found = connection.execute(
            "SELECT has_function_privilege(%s, 'pg_stat_get_activity(int)', 'EXECUTE'),"
            " has_function_privilege('public', 'pg_notify(text, text)', 'EXECUTE'),"
            " has_database_privilege('public', current_database(), 'TEMPORARY')",
            [name],
        ).fetchone()
    assert found == (True, True, True)
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(_id(own)))
    installation.people.remove([name])


def _id(name: str) -> sql.Identifier:
    return sql.Identifier(name)
