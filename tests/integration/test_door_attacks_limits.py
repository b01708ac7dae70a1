"""Somebody tries to use up what all share: time, memory, connections, the queue, the parser."""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import psutil
import psycopg
import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_attackers import Scene, made_scene
from tests.door_script import FLUSH, SYNC, Place, bind, execute, hold_log, parse, unit
from tests.harness import wait_until

LIMIT = 0.5  # seconds
PATIENCE = 8.0  # a statement that does not obey loses its connection 5 seconds later
MB = 1 << 20


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


@contextmanager
def _limited(scene: Scene, **limits: float) -> Iterator[None]:
    people = scene.place.installation.people
    people.set_limits([scene.eve], limits)
    try:
        yield
    finally:
        people.set_limits([scene.eve], {}, reset=True)


def _answers_at_once(scene: Scene, rose: psycopg.Connection | None = None) -> None:
    """Rose does not notice anything."""
    began = time.monotonic()
    with ExitStack() as stack:
        session = rose or stack.enter_context(closing(scene.connect(scene.rose)))
        assert session.execute("SELECT count(*) FROM given").fetchall() == [(1000,)]
    assert time.monotonic() - began < PATIENCE / 2


def _memory(scene: Scene) -> int:
    """Return what the door has in memory, in bytes."""
    pid = int(
        (scene.place.installation.home.logs / "door.log")
        .read_text()
        .rsplit("ready: process ", 1)[1]
        .split()[0]
    )
    return int(psutil.Process(pid).memory_info().rss)


SLOW = r"""
SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r
SELECT count(*) FROM given a, given b, given c, given d
SELECT count(*) FROM generate_series(1, 100000000) a WHERE md5(a::text) ~ '(.+)(.+)\2\1$'
SELECT count(*) FROM (SELECT random() FROM generate_series(1, 30000000) ORDER BY 1) x
SELECT sum(2::numeric ^ (a % 7 + 3000)) FROM generate_series(1, 10000000) a
SELECT count(*) FROM generate_series(now(), 'infinity'::timestamptz, '1 microsecond')
SET statement_timeout = 0; SELECT count(*) FROM given a, given b, given c, given d
EXPLAIN ANALYZE SELECT count(*) FROM given a, given b, given c, given d
PREPARE p AS SELECT count(*) FROM given a, given b, given c, given d; EXECUTE p
DECLARE h CURSOR WITH HOLD FOR SELECT 1 FROM given a, given b, given c, given d
BEGIN; DECLARE c CURSOR FOR SELECT count(*) FROM given a, given b, given c, given d; FETCH c
""".strip().splitlines()


@pytest.mark.nightly(
    by_day=[
        "SELECT count(*) FROM given a, given b, given c, given d",
        "EXPLAIN ANALYZE SELECT count(*) FROM given a, given b, given c, given d",
    ]
)
@pytest.mark.parametrize("attack", SLOW)
def test_no_statement_is_longer_than_its_limit(scene: Scene, attack: str) -> None:
    with _limited(scene, statement_seconds=LIMIT), closing(scene.connect(scene.eve)) as eve:
        began = time.monotonic()
        with pytest.raises(psycopg.Error, match="longer than"):
            eve.execute(attack.encode())
        assert time.monotonic() - began < PATIENCE
    _answers_at_once(scene)


def test_a_statement_without_sync_is_not_longer_either(scene: Scene) -> None:
    with _limited(scene, statement_seconds=LIMIT), closing(scene.wire(scene.eve)) as eve:
        eve.send(unit("SELECT count(*) FROM given a, given b, given c, given d") + FLUSH)
        assert "longer than" in str(eve.until("E"))
        eve.send(SYNC)
        eve.until()
        assert eve.rows("SELECT 1") == [("'1'",)]


def test_who_does_not_read_keeps_no_server_connection(scene: Scene) -> None:
    before = _memory(scene)
    with _limited(scene, statement_seconds=LIMIT), ExitStack() as stack:
        for _ in range(4):
            eve = stack.enter_context(closing(scene.wire(scene.eve)))
            eve.send(wire.query("SELECT repeat('x', 1000000) FROM given"))
        wait_until(lambda: scene.place.busy() == 0, PATIENCE * 2)
        assert _memory(scene) - before < 100 * MB
    _answers_at_once(scene)


HUGE: list[tuple[str, str]] = [
    ("SELECT array_agg(repeat('x', 1000000)) FROM generate_series(1, 1100)", ""),
    ("SELECT repeat(repeat('x', 1000000), 1100)", ""),
    ("SELECT lpad('', 2000000000)", ""),
    ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "54001"),
    ("SELECT " + "1 + " * 50_000 + "1", "54001"),
    ("SELECT " + "abs(" * 20_000 + "1" + ")" * 20_000, "54001"),
    ("SELECT " + "NOT " * 50_000 + "true", "54001"),
    ("SELECT 1" + " UNION SELECT 1" * 20_000, "54001"),
    ("SELECT " + "/*" * 100_000 + "*/" * 100_000 + "1", "54001"),
    ("SELECT 1 WHERE 1 IN (" + "2, " * 200_000 + "1)", ""),
    ("SELECT " + "1, " * 2_000 + "1", "54011"),
    ("SELECT 1;" * 5_000, ""),
    ("SELECT '" + "x" * 20 * MB + "' IS NULL", ""),
]


