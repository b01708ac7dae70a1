"""A text with the person's name written into it answers as it does for that person."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad.door.verdict import functions, nodes
from myriad.door.verdict.identity import places
from myriad.door.verdict.rewriting import write
from myriad.door.verdict.verdict import analyse
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.home.home import Home
from myriad.settings import Settings
from tests.harness import as_admin, reachable_folder

PERSON = "identity ro'se \\ é"
POOL = "identity pool"
LISTED = 18

TEXTS = [
    "SELECT current_user",
    "SELECT user, session_user, current_role, getpgusername()",
    'SELECT current_user::text COLLATE "C", 1 AS x',
    "SELECT current_user AS me, lower(current_user), current_user || '!', (current_user)",
    "SELECT CASE WHEN true THEN 'a' ELSE current_user END",
    "SELECT CASE WHEN false THEN 'a' ELSE (SELECT user) END, COALESCE(NULL, user), ARRAY[user]",
    "SELECT (SELECT current_user), EXISTS (SELECT user), ARRAY(SELECT user)",
    "SELECT pg_typeof(current_user), pg_typeof(user::text), collation for (current_user)",
    "SELECT 'é current_user', /* user */ current_user -- user\n, 1",
    "SELECT * FROM current_user",
    "SELECT * FROM current_user AS u",
    "SELECT * FROM current_user AS u (x)",
    "SELECT u.x, o FROM current_user WITH ORDINALITY AS u (x, o)",
    'SELECT "user" FROM user, LATERAL session_user',
    "SELECT * FROM generate_series(1, length(current_user))",
    "VALUES (current_user, 1)",
    "SELECT * FROM (VALUES (user)) AS v",
    "SELECT * FROM (SELECT current_user, session_user) AS v",
    "WITH w AS (SELECT current_user) SELECT * FROM w WHERE current_user = user",
    "WITH w (x) AS (SELECT user) SELECT w.*, user FROM w",
    "SELECT current_user, count(*) FROM owned GROUP BY current_user",
    "SELECT lower(user), count(*) FROM owned GROUP BY ROLLUP (lower(user)) ORDER BY 2, 1",
    "SELECT user, grouping(user), count(*) FROM owned GROUP BY CUBE (user, a) ORDER BY 1, 2, 3",
    "SELECT user, count(*) FROM owned GROUP BY CUBE (user, a) HAVING user IS NULL ORDER BY 2",
    "SELECT DISTINCT current_user FROM owned ORDER BY current_user",
    "SELECT DISTINCT ON (user) user, a FROM owned ORDER BY user, a",
    "SELECT user, rank() OVER (PARTITION BY user ORDER BY user) FROM owned",
    "SELECT string_agg(DISTINCT user, ',' ORDER BY user) FROM owned",
    "SELECT user UNION ALL SELECT session_user ORDER BY 1",
    "SELECT a FROM owned WHERE who = current_user ORDER BY a",
    "SELECT o.a FROM owned o JOIN owned p ON p.who = user AND o.a = p.a ORDER BY 1",
    "SELECT json_build_object('me', user), json_object('me': user), json_array(user)",
    "INSERT INTO owned VALUES (current_user, 17) RETURNING who, current_user, user = who",
    "INSERT INTO owned SELECT user, 18 RETURNING *",
    "UPDATE owned SET who = user, a = a + 100 WHERE who = user RETURNING *, user",
    "DELETE FROM owned WHERE who = user RETURNING current_user, a",
    "INSERT INTO owned VALUES ('x', 9) ON CONFLICT (a) DO UPDATE SET who = user RETURNING *",
    "MERGE INTO owned USING (SELECT user AS w) ON who = w WHEN MATCHED THEN DELETE RETURNING user",
    "PREPARE p AS SELECT current_user, $1::int; EXECUTE p(1)",
    "BEGIN; DECLARE c CURSOR FOR SELECT current_user; FETCH c",
    "CREATE TABLE made AS SELECT current_user, 1 AS x; SELECT * FROM made",
    "SELECT 1 LIMIT length(user) OFFSET 0",
    "SELECT a FROM owned ORDER BY who = user, a FETCH FIRST 1 ROW ONLY",
    "PREPARE q(text) AS SELECT $1; EXECUTE q(current_user)",
    "SELECT;SELECT user;SELECT session_user",
]


Answer = tuple[list[tuple[str, int]], list[tuple[Any, ...]]]  # columns and rows


@dataclass
class Place:
    connection: psycopg.Connection
    harmless: frozenset[str]

    def answers(self, role: str, text: bytes) -> list[Answer]:
        """Run the text as that role, and return the columns and rows of each statement."""
        connection = self.connection
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Literal(role)))
        try:
            cursor = connection.execute(text)
            found: list[Answer] = []
            while True:
                columns = [(c.name, c.type_code) for c in cursor.description or []]
                found.append((columns, cursor.fetchall() if columns else []))
                if not cursor.nextset():
                    return found
        finally:
            connection.rollback()
            connection.execute("RESET SESSION AUTHORIZATION")
            connection.execute("DEALLOCATE ALL")

    def written(self, text: str) -> bytes:
        verdict = analyse(text, self.harmless)
        assert verdict.refusal is None
        return write(text, places(verdict.identity, PERSON)).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL without a door before it."""
    with reachable_folder() as path:
        engine = EmbeddedPostgres(Home(path / "home"), Settings())
        try:
            yield engine.start()
        finally:
            engine.stop()


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    """Two roles, and a table with rows of theirs; all of it is gone afterwards."""
    with closing(as_admin(server)) as connection:
        for role in (PERSON, POOL):
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        connection.execute("CREATE SCHEMA play")
        connection.execute("GRANT ALL ON SCHEMA play TO PUBLIC")
        connection.execute("SET search_path = play")
        connection.execute("CREATE TABLE owned (who text, a int PRIMARY KEY)")
        connection.execute("GRANT ALL ON owned TO PUBLIC")
        for number, who in enumerate([PERSON, PERSON, POOL, "x"]):
            connection.execute("INSERT INTO owned VALUES (%s, %s)", [who, number + 6])
        connection.commit()
        yield Place(connection, calm(connection))
        connection.rollback()
        connection.execute("DROP SCHEMA play CASCADE")
        for role in (PERSON, POOL):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        connection.commit()


