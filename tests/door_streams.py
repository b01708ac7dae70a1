"""Streams of messages that are right but odd: the door answers them as PostgreSQL does."""

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

COPY = "COPY t FROM STDIN"
CALL = wire.message(b"F", b"\0\0\x06\x3e" + b"\0\0" * 3)  # random()
query = wire.query
N = parse("SELECT 1, $1::text", "n")
RUN_N = bind("x", name="n") + describe() + execute()
SELECT = unit("SELECT 1")
FAIL = unit("SELECT 1/0")
ROW = copy_data(b"1\ta\n")
BAD = copy_data(b"no number\ta\n")
BOUND = parse(COPY, "c") + bind(portal="o", name="c")
LOAD = unit(COPY) + SYNC + ROW + COPY_DONE + SYNC
LOADED = execute("o") + ROW + COPY_DONE + SYNC + query("ROLLBACK")
HEAD, TAIL = ROW[:7], ROW[7:]  # of one message
# What ends within a message, the answer that comes meanwhile, and what follows.
HALVES: dict[str, tuple[bytes, str, bytes]] = {
    "an error": (query(COPY) + BAD + HEAD, "Z", TAIL),
    "an error, and settings to read": (
        query(f"SET extra_float_digits = 0; {COPY}") + BAD + HEAD,
        "E",
        TAIL,
    ),
    "an error with a Sync in doubt": (unit(COPY) + SYNC + BAD + HEAD, "E", TAIL + SYNC),
    "the begin of a COPY that is over": (unit(COPY) + SYNC + COPY_DONE + HEAD, "G", TAIL + SYNC),
    "the end of a unit": (query(COPY) + COPY_DONE + HEAD, "Z", TAIL),
    "settings to read, where there is no COPY": (query("SET work_mem = '5MB'") + HEAD, "Z", TAIL),
    "settings to read, behind a unit": (unit("SET work_mem = '5MB'") + SYNC + HEAD, "Z", TAIL),
}
# Streams of bytes that PostgreSQL answers, and goes on.
SAME: dict[str, bytes] = {
    "no text": query(""),
    "a text of blanks": query("  ; ;"),
    "several statements": query("SELECT 1; SELECT 2; SELECT 1/0; SELECT 3"),
    "a query without its NUL": wire.message(b"Q", b"SELECT 1"),
    "a query without a text": wire.message(b"Q", b""),
    "no UTF-8": wire.message(b"Q", b"SELECT '\xff'\0"),
    "Sync": SYNC,
    "Syncs": SYNC * 300,
    "Flush": FLUSH + SYNC,
    "Flush in between": SELECT + FLUSH + FLUSH + SELECT + FLUSH + SYNC,
    "units": (SELECT + SYNC) * 20,
    "units in a transaction": (unit("BEGIN") + SYNC + SELECT + SYNC + unit("COMMIT") + SYNC) * 2,
    "a pipeline": SELECT * 20 + SYNC,
    "an error in a pipeline": SELECT + FAIL + SELECT + SYNC + SELECT + SYNC,
    "Bind before Parse": bind() + execute() + SYNC,
    "Bind of an unknown statement": SELECT + bind(name="unknown") + execute() + SYNC,
    "Execute of an unknown portal": execute("unknown") + SYNC,
    "Execute before Bind": parse("SELECT 1") + execute() + SYNC,
    "Describe of an unknown statement": describe("S", "unknown") + SYNC,
    "Describe of no statement": describe("S") + SYNC,
    "Describe of an unknown portal": describe("P", "unknown") + SYNC,
    "Describe of neither": describe("X", "n") + SYNC,
    "Close of an unknown statement": close("S", "unknown") + SYNC,
    "Close of an unknown portal": close("P", "unknown") + SYNC,
    "Close of neither": close("X", "n") + SYNC,
    "Parse of what is no SQL": parse("SELEC", "n") + SYNC + RUN_N + SYNC,
    "Parse of several statements": unit("SELECT 1; SELECT 2") + SYNC,
    "Parse with too few types": wire.message(b"P", b"\0SELECT 1\0\0\2\0\0") + SYNC,
    "Parse with more behind it": wire.message(b"P", b"\0SELECT 1\0\0\0more") + SYNC,
    "Bind with too few values": N + wire.message(b"B", b"\0n\0\0\0\0\1") + SYNC,
    "Bind without the values": N + bind(name="n") + execute() + SYNC,
    "a statement": N + RUN_N + SYNC + RUN_N + SYNC + describe("S", "n") + SYNC,
    "a statement of another unit": N + SYNC + SELECT + SYNC + RUN_N + SYNC,
    "the same name twice in a unit": SELECT + N + N + SELECT + SYNC + RUN_N + SYNC,
    "the same name twice": N + SYNC + SELECT + N + SELECT + SYNC + RUN_N + SYNC,
    "a name used again": N
    + close("S", "n")
    + parse("SELECT 2, $1::int", "n")
    + SYNC
    + RUN_N
    + SYNC,
    "a closed statement": N + SYNC + close("S", "n") + RUN_N + SYNC + N + SYNC,
    "closed in a unit that fails": N + SYNC + close("S", "n") + FAIL + SYNC + RUN_N + SYNC,
    "parsed in a unit that fails": N + FAIL + SYNC + RUN_N + SYNC,
    "parsed behind an error": FAIL + N + SYNC + RUN_N + SYNC,
    "two statements of one text": N + parse("SELECT 1, $1::text", "m") + RUN_N + SYNC,
    "the unnamed statement stays": parse("SELECT 1") + SYNC + bind() + execute() + SYNC,
    "a query ends the unnamed statement": parse("SELECT 1")
    + SYNC
    + query("SELECT 2")
    + bind()
    + SYNC,
    "the unnamed statement is replaced": parse("SELECT 1")
    + parse("SELECT 2")
    + bind()
    + execute()
    + SYNC,
    "the unnamed statement is gone after an error": parse("SELECT 1")
    + parse("x")
    + SYNC
    + bind()
    + SYNC,
    "closing the unnamed statement": parse("SELECT 1") + close("S") + bind() + SYNC,
    "part of the rows": parse("SELECT generate_series(1, 5)")
    + bind()
    + execute(rows=2)
    + execute(rows=2)
    + execute()
    + SYNC,
    "a portal ends with its transaction": parse("SELECT 1")
    + bind(portal="o")
    + SYNC
    + execute("o")
    + SYNC,
    "a portal in a transaction": query("BEGIN")
    + parse("SELECT 1")
    + bind(portal="o")
    + SYNC
    + execute("o")
    + SYNC
    + query("COMMIT"),
    "the same portal twice": parse("SELECT 1") + bind(portal="o") + bind(portal="o") + SYNC,
    "a failed transaction": query("BEGIN")
    + query("SELECT 1/0")
    + SELECT
    + SYNC
    + query("ROLLBACK"),
    "DEALLOCATE": N + SYNC + query("DEALLOCATE n") + RUN_N + SYNC,
    "the unnamed statement stays where what would end it is passed over": parse("SELECT 1")
    + SYNC
    + bind(name="unknown")
    + parse("SELECT 2")
    + close("S")
    + SYNC
    + bind()
    + execute()
    + SYNC,
    "the unnamed statement is gone after an error of its own in a pipeline": parse("SELECT 1")
    + SYNC
    + N
    + parse("x")
    + SYNC
    + bind()
    + SYNC,
    "DEALLOCATE ALL leaves the unnamed statement": parse("DEALLOCATE ALL", "n")
    + parse("SELECT 1")
    + bind(name="n")
    + execute()
    + SYNC
    + bind()
    + execute()
    + SYNC,
    "no unnamed statement is described, and then another": describe("S") + SYNC + N + RUN_N + SYNC,
    "DEALLOCATE of itself": parse("DEALLOCATE n", "n") + bind(name="n") + execute() + SYNC,
    "DEALLOCATE of what was executed by SQL": N
    + SYNC
    + query("EXECUTE n('x')")
    + query("DEALLOCATE n")
    + query("EXECUTE n('x')"),
    "a name that SQL has given": query("PREPARE n AS SELECT 5") + N + RUN_N + SYNC,
    "a name that SQL cannot give": N + SYNC + query("PREPARE n AS SELECT 5") + RUN_N + SYNC,
    "what SQL prepares before an error": query("PREPARE n AS SELECT 5; SELECT 1/0")
    + query("EXECUTE n"),
    "what SQL prepares before an error in a unit": unit("PREPARE n AS SELECT 5")
    + FAIL
    + SYNC
    + query("EXECUTE n"),
    "DEALLOCATE among others": N + SYNC + query("DEALLOCATE n; BEGIN") + RUN_N + SYNC,
    "DEALLOCATE among others that fail": N
    + SYNC
    + query("DEALLOCATE n; SELECT 1/0")
    + RUN_N
    + SYNC,
    "DEALLOCATE of several": N
    + parse("SELECT 2", "m")
    + SYNC
    + query("DEALLOCATE n; DEALLOCATE m; DEALLOCATE n; SELECT 1")
    + bind(name="m")
    + SYNC
    + RUN_N
    + SYNC,
    "DEALLOCATE behind what fails": N + SYNC + query("SELECT 1/0; DEALLOCATE n") + RUN_N + SYNC,
    "DEALLOCATE ALL": N + SYNC + query("DEALLOCATE ALL") + RUN_N + SYNC,
    "DEALLOCATE of an unknown statement": query("DEALLOCATE unknown"),
    "DEALLOCATE and again": (N + SYNC + RUN_N + SYNC + query("DEALLOCATE n")) * 3,
    "a name that is taken, in a failed transaction": N
    + SYNC
    + query("BEGIN; SELECT 1/0")
    + N
    + SYNC,
    "a name that is taken, and no SQL": N + SYNC + parse("SELEC", "n") + SYNC + RUN_N + SYNC,
    "COPY, extended, twice": unit(COPY) + ROW + COPY_DONE + unit(COPY) + ROW + COPY_DONE + SYNC,
    "COPY, extended, in a transaction": query("BEGIN") + unit(COPY) + SYNC + BAD + COPY_DONE + SYNC,
    "DEALLOCATE fails": N
    + SYNC
    + query("BEGIN; SELECT 1/0")
    + query("DEALLOCATE n")
    + query("ROLLBACK")
    + RUN_N
    + SYNC,
    "DEALLOCATE ALL fails": N
    + SYNC
    + query("BEGIN; SELECT 1/0")
    + query("DEALLOCATE ALL")
    + query("ROLLBACK")
    + RUN_N
    + SYNC,
    "DISCARD ALL fails": N
    + SYNC
    + query("BEGIN")
    + query("DISCARD ALL")
    + query("ROLLBACK")
    + RUN_N
    + SYNC,
    "a query within a unit": parse("SELECT 1") + query("SELECT 2") + SYNC,
    "a query behind an error in a unit": FAIL + query("SELECT 2") + SYNC + SELECT + SYNC,
    "a query behind an error and more": FAIL + SELECT + query("SELECT 2") * 2 + SELECT + SYNC,
    "a query within a unit in a transaction": query("BEGIN") + SELECT + query("SELECT 2") + SYNC,
    "a function call behind an error": FAIL + CALL + SYNC + SELECT + SYNC,
    "a function call behind an error, and more": FAIL + CALL + SELECT + CALL + SYNC + SELECT + SYNC,
    "COPY data outside of COPY": ROW + COPY_DONE + copy_fail() + SYNC,
    "COPY data in a transaction": query("BEGIN")
    + ROW
    + COPY_DONE
    + SELECT
    + ROW
    + SYNC
    + query("COMMIT"),
    "COPY": query(COPY) + ROW * 3 + COPY_DONE + query("SELECT 1"),
    "COPY of nothing": query(COPY) + COPY_DONE,
    "COPY fails": query(COPY) + ROW + BAD + ROW + COPY_DONE + query("SELECT 1"),
    "COPY given up": query(COPY) + ROW + copy_fail() + query("SELECT 1"),
    "COPY of an unknown table": query("COPY unknown FROM STDIN")
    + ROW
    + COPY_DONE
    + query("SELECT 1"),
    "COPY and more in one text": query(f"{COPY}; SELECT 1") + ROW + COPY_DONE,
    "two COPYs in one text": query(f"{COPY}; {COPY}") + ROW + COPY_DONE + ROW + COPY_DONE,
    "COPY in a transaction": query("BEGIN") + query(COPY) + BAD + COPY_DONE + query("ROLLBACK"),
    "COPY, extended": unit(COPY) + ROW + COPY_DONE + SYNC + SELECT + SYNC,
    "COPY, extended, with Sync ahead": unit(COPY) + SYNC + ROW + COPY_DONE + SYNC + SELECT + SYNC,
    "COPY, extended, with Syncs": unit(COPY) + SYNC + ROW + SYNC + FLUSH + COPY_DONE + SYNC,
    "COPY, extended, fails": unit(COPY) + BAD + ROW + COPY_DONE + SYNC + SELECT + SYNC,
    "COPY, extended, given up": unit(COPY) + SYNC + copy_fail() + SYNC + SELECT + SYNC,
    "COPY, extended, of an unknown table": unit("COPY unknown FROM STDIN") + SYNC + SELECT + SYNC,
    "COPY by a portal of an earlier unit": unit("BEGIN") + BOUND + SYNC + LOADED,
    "COPY by a portal that a savepoint keeps": query("BEGIN")
    + BOUND
    + unit("SAVEPOINT a")
    + FAIL
    + SYNC
    + query("ROLLBACK TO a")
    + LOADED,
    "COPY with Sync ahead": query(COPY) + SYNC + ROW + COPY_DONE + SELECT + SYNC,
    "COPY with Flush ahead": query(COPY) + FLUSH + ROW + COPY_DONE + SELECT + SYNC,
    "COPY with Syncs": query(COPY) + SYNC * 3 + ROW + FLUSH + SYNC + COPY_DONE + SYNC * 2,
    "COPY with Syncs fails": query(COPY) + SYNC + BAD + SYNC + ROW + SYNC + COPY_DONE + SYNC,
    "COPY with Syncs given up": query(COPY) + SYNC + ROW + SYNC + copy_fail() + SYNC,
    "COPY with Syncs of an unknown table": query("COPY unknown FROM STDIN")
    + SYNC
    + ROW
    + COPY_DONE
    + SYNC,
    "COPY with Syncs in a transaction": query("BEGIN")
    + query(COPY)
    + SYNC
    + BAD
    + SYNC
    + COPY_DONE
    + query("ROLLBACK"),
    "two COPYs with Syncs": query(f"{COPY}; {COPY}") + SYNC + ROW + COPY_DONE + SYNC + COPY_DONE,
    "two COPYs with Syncs, the first fails": query(f"{COPY}; {COPY}")
    + SYNC
    + BAD
    + COPY_DONE
    + SYNC
    + COPY_DONE,
    "COPY, extended, with Syncs, fails": unit(COPY)
    + SYNC
    + BAD
    + SYNC
    + SYNC
    + ROW
    + COPY_DONE
    + SYNC
    + SELECT
    + SYNC,
    "COPY, extended, with Flush, fails": unit(COPY) + FLUSH + BAD + FLUSH + SELECT + SYNC,
    "COPY, extended, with Flush and Sync": unit(COPY)
    + FLUSH
    + SYNC
    + ROW
    + COPY_DONE
    + SELECT
    + SYNC,
    "COPY, extended, with a Sync that is answered": unit(COPY) + FLUSH + BAD + SYNC + SELECT + SYNC,
    "COPY, extended, twice with Syncs": (unit(COPY) + SYNC + ROW + COPY_DONE) * 2
    + SYNC
    + SELECT
    + SYNC,
    "an end of data ahead of a COPY": parse("SELECT 1") + COPY_DONE + LOAD,
    "an end of data behind another statement, ahead of a COPY": SELECT
    + copy_fail()
    + COPY_DONE
    + parse(COPY)
    + COPY_DONE
    + bind()
    + COPY_DONE
    + execute()
    + SYNC
    + ROW
    + COPY_DONE
    + SYNC,
    "an end of data behind a COPY out, ahead of a COPY": unit("COPY (SELECT 1) TO STDOUT")
    + COPY_DONE
    + LOAD,
    "more ends of data than COPYs": unit(COPY)
    + COPY_DONE * 3
    + unit(COPY)
    + SYNC
    + ROW
    + COPY_DONE * 3
    + SYNC
    + SELECT
    + SYNC,
    "COPY, extended, and more in its unit": unit(COPY)
    + SYNC
    + ROW
    + COPY_DONE
    + SELECT
    + FAIL
    + SYNC
    + SELECT
    + SYNC,
    "a query in a COPY that has failed": query(COPY) + BAD + query("SELECT 1") + ROW + COPY_DONE,
    "a unit in a COPY that has failed": query(COPY) + BAD + SELECT + SYNC + ROW + COPY_DONE,
    "a query in a COPY, extended, that has failed": unit(COPY) + BAD + query("SELECT 1") + SYNC,
    "a unit in a COPY, extended, that has failed": unit(COPY)
    + SYNC
    + BAD
    + SELECT
    + SYNC
    + SELECT
    + SYNC,
    "COPY out": query("COPY (SELECT generate_series(1, 3)) TO STDOUT") + SELECT + SYNC,
}


# What cannot come within a COPY, and ends the connection.
INTRUDERS = {
    "Query": query("SELECT 1"),
    "Query without a text": query(""),
    "Parse": parse("SELECT 1"),
    "Bind": bind(),
    "Describe": describe(),
    "Execute": execute(),
    "Close": close(),
    "FunctionCall": wire.message(b"F", b"\0\0\0\0" + b"\0\0" * 3),
}
# At these the door does not wait for the answers before them, if it does not know of the COPY yet.
HASTY = {
    "Terminate": wire.TERMINATE,
    "a password": wire.message(b"p", b"secret\0"),
    "an unknown kind": wire.message(b"y", b""),
}
WITHIN = {
    "COPY": query(COPY),
    "COPY with data": query(COPY) + ROW,
    "COPY with Sync": query(COPY) + SYNC,
    "COPY in a transaction": query("BEGIN") + query(COPY) + ROW,
    "COPY, extended": unit(COPY) + SYNC,
    "COPY, extended, with data": unit(COPY) + SYNC + ROW + SYNC,
}
WITHIN_A_UNIT = {
    "COPY, extended, with Flush": unit(COPY) + FLUSH + ROW,
    "COPY, extended, with nothing behind it": unit(COPY),
}
