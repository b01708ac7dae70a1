"""What a session remembers of a unit that its client does not end."""

from types import SimpleNamespace
from typing import Any

from myriad.door.server.settings import NONE
from myriad.door.server.statements import (
    MOST_BYTES_ON_A_CONNECTION,
    MOST_ON_A_CONNECTION,
    Prepared,
    Statement,
)
from myriad.door.session.again import Again
from myriad.door.session.answers import MANY, Answers
from myriad.door.verdict.verdict import NOTHING
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

PARSED, CLOSED = b"1\0\0\0\4", b"3\0\0\0\4"


def session() -> Any:
    return SimpleNamespace(
        acked=0, special=False, unit=True, awaiting=False, skipping=False, backend=None
    )


def test_what_was_answered_is_let_go_of_before_the_unit_ends() -> None:
    found = session()
    answers, undone = Answers(found), []
    statements = [
        Statement(b"SELECT 1", b"\0\0", NOTHING, NONE, shared=True) for _ in range(10_000)
    ]
    for statement in statements:
        answers.completes(statement=statement, undo=lambda: undone.append("parsed"))
        answers.completes(undo=lambda: undone.append("closed"))
        assert answers.seen(PARSED[0], PARSED) == PARSED
        assert answers.seen(CLOSED[0], CLOSED) == CLOSED
        assert answers.expected <= MANY
    assert [one.parsed for one in statements] == sorted(one.parsed for one in statements)
    answers.completes(undo=lambda: undone.append("the last"))
    answers.unit_over()
    assert undone == ["the last"]
    assert answers.expected == 0


def test_ours_stay_hidden_when_others_were_let_go_of() -> None:
    found = session()
    answers = Answers(found)
    for number in range(3 * MANY):
        answers.completes(ours=bool(number % 3))
    for number in range(3 * MANY):
        assert answers.seen(PARSED[0], PARSED) == (b"" if number % 3 else PARSED)
        answers.completes(ours=True)
    assert answers.seen(PARSED[0], PARSED) == b""


def made(text: bytes) -> Statement:
    return Statement(text, b"\0\0", NOTHING, NONE, shared=True)


def test_no_more_is_remembered_of_what_was_bound_than_a_server_connection_keeps() -> None:
    again = Again(session(), Answers(session()))
    many = [made(b"SELECT %d" % number) for number in range(3 * MOST_ON_A_CONNECTION)]
    for statement in (*many, *many):
        again.bind(statement, lasting=False)
    assert list(again.bound.values()) == many[-MOST_ON_A_CONNECTION:]
    long = [made(b"x" * (MOST_BYTES_ON_A_CONNECTION // 4)) for _ in range(9)]
    for statement in long:
        again.bind(statement, lasting=False)
    assert list(again.bound.values()) == long[-3:]


def test_whose_portal_may_be_described_later_counts_as_told() -> None:
    again = Again(session(), Answers(session()))
    first, second, third = (made(b"SELECT %d" % number) for number in range(3))
    again.bind(first, lasting=False)
    again.bind(second, lasting=False)
    again.bind(first, lasting=False)
    again.told(only_last=True)
    again.bind(third, lasting=True)
    assert [each.told_columns for each in (first, second, third)] == [True, False, True]
    for number in range(MOST_ON_A_CONNECTION):
        again.bind(made(b"SELECT 'other %d'" % number), lasting=False)
    assert second.told_columns
    again.unit_over()
    assert again.bound == {}


def test_what_was_to_be_sent_again_is_forgotten_with_its_unit() -> None:
    """Else the next unit, which succeeds, would be run twice: the server may end in between."""
    found = session()
    found.__dict__.update(bytes=0, bytes_before=0, status=wire.IDLE, awaiting=True)
    found.__dict__.update(reason=None, bridged=False, rest=0)
    found.backend = SimpleNamespace(unnamed=None, prepared=Prepared())
    again = Again(found, Answers(found))
    unit = b"as the client sent it"
    again.begins(unit, 0)
    again.ends(unit, len(unit))
    again.bind(made(b"SELECT 1"), lasting=False)
    stale = Fault("0A000", "cached plan must not change", routine="RevalidateCachedQuery")
    assert again.error(stale.encode()) == b""
    assert again.due
    again.unit_over()
    assert not again.due
