"""What people do to the state of their sessions, one step each."""

from dataclasses import dataclass

from myriad.pgwire import wire
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    close,
    copy_data,
    copy_fail,
    describe,
    execute,
    parse,
    unit,
)

GUARD = frozenset(("42501", "0A000"))
TIED = frozenset(("53300",))
HALVED, HALF = wire.query("SET work_mem = '18MB'"), 9


@dataclass(frozen=True, repr=False)
class Act:
    """One step of a session.

    Attributes:
        messages: what is sent at once.
        last: the kinds of answers with which it is over, after `times` of them.
        then: what is sent after that, answered up to ReadyForQuery.
        may: SQLSTATEs with which the door alone may refuse it.
        ties: it may tie a server connection to the session.
        leaves: nothing but an end or the rest can follow: a unit without Sync, COPY without end.
    """

    name: str
    messages: bytes
    last: str = "Z"
    times: int = 1
    then: bytes = b""
    may: frozenset[str] = frozenset()
    ties: bool = False
    leaves: str = ""

    def __repr__(self) -> str:
        return self.name


def plain(*texts: str) -> list[Act]:
    return [Act(text, wire.query(text)) for text in texts]


def guarded(*texts: str) -> list[Act]:
    return [Act(text, wire.query(text), may=GUARD) for text in texts]


def tying(*texts: str) -> list[Act]:
    return [Act(text, wire.query(text), may=TIED | GUARD, ties=True) for text in texts]


