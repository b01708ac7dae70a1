"""What texts of SQL leave behind."""

import pytest
from pglast import parser

from myriad.door.verdict import verdict as module
from myriad.door.verdict.effects import words
from myriad.door.verdict.verdict import Verdict, analyse

HARMLESS = words(
    "abs count coalesce extract getpgusername json_agg length lower max now sum timezone"
)
PLAIN = [
    "",
    ";",
    "-- SET ROLE x",
    "/* SELECT set_config('a.b', 'c', false) */ SELECT 1",
    "SELECT 1",
    "SELECT $1::int, count(*) FROM t WHERE a = $2 AND lower(b) LIKE 'x%'",
    "SELECT 'current_user', 'set_config(''role'',''x'',false)', \"current_user\" FROM t",
    "SELECT $$LISTEN x; SET ROLE y$$",
    'SELECT "FuncCall" AS "SQLValueFunction", \'"FuncCall":{\' AS """VariableSetStmt"":"',
    "SELECT random(), clock_timestamp(), gen_random_uuid(), pg_relation_size('t'), pg_sleep(1)",
    "SELECT pg_advisory_xact_lock(1), pg_advisory_unlock(1)",
    "SELECT a + b, a || b, a OPERATOR(pg_catalog.*) b, a BETWEEN 1 AND 2 FROM t",
    "SELECT current_date, current_timestamp, localtime, current_schema, current_catalog",
    "SELECT main.pg_catalog.now()",
    "SELECT now() AT TIME ZONE 'UTC', extract(year FROM now())",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM r JOIN t USING (a)",
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY c) FROM t GROUP BY ROLLUP (a) HAVING max(a) > 1",
    "SELECT * FROM t FOR UPDATE SKIP LOCKED",
    "DELETE FROM t USING u WHERE t.a = u.a RETURNING t.*",
    "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
    "COMMIT; ROLLBACK; SAVEPOINT x; RELEASE x; ROLLBACK TO x",
    "SET TRANSACTION READ ONLY",
    "SET LOCAL statement_timeout = 1",
    "SET transaction_read_only = on",
    "SELECT set_config('statement_timeout', '1', true)",
    "SHOW work_mem",
    "EXPLAIN ANALYZE SELECT 1",
    "COPY t TO STDOUT",
    "COPY (SELECT 1) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT 1; FETCH 10 FROM c; MOVE c; CLOSE c",
    "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT lower('X'), CHECK (a > 0))",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a, pg_catalog AS 'SELECT 1'",
    "ALTER TABLE t ADD COLUMN c int; DROP TABLE t; TRUNCATE t; CREATE INDEX ON t (a); ANALYZE t",
    "GRANT SELECT ON t TO readers; COMMENT ON TABLE t IS 'x'; LOCK TABLE t",
    "UNLISTEN *",
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SELECT * FROM pg_settings",
]
STATEFUL = [
    "SELECT evil()",
    "SELECT now(), (SELECT max(x) FROM (SELECT evil() AS x) AS y)",
    "WITH a AS (WITH b AS (SELECT evil()) SELECT * FROM b) SELECT * FROM a",
    "SELECT lower(evil(1))",
    "SELECT public.now()",
    'SELECT "NOW"()',
    "SELECT pg_catalog.public.now()",
    "SELECT * FROM evil()",
    "SELECT * FROM ROWS FROM (now(), evil())",
    "SELECT * FROM generate(evil())",
    "SELECT 1 OPERATOR(public.+) 2",
    "SELECT 1 %%% 2",
    "SELECT 1 ORDER BY 1 USING <<<<",
    "SELECT 1 <<<< ANY (SELECT 2)",
    "DO $$BEGIN END$$",
    "CALL p(1)",
    "EXECUTE p(1)",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT ts_stat('SELECT 1')",
    "CREATE EXTENSION x",
    "CREATE SUBSCRIPTION x CONNECTION '' PUBLICATION y",
    "EXPLAIN ANALYZE SELECT evil()",
    "COPY (SELECT evil()) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT evil()",
    "CREATE TABLE t AS SELECT evil()",
    "CREATE VIEW v AS SELECT evil()",
    "CREATE TABLE t (a int DEFAULT evil())",
    "CREATE FUNCTION f(a int DEFAULT evil()) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO t VALUES (evil()) ON CONFLICT (a) DO UPDATE SET a = evil() RETURNING evil()",
    "MERGE INTO t USING u ON evil() WHEN MATCHED THEN DELETE",
    "SELECT count(*) FILTER (WHERE evil()) OVER (ORDER BY evil()) FROM t",
    "SELECT CASE WHEN true THEN evil() END, ARRAY[evil()], ROW(evil())",
    "SELECT (evil()).a",
    "SELECT coalesce(1, evil())",
    "SELECT json_object('a': evil())",
    "SELECT xmlelement(name a, evil())",
    "SELECT 1 LIMIT evil()",
    "SELECT * FROM t TABLESAMPLE system (evil())",
    "SELECT 1; SELECT 2; SELECT evil()",
    "VACUUM; SELECT evil()",
]
PINS = {
    "CREATE TEMP TABLE t (a int)": "temporary table",
    "create /* x */ temporary table t as select 1": "temporary table",
    "CREATE LOCAL TEMPORARY TABLE t ()": "temporary table",
    "SELECT 1 INTO TEMP t": "temporary table",
    "CREATE TEMP VIEW v AS SELECT 1": "temporary table",
    "CREATE TEMP SEQUENCE s": "temporary table",
    "CREATE TABLE pg_temp.t (a int)": "temporary table",
    'CREATE TABLE "pg_temp_3".t (a int)': "temporary table",
    'CREATE TABLE U&"pg\\005ftemp".t (a int)': "temporary table",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'": "temporary table",
    "CREATE TYPE pg_temp.e AS ENUM ('a')": "temporary table",
    "SET search_path = 'pg_temp', public": "temporary schema in search_path",
    "SELECT set_config('search_path', 'pg_temp', false)": "temporary schema in search_path",
    "SELECT set_config('search_path', $1, false)": "temporary schema in search_path",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1": "holdable cursor",
    "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1": "holdable cursor",
    "PREPARE p AS SELECT 1": "PREPARE",
    "LISTEN x": "LISTEN",
    "SELECT pg_advisory_lock(1)": "advisory lock",
    "SELECT pg_catalog.pg_try_advisory_lock_shared(1)": "advisory lock",
    "SELECT 1 WHERE pg_try_advisory_lock(1, 2)": "advisory lock",
    "SET a.b = 1": "custom setting a.b",
    "RESET A.b": "custom setting a.b",
    "SELECT set_config('App.X', '1', false)": "custom setting app.x",
    "SELECT set_config('a.b', '1', $1)": "custom setting a.b",
    "SELECT setseed(0.5)": "setseed",
    "SET SEED TO 0.5": "SET SEED",
    "SET LOCAL seed = 0.5": "SET SEED",
    "SET ROLE x": "SET ROLE",
    "SET SESSION AUTHORIZATION x": "SET SESSION AUTHORIZATION",
}
CLOSES = [
    "SET a.b = 1",
    "SET LOCAL a.b = 1",
    "RESET a.b",
    "SELECT set_config('a.b', '1', true)",
    "SELECT setseed(0.5)",
    "SET SEED TO 0.5",
    "SELECT set_config('SEED', '0.5', true)",
    "LOAD 'x'",
    "SELECT set_config($1, 'x', true)",
    "UPDATE pg_settings SET setting = 'x'",
    "DO $$BEGIN PERFORM setseed(1); END$$",
    "SELECT pg_create_logical_replication_slot('x', 'y', true)",
]
SETTINGS: dict[str, set[str]] = {
    "SET work_mem = '1MB'": {"work_mem"},
    'SET SESSION "Work_MEM" TO DEFAULT': {"work_mem"},
    "RESET work_mem": {"work_mem"},
    "SET sort_mem = 100": {"work_mem"},
    "SET TIME ZONE 'UTC'": {"timezone"},
    "SET TIME ZONE LOCAL": {"timezone"},
    "SET TIME ZONE INTERVAL '1' HOUR": {"timezone"},
    "SET NAMES 'utf-8'": {"client_encoding"},
    "SET SCHEMA 'x'": {"search_path"},
    "SET XML OPTION DOCUMENT": {"xmloption"},
    "SET x FROM CURRENT": {"x"},
    "SET standard_conforming_strings = on": {"standard_conforming_strings"},
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE": {
        "default_transaction_read_only",
        "default_transaction_isolation",
    },
    "SELECT set_config('Work_Mem'::text, $1, false)": {"work_mem"},
    "SELECT 1 FROM t WHERE set_config('a', 'x', a) = 'x'": {"a"},
    'SELECT "set_config"($$a$$, $1, NULL)': {"a"},
    "SELECT pg_catalog . /* x */ U&\"set\\005fconfig\"(E'\\141', $1, false)": {"a"},
    "WITH w AS (INSERT INTO t SELECT set_config('a', '', false) RETURNING 1) SELECT 1": {"a"},
    "SET a = 1; SET b = 2; SET LOCAL c = 3": {"a", "b"},
    "EXPLAIN ANALYZE SELECT set_config('a', '', false)": {"a"},
    "SET LOCAL a = 1; SELECT set_config('b', '', true)": set(),
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION SNAPSHOT 'x'": set(),
}


