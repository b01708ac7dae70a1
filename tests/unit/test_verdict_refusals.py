"""What must not run on a connection that people share."""

import pytest
from pglast import parser

from myriad.door.verdict import verdict as module
from myriad.door.verdict.verdict import analyse

HARMLESS = frozenset(("lower", "now"))
REFUSED = [
    "ALTER ROLE x SET a = 1",
    "ALTER ROLE CURRENT_USER SET search_path = x",
    "ALTER USER ALL IN DATABASE d RESET ALL",
    "ALTER ROLE x PASSWORD 'y'",
    "ALTER USER current_user PASSWORD 'y'",
    "ALTER ROLE a RENAME TO b",
    "ALTER DATABASE d SET a = 1",
    "SET ROLE x",
    "set local role x",
    "SET /* */ ROLE 'none '",
    'SET ROLE "NONE"',
    'SET "ROLE" TO x',
    "SET role = x",
    "SET SESSION AUTHORIZATION x",
    "SET session_authorization = x",
    "SELECT set_config('role', 'x', true)",
    "SELECT set_config(' RoLe ', 'x', true)",
    "SELECT set_config('SESSION_authorization', 'x', false)",
    "SELECT set_config('role', $1, false)",
    "SELECT main.pg_catalog.set_config('role', 'x', false)",
    "CALL p(set_config('role', 'x', false))",
    "EXECUTE p(set_config('role', 'x', false))",
    "EXPLAIN ANALYZE SELECT set_config('role', 'x', false)",
    "COPY (SELECT set_config('role', 'x', false)) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT set_config('role', 'x', false)",
    "CREATE TABLE t AS WITH a AS (SELECT set_config('role', 'x', false)) TABLE a",
    "CREATE VIEW v AS SELECT 1 WHERE EXISTS (SELECT set_config('role', 'x', false))",
    "SELECT sum(1) OVER (ORDER BY set_config('role', 'x', false))",
    "SELECT * FROM t, LATERAL (SELECT set_config('role', 'x', false)) AS l",
    "SELECT * FROM ROWS FROM (now(), set_config('role', 'x', false)) AS r",
    "SELECT * FROM generate_series(1, length(set_config('role', 'x', false)))",
    "SELECT json_object('a': set_config('role', 'x', false))",
    "SELECT 1 FROM t TABLESAMPLE system (length(set_config('role', 'x', false)))",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = set_config('role', 'x', false)",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = set_config('role', 'x', false)",
    "SELECT set_config($1, 'x', true)",
    "SELECT set_config('ro' || 'le', 'x', true)",
    "SELECT set_config(name, 'x', true) FROM t",
    "SELECT set_config(new_value => 'x', setting_name => 'a', is_local => true)",
    "SELECT set_config(VARIADIC ARRAY['a', 'b', 'c'])",
    "SELECT set_config('rolexxx'::varchar(4), 'x', true)",
    "PREPARE p AS SELECT set_config($1, $2, $3)",
    "CREATE FUNCTION f(a text DEFAULT set_config('role', 'x', false)) RETURNS int AS 'SELECT 1'",
    "SELECT * FROM set_config('role', 'x', false)",
    "LISTEN x",
    "NOTIFY x",
    "NOTIFY x, 'y'",
    "SELECT pg_notify('x', 'y')",
    'SELECT 1 WHERE "pg_notify"($1, $2) IS NULL',
    "LOAD 'x'",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "ROLLBACK PREPARED 'x'",
    "DROP OWNED BY x",
    "REASSIGN OWNED BY x TO y",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x",
    "SECURITY LABEL ON TABLE t IS 'x'",
    "SET standard_conforming_strings = off",
    "SET LOCAL standard_conforming_strings TO 'f'",
    'SET "Standard_Conforming_Strings" = 0',
    "SELECT set_config('standard_conforming_strings', $1, true)",
    "SET client_encoding = SJIS",
    "SET NAMES 'big5'",
    "SET NAMES 'Shift_JIS_2004'",
    "SET NAMES 'mskanji'",
    "SET NAMES 'GB18030'",
    "SET NAMES 'windows-936'",
    "SET NAMES 'utf8é'",
    "SELECT set_config('client_encoding', $1, false)",
    "SELECT set_config('Client_Encoding', 'uhc', true)",
    "UPDATE pg_settings SET setting = 'x' WHERE name = 'role'",
    "UPDATE ONLY pg_catalog.pg_settings AS p SET setting = 'x'",
    'WITH w AS (UPDATE U&"pg\\005fsettings" SET setting = 1 RETURNING 1) SELECT 1',
    "GRANT a TO CURRENT_USER",
    "ALTER TABLE t OWNER TO SESSION_USER",
    "SELECT pg_terminate_backend(1)",
    "SELECT 1; SELECT 2; NOTIFY x",
]
ALLOWED = [
    "SET ROLE NONE",
    "SELECT set_config('role', 'none', false)",
    "SET standard_conforming_strings = 'YES'",
    "SET standard_conforming_strings = 1",
    "SET standard_conforming_strings TO DEFAULT",
    "SELECT set_config('standard_conforming_strings', 'true', false)",
    "SET client_encoding = 'UTF-8'",
    "SET NAMES 'latin1'",
    "SET NAMES DEFAULT",
    "SET client_encoding TO 'windows-1252'",
    "SET client_encoding TO 'ISO_8859_15'",
    "SET client_encoding TO 'EUC_JIS_2004'",
    "SET client_encoding TO sql_ascii",
    "UPDATE other.pg_settings SET a = 1",
    "CREATE ROLE x; DROP ROLE x; GRANT a TO b",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_a_hint(text: str) -> None:
    refusal = analyse(text, HARMLESS).refusal
    assert refusal is not None
    assert refusal.sqlstate in {"42501", "0A000"}
    assert refusal.message
    assert refusal.hint
    assert not analyse(text, HARMLESS).plain


@pytest.mark.parametrize("text", ALLOWED)
def test_not_refused(text: str) -> None:
    assert analyse(text, HARMLESS).refusal is None


@pytest.mark.parametrize("text", REFUSED)
def test_no_quick_test_lets_it_pass(text: str) -> None:
    assert module.quick(parser.parse_sql_json(text), HARMLESS) is None
