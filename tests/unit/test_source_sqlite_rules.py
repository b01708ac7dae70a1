"""CHECKs and views of SQLite are put together anew for PostgreSQL, or refused and named."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from myriad.model import TEXT, Kind, Part, Phrase, Table, Type
from myriad.sources.sqlite import rules
from myriad.sources.sqlite.schema import DeclaredTable
from myriad.sources.sqlite.source import open_sqlite
from tests.source_harness import opened

COLUMNS = """
    id INTEGER PRIMARY KEY, n INT, price REAL, name TEXT, "two words" TEXT, born DATE,
    active BOOLEAN, "user" TEXT
"""
KINDS = {
    "id": (Type(Kind.INTEGER), ""),
    "n": (Type(Kind.INTEGER), ""),
    "name": (TEXT, ""),
    "born": (Type(Kind.DATE), ""),
    "active": (Type(Kind.BOOLEAN), ""),
}


def make(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as con:
        con.executescript(script)


def _table(file: Path, script: str) -> Table:
    make(file, script)
    return opened(open_sqlite, file)[0].table


def _sql(phrase: Phrase) -> str:
    named = (
        part if isinstance(part, str) else part.label or part.column or f"<{part.table}>"
        for part in phrase
    )
    return "".join(named)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("n > 0", "(n > 0)"),
        ("N == 1 OR n != -1", "((n = 1) OR (n <> -1))"),
        ("n IN (1, 2.5, NULL)", "(n IN (1, 2.5, NULL))"),
        ("n NOT IN (1)", "(n NOT IN (1))"),
        ("n BETWEEN 1 AND 5", "((n >= 1) AND (n <= 5))"),
        ("n NOT BETWEEN 1 AND 5", "(NOT ((n >= 1) AND (n <= 5)))"),
        ("name IS NOT NULL AND NOT n IS NULL", "((name IS NOT NULL) AND (NOT (n IS NULL)))"),
        ("length(name) <= 10", "(pg_catalog.length(name) <= 10)"),
        ("trim([two words]) <> ''", "(pg_catalog.btrim(two words) <> '')"),
        ('name IN ("a", "it\'s")', "(name IN ('a', 'it''s'))"),
        ("name >= 'A'", "(name COLLATE \"C\" >= 'A' COLLATE \"C\")"),
        ("name = 'a\\b'", "(name = 'a\\b')"),
        ("name LIKE '%@%'", "(name ILIKE '%@%')"),
        ("active IN (0, 1)", "(active IN (false, true))"),
        ("1 = active", "(true = active)"),
        ("born > '1900-01-01'", "(born > '1900-01-01')"),
        ("n * 2 <= 100 /* ) */ -- here", "((n::bigint * 2) <= 100)"),
        ("n % 2 = 0", "((n::bigint % nullif(2, 0)) = 0)"),
        ("user <> ''", "(user <> '')"),
        ("coalesce(n, 1) > 0 AND ifnull(n, 1) > 0",
         "((coalesce(n, 1) > 0) AND (coalesce(n, 1) > 0))"),
        ("CASE WHEN n > 1 THEN 1 ELSE 0 END = 0", "((CASE WHEN (n > 1) THEN 1 ELSE 0 END) = 0)"),
        ("active", "active"),
    ],
)  # fmt: skip
def test_a_check_means_the_same(file: Path, check: str, expected: str) -> None:
    table = _table(file, f"CREATE TABLE t ({COLUMNS}, CHECK ({check}\n))")
    assert [_sql(each.phrase) for each in table.checks] == [expected]
    assert not any("CHECK" in note for note in table.notes)


HOSTILE = [
    "pg_read_file('/etc/passwd') IS NOT NULL",
    "pg_sleep(10) IS NULL",
    "set_config('a', 'b', true) = 'b'",
    "dblink('x', 'y') IS NULL",
    'pg_catalog."pg_sleep"(1) IS NULL',
    '"length"(name) = (SELECT count(*) FROM pg_authid)',
    "EXISTS (SELECT 1 FROM t)",
    "n IN (SELECT 1)",
    "n OPERATOR(public.+) 1 > 0",
    "name::regclass = 1",
    "CAST(name AS regclass) = 1",
    "name COLLATE NOCASE = 'a'",
    "current_user = 'a'",
    "session_user IS NOT NULL",
    "random() > 0",
    "typeof(n) = 'integer'",
    "name GLOB 'a*'",
    "name LIKE 'a\\%'",
    "name LIKE 'a' || 'b'",
    "name ILIKE 'a'",
    "name SIMILAR TO 'a'",
    "n = ANY (ARRAY[1])",
    "(n, 1) = (1, n)",
    "ROW(n) IS NULL",
    "x.y.z.n > 0",
    "other.n > 0",
    "missing > 0",
    "$1 > 0",
    "n > 0 ORDER BY pg_sleep(1)",
    "length(name, 1) > 0",
    "count(*) > 0",
    "count(n) OVER () > 0",
    "1",
    "n",
    "length(name)",
    "E'\\x41' = name",
    "U&'\\0041' = name",
    "x'00' = name",
    "n = " + "(" * 60 + "1" + ")" * 60,
    "NOT " * 1990 + "active",
    "n > 0" + " OR n > 0" * 700,
]


@pytest.mark.parametrize("check", HOSTILE)
def test_a_check_that_might_do_or_mean_something_else_is_named(check: str) -> None:
    notes: list[str] = []
    table = DeclaredTable("t", (), sql=f"CREATE TABLE t ({COLUMNS}, CHECK ({check}))")
    assert rules.checks(table, KINDS, notes) == ()
    assert [note for note in notes if "not carried over: " in note]


@pytest.mark.parametrize("rest", ["; DROP TABLE t; SELECT (1", " UNION SELECT (pg_sleep(9)"])
def test_a_check_ends_with_its_bracket(rest: str) -> None:
    table = DeclaredTable("t", (), sql=f"CREATE TABLE t (n, CHECK (n > 0){rest}))")
    assert [_sql(check.phrase) for check in rules.checks(table, KINDS, [])] == ["(n > 0)"]


def test_text_that_is_compared_regardless_of_case_is_named(file: Path) -> None:
    script = "CREATE TABLE t (a TEXT COLLATE NOCASE CHECK (a IN ('x', 'y')), n INT CHECK (n > 0))"
    table = _table(file, script)
    assert [_sql(check.phrase) for check in table.checks] == ["(n > 0)"]
    assert any("regardless of case" in note for note in table.notes)


BOOKS = f"""
    CREATE TABLE t ({COLUMNS});
    CREATE TABLE "Other One" (t_id INT, amount INT);