def look(text: str) -> Verdict:
    return analyse(text, HARMLESS)


@pytest.mark.parametrize("text", PLAIN)
def test_plain_texts_leave_nothing(text: str) -> None:
    found = look(text)
    assert found.plain
    assert found == Verdict(plain=True, words=found.words, shape=found.shape)


@pytest.mark.parametrize("text", STATEFUL)
def test_what_is_not_known_may_leave_anything(text: str) -> None:
    found = look(text)
    assert found.stateful
    assert found.opaque
    assert found.sequences
    assert not found.plain


@pytest.mark.parametrize(("text", "reason"), PINS.items())
def test_what_cannot_be_made_again_pins(text: str, reason: str) -> None:
    found = look(text)
    assert (found.pins, found.stateful, found.plain) == (reason, True, False)


@pytest.mark.parametrize("text", CLOSES)
def test_what_discard_all_leaves_closes(text: str) -> None:
    found = look(text)
    assert (found.closes, found.stateful, found.plain) == (True, True, False)


@pytest.mark.parametrize(("text", "names"), SETTINGS.items())
def test_settings_are_named(text: str, names: set[str]) -> None:
    found = look(text)
    assert found.settings == names
    assert (found.stateful, found.pins, found.closes, found.refusal) == (False, "", False, None)
    assert found.plain == (not names | found.local)