SETTINGS = plain(
    "SET work_mem = '5MB'",
    "SET LOCAL work_mem = '6MB'",
    "RESET work_mem",
    "SET work_mem TO DEFAULT",
    "SET Sort_Mem = '7MB'",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT set_config('statement_timeout', '61s', false)",
    "SELECT set_config('lock_timeout', '7s', true)",
    "SET TIME ZONE 'Asia/Tokyo'",
    "SET TIME ZONE INTERVAL '+05:30' HOUR TO MINUTE",
    "SET TIME ZONE LOCAL",
    "SET search_path = pg_catalog, public",
    "SET search_path TO 'nowhere'",
    "SET DateStyle = 'SQL, DMY'",
    "SET application_name = 'some one''s \\ tool'",
    "SET NAMES 'LATIN1'",
    "RESET client_encoding",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET default_transaction_isolation = 'repeatable read'",
    "SET transaction_read_only = on",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET ROLE NONE",
    "RESET ROLE",
    "SET no_such_setting = 1",
    "SET work_mem = '1 parsec'",
    "SELECT 1; SET work_mem = '8MB'; SELECT 1/0",
    "SET work_mem = '9MB'; BEGIN; SET work_mem = '10MB'; SAVEPOINT a",
    "SHOW work_mem",
) + guarded(
    "SET standard_conforming_strings = off",
    "SET client_encoding = 'SJIS'",
    "NOTIFY nobody_listens",
    "SELECT currval('s')",
    "SELECT lastval()",
)
TRANSACTIONS = plain(
    "BEGIN",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "SELECT 1/0",
    "SELEC",
    "",
    "INSERT INTO t VALUES (1, 'x')",
    "SELECT nextval('s')",
    "INSERT INTO n (b) VALUES ('y') RETURNING a",
    "SELECT count(*), max(a) FROM t",
)
TIES = tying(
    "SET ROLE staff",
    "SET SESSION AUTHORIZATION pete",
    "UPDATE pg_settings SET setting = '3MB' WHERE name = 'work_mem'",
    "LOAD 'plpgsql'",
    "SET app.secret = 'mine'",
    "SET LOCAL app.other = 'too'",
    "SELECT set_config('app.secret', 'again', false)",
    "RESET app.secret",
    "SELECT setseed(0.42)",
    "SET seed = 0.42",
    "PREPARE p AS SELECT 1",
    "PREPARE p2 (int) AS SELECT $1",
    "EXECUTE p",
    "EXECUTE p2 (5)",
    "DEALLOCATE p",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 5)",
    "DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
    "FETCH 2 FROM c",
    "FETCH 2 FROM h",
    "CLOSE h",
    "CLOSE ALL",
    "CREATE TEMPORARY TABLE tt (x int)",
    "CREATE TEMPORARY TABLE tt2 ON COMMIT DROP AS SELECT 1",
    "INSERT INTO tt VALUES (1)",
    "DROP TABLE tt",
    "DISCARD TEMP",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "SELECT pg_try_advisory_lock(pg_my_key)",
    "SELECT pg_advisory_unlock_all()",
    "LISTEN channel",
    "UNLISTEN *",
    "DO $$ BEGIN PERFORM set_config('app.secret', 'hidden', false); END $$",
    "DO $$ BEGIN PERFORM set_config('work_mem', '11MB', false); END $$",
)
EXTENDED = [
    Act("parse n", parse("SELECT 5, $1::text", "n") + SYNC),
    Act("parse n otherwise", parse("SELECT 6", "n") + SYNC),
    Act("parse m", parse("SELECT 6", "m") + describe("S", "m") + SYNC),
    Act("run n", bind("x", name="n") + describe() + execute() + SYNC),
    Act("run m", bind(name="m") + execute() + SYNC),
    Act("close n", close("S", "n") + SYNC),
    Act("DEALLOCATE n", wire.query("DEALLOCATE n")),
    Act("portal", parse("SELECT generate_series(1, 4)") + bind(portal="o") + SYNC),
    Act("run portal", execute("o", 2) + SYNC),
    Act("set", unit("SET work_mem = '12MB'") + SYNC),
    Act("local", unit("SET LOCAL work_mem = '13MB'") + SYNC),
    Act("two of them", unit("BEGIN") + SYNC + unit("SELECT 1") + SYNC, times=2),
    Act("rolled back", unit("SET work_mem = '14MB'") + unit("SELECT 1/0") + SYNC),
    Act("skipped", unit("SELECT 1/0") + unit("SET work_mem = '15MB'") + SYNC),
    Act("parsed in vain", parse("SELECT 7", "v") + unit("SELECT 1/0") + parse("x", "w") + SYNC),
    Act("LISTEN in a unit", unit("SELECT 1") + unit("LISTEN c2") + SYNC, may=GUARD, ties=True),
    Act("sync", SYNC),
]
COPIES = [
    Act("COPY", wire.query("COPY t FROM STDIN"), "GE", then=copy_data(b"1\ta\n") + COPY_DONE),
    Act(
        "COPY fails", wire.query("COPY t FROM STDIN"), "GE", then=copy_data(b"1\n") * 9 + COPY_DONE
    ),
    Act("COPY given up", wire.query("COPY t FROM STDIN"), "GE", then=copy_data(b"1") + copy_fail()),
    Act(
        "COPY, extended",
        unit("COPY t FROM STDIN") + SYNC,
        "GE",
        then=copy_data(b"1\ta\n") + COPY_DONE + SYNC,
    ),
    Act(
        "COPY fails, extended",
        unit("COPY t FROM STDIN") + SYNC,
        "GE",
        then=copy_data(b"1\n") * 9 + COPY_DONE + SYNC,
    ),
    Act("COPY out", wire.query("COPY (SELECT 1, 'a') TO STDOUT")),
]
LEAVING = [
    Act("half a unit", parse("SET work_mem = '16MB'") + bind() + FLUSH, "2E", leaves="unit"),
    Act("unit without end", unit("SET work_mem = '17MB'") + FLUSH, "CE", leaves="unit"),
    Act("parsed only", parse("SELECT 8", "half") + FLUSH, "1E", leaves="unit"),
    Act("half a COPY", wire.query("COPY t FROM STDIN"), "GE", leaves="copy"),
    Act("half a message", HALVED[:HALF], "", 0, leaves="message"),
]
VANISH, SLEEP, LEAVE = Act("vanish", b""), Act("vanish at work", b""), Act("leave", b"")
GROUPS = (SETTINGS, TRANSACTIONS, TIES, EXTENDED, COPIES, LEAVING, [VANISH, SLEEP, LEAVE])
