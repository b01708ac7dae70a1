"""Many clients send much at once, or never read: the door keeps within its bounds, and goes on."""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from functools import partial

import pytest

from myriad import Myriad
from myriad.door.session import holding
from myriad.pgwire import wire
from tests.door_attackers import Scene, made_scene
from tests.door_memory import memory
from tests.door_script import (
    FLUSH,
    PATIENCE,
    SYNC,
    Ended,
    Place,
    Wire,
    bind,
    close,
    execute,
    hold_log,
    parse,
    unit,
)
from tests.harness import READ_AGAIN, wait_until

MB = 1 << 20
LONG = 20 * MB
MANY, FEW = 20, 8
GIVEN_BACK = 60 * MB  # more than before may stay: caches, and what the C library keeps
# Of one person, and what the door copies of one message while it handles it.
BOUND = holding.MOST_OF_ONE + 4 * 64 * MB
LOGINS = 4000  # more than fit into what is kept for all of them together
SERVED_WITHIN = 10.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


def begun(text: bytes, kind: bytes = b"Q") -> bytes:
    """Return a message whose last byte is missing."""
    return kind + (len(text) + 5).to_bytes(4, "big") + text


def busy_first(message: bytes) -> bytes:
    """Return a message behind one that keeps the server at work, in the same unit."""
    return unit("SELECT count(*) FROM generate_series(1, 10000000000)") + message