def test_settings_of_one_transaction_are_named_if_a_text_could_mean_something_else() -> None:
    found = look("SET LOCAL a = 1; SELECT set_config('b', '', true); SET LOCAL lock_timeout = 1")
    assert not found.settings
    assert found.local == {"a", "b"}
    assert not found.plain


def test_restored_settings_are_told_apart() -> None:
    found = look(
        "SET a = 1; SET b TO DEFAULT; RESET c; SET LOCAL d TO DEFAULT; SET TIME ZONE LOCAL"
    )
    assert found.settings == {"a", "b", "c", "timezone"}
    assert found.restores == {"b", "c", "timezone"}


def test_other_state_beside_settings_is_told() -> None:
    for text in ("SET a = 1; SELECT evil()", "SET a = 1; SET ROLE NONE"):
        assert look(text).settings == {"a"}
        assert look(text).stateful
    assert not look("SET a = 1; RESET ALL; DISCARD ALL; RESET ROLE").stateful


def test_reset_and_discard() -> None:
    assert (look("RESET ALL").resets, look("RESET ALL").discards) == (True, False)
    assert (look("DISCARD ALL").resets, look("DISCARD ALL").discards) == (True, True)
    assert look("DISCARD PLANS").plain
    assert not look("RESET ALL").plain
    assert not look("DISCARD ALL").plain


