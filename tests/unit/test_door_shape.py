"""The shape of a text: no value of it is left, wherever it stood."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.door.verdict import shape, verdict_cache
from myriad.door.verdict.long_texts import Reader
from myriad.door.verdict.verdict import analyse
from myriad.door.verdict.verdict_cache import Verdicts, texts

SECRET = "geheim"
KNOWN = {
    "SELECT a, b FROM t WHERE x = 5": "SELECT a, b FROM t WHERE x = ?",
    "SELECT  a,b\n\tFROM t": "SELECT a,b FROM t",
    'SELECT "Ä b" FROM t WHERE x=$1': 'SELECT "Ä b" FROM t WHERE x=$1',
    "SELECT 'a', E'\\'', U&'\\0061', $$b$$, $x$c$x$, B'1', X'ff', 1e5, -7, .5, 0x1F": (
        "SELECT ?, ?, ?, ?, ?, ?, ?, ?, -?, ?, ?"
    ),
    "INSERT INTO t VALUES (1, 'x'), (2, 'y')": "INSERT INTO t VALUES (?, ?), (?, ?)",
    "SELECT interval '1 day', a::numeric(10, 2)": "SELECT interval ?, a::numeric(?, ?)",
    "COPY t TO STDOUT (FORMAT csv, DELIMITER ';')": "COPY t TO STDOUT (FORMAT ?, DELIMITER ?)",
    "COPY t (a, b) FROM STDIN (NULL x, FORCE_NULL (a, b), HEADER) WHERE a = b; SELECT f(a, b)": (
        "COPY t (a, b) FROM STDIN (NULL ?, FORCE_NULL (?, ?), HEADER) WHERE a = b; SELECT f(a, b)"
    ),
    "COPY (SELECT a, b FROM (SELECT 1)) TO STDOUT (HEADER match, NULL x)": (
        "COPY (SELECT a, b FROM (SELECT ?)) TO STDOUT (HEADER ?, NULL ?)"
    ),
    "EXPLAIN SELECT 1; SELECT 2": "EXPLAIN SELECT ?; SELECT ?",
    "SELECT 1 /* a */ -- b": "SELECT ?",
    "SELECT/* a */1": "SELECT ?",
}
COMMANDS = {
    "BEGIN": "BEGIN …",
    "SET app.x = y; SELECT 1": "SET …; SELECT …",
    "CREATE TABLE t (a int DEFAULT 5)": "CREATE TABLE …",
    "COPY t FROM '/file'": "COPY t FROM ?",
}
# Everywhere where a text may hold what nobody else shall see.
TELLING = [
    "SELECT '{}'",
    "SELECT $${}$$, $a${}$a$, E'{}', U&'{}', '{}'::bytea",
    "SELECT 1 -- {}",
    "SELECT /* {} /* {} */ */ 1",
    "/* {} */ BEGIN; -- {}",
    "SELECT * FROM t WHERE a = '{}' AND b IN ('{}', '{}')",
    "SELECT f('{}', a => '{}') FROM g('{}') LIMIT 1",
    "WITH w AS (SELECT '{}' AS a) UPDATE t SET a = '{}' FROM w RETURNING '{}'",
    "SELECT JSON_VALUE(x, '$.{}' PASSING '{}' AS z)",
    "INSERT INTO t VALUES ('{}') ON CONFLICT DO UPDATE SET a = '{}'",
    "MERGE INTO t USING u ON a = '{}' WHEN MATCHED THEN UPDATE SET a = '{}'",
    "EXECUTE p('{}')",
    "PREPARE p AS SELECT '{}'",
    "DECLARE c CURSOR FOR SELECT '{}'",
    "EXPLAIN (ANALYZE) SELECT '{}'",
    "COPY t TO '/{}' (DELIMITER '{}', NULL '{}')",
    "COPY t TO PROGRAM 'curl -u me:{}'",
    "COPY (SELECT '{}') TO STDOUT",
    "COPY t TO STDOUT (FORMAT csv, NULL {})",
    'COPY t (a) TO STDOUT WITH (HEADER, NULL "{}", FORCE_QUOTE ("{}", {}))',
    "COPY t FROM STDIN CSV NULL '{}'",
    "COPY t FROM STDIN (ENCODING {}, DEFAULT {}) WHERE a = '{}'",
    "CALL p('{}')",
    "DO '{}'",
    "DO $$ BEGIN PERFORM '{}'; END $$",
    "SET app.key = '{}'",
    "SET app.key = {}",
    'SET app.key TO "{}"',
    "SET search_path = {}, '{}'",
    "SET SESSION AUTHORIZATION '{}'",
    "SET TIME ZONE '{}'",
    "RESET {}",
    "SELECT set_config('a.b', '{}', false)",
    "ALTER ROLE x PASSWORD '{}'",
    "CREATE ROLE x LOGIN PASSWORD '{}' VALID UNTIL '{}'",
    "ALTER ROLE x SET a.b = {}",
    "ALTER DATABASE d SET a.b TO '{}'",
    "ALTER SYSTEM SET primary_conninfo = '{}'",
    "CREATE FUNCTION f(a text DEFAULT '{}') RETURNS int SET a.b = {} LANGUAGE sql AS '{}'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT '{}'; END",
    "CREATE TABLE t (a text DEFAULT '{}' CHECK (a <> '{}')) WITH (b = {})",
    "CREATE TYPE e AS ENUM ('{}')",
    "CREATE VIEW v AS SELECT '{}'",
    "CREATE INDEX ON t (a) WHERE a <> '{}'",
    "CREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (password '{}')",
    "CREATE USER MAPPING FOR x SERVER s OPTIONS (password '{}')",
    "CREATE SUBSCRIPTION s CONNECTION 'password={}' PUBLICATION p",
    "COMMENT ON TABLE t IS '{}'",
    "SECURITY LABEL ON TABLE t IS '{}'",
    "NOTIFY x, '{}'",
    "LISTEN {}",
    "LOAD '{}'",
    "PREPARE TRANSACTION '{}'",
    "CREATE EXTENSION x VERSION '{}'",
    "CREATE TABLESPACE x LOCATION '/{}'",
    "CREATE RULE r AS ON INSERT TO t DO NOTIFY x, '{}'",
    "CREATE POLICY p ON t USING (a = '{}')",
    "SELECT 1; SET app.key = {}; SELECT '{}'",
    "SELECT * FROM vault WHERE password = {}",
    'SELECT * FROM vault WHERE secret = "{}"',
    "SELECT crypt({}, 'x')",
    "SELECT 'postgres://me:{}@host/'",
]


def shown(text: str) -> str:
    found = analyse(text, frozenset()).shape
    assert found is not None
    return found[1]


@pytest.mark.parametrize("text", KNOWN)
def test_of_a_query_all_but_its_values_is_shown(text: str) -> None:
    assert shape.without_values(text) == KNOWN[text]


@pytest.mark.parametrize("text", COMMANDS)
def test_of_anything_else_the_command_is_shown(text: str) -> None:
    assert shown(text) == COMMANDS[text]


@pytest.mark.parametrize("text", TELLING)
def test_nothing_of_a_value_is_shown(text: str) -> None:
    filled = text.replace("{}", SECRET)
    assert SECRET in filled
    found = analyse(filled, frozenset()).shape
    assert found is None or SECRET not in found[1].lower()


@pytest.mark.parametrize("text", TELLING)
def test_a_value_is_not_in_the_number_either(text: str) -> None:
    """A number that depended on it would let it be guessed."""
    found, other = (analyse(text.replace("{}", each), frozenset()).shape for each in ("aaa", "bbb"))
    assert found == other


def test_what_cannot_be_read_has_no_shape() -> None:
    for text in ("SELEC 'x'", "SELECT 'a", "ALTER ROLE x PASSWORD geheim", "\0", "SELECT \udc80"):
        assert analyse(text, frozenset()).shape is None


def test_equal_shapes_are_one_whatever_the_values_are() -> None:
    same = ("SELECT a FROM t WHERE b = 1", "select a\nfrom t where b = 'x' -- c")
    assert len({analyse(text, frozenset()).shape for text in same}) == 1
    assert analyse("SELECT c FROM t WHERE b = 1", frozenset()).shape != (
        analyse(same[0], frozenset()).shape
    )


def test_what_is_long_is_cut_and_what_is_very_long_is_its_command() -> None:
    columns = ", ".join(f"column_{number}" for number in range(400))
    assert len(shown(f"SELECT {columns} FROM t")) <= shape.MOST_LETTERS + len(shape.REST)
    values = ", ".join(["(1, 'geheim')"] * 3000)
    assert shown(f"INSERT INTO t VALUES {values}") == "INSERT …"


@given(st.text(string.ascii_letters + "'\"$-/*;\\ é\n", max_size=40))
def test_no_literal_of_any_form_is_shown(value: str) -> None:
    quoted = "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    assert shape.without_values(f"SELECT {quoted} FROM t") == "SELECT ? FROM t"


def test_of_many_new_texts_in_a_second_some_stand_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The process has one, of which other tests may have used this second's share.
    monkeypatch.setattr(verdict_cache, "_sampler", shape.Sampler())
    verdicts = Verdicts(frozenset(), Reader(), texts())
    many = 20_000
    shapes = [verdicts.of(b"SELECT a FROM t WHERE b = %d" % number) for number in range(many)]
    weights = [each.shape[2] if each is not None and each.shape else 0 for each in shapes]
    assert weights[: shape.MOST_NEW] == [1] * shape.MOST_NEW
    assert set(weights) <= {0, 1, shape.ONE_OF}
    assert sum(weights) == pytest.approx(many, rel=0.15)
    again = verdicts.of(b"SELECT a FROM t WHERE b = %d" % (many - 1))
    assert again is not None
    assert again.shape is not None
    assert again.shape[2] == 1  # it came again, so it counts by itself from now on
    assert verdicts.of(b"SELECT a FROM t WHERE b = %d" % (many - 1)) is again