"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM t", 'SELECT * FROM <t> AS "t"'),
        ('SELECT x.name AS "The Name", x.* FROM main.t AS x WHERE n > 0 ORDER BY 1 DESC, name',
         ('SELECT "x".name AS The Name, "x".* FROM <t> AS "x" WHERE ("x".n > 0)'
         ' ORDER BY 1 DESC NULLS LAST, "x".name NULLS FIRST')),
        (('SELECT DISTINCT name, count(*) AS c, sum(amount) FROM t LEFT JOIN "Other One" o'
         " ON o.t_id = t.id GROUP BY name HAVING count(DISTINCT amount) > 1 ORDER BY c LIMIT 3;"),
         ('SELECT DISTINCT "t".name, pg_catalog.count(*) AS c, pg_catalog.sum("o".amount)'
         ' FROM (<t> AS "t" LEFT JOIN <Other One> AS "o" ON ("o".t_id = "t".id))'
         ' GROUP BY "t".name HAVING (pg_catalog.count(DISTINCT ("o".amount)) > 1)'
         " ORDER BY c NULLS FIRST LIMIT 3")),
    ],
)  # fmt: skip
def test_a_view_means_the_same(file: Path, query: str, expected: str) -> None:
    table = _table(file, f"{BOOKS} CREATE VIEW v AS {query}")
    assert [(view.name, _sql(view.phrase)) for view in table.views] == [("v", expected)]
    assert not any("view" in note for note in table.notes)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_read_file('x') FROM t",
        "SELECT load_extension('x') FROM t",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_catalog.pg_authid",
        "SELECT * FROM other.t",
        "SELECT * FROM (SELECT 1)",
        "SELECT (SELECT 1) FROM t",
        "SELECT * FROM t, pg_ls_dir('/')",
        'SELECT * FROM t WHERE n IN (SELECT t_id FROM "Other One")',
        "WITH x AS (SELECT 1) SELECT * FROM t",
        "SELECT * FROM t UNION SELECT * FROM t",
        'SELECT * FROM t NATURAL JOIN "Other One"',
        "SELECT * INTO x FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT row_number() OVER () FROM t",
        "SELECT count(*) FILTER (WHERE n > 0) FROM t",
        "SELECT max(n, 1) FROM t",
        "SELECT group_concat(name) FROM t",
        "SELECT strftime('%Y', born) FROM t",
        "SELECT DISTINCT ON (n) n FROM t",
        "SELECT rowid FROM t",
        "SELECT n.* FROM t",
        "SELECT 1",
        "VALUES (1)",
        "DELETE FROM t",
        "SELECT 1 FROM t; DROP TABLE t",
    ],
)
def test_a_view_that_might_do_or_mean_something_else_is_named(query: str) -> None:
    tables = [DeclaredTable(name, ()) for name in ("t", "Other One")]
    kinds = {"t": KINDS, "Other One": {"t_id": KINDS["n"], "amount": KINDS["n"]}}
    made, notes = rules.views({"v": f"CREATE VIEW v AS {query}"}, tables, kinds)
    assert made == ()
    assert notes[0].startswith("view v not carried over: ")


def test_names_are_parts_and_never_text(file: Path) -> None:
    name = 'a"; DROP TABLE t; --'
    quoted = name.replace('"', '""')
    table = _table(file, f'CREATE TABLE t ("{quoted}" INT CHECK ("{quoted}" > 0));')
    assert table.checks[0].phrase == ("(", Part("t", name), "", " > ", "0", "", ")")


@pytest.mark.parametrize(
    ("seq", "rows", "counter", "kind"),
    [("7", "(1)", 7, "integer"), ("3000000000", "(1)", 3000000000, "bigint"),
     ("'x'", "(5)", 0, "integer"), ("-4", "(1)", 0, "integer")],
)  # fmt: skip
def test_a_counter_goes_on_from_what_it_gave_out(
    file: Path, seq: str, rows: str, counter: int, kind: str
) -> None:
    table = _table(
        file,
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);"
        f"INSERT INTO t VALUES {rows}; UPDATE sqlite_sequence SET seq = {seq};",
    )
    (column,) = table.columns
    assert (column.identity, str(column.type)) == (counter, kind)