def test_deallocate() -> None:
    assert look("DEALLOCATE x; DEALLOCATE b; DEALLOCATE x").by_sql.deallocates == ("x", "b", "x")
    assert look('DEALLOCATE PREPARE "X y"').by_sql.deallocates == ("X y",)
    assert look("DEALLOCATE ALL").by_sql.deallocates_all
    assert not look("DEALLOCATE x").plain
    assert not look("DEALLOCATE ALL").plain


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "COPY t FROM STDIN",
        "SELECT nextval('s')",
        "SELECT setval('s', 1)",
        "WITH w AS (INSERT INTO t DEFAULT VALUES RETURNING 1) SELECT * FROM w",
        "SELECT 1; INSERT INTO t VALUES (1)",
    ],
)
def test_moved_sequences(text: str) -> None:
    found = look(text)
    assert (found.sequences, found.stateful, found.plain) == (True, False, False)


def test_read_sequences() -> None:
    assert look("SELECT currval('s')").reads_sequences
    assert look("SELECT lastval()").reads_sequences
    assert not look("SELECT currval('s')").sequences
    assert not look("SELECT currval('s')").plain


def test_what_later_connections_start_with() -> None:
    for text in ("ALTER ROLE x SET a = 1", "ALTER DATABASE d RESET ALL", "ALTER SYSTEM SET a = 1"):
        assert look(text).renews


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("select 1", "SELECT"),
        ("-- x\n insert into t values (1); select 1", "INSERT"),
        ("begin", "BEGIN"),
        ("start transaction read only", "START TRANSACTION"),
        ("rollback to x", "ROLLBACK"),
        ("commit", "COMMIT"),
        ("create table t ()", "CREATE TABLE"),
        ("create or replace view v as select 1", "CREATE VIEW"),
        ("set a = 1", "SET"),
        ("reset a", "RESET"),
        ("copy t to stdout", "COPY"),
        ("alter table t add b int", "ALTER TABLE"),
        ("refresh materialized view v", "REFRESH MATERIALIZED VIEW"),
        ("", ""),
    ],
)
def test_words(text: str, word: str) -> None:
    assert look(text).words == word


def test_a_syntax_error_is_the_servers_to_tell() -> None:
    found = look("SELEC 1")
    assert found == Verdict(stateful=True, syntax_error=True)


@pytest.mark.parametrize("text", ["SELECT 1\0; SET ROLE x", "SELECT '\ud800'"])
def test_text_that_no_server_takes(text: str) -> None:
    found = look(text)
    assert found.refusal
    assert found.refusal.sqlstate == "22021"
    assert found.stateful


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT {'(SELECT ' * 9000}1{')' * 9000}",
        f"SELECT 1{'+1' * 50_000}",
        f"SELECT evil(){'+1' * 10_000}",
        f"SELECT {'evil(' * 4000}{')' * 4000}",
    ],
)
def test_too_deep_for_us_is_refused(text: str) -> None:
    found = look(text)
    assert found.refusal
    assert found.refusal.sqlstate == "54001"
    assert found.stateful
    assert found.closes


def test_generated_queries_may_nest() -> None:
    assert look(f"SELECT 1{' UNION ALL SELECT 1' * 3000}").plain
    assert look(f"SELECT evil(){' UNION ALL SELECT 1' * 1000}").opaque
    assert look(f"SELECT 1{'+1' * 1000}, current_user").identity


@pytest.mark.parametrize("text", [*PLAIN, *STATEFUL, *PINS, *SETTINGS])
def test_quick_and_thorough_agree(text: str) -> None:
    parsed = parser.parse_sql_json(text)
    quick = module.quick(parsed, HARMLESS)
    thorough = module.thorough(text.encode(), parsed, HARMLESS)
    assert quick is None or quick == thorough
