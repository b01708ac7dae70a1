"""Which texts are tried as dates: all that may be some, and hardly anything else."""

import itertools

import pytest

from myriad.sources.options import ORDERS, Said
from myriad.sources.typing import calendars
from myriad.sources.typing.calendars import Calendar

CLOCKS = {"": "", "%H:%M:%S": " 9:05:07.25", "%I:%M:%S %p": ", 9:05 p.m."}
NUMBERS = {"d": "4", "m": "11", "y": "2021"}
NAMED = {
    "dmy": ("4Nov2021", "4th November, 2021", "4. November 2021", "4 de Nov. de 2021"),
    "mdy": ("November 4, 2021", "Nov. 4 2021"),
    "ymd": ("2021-November-4", "2021 Nov. 4", "2021/Nov/4"),
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_form_of_a_date_is_proposed_for_what_is_written_so(order: str, clock: str) -> None:
    written = [
        (mark, gap.join(NUMBERS[part] for part in order))
        for mark in calendars.MARKS
        for gap in ([". ", "."] if mark == "." else [mark])
    ]
    written += [("en", day) for day in NAMED[order]]
    for (mark, day), short in itertools.product(written, (False, True)):
        value = (day.replace("2021", "21") if short else day) + CLOCKS[clock]
        if len(value) < 8 and mark == "en":
            continue  # too short for a name and two numbers with marks between them
        found = calendars.proposed([value], Said(dates=order if short else None))
        assert Calendar(order, mark, clock, short) in found, value
        assert calendars.short_years([value]) == (short and mark != "en"), value


def test_what_is_no_date_is_compared_with_no_form_of_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    """To compile them all takes as long as to publish 10,000 rows."""
    tried: list[str] = []
    compiled = property(lambda form: tried.append(form.name))
    monkeypatch.setattr(Calendar, "python", compiled)
    for values in (
        ["Name 17", "Name 4711"],
        ["user1@example.org"],
        ["A-17/b"],
        ["12.5"],
        ["x"],
        [],
    ):
        assert not calendars.short_years(values)
        assert calendars.proposed(values, Said()) == []
    assert tried == []
