"""What a text says of processes, and where it reads pg_stat_activity."""

import pytest

from myriad.door.verdict.processes import Signal
from myriad.door.verdict.verdict import Verdict, analyse
from myriad.pgwire.numbers import FIRST_NUMBER

HARMLESS = frozenset(("count", "lower", "pg_blocking_pids", "pg_locks", "pg_lock_status"))
NUMBER = FIRST_NUMBER + 5


def look(text: str) -> Verdict:
    return analyse(text, HARMLESS)


@pytest.mark.parametrize(
    ("text", "call", "number", "parameter", "rest"),
    [
        ("SELECT pg_cancel_backend(5)", "pg_cancel_backend", 5, 0, ("", "pg_cancel_backend")),
        (
            'select Pg_Catalog."pg_terminate_backend"($1::int4, $2) as "x y";',
            "pg_catalog.pg_terminate_backend",
            0,
            1,
            (", $2", "x y"),
        ),
        ("SELECT pg_terminate_backend(7, 100)", "pg_terminate_backend", 7, 0, (", 100", None)),
    ],
)
def test_a_statement_that_only_signals(
    text: str, call: str, number: int, parameter: int, rest: tuple[str, str | None]
) -> None:
    timeout, alias = rest
    function = call.removeprefix("pg_catalog.")
    expected = Signal(function, call, alias or function, number, parameter, timeout)
    processes = look(text).processes
    assert processes is not None
    assert processes.signal == expected
    assert processes.signals


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_terminate_backend(5) WHERE false",
        "SELECT pg_terminate_backend(5) LIMIT 0",
        "SELECT pg_terminate_backend(5), 1",
        "SELECT 1; SELECT pg_terminate_backend(5)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_terminate_backend((SELECT 5))",
        "SELECT pg_terminate_backend(5 + 1)",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT pg_terminate_backend(DISTINCT 5)",
        "SELECT pg_terminate_backend(VARIADIC ARRAY[5])",
        "SELECT pg_terminate_backend(pid => 5)",
        "SELECT pg_terminate_backend()",
        "SELECT pg_terminate_backend('5')",
        "SELECT pg_terminate_backend(5) FILTER (WHERE false)",
        "SELECT pg_terminate_backend(5) OVER ()",
        "SELECT DISTINCT pg_terminate_backend(5)",
        "SELECT pg_terminate_backend(5) INTO t",
        "SELECT pg_terminate_backend(5) UNION SELECT false",
        "EXPLAIN ANALYZE SELECT pg_terminate_backend(5)",
        'SELECT pg_terminate_backend(5) AS "é"',
    ],
)
def test_what_does_more_than_signal_is_left_to_the_server(text: str) -> None:
    processes = look(text).processes
    assert processes is not None
    assert processes.signal is None
    assert processes.signals


def test_a_function_of_somebody_elses_with_that_name_is_no_signal() -> None:
    assert look("SELECT mine.pg_terminate_backend(5)").processes is None


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("SELECT pg_backend_pid()", ["pg_backend_pid()"]),
        ("SELECT 1, pg_catalog . pg_backend_pid ( ) ::text", ["pg_catalog . pg_backend_pid ( )"]),
        ("SELECT pg_backend_pid(); SELECT pg_backend_pid() AS x", ["pg_backend_pid()"] * 2),
        ("SELECT lower(pg_backend_pid()::text)", []),
        ("SELECT pg_blocking_pids(pg_backend_pid())", []),
        ("SELECT (SELECT pg_backend_pid())", []),
        ("SELECT pg_backend_pid() FROM t", []),
        ("SELECT pid FROM pg_locks WHERE pid = pg_backend_pid()", []),
        ("SELECT mine.pg_backend_pid()", []),
        ("SELECT pg_backend_pid(/* none */)", []),
    ],
)
def test_where_a_text_asks_for_its_own_number(text: str, places: list[str]) -> None:
    processes = look(text).processes
    asked = processes.asked if processes is not None else ()
    assert [text[span.start : span.end] for span in asked] == places


def test_which_integers_may_be_numbers_of_sessions() -> None:
    text = f"SELECT 'é', 5, {NUMBER}, -{NUMBER}, '{NUMBER}' FROM pg_locks WHERE pid IN ({NUMBER})"
    processes = look(text).processes
    assert processes is not None
    source = text.encode()
    found = [source[span.start : span.end].decode() for span in processes.written]
    assert sorted(found) == [str(NUMBER)] * 2
    assert look(f"SELECT {NUMBER} FROM t").plain
    many = look(f"SELECT 1 FROM pg_locks WHERE pid IN ({', '.join([str(NUMBER)] * 5000)})")
    assert many.processes is not None
    assert len(many.processes.written) == 100


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("SELECT 1 FROM pg_stat_activity", ["pg_stat_activity"]),
        ("TABLE pg_stat_activity", ["TABLE pg_stat_activity"]),
        ("SELECT 1 FROM ONLY pg_catalog.pg_stat_activity x", ["ONLY pg_catalog.pg_stat_activity"]),
        ("SELECT 1 FROM a JOIN pg_stat_activity USING (pid)", ["pg_stat_activity"]),
        ("UPDATE t SET a = 1 FROM pg_stat_activity", ["pg_stat_activity"]),
        ("DELETE FROM t USING pg_stat_activity", ["pg_stat_activity"]),
        (
            "MERGE INTO t USING pg_stat_activity ON true WHEN MATCHED THEN DELETE",
            ["pg_stat_activity"],
        ),
        ("LOCK TABLE pg_stat_activity", []),
        ("INSERT INTO pg_stat_activity DEFAULT VALUES", []),
        ("SELECT 1 FROM t FOR UPDATE OF pg_stat_activity", []),
        ("CREATE VIEW v AS SELECT 1 FROM pg_stat_activity", []),
        ("SELECT 1 FROM mine.pg_stat_activity", []),
        ("WITH pg_stat_activity AS (SELECT 1) SELECT 1 FROM pg_stat_activity", []),
        (" UNION ".join(["SELECT 1 FROM pg_stat_activity"] * 9), []),
    ],
)
def test_where_a_text_reads_activity(text: str, places: list[str]) -> None:
    verdict = look(text)
    assert not verdict.plain
    assert [text[span.start : span.end] for span in verdict.activity] == places