def calm(connection: psycopg.Connection) -> frozenset[str]:
    rows = connection.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        " GROUP BY 1 HAVING bool_and(provolatile <> 'v')"
    )
    return frozenset(str(name) for (name,) in rows)


def outcome(place: Place, role: str, text: bytes) -> object:
    try:
        return place.answers(role, text)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary


def test_the_pools_role_answers_as_the_person_would(place: Place) -> None:
    for text in TEXTS:  # one test: a table of texts, one server
        real = outcome(place, PERSON, text.encode())
        assert isinstance(real, list), (text, real)
        assert outcome(place, POOL, place.written(text)) == real, text


def test_the_way_of_logging_in_is_told(place: Place) -> None:
    written = place.written("SELECT system_user, pg_typeof(system_user)")
    [(columns, rows)] = place.answers(POOL, written)
    assert [name for name, _ in columns] == ["system_user", "pg_typeof"]
    assert rows == [(f"scram-sha-256:{PERSON}", "text")]


def test_names_hold_in_every_setting_and_encoding(place: Place) -> None:
    for preamble in ("SET backslash_quote = off", "SET client_encoding = 'SQL_ASCII'"):
        place.connection.execute(preamble)
        place.connection.commit()
        assert place.answers(POOL, place.written("SELECT current_user = 'x'"))
    place.connection.execute("SET client_encoding = 'UTF8'")
    place.connection.commit()


def volatile(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        " AND provolatile = 'v'"
    )
    return {str(name) for (name,) in rows}


def test_the_lists_hold_the_servers_functions_and_operators(place: Place) -> None:
    if place.connection.info.server_version // 10_000 != LISTED:
        pytest.skip(f"the lists were made from PostgreSQL {LISTED}")
    known = volatile(place.connection) | place.harmless
    assert known >= functions.OWN | functions.SEEN
    operators = {str(n) for (n,) in place.connection.execute("SELECT oprname FROM pg_operator")}
    assert operators <= nodes.OPERATORS
