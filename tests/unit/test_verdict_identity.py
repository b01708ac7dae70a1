"""Where a text names whoever asks, and what stands there instead."""

import pytest

from myriad.door.verdict.effects import words
from myriad.door.verdict.identity import places
from myriad.door.verdict.rewriting import quote, write
from myriad.door.verdict.verdict import analyse

HARMLESS = words("count getpgusername length lower")
CAST = "CAST(E'rose' AS pg_catalog.name)"


def look(text: str, person: str = "rose") -> str:
    verdict = analyse(text, HARMLESS)
    assert verdict.refusal is None
    assert verdict.plain == (not verdict.identity)
    return write(text, places(verdict.identity, person))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SELECT current_user", f'SELECT  (SELECT {CAST} AS "current_user") '),
        ("SELECT User::text AS a", f'SELECT  (SELECT {CAST} AS "user") ::text AS a'),
        ("DELETE FROM t WHERE a = SESSION_USER;", f"DELETE FROM t WHERE a =  {CAST} ;"),
        ("SELECT * FROM current_role", f'SELECT * FROM  {CAST} AS "current_role" '),
        ("SELECT * FROM current_role u", f"SELECT * FROM  {CAST}  u"),
        ("INSERT INTO t VALUES ('é', user)", f"INSERT INTO t VALUES ('é',  {CAST} )"),
        (
            "SELECT 1 WHERE system_user = ''",
            "SELECT 1 WHERE  CAST(E'scram-sha-256:rose' AS pg_catalog.text)  = ''",
        ),
        ("SELECT 1 LIMIT length(user)", f"SELECT 1 LIMIT length( {CAST} )"),
        ("SELECT 1 WHERE pg_catalog.getpgusername ( ) = 'a'", f"SELECT 1 WHERE  {CAST}  = 'a'"),
        ("SELECT 1 WHERE \"current_user\"() = 'a'", f"SELECT 1 WHERE  {CAST}  = 'a'"),
    ],
)
def test_names_become_literals(text: str, written: str) -> None:
    assert look(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'current_user' -- current_user",
        'SELECT "user", t."current_user" /* user */ FROM "user" AS t',
        "SELECT $$ user $$, current_catalog, a AS user FROM t",
        'COPY t ("user") TO STDOUT',
    ],
)
def test_other_words_stay(text: str) -> None:
    assert look(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "CREATE VIEW v AS SELECT current_user",
        "CREATE MATERIALIZED VIEW v AS SELECT current_user",
        "CREATE TABLE t (a text DEFAULT current_user)",
        "CREATE POLICY p ON t USING (a = current_user)",
        "ALTER TABLE t ALTER a SET DEFAULT session_user",
        "CREATE FUNCTION f() RETURNS text RETURN current_user",
        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT current_user; END",
        "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT current_user",
        "SELECT * FROM current_user WITH ORDINALITY",
        "SELECT * FROM ROWS FROM (current_user, generate_series(1, 2)) AS x",
        "SELECT getpgusername(/* x */)",
        'SELECT U&"getpguser\\006eame"()',
    ],
)
def test_what_cannot_be_written_is_refused(text: str) -> None:
    refusal = analyse(text, HARMLESS).refusal
    assert refusal
    assert refusal.sqlstate == "0A000"
    assert refusal.hint


def test_names_are_quoted_whatever_they_are() -> None:
    assert quote("o'neil\\ \n é 😀") == "E'o''neil\\\\ \\u000a \\u00e9 \\U0001f600'"


def test_what_is_written_is_ascii() -> None:
    text = "SELECT 'é' WHERE user = 'ü'"
    expected = "SELECT 'é' WHERE  CAST(E'ros\\u00e9' AS pg_catalog.name)  = 'ü'"
    assert look(text, "rosé") == expected


def test_every_name_is_found_once() -> None:
    text = "SELECT user; SELECT current_user FROM t WHERE user BETWEEN SYMMETRIC user AND user"
    assert len(analyse(text, HARMLESS).identity) == 5
