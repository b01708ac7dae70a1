"""Times and people of statements: bounded, added up, and read again."""

import math
import random
import tracemalloc
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.door.ledger import buckets
from myriad.door.ledger.statistics import MOST_SEEN, MOST_SHAPES, TALLY_BYTES, Tallies, Tally
from myriad.door.ports import Ended

WHO = b"rose\tmain\t127.0.0.1\tpostgres"


def ended(
    shape: tuple[int, str, int] | None,
    who: bytes = WHO,
    outcome: str = "00000",
    seconds: float = 0.01,
) -> Ended:
    return (0.0, who, seconds, 2, 30, outcome, shape, b"text")


@given(st.lists(st.floats(11e-6, 20_000), min_size=1, max_size=200))
def test_a_quantile_is_right_to_a_tenth(times: list[float]) -> None:
    counted = [0] * buckets.BUCKETS
    for seconds in times:
        counted[bisect_right(buckets.BOUNDS, seconds)] += 1
    for share in (0.5, 0.99):
        exact = sorted(times)[math.ceil(share * len(times)) - 1]
        assert buckets.quantile(counted, share) == pytest.approx(exact, rel=0.11)


@pytest.mark.parametrize("count", [0, 1, 5, 127, 200, 1000, 10_000])
def test_people_are_counted_exactly_while_they_are_few_and_about_then(count: int) -> None:
    tally = Tally("")
    for number in range(count):
        tally.meet(f"person {number}\tmain".encode())
        tally.meet(f"person {number}\tmain\telsewhere".encode())
    tally.settle()
    assert len(tally.people) <= buckets.MOST_PEOPLE
    assert len(tally.seen) < MOST_SEEN
    found = buckets.people(tally.people)
    assert (
        found == count if count < buckets.MOST_PEOPLE else found == pytest.approx(count, rel=0.35)
    )


def test_halves_of_a_crowd_that_overlap_are_one_crowd() -> None:
    halves = [Tally(""), Tally("")]
    for number in range(90):
        halves[0].meet(b"p%d" % number)
        halves[1].meet(b"p%d" % (number + 30))
    for half in halves:
        half.settle()
    both = sorted({*halves[0].people, *halves[1].people})[: buckets.MOST_PEOPLE]
    assert buckets.people(both) == 120


def test_what_failed_is_counted_only_where_it_is_known_already() -> None:
    tallies = Tallies()
    tallies.count([ended((1, "SELECT x", 1), outcome="42703"), ended(None)])
    tallies.count([ended((2, "SELECT y", 1)), ended((2, "SELECT y", 1), outcome="22012")])
    tallies.count([ended((3, "SELECT slow", 16), outcome="57014")])
    found = {
        number: (each.text, each.calls, each.errors) for number, each in tallies.take().items()
    }
    assert found == {2: ("SELECT y", 2, 1), 3: ("SELECT slow", 16, 16)}


def test_no_more_than_so_many_shapes_wait_to_be_written() -> None:
    tallies, chance = Tallies(), random.Random(1)
    for _ in range(5 * MOST_SHAPES):
        number = chance.getrandbits(63)
        tallies.count([ended((number, f"SELECT c{number}", 1), who=b"%d" % number)])
        assert tallies.bytes <= tallies.most_bytes
    assert tallies.dropped == 4 * MOST_SHAPES
    assert len(tallies.take()) == MOST_SHAPES
    tallies.written()
    assert tallies.bytes == 0


def test_tallies_take_no_more_memory_than_is_weighed() -> None:
    tallies, many = Tallies(), 200
    tracemalloc.start()
    for number in range(many):
        for person in range(MOST_SEEN - 1):
            who = b"person %d of some\tmain\t2001:db8:1234:5678:9abc:def0:1234:5678\thttp" % person
            tallies.count([ended((number, "x" * 1000 + str(number), 1), who=who + b"%d" % number)])
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used <= many * TALLY_BYTES
