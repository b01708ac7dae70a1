"""Somebody attacks a colleague with the same rights by messages that no driver sends."""

import re
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from myriad import Myriad
from myriad.pgwire import faults, wire
from tests.door_attackers import Scene, made_scene
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    Ended,
    Place,
    Wire,
    add_own_database,
    bind,
    close,
    copy_data,
    describe,
    execute,
    hold_log,
    parse,
    unit,
)
from tests.harness import wait_until

SASL_CONTINUE = 11
# A value that looks like the end of an answer, and like an error of the server's.
FORGED = (
    wire.message(b"C", b"SELECT 1\0")
    + wire.READY[wire.IDLE]
    + faults.Fault("57P01", "forged").encode("FATAL")
    + wire.READY[wire.IDLE]
    + wire.parameter_status("session_authorization", "forged")
)


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


def _lives(scene: Scene) -> None:
    """Rose gets her own answers."""
    with closing(scene.wire(scene.rose)) as rose:
        assert rose.rows("SELECT current_user, 41 + 1") == [(repr(scene.rose), "'42'")]


def _code(answers: list[tuple[str, ...]]) -> list[str]:
    return [answer[2] for answer in answers if answer[0] == "E"]


# Statements of others


def test_the_unnamed_statement_of_another_cannot_be_run(scene: Scene) -> None:
    with closing(scene.wire(scene.rose)) as rose, closing(scene.wire(scene.eve)) as eve:
        rose.send(unit("SELECT 'a secret', current_user") + SYNC)
        assert any("secret" in str(answer) for answer in rose.until())
        for attack in (bind() + describe() + execute(), describe("S"), execute()):
            eve.send(attack + SYNC)
            answers = eve.until()
            assert [answer[0] for answer in answers] == ["E", "Z"]
            assert "secret" not in str(answers)
        # and her own survives what Eve did in between
        rose.send(bind() + execute() + SYNC)
        assert "secret" in str(rose.until())


def _name_that_an_owner_sees(scene: Scene) -> str:
    """Return one of the door's names: an owner finds their own in the catalog."""
    place, name = scene.place, f"oscar_{secrets.token_hex(4)}"
    place.passwords.update(place.installation.people.add_people([name], owner=True))
    add_own_database(place, name, name)
    with closing(place.door(name, name)) as oscar:
        oscar.send(parse("SELECT 2", "other") + SYNC)
        oscar.until()
        [told] = oscar.rows("SELECT name FROM pg_prepared_statements")
    with closing(place.admin("postgres")) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    place.installation.people.remove([name])
    return told[0].strip("'")


