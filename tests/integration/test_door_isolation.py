"""Transactions through the door isolate as PostgreSQL's do: the cases of Hermitage.

Source: https://github.com/ept/hermitage, postgres.md. Each case is a schedule of two or three
transactions on `test (id, value)` with the rows (1, 10), (2, 20). Each runs straight to PostgreSQL
and through the door, as different people who share server connections; what is answered, who
waits for whom, what the table holds at the end and every SQLSTATE is the same.
"""

import re
import select
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter

import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_script import Answer, Place, Wire, shared
from tests.harness import wait_until

COMMITTED, REPEATABLE, SERIALIZABLE = "read committed", "repeatable read", "serializable"
ALL = (COMMITTED, REPEATABLE, SERIALIZABLE)
DATABASE = "hermitage"
STUCK = """
    SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE NOT l.granted AND a.datname = 'hermitage'"""


@dataclass(frozen=True)
class Case:
    """A schedule, a line for each step: the transaction's number, and what it does.

    Attributes:
        fails: with which SQLSTATEs, at each level that is not named with none.
        either: PostgreSQL may choose either transaction to fail.
    """

    name: str
    schedule: str
    fails: dict[str, str] = field(default_factory=dict)
    either: bool = False


CASES = [
    Case(
        "G0: write cycles",
        """
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 12 WHERE id = 1
        1 UPDATE test SET value = 21 WHERE id = 2
        1 COMMIT
        1 SELECT * FROM test ORDER BY id
        2 UPDATE test SET value = 22 WHERE id = 2
        2 COMMIT
        """,
        {REPEATABLE: "40001 25P02", SERIALIZABLE: "40001 25P02"},
    ),
    Case(
        "G1a: aborted reads",
        """
        1 UPDATE test SET value = 101 WHERE id = 1
        2 SELECT * FROM test ORDER BY id
        1 ROLLBACK
        2 SELECT * FROM test ORDER BY id
        2 COMMIT
        """,
    ),
    Case(
        "G1b: intermediate reads",
        """
        1 UPDATE test SET value = 101 WHERE id = 1
        2 SELECT * FROM test ORDER BY id
        1 UPDATE test SET value = 11 WHERE id = 1
        1 COMMIT
        2 SELECT * FROM test ORDER BY id
        2 COMMIT
        """,
    ),
    Case(
        "G1c: circular information flow",
        """
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 22 WHERE id = 2
        1 SELECT * FROM test WHERE id = 2
        2 SELECT * FROM test WHERE id = 1
        1 COMMIT
        2 COMMIT
        """,
        {SERIALIZABLE: "40001"},
    ),
    Case(
        "OTV: observed transaction vanishes",
        """
        1 UPDATE test SET value = 11 WHERE id = 1
        1 UPDATE test SET value = 19 WHERE id = 2
        2 UPDATE test SET value = 12 WHERE id = 1
        1 COMMIT
        3 SELECT * FROM test ORDER BY id
        2 UPDATE test SET value = 18 WHERE id = 2
        3 SELECT * FROM test ORDER BY id
        2 COMMIT
        3 SELECT * FROM test ORDER BY id
        3 COMMIT
        """,
        {REPEATABLE: "40001 25P02", SERIALIZABLE: "40001 25P02"},
    ),
    Case(
        "PMP: predicate-many-preceders",
        """
        1 SELECT * FROM test WHERE value = 30
        2 INSERT INTO test VALUES (3, 30)
        2 COMMIT
        1 SELECT * FROM test WHERE value % 3 = 0
        1 COMMIT
        """,
    ),
    Case(
        "PMP: of writes",
        """
        1 UPDATE test SET value = value + 10
        2 SELECT * FROM test ORDER BY id
        2 DELETE FROM test WHERE value = 20
        1 COMMIT
        2 SELECT * FROM test ORDER BY id
        2 COMMIT
        """,
        {REPEATABLE: "40001 25P02", SERIALIZABLE: "40001 25P02"},
    ),
    Case(
        "P4: lost update",
        """
        1 SELECT * FROM test WHERE id = 1
        2 SELECT * FROM test WHERE id = 1
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 11 WHERE id = 1
        1 COMMIT
        2 COMMIT
        """,
        {REPEATABLE: "40001", SERIALIZABLE: "40001"},
    ),
    Case(
        "G-single: read skew",
        """
        1 SELECT * FROM test WHERE id = 1
        2 SELECT * FROM test ORDER BY id
        2 UPDATE test SET value = 12 WHERE id = 1
        2 UPDATE test SET value = 18 WHERE id = 2
        2 COMMIT
        1 SELECT * FROM test WHERE id = 2
        1 COMMIT
        """,
    ),
    Case(
        "G-single: with predicates",
        """
        1 SELECT * FROM test WHERE value % 5 = 0 ORDER BY id
        2 UPDATE test SET value = 12 WHERE value = 10
        2 COMMIT
        1 SELECT * FROM test WHERE value % 3 = 0
        1 COMMIT
        """,
    ),
    Case(
        "G-single: with a write predicate",
        """
        1 SELECT * FROM test WHERE id = 1
        2 SELECT * FROM test ORDER BY id
        2 UPDATE test SET value = 12 WHERE id = 1
        2 UPDATE test SET value = 18 WHERE id = 2
        2 COMMIT
        1 DELETE FROM test WHERE value = 20
        1 COMMIT
        """,
        {REPEATABLE: "40001", SERIALIZABLE: "40001"},
    ),
    Case(
        "G2-item: write skew",
        """
        1 SELECT * FROM test WHERE id IN (1, 2) ORDER BY id
        2 SELECT * FROM test WHERE id IN (1, 2) ORDER BY id
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 21 WHERE id = 2
        1 COMMIT
        2 COMMIT
        """,
        {SERIALIZABLE: "40001"},
    ),
    Case(
        "G2: anti-dependency cycles",
        """
        1 SELECT * FROM test WHERE value % 3 = 0
        2 SELECT * FROM test WHERE value % 3 = 0
        1 INSERT INTO test VALUES (3, 30)
        2 INSERT INTO test VALUES (4, 42)
        1 COMMIT
        2 COMMIT
        """,
        {SERIALIZABLE: "40001"},
    ),
    Case(
        "G2: two of them, and a reader",
        """
        1 SELECT * FROM test ORDER BY id
        2 UPDATE test SET value = value + 5 WHERE id = 2
        2 COMMIT
        3 SELECT * FROM test ORDER BY id
        3 COMMIT
        1 UPDATE test SET value = 0 WHERE id = 1
        1 COMMIT
        """,
        {SERIALIZABLE: "40001"},
    ),
    Case(
        "deadlock",
        """
        1 UPDATE test SET value = value + 1 WHERE id = 1
        2 UPDATE test SET value = value + 1 WHERE id = 2
        1 UPDATE test SET value = value + 1 WHERE id = 2
        2 UPDATE test SET value = value + 1 WHERE id = 1
        1 COMMIT
        2 COMMIT
        """,
        dict.fromkeys(ALL, "40P01"),
        either=True,
    ),
]
STEP = re.compile(r"(\d) (.+)")


