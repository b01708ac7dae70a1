"""What a session that only reads may send, as far as its texts say."""

import pytest

from myriad.door.verdict.verdict import analyse

HARMLESS = frozenset(("lower", "now", "count", "pg_get_userbyid"))
READS = [
    "",
    "SELECT 1",
    "SELECT count(*), lower(a), mine(b), pg_get_userbyid(1), pg_sleep(1) FROM t",
    "TABLE t; VALUES (1)",
    "WITH w AS (SELECT 1) SELECT * FROM w UNION SELECT 2",
    "COPY t TO STDOUT (FORMAT csv)",
    "COPY (SELECT 1) TO STDOUT",
    "EXPLAIN ANALYZE SELECT 1",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM c",
    "CLOSE c",
    "PREPARE p AS SELECT $1",
    "EXECUTE p(1)",
    "BEGIN",
    "BEGIN READ ONLY, ISOLATION LEVEL SERIALIZABLE",
    "START TRANSACTION",
    "SELECT 1; COMMIT",
    "BEGIN; SELECT 1; ROLLBACK",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "ROLLBACK TO a; SELECT 1",
    "SET search_path = x",
    "SET TRANSACTION READ ONLY",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET default_transaction_read_only = 'on'",
    "SELECT set_config('TimeZone', 'UTC', false)",
    "SELECT set_config('transaction_read_only'::text, 'true', true)",
    "RESET ALL",
    "DISCARD ALL",
    "SHOW TimeZone",
    "LOCK TABLE t IN ACCESS SHARE MODE",
    "SELECT other.nextval('s')",
]
WRITES = [
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE t",
    "WITH w AS (DELETE FROM t RETURNING 1) SELECT * FROM w",
    "SELECT 1; DELETE FROM t",
    "SELECT 1 INTO x",
    "SELECT 1 UNION SELECT 2 INTO x",
    "WITH w AS (SELECT 1) SELECT * INTO x FROM w",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "DROP TABLE t",
    "ALTER TABLE t ADD a int",
    "COMMENT ON TABLE t IS 'x'",
    "GRANT SELECT ON t TO x",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
    "EXPLAIN (ANALYZE) CREATE TABLE x AS SELECT 1",
    "PREPARE p AS INSERT INTO t VALUES (1)",
    "COPY t FROM STDIN",
    "COPY t TO '/tmp/x'",
    "COPY t TO PROGRAM 'x'",
    "COPY (DELETE FROM t RETURNING 1) TO STDOUT",
    "VACUUM",
    "ANALYZE t",
    "REINDEX TABLE t",
    "CLUSTER t",
    "CHECKPOINT",
    "REFRESH MATERIALIZED VIEW v",
    "LOCK TABLE t",
    "LOCK TABLE t IN ROW EXCLUSIVE MODE",
    "LISTEN x",
    "NOTIFY x",
    "LOAD 'x'",
    "DO 'BEGIN END'",
    "CALL p()",
    "BEGIN READ WRITE",
    "BEGIN READ ONLY, READ WRITE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET LOCAL TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET transaction_read_only = off",
    'SET LOCAL "Transaction_Read_Only" = 0',
    "SET default_transaction_read_only TO off",
    "SET default_transaction_read_only TO DEFAULT",
    "SET transaction_read_only FROM CURRENT",
    "RESET transaction_read_only",
    "RESET default_transaction_read_only",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "COMMIT; SELECT 1",
    "ROLLBACK; SELECT 1",
    "ROLLBACK AND CHAIN; SELECT 1",
    "END; BEGIN",
    "ABORT; SELECT 1",
    "EXECUTE p; SELECT 1",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', $1, true)",
    "SELECT pg_catalog.set_config(' Transaction_Read_Only '::text, '0'::text, true)",
    "SELECT set_config('default_transaction_' || 'read_only', 'off', false)",
    "SELECT set_config(setting_name => 'a', new_value => '0', is_local => true)",
    "SELECT nextval('s')",
    "SELECT setval('s', 1)",
    "SELECT * FROM nextval('s')",
    "SELECT 1 WHERE nextval('s') > 0",
    "SELECT pg_notify('a', 'b')",
    "SELECT lo_create(0)",
    "SELECT pg_catalog.lo_put(1, 0, 'x')",
    "SELECT lo_unlink(1)",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT lowrite(1, 'x')",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_logical_emit_message(true, 'a', 'b')",
    "SELECT pg_create_logical_replication_slot('a', 'b')",
    "SELECT pg_stat_reset()",
    "SELECT pg_switch_wal()",
]


@pytest.mark.parametrize("text", READS)
def test_what_only_reads_is_not_refused(text: str) -> None:
    assert analyse(text, HARMLESS, reads=True).refusal is None


@pytest.mark.parametrize("text", WRITES)
def test_what_writes_or_may_turn_the_scope_off_is_refused(text: str) -> None:
    assert analyse(text, HARMLESS, reads=True).refusal is not None


@pytest.mark.parametrize("text", [*READS, *WRITES])
def test_no_text_is_plain_where_the_scope_counts(text: str) -> None:
    assert not analyse(text, HARMLESS, reads=True).plain


@pytest.mark.parametrize("text", ["COMMIT", "ROLLBACK AND CHAIN", "SELECT 1; END", "EXECUTE p"])
def test_what_may_end_a_transaction_is_known(text: str) -> None:
    assert analyse(text, HARMLESS, reads=True).ends


@pytest.mark.parametrize("text", ["", "SELECT 1", "BEGIN", "ROLLBACK TO a", "RELEASE a"])
def test_what_does_not_end_one_is_known_too(text: str) -> None:
    assert not analyse(text, HARMLESS, reads=True).ends