def test_the_doors_names_of_statements_are_not_told_and_not_obeyed(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        eve.send(parse("SELECT 1", "mine") + bind("too much", name="mine") + SYNC)
        answers = str(eve.until())
        assert 'prepared statement "mine" requires 0' in answers
        assert "myriad_" not in answers
        told = _name_that_an_owner_sees(scene)
        with closing(scene.wire(scene.rose)) as rose:
            rose.send(parse("SELECT 'a secret'", "hers") + bind(name="hers") + execute() + SYNC)
            rose.until()
            stem, number = told.rsplit("_", 1)
            for name in (f"{stem}_{int(number) + more}" for more in range(4)):
                for text in (f'EXECUTE "{name}"', f'EXPLAIN VERBOSE EXECUTE "{name}"'):
                    assert _code(eve.query(text)) == ["26000"]
                assert _code(eve.query(f'DEALLOCATE "{name}"')) == ["26000"]
                assert _code(eve.query(f'PREPARE "{name}" AS SELECT 0')) == ["26000"]
                for message in (bind(name=name), describe("S", name)):
                    eve.send(message + SYNC)
                    assert _code(eve.until()) == ["26000"]
                eve.send(close("S", name) + SYNC)
                assert [answer[0] for answer in eve.until() if answer[0] != "N"] == ["3", "Z"]
            rose.send(bind(name="hers") + execute() + SYNC)
            assert "secret" in str(rose.until())


def test_statements_of_the_same_name_are_each_ones_own(scene: Scene) -> None:
    with closing(scene.wire(scene.rose)) as rose, closing(scene.wire(scene.eve)) as eve:
        for session, value in ((rose, "of Rose"), (eve, "of Eve")):
            session.send(parse(f"SELECT '{value}'", "s") + SYNC)
            session.until()
        for session, value in ((rose, "of Rose"), (eve, "of Eve")) * 3:
            session.send(bind(name="s") + execute() + SYNC)
            assert ("D", repr(value)) in session.until()


def test_a_portal_ends_with_its_transaction(scene: Scene) -> None:
    with closing(scene.wire(scene.rose)) as rose, closing(scene.wire(scene.eve)) as eve:
        rose.send(parse("SELECT 'a secret'") + bind(portal="p") + execute("p", 1) + SYNC)
        rose.until()
        eve.send(execute("p") + SYNC)
        assert _code(eve.until()) == ["34000"]


# Answers that look like messages


@pytest.mark.parametrize(
    "size", [0, 4096, 8152, (1 << 16) - 40, 1 << 16, (1 << 18) - 20, (1 << 20) + 3]
)
def test_data_that_looks_like_messages_stays_data(scene: Scene, size: int) -> None:
    query = f"SELECT repeat('x', {size})::bytea || '\\x{FORGED.hex()}'::bytea FROM given LIMIT 20"
    in_binary = wire.message(b"B", b"\0\0\0\0\0\0\0\1\0\1")
    with closing(scene.wire(scene.eve)) as eve:
        eve.send(parse(query) + in_binary + execute() + SYNC)
        messages = [eve.read() for _ in range(24)]
        assert [kind for kind, _ in messages] == [*"12", *"D" * 20, *"CZ"]
        assert {body[6:] for kind, body in messages if kind == "D"} == {b"x" * size + FORGED}
        assert eve.rows("SELECT 7") == [("'7'",)]
    _lives(scene)


def test_an_error_that_quotes_messages_stays_an_error(scene: Scene) -> None:
    forged = FORGED.replace(b"\0", b"").decode("latin-1").replace("'", "")
    with closing(scene.wire(scene.eve)) as eve:
        answers = eve.query(f"SELECT CAST('{forged}' AS int)")
        assert _code(answers) == ["22P02"]
        assert eve.status == "I"
        for size in (1 << 16, 1 << 18, 1 << 19):
            assert _code(eve.query(f"SELECT repeat('x', {size})::int")) == ["22P02"]
        # longer than the door keeps in memory: only the one who asked for it loses something
        with suppress(Ended):
            eve.query("SELECT repeat('x', 3000000)::int")
    _lives(scene)


# Messages that are none


HALF = [
    b"Q\0\0\0\x20SELECT",
    b"P\0\0\1\0",
    b"d\0\x10\0\0xx",
    wire.query("SELECT 1") + b"d\0\x10\0\0xx",
    parse("SELECT 1") + b"B\0\0\0",
    wire.query("BEGIN") + parse("SELECT 1") + bind(),
    unit("SELECT 1"),
    unit("SELECT 1") + FLUSH + b"E",
    COPY_DONE + copy_data(b"x"),
    wire.query("COPY given TO STDOUT") + b"X",
    wire.query("COPY note (body) FROM STDIN") + copy_data(b"half a row"),
]


@pytest.mark.parametrize("attack", HALF)
def test_half_a_message_reaches_nobody_else(scene: Scene, attack: bytes) -> None:
    for leave in (Wire.close, Wire.vanish):
        eve = scene.wire(scene.eve)
        eve.send(attack)
        _lives(scene)
        leave(eve)
        _lives(scene)
    with closing(scene.wire(scene.rose)) as rose:
        assert rose.rows("SELECT count(*) FROM note WHERE body LIKE 'half%'") == [("'0'",)]


BROKEN = [
    b"Q\0\0\0\4",
    b"Q\0\0\0\x0bSELECT1",  # no NUL at its end
    wire.message(b"Q", b"SELECT 1\0SELECT set_config('work_mem', '77MB', false)\0"),
    wire.message(b"P", b"\0SELECT 1\0"),
    wire.message(b"P", b"name without an end"),
    wire.message(b"B", b"\0\0\xff\xff"),
    wire.message(b"B", b"\0\0\0\0\x7f\xff"),
    wire.message(b"D", b""),
    wire.message(b"D", b"X\0"),
    wire.message(b"C", b""),
    wire.message(b"E", b"\0"),
    wire.message(b"Q", b"SELECT '\xff\xfe'\0"),
    wire.message(b"Q", b"SELECT '\xc0\x27 \xe0\x80\x27'\0"),
    wire.message(b"F", struct.pack("!IHHH", 2079, 0, 0, 0)),
]


@pytest.mark.parametrize("attack", BROKEN)
def test_a_broken_message_ends_in_an_error_of_its_own(scene: Scene, attack: bytes) -> None:
    eve = scene.wire(scene.eve)
    eve.send(attack + SYNC)
    with suppress(Ended):
        answers = eve.until()
        assert _code(answers)
    eve.vanish()
    _lives(scene)


@pytest.mark.parametrize("kind", [b"p", b"x", b"\0", b"Z", b"R", b"W"])
def test_a_message_of_another_kind_ends_the_connection(scene: Scene, kind: bytes) -> None:
    eve = scene.wire(scene.eve)
    eve.send(wire.message(kind, b"x"))
    assert _code(eve.to_the_end()) == ["08P01"]
    _lives(scene)


def test_a_pipeline_with_refusals_keeps_its_answers_in_order(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        refused = unit("LISTEN eve") + unit("SELECT 'skipped'") + SYNC
        eve.send(b"".join(unit(f"SELECT {n}") + SYNC + refused for n in range(50)))
        for n in range(50):
            assert ("D", repr(str(n))) in eve.until()
            answers = eve.until()
            assert _code(answers) == ["42501"]
            assert "skipped" not in str(answers)


# Cancelling


def _cancel(scene: Scene, number: int, key: bytes) -> None:
    with closing(scene.place.stranger()) as stranger:
        stranger.send(wire.cancel(number, key))
        with suppress(Ended):
            stranger.read()


def test_a_guessed_key_cancels_nothing(scene: Scene) -> None:
    with closing(scene.wire(scene.rose)) as rose, closing(scene.wire(scene.eve)) as eve:
        rose.send(wire.query("SELECT count(*) FROM generate_series(1, 3000000)"))
        guesses = [b"", b"\0" * 4, eve.key, b"\xff" * 4, rose.key[:3], rose.key + b"\0", b"x" * 200]
        guesses += [secrets.token_bytes(4) for _ in range(100)]
        for key in guesses:
            _cancel(scene, rose.number, key)
        _cancel(scene, eve.number, rose.key)
        assert ("D", "'3000000'") in rose.until()
        rose.send(wire.query("SELECT repeat('x', 1000), generate_series(1, 1000000000)"))
        rose.receive()  # it runs
        _cancel(scene, rose.number, rose.key)
        assert _code(rose.until()) == ["57014"]


def test_the_door_tells_nobody_the_servers_own_keys(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        [(number,)] = eve.rows("SELECT pg_backend_pid()")
        assert int(number.strip("'")) == eve.number  # the door's


def test_a_late_cancel_never_hits_the_next_person(scene: Scene) -> None:
    """Eve cancels what has just ended, again and again; Rose works on the same connections."""
    over = threading.Event()

    def attack() -> None:
        with closing(scene.wire(scene.eve)) as eve:
            while not over.is_set():
                eve.send(wire.query("SELECT 1"))
                _cancel(scene, eve.number, eve.key)
                eve.until()

    attackers = [threading.Thread(target=attack) for _ in range(3)]
    with ExitStack() as stack:
        for attacker in attackers:
            attacker.start()
            stack.callback(attacker.join, 20)
        stack.callback(over.set)
        rose = stack.enter_context(closing(scene.wire(scene.rose)))
        for _ in range(400):
            assert rose.rows("SELECT sum(a) FROM given") == [("'500500'",)]


# Logging in


def _stranger(scene: Scene) -> Wire:
    return scene.place.stranger()


LOGINS = [
    b"",
    b"\0",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\xff\xff\xff\xff\0\3\0\0",
    b"\0\0\0\7\0\3\0",
    b"\0\0\0\x08\0\2\0\0",
    b"\0\0\0\x09\0\3\0\0x",
    struct.pack("!II", 0x00010000, 3 << 16),
    wire.startup({"user": "x" * 5000, "database": "y" * 4000}),
    wire.startup({"user": "postgres", "replication": "database"}),
    wire.startup({"user": "postgres", "options": "-c x"}),
    wire.startup({"user": "nobody at all"}) + wire.query("SELECT 1"),
    wire.startup({"user": "nobody at all"})
    + wire.message(b"p", b"SCRAM-SHA-256\0\x7f\xff\xff\xff"),
    wire.startup({"user": "nobody at all"}) + wire.message(b"p", b"SCRAM-SHA-256\0\0\0\0\4n,,x"),
    wire.startup({"user": "nobody at all"}) + b"p\xff\xff\xff\xff",
    wire.cancel(1, b""),
    wire.cancel(1, b"x" * 256),
]


@pytest.mark.parametrize("attack", LOGINS)
def test_a_login_that_is_none_harms_nobody(scene: Scene, attack: bytes) -> None:
    stranger = _stranger(scene)
    stranger.send(attack)
    stranger.stream.shutdown(socket.SHUT_WR)
    with suppress(Ended, OSError):
        while True:
            stranger.until()
    _lives(scene)
    stranger.stream.close()


class _Vanishing(Wire):
    """A client that is gone as soon as it has proven its password."""

    def _authenticate(self, client: Any, code: int, body: bytes) -> None:
        super()._authenticate(client, code, body)
        if code == SASL_CONTINUE:
            self.vanish()
            raise Ended([])


def test_who_is_gone_before_the_login_is_over_leaves_no_session(scene: Scene) -> None:
    people = scene.place.installation.people
    for number in range(40):
        who = {"user": scene.eve, "database": scene.database, "options": f"-c eve.n{number}=1"}
        with suppress(Ended, OSError):
            _Vanishing(_stranger(scene).stream).log_in(who, scene.place.passwords[scene.eve])
    wait_until(lambda: not people.activity([scene.eve]))


def test_statements_sent_before_the_password_is_proven_are_not_run(scene: Scene) -> None:
    with closing(_stranger(scene)) as stranger:
        who = {"user": scene.eve, "database": scene.database}
        stranger.send(wire.startup(who) + wire.query("INSERT INTO note (body) VALUES ('early')"))
        assert "E" in [answer[0] for answer in stranger.to_the_end()]
    with closing(scene.wire(scene.rose)) as rose:
        assert rose.rows("SELECT count(*) FROM note WHERE body = 'early'") == [("'0'",)]


def test_clear_text_before_tls_is_not_taken_for_encrypted(scene: Scene) -> None:
    with closing(_stranger(scene)) as stranger:
        stranger.send(wire.ssl_request() + wire.startup({"user": scene.eve}))
        kind, body = stranger.stream.recv(1), b""
        if kind == b"S":  # accepted before the rest arrived: then TLS itself fails
            body = stranger.stream.recv(4096)
        assert b"Z\0\0\0\5I" not in kind + body


def test_an_unknown_name_is_answered_as_a_known_one(scene: Scene) -> None:
    def first_answer(name: str) -> tuple[str, int]:
        with closing(_stranger(scene)) as stranger:
            stranger.send(wire.startup({"user": name, "database": scene.database}))
            kind, body = stranger.read()
            first = b"n,,n=,r=abcdefghijklmnop"
            size = len(first).to_bytes(4, "big")
            stranger.send(wire.message(b"p", b"SCRAM-SHA-256\0" + size + first))
            _, challenge = stranger.read()
            salt = re.search(rb"s=([^,]+),i=(\d+)", challenge)
            assert salt is not None
            return kind + body.decode("latin-1"), len(salt[1]) * int(salt[2])

    assert first_answer(scene.eve) == first_answer(f"nobody {secrets.token_hex(4)}")