class Schedule:
    """Several sessions in one schedule; a statement that waits is answered when it can be."""

    def __init__(self, place: Place, sessions: dict[str, Wire]) -> None:
        self.sessions = sessions
        self.trace: list[tuple[str, list[Answer]]] = []
        self._waiting: dict[str, Wire] = {}
        self._admin = place.admin(DATABASE)

    def run(self, level: str, schedule: str) -> None:
        steps = STEP.findall(schedule)
        for number in sorted({number for number, _ in steps}):
            self.sessions[number].query(f"BEGIN ISOLATION LEVEL {level}")
        for number, text in steps:
            while number in self._waiting:
                wait_until(self._settled)
            self.sessions[number].send(wire.query(text))
            self._waiting[number] = self.sessions[number]
            before = len(self.trace)
            wait_until(self._settled)
            # Whom a COMMIT lets go on may be answered before it.
            self.trace[before:] = sorted(self.trace[before:], key=itemgetter(0))
        wait_until(lambda: self._settled() and not self._waiting)  # a deadlock takes a second

    def _settled(self) -> bool:
        """Take answers that have come; say whether all others wait for a lock."""
        for number, session in sorted(self._waiting.items()):
            if select.select([session.stream], [], [], 0)[0]:
                self.trace.append((number, session.until()))
                del self._waiting[number]
        if not self._waiting:
            return True
        [(stuck,)] = self._admin.execute(STUCK).fetchall()
        return bool(stuck == len(self._waiting))

    def forget_who(self) -> None:
        """Keep what was answered, and not to whom."""
        self.trace = sorted(("", answers) for _, answers in self.trace)

    def states(self) -> list[str]:
        return [each[2] for _, some in self.trace for each in some if each[0] == "E"]

    def close(self) -> None:
        self._admin.close()


Connect = Callable[[str, str], Wire]


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    people = ["hermit one", "hermit two", "hermit three"]
    table = "CREATE TABLE test (id int PRIMARY KEY, value int)"
    with shared(installation, DATABASE, people, table) as found:
        yield found


def connected(place: Place, connect: Connect) -> Iterator[dict[str, Wire]]:
    sessions = {str(n): connect(name, DATABASE) for n, name in enumerate(place.passwords, 1)}
    yield sessions
    for session in sessions.values():
        session.close()


@pytest.fixture(scope="module")
def straight(place: Place) -> Iterator[dict[str, Wire]]:
    yield from connected(place, place.direct)


@pytest.fixture(scope="module")
def through(place: Place) -> Iterator[dict[str, Wire]]:
    yield from connected(place, place.door)


def run(place: Place, sessions: dict[str, Wire], level: str, case: Case) -> Schedule:
    """Run a case on fresh rows; what the table holds at the end is the last of the trace."""
    with closing(place.admin(DATABASE)) as connection:
        connection.execute("TRUNCATE test")
        connection.execute("INSERT INTO test VALUES (1, 10), (2, 20)")
        with closing(Schedule(place, sessions)) as done:
            done.run(level, case.schedule)
        rows = connection.execute("SELECT * FROM test ORDER BY id").fetchall()
    done.trace.append(("table", [tuple(map(str, row)) for row in rows]))
    return done


@pytest.mark.nightly(
    by_day=[f"{each.name}-{level}" for each in CASES for level in (ALL[0], ALL[-1])]
)
@pytest.mark.parametrize("level", ALL)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_transactions_isolate_as_without_the_door(
    place: Place, straight: dict[str, Wire], through: dict[str, Wire], case: Case, level: str
) -> None:
    there = run(place, straight, level, case)
    here = run(place, through, level, case)
    assert there.states() == case.fails.get(level, "").split()
    if case.either:
        here.forget_who()
        there.forget_who()
    assert here.trace == there.trace
