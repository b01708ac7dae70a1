"""What a session remembers of a unit that its client does not end."""

from myriad.door.control.accounts import Account
from myriad.door.server.backend import Backend
from myriad.door.server.dial import Connected
from myriad.door.server.settings import NONE
from myriad.door.server.statements import (
    MOST_BYTES_ON_A_CONNECTION,
    MOST_ON_A_CONNECTION,
    Statement,
)
from myriad.door.session.answers import MANY, Answers
from myriad.door.session.frontend import Frontend
from myriad.door.session.quota import Quota
from myriad.door.session.resend import Resend
from myriad.door.session.unit import Unit
from myriad.door.siblings.counters import Place
from myriad.door.verdict.verdict import NOTHING
from myriad.limits import Limits
from myriad.pgwire.faults import Fault
from tests.door_nobody import Nobody

PARSED, CLOSED = b"1\0\0\0\4", b"3\0\0\0\4"


def answers() -> Answers:
    """Those of a client that has begun a unit, and has no server connection."""
    unit = Unit()
    unit.reopen()
    return Answers(Frontend(Nobody()), unit)


def again(unit: Unit | None = None, frontend: Frontend | None = None) -> Resend:
    """The unit of such a client."""
    unit, frontend = unit or Unit(), frontend or Frontend(Nobody())
    return Resend(
        frontend, unit, Quota(Account("rose", 16384, Limits(), Place())), Answers(frontend, unit)
    )


def test_what_was_answered_is_let_go_of_before_the_unit_ends() -> None:
    found, undone = answers(), []
    statements = [
        Statement(b"SELECT 1", b"\0\0", NOTHING, NONE, shared=True) for _ in range(10_000)
    ]
    for statement in statements:
        found.completes(statement=statement, undo=lambda: undone.append("parsed"))
        found.completes(undo=lambda: undone.append("closed"))
        assert found.seen(PARSED[0], PARSED) == PARSED
        assert found.seen(CLOSED[0], CLOSED) == CLOSED
        assert found.expected <= MANY
    assert [one.parsed for one in statements] == sorted(one.parsed for one in statements)
    found.completes(undo=lambda: undone.append("the last"))
    found.unit_over()
    assert undone == ["the last"]
    assert found.expected == 0


def test_ours_stay_hidden_when_others_were_let_go_of() -> None:
    found = answers()
    for number in range(3 * MANY):
        found.completes(ours=bool(number % 3))
    for number in range(3 * MANY):
        assert found.seen(PARSED[0], PARSED) == (b"" if number % 3 else PARSED)
        found.completes(ours=True)
    assert found.seen(PARSED[0], PARSED) == b""


def made(text: bytes) -> Statement:
    return Statement(text, b"\0\0", NOTHING, NONE, shared=True)


def test_no_more_is_remembered_of_what_was_bound_than_a_server_connection_keeps() -> None:
    found = again()
    many = [made(b"SELECT %d" % number) for number in range(3 * MOST_ON_A_CONNECTION)]
    for statement in (*many, *many):
        found.bind(statement, lasting=False)
    assert list(found.bound.values()) == many[-MOST_ON_A_CONNECTION:]
    long = [made(b"x" * (MOST_BYTES_ON_A_CONNECTION // 4)) for _ in range(9)]
    for statement in long:
        found.bind(statement, lasting=False)
    assert list(found.bound.values()) == long[-3:]


def test_whose_portal_may_be_described_later_counts_as_told() -> None:
    found = again()
    first, second, third = (made(b"SELECT %d" % number) for number in range(3))
    found.bind(first, lasting=False)
    found.bind(second, lasting=False)
    found.bind(first, lasting=False)
    found.told(only_last=True)
    found.bind(third, lasting=True)
    assert [each.told_columns for each in (first, second, third)] == [True, False, True]
    for number in range(MOST_ON_A_CONNECTION):
        found.bind(made(b"SELECT 'other %d'" % number), lasting=False)
    assert second.told_columns
    found.unit_over()
    assert found.bound == {}


def test_what_was_to_be_sent_again_is_forgotten_with_its_unit() -> None:
    """Else the next unit, which succeeds, would be run twice: the server may end in between."""
    frontend = Frontend(Nobody())
    frontend.awaiting = True
    frontend.backend = Backend(Connected(Nobody(), 0, b"", {}), lambda _: None)
    found = again(frontend=frontend)
    sent = b"as the client sent it"
    found.begins(sent, 0)
    found.ends(sent, len(sent))
    found.bind(made(b"SELECT 1"), lasting=False)
    stale = Fault("0A000", "cached plan must not change", routine="RevalidateCachedQuery")
    assert found.error(stale.encode()) == b""
    assert found.due
    found.unit_over()
    assert not found.due