@pytest.mark.parametrize(("attack", "code"), HUGE, ids=[text[:24] for text, _ in HUGE])
def test_what_is_huge_ends_in_an_answer_and_the_door_goes_on(
    scene: Scene, attack: str, code: str
) -> None:
    """`code`: the door's own answer; else PostgreSQL's, whatever that is."""
    with closing(scene.connect(scene.rose)) as rose, closing(scene.wire(scene.eve)) as eve:
        eve.stream.settimeout(60)
        eve.send(wire.query(attack))
        _answers_at_once(scene, rose)
        answers = eve.until()
        if code:
            assert [answer[2] for answer in answers if answer[0] == "E"] == [code]
        assert eve.rows("SELECT 1") == [("'1'",)]


def test_one_statement_of_any_size_has_a_bound(scene: Scene) -> None:
    for kind in b"QPB":
        eve = scene.wire(scene.eve)
        eve.send(bytes([kind]) + (1 << 30).to_bytes(4, "big"))
        assert "64 MB" in str(eve.to_the_end())
    _answers_at_once(scene)


def test_statements_that_never_end_do_not_fill_the_memory(scene: Scene) -> None:
    with ExitStack() as stack:
        some = [stack.enter_context(closing(scene.wire(scene.eve))) for _ in range(7)]
        for eve in some:
            with suppress(OSError):  # it was ended already
                eve.send(b"Q" + (60 * MB).to_bytes(4, "big"), b"x" * 50 * MB)
        told, _, _ = select.select([eve.stream for eve in some], [], [], 20)
        ended = [eve.to_the_end() for eve in some if eve.stream in told]
        assert "too long together" in str(ended)
        _answers_at_once(scene)
        assert _memory(scene) < 500 * MB


def test_thousands_of_prepared_statements_are_bounded(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        for start in range(0, 10_000, 1000):
            eve.send(*(parse(f"SELECT {n}", f"s{n}") for n in range(start, start + 1000)), SYNC)
            assert {answer[0] for answer in eve.until()} == {"1", "Z"}
        eve.send(parse("SELECT 0", "one too many") + SYNC)
        assert "too many prepared statements" in str(eve.until())
        eve.send(bind(name="s9") + execute() + SYNC)
        assert ("D", "'9'") in eve.until()
    with closing(scene.place.admin(scene.database)) as admin:
        assert admin.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(0,)]
    _answers_at_once(scene)