# Each sends 20 MB, of which the door can get rid of nothing for a while.
SENT: dict[str, Callable[[], bytes]] = {
    "a query": lambda: begun(b"SELECT 1 /*" + b"x" * LONG),
    "Parse": lambda: begun(b"s\0SELECT 1 /*" + b"x" * LONG, b"P"),
    "Parse at a busy server": lambda: busy_first(parse(f"SELECT '{'x' * LONG}'", "s")),
    "Bind": lambda: parse("SELECT length($1)", "s") + begun(b"\0s\0\0\0\0\x01" + b"x" * LONG, b"B"),
    "Bind at a busy server": lambda: busy_first(
        parse("SELECT $1", "s") + bind("x" * LONG, name="s")
    ),
    "names of statements": lambda: b"".join(
        parse("SELECT 1", f"{'x' * MB}{number}") for number in range(LONG // MB)
    ),
    "prepared": lambda: parse("SELECT 1 /*" + "x" * 30_000 + "*/", "s") * (LONG // 30_000),
    "closed": lambda: (
        (parse("SELECT 1 /*" + "x" * 30_000 + "*/", "s") + close("S", "s")) * (LONG // 30_000)
    ),
    "a function call": lambda: begun(b"x" * LONG, b"F"),
}


def flood(stream: socket.socket, data: bytes) -> None:
    """Send all of it, as long as the door takes any within some seconds."""
    stream.settimeout(2)
    with suppress(OSError):
        stream.sendall(data)


def growth(scene: Scene, before: int, rose: Wire) -> int:
    """Return by how much the door's memory has grown; Rose is served meanwhile."""
    began = time.monotonic()
    assert rose.rows("SELECT count(*) FROM given") == [("'1000'",)]
    assert time.monotonic() - began < SERVED_WITHIN
    return memory(scene.place) - before


@pytest.mark.nightly(by_day=["a query", "Bind at a busy server"])
@pytest.mark.parametrize("what", SENT)
def test_many_who_send_much_at_once_keep_within_the_bound_of_one_person(
    scene: Scene, what: str
) -> None:
    data = SENT[what]()
    with closing(scene.wire(scene.rose)) as rose:
        rose.stream.settimeout(SERVED_WITHIN * 2)
        before = memory(scene.place)
        with ExitStack() as stack:
            some = [stack.enter_context(closing(scene.wire(scene.eve))) for _ in range(MANY)]
            with ThreadPoolExecutor(MANY) as threads:
                for eve in some:
                    threads.submit(flood, eve.stream, data)
                most = max(growth(scene, before, rose) for _ in range(20))
            most = max(most, growth(scene, before, rose))
            for eve in some:
                eve.vanish()
        assert most < BOUND
        wait_until(lambda: growth(scene, before, rose) < GIVEN_BACK, 30)


ANSWERED = {
    "Sync": SYNC,
    "refused": wire.query("SET ROLE x"),
    "errors": wire.query("x"),
    "units": unit("SELECT repeat('x', 10000)") + SYNC,
    "without an end": unit("SELECT repeat('x', 10000)") + FLUSH,
    "empty": wire.query(""),
}


@pytest.mark.nightly(by_day=["refused", "units"])
@pytest.mark.parametrize("one", ANSWERED.values(), ids=ANSWERED)
def test_many_who_send_and_never_read_fill_nothing(scene: Scene, one: bytes) -> None:
    data = one * (8 * MB // len(one))
    with closing(scene.wire(scene.rose)) as rose:
        rose.stream.settimeout(SERVED_WITHIN * 2)
        before = memory(scene.place)
        with ExitStack() as stack:
            some = [stack.enter_context(closing(scene.wire(scene.eve))) for _ in range(FEW)]
            with ThreadPoolExecutor(FEW) as threads:
                for eve in some:
                    threads.submit(flood, eve.stream, data)
            assert growth(scene, before, rose) < 5 * FEW * MB
            for eve in some:
                eve.vanish()
        wait_until(lambda: growth(scene, before, rose) < GIVEN_BACK, 30)


def test_who_reads_on_gets_every_answer(scene: Scene) -> None:
    """What waited while nobody read is handled as soon as somebody does."""
    count = 20_000
    with closing(scene.wire(scene.eve)) as eve:
        eve.stream.settimeout(60)
        with ThreadPoolExecutor(1) as thread:
            sending = thread.submit(eve.stream.sendall, wire.query("SET ROLE x") * count)
            answers = eve.until(times=count)
            sending.result(60)
        assert sum(answer[0] == "E" for answer in answers) == count
        assert eve.rows("SELECT 1") == [("'1'",)]


def strangers(scene: Scene, data: bytes, count: int) -> list[socket.socket]:
    found = []
    for _ in range(count):
        stream = scene.place.stranger().stream
        found.append(stream)
        flood(stream, data)
    return found


STARTED = {
    "a startup message": (LONG).to_bytes(4, "big") + b"\0\3\0\0" + b"x" * LONG,
    "much in the clear before TLS": wire.ssl_request() + b"x" * LONG,
    "requests for GSS": (8).to_bytes(4, "big") + wire.GSS_REQUEST.to_bytes(4, "big"),
}


@pytest.mark.parametrize("what", STARTED)
def test_who_is_not_logged_in_fills_nothing(scene: Scene, what: str) -> None:
    data = STARTED[what]
    data *= max(1, LONG // len(data))
    before = memory(scene.place)
    some = strangers(scene, data, 5)
    with closing(scene.wire(scene.rose)) as rose:
        assert growth(scene, before, rose) < GIVEN_BACK
    for stream in some:
        stream.close()


def has_ended(stranger: Wire) -> bool:
    try:
        stranger.read()
    except (Ended, OSError):
        return True
    return False


def test_a_long_password_ends_the_login(scene: Scene) -> None:
    before = memory(scene.place)
    for data in (begun(b"SCRAM-SHA-256\0" + b"x" * LONG, b"p"), begun(b"", b"Q") + b"x" * LONG):
        stranger = scene.place.stranger()
        stranger.send(wire.startup({"user": scene.eve, "database": scene.database}))
        stranger.read()
        flood(stranger.stream, data)
        wait_until(partial(has_ended, stranger))
        stranger.stream.close()
    assert memory(scene.place) - before < GIVEN_BACK


def test_long_logins_are_bounded_together_and_usual_ones_go_on(scene: Scene) -> None:
    """Each stops short of its end, so that the door has to wait for it, and to keep it."""
    startup = wire.startup({"user": scene.eve, "database": "x" * 9_900})[:-1]
    usual = wire.startup({"user": scene.eve, "database": scene.database})[:-1]
    with ExitStack() as stack:
        waiting = Wire(scene.place.stranger().stream)
        stack.callback(waiting.stream.close)
        waiting.send(usual)
        answered = stack.enter_context(selectors.DefaultSelector())
        for _ in range(LOGINS):
            stream = stack.enter_context(scene.place.stranger().stream)
            answered.register(stream, selectors.EVENT_READ, stream)
            stream.sendall(startup)
            if answered.select(0):
                break
        refused = answered.select(PATIENCE)
        assert refused
        assert all(b"53200" in key.data.recv(1000) for key, _ in refused)
        began = time.monotonic()
        stack.enter_context(closing(scene.wire(scene.rose)))
        assert time.monotonic() - began < PATIENCE
        waiting.send(b"\0")
        assert waiting.read()[0] == "R"


def test_names_of_statements_are_as_long_as_postgresql_takes_them(scene: Scene) -> None:
    long = "s" * 63
    with closing(scene.wire(scene.eve)) as eve:
        eve.send(parse("SELECT 1", f"{long}one") + SYNC)
        assert [answer[0] for answer in eve.until()] == ["1", "Z"]
        eve.send(bind(name=f"{long}two", portal=f"{long}a") + execute(f"{long}b") + SYNC)
        assert ("D", "'1'") in eve.until()
        eve.send(parse("SELECT 2", f"{long}two") + SYNC)
        assert "42P05" in str(eve.until())


def test_statements_that_are_closed_again_are_let_go_of_in_a_unit_without_an_end(
    scene: Scene,
) -> None:
    """The server keeps its answers back until it has 8 kB of them, unless it is told to send."""
    long = parse(f"SELECT 1 /*{'x' * MB}*/", "s")
    with closing(scene.wire(scene.eve)) as eve:
        eve.stream.settimeout(60)
        eve.send(long + close("S", "s") + FLUSH)
        eve.until("3")
        before = memory(scene.place)
        with ThreadPoolExecutor(1) as thread:
            sending = thread.submit(eve.stream.sendall, (long + close("S", "s")) * 60)
            most = 0
            while wait([sending], READ_AGAIN).not_done:
                most = max(most, memory(scene.place) - before)
        eve.send(SYNC)
        assert len(eve.until()) == 121
        assert most < 30 * MB


def test_what_sql_ends_is_not_there_under_its_own_name_either(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        for ending in ("DEALLOCATE s", "DEALLOCATE PREPARE s"):
            eve.query("BEGIN")
            eve.send(parse("SELECT 7", "s") + SYNC)
            eve.until()
            assert eve.rows("EXECUTE s") == [("'7'",)]
            assert eve.query(ending)[-1] == ("Z", "T")
            assert "26000" in str(eve.query("EXECUTE s"))
            eve.query("ROLLBACK")
