"""What a bar says of the speed of a publish: that of the step that runs."""

from typing import Any

import pytest
from rich.progress import Progress

from myriad.cli import bars as drawing
from myriad.cli.bars import _speed
from myriad.publish.options import Step


def test_a_step_that_makes_rows_says_how_fast() -> None:
    step = Step("t", "loading", 3000, 0.5, 20_000_000)
    assert _speed(step, 2.0, 0) == "3,000 rows, 1,500 rows/s, 5.0 MB/s"


def test_a_step_that_makes_none_says_no_speed() -> None:
    assert _speed(Step("t", "replacing", 3000, 1.0), 0.00001, 3000) == "3,000 rows"


def test_before_there_are_rows_it_says_how_much_came() -> None:
    assert _speed(Step("a.zip", "unpacking", share=0.5, size=20_000_000), 1.0, 0) == "10.0 MB"
    assert _speed(Step("-", "fetching", size=3_000_000), 1.0, 0) == "3.0 MB"


def test_a_thousand_files_take_one_bar_and_leave_it_to_the_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Progress] = []

    def kept(*arguments: Any, **named: Any) -> Progress:
        made.append(Progress(*arguments, **named))
        return made[0]

    monkeypatch.setattr(drawing, "Progress", kept)
    with drawing.bars() as show:
        for number in range(1000):
            show(Step(f"{number}.gz", "unpacking", share=0.5, size=9))
        before = [task.description for task in made[0].tasks]
        show(Step("t", "loading", 10, 0.5, 9))
        after = [task.description for task in made[0].tasks]
    assert (before, after) == (["999.gz unpacking"], ["t loading"])


def test_what_an_earlier_step_made_does_not_count() -> None:
    assert _speed(Step("t", "loading", 3000, 1.0, 9), 1.0, 2000) == "3,000 rows, 1,000 rows/s"