def test_many_portals_end_with_their_transaction(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        eve.send(parse("SELECT a FROM given", "s"))
        eve.send(*(bind(portal=f"p{n}", name="s") + execute(f"p{n}", 1) for n in range(2000)), SYNC)
        assert len([answer for answer in eve.until() if answer[0] == "D"]) == 2000
        eve.send(execute("p7") + SYNC)
        assert "34000" in str(eve.until())


def _fetched(eve: Any) -> object:
    eve.query("BEGIN; DECLARE c CURSOR FOR SELECT * FROM given")
    return [eve.query("FETCH 30 FROM c") for _ in range(9)]


def _held(eve: Any) -> object:
    eve.query("DECLARE h CURSOR WITH HOLD FOR SELECT * FROM given")
    return [eve.query("FETCH 30 FROM h") for _ in range(9)]


def _portions(eve: Any) -> object:
    eve.send(parse("SELECT * FROM given") + bind() + execute(rows=30) * 9 + SYNC)
    return eve.until()


def _pipelined(eve: Any) -> object:
    eve.send(unit("SELECT * FROM given LIMIT 30") * 9 + SYNC)
    return eve.until()


ROWS: list[tuple[str, Callable[[Any], object]]] = [
    ("one result", lambda eve: eve.query("SELECT * FROM given")),
    ("several results", lambda eve: eve.query("SELECT * FROM given LIMIT 60;" * 9)),
    ("COPY", lambda eve: eve.query("COPY given TO STDOUT")),
    ("one array", lambda eve: eve.query("SELECT repeat('x', 3000000)")),
    ("FETCH", _fetched),
    ("row counts", _portions),
    ("held cursor", _held),
    ("pipeline", _pipelined),
]


@pytest.mark.parametrize(("way", "attack"), ROWS, ids=[name for name, _ in ROWS])
def test_no_way_around_the_limit_of_results(
    scene: Scene, way: str, attack: Callable[[Any], object]
) -> None:
    limits = {"megabytes": 0.001} if way in {"COPY", "one array"} else {"rows": 100}
    with _limited(scene, **limits), closing(scene.wire(scene.eve)) as eve:
        answers = str(attack(eve))
        assert "which is the limit in one transaction" in answers
        assert answers.count("('D',") <= 100
        assert len(answers) < MB * 4


def test_one_person_does_not_get_all_server_connections(scene: Scene) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            eve = stack.enter_context(closing(scene.wire(scene.eve)))
            eve.send(wire.query("BEGIN"))
        wait_until(lambda: _waiting(scene) >= 30)
        _answers_at_once(scene)


def _waiting(scene: Scene) -> int:
    activity = scene.place.installation.people.activity([scene.eve])
    return sum(each.state == "waiting" for each in activity)


def test_a_long_queue_of_one_person_does_not_hold_back_another(scene: Scene) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            eve = stack.enter_context(closing(scene.wire(scene.eve)))
            eve.send(wire.query("SELECT count(*) FROM generate_series(1, 1000000)"))
        rose = stack.enter_context(closing(scene.connect(scene.rose)))
        for _ in range(3):
            _answers_at_once(scene, rose)
        assert _waiting(scene) > 0


PINS = [
    "PREPARE p AS SELECT 1",
    "DECLARE h CURSOR WITH HOLD FOR SELECT 1",
    "SET eve.mark = 'x'",
    "SELECT setseed(0.1)",
]


def _is_refused(session: psycopg.Connection, text: str) -> bool:
    try:
        session.execute(text.encode())
    except psycopg.errors.TooManyConnections:
        return True
    return False


@pytest.mark.parametrize("attack", PINS)
def test_only_so_many_sessions_keep_a_server_connection(scene: Scene, attack: str) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            eve = stack.enter_context(closing(scene.connect(scene.eve)))
            if _is_refused(eve, attack):
                break
        else:
            pytest.fail("there is no cap")
        assert eve.execute("SELECT 1").fetchall() == [(1,)]
        _answers_at_once(scene)


def test_data_that_does_not_go_on_gives_the_connection_back(scene: Scene) -> None:
    """Also where the door has to ask something before the client hears that its unit is over."""
    half = b"d" + MB.to_bytes(4, "big") + b"x"
    copies = ("COPY given FROM STDIN", "SET extra_float_digits = 0; COPY given FROM STDIN")
    with ExitStack() as stack:
        some = [stack.enter_context(closing(scene.wire(scene.eve))) for _ in range(12)]
        for number, eve in enumerate(some):
            eve.send(wire.query(copies[number % 2]) + half)
        _answers_at_once(scene)
        for eve in some[:2]:
            eve.stream.settimeout(20)
            assert "does not go on" in str(eve.to_the_end())
    _answers_at_once(scene)


def test_idle_in_a_transaction_lets_go_of_its_locks(scene: Scene) -> None:
    with _limited(scene, idle_seconds=LIMIT), closing(scene.connect(scene.eve)) as eve:
        eve.execute(b"BEGIN; SET idle_in_transaction_session_timeout = 0; SELECT 1 FROM given")
        with closing(scene.place.admin(scene.database)) as admin:
            admin.execute("SET lock_timeout = '10s'")
            admin.execute("ALTER TABLE given ADD b int")
            admin.execute("ALTER TABLE given DROP b")
        with pytest.raises(psycopg.Error, match="did nothing in a transaction"):
            eve.execute("SELECT 1")


LOCKS = """
LOCK TABLE given IN ACCESS EXCLUSIVE MODE
LOCK TABLE given IN SHARE ROW EXCLUSIVE MODE
SELECT * FROM given FOR UPDATE
SELECT * FROM given FOR KEY SHARE
SELECT pg_advisory_lock(1)
SELECT pg_advisory_xact_lock(1)
SELECT pg_sleep(10)
COPY given TO PROGRAM 'id'
COPY given TO '/tmp/x'
COPY note FROM '/etc/passwd'
COPY note FROM PROGRAM 'id'
SELECT lo_create(0)
CREATE TEMP TABLE t AS SELECT * FROM given
CREATE EXTENSION dblink
CREATE EXTENSION postgres_fdw
CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw
SET temp_file_limit = -1
SET max_stack_depth = '1GB'
""".strip().splitlines()


@pytest.mark.parametrize("attack", LOCKS)
def test_what_would_hold_others_back_needs_a_right(scene: Scene, attack: str) -> None:
    for connect in (scene.connect, scene.direct):
        with closing(connect(scene.eve)) as eve:
            eve.execute("BEGIN")
            with pytest.raises(
                (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject)
            ):
                eve.execute(attack.encode())


def test_temporary_files_have_a_limit(scene: Scene) -> None:
    with closing(scene.connect(scene.eve)) as eve:
        assert eve.execute("SELECT current_setting('temp_file_limit') <> '-1'").fetchall() == [
            (True,)
        ]
