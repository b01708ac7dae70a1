"""What a bar says of the speed of a publish: that of the step that runs."""

from myriad.cli.bars import _speed
from myriad.publish.options import Step


def test_a_step_that_makes_rows_says_how_fast() -> None:
    step = Step("t", "loading", 3000, 0.5, 20_000_000)
    assert _speed(step, 2.0, 0) == "3,000 rows, 1,500 rows/s, 5.0 MB/s"


def test_a_step_that_makes_none_says_no_speed() -> None:
    assert _speed(Step("t", "replacing", 3000, 1.0), 0.00001, 3000) == "3,000 rows"


def test_what_an_earlier_step_made_does_not_count() -> None:
    assert _speed(Step("t", "loading", 3000, 1.0, 9), 1.0, 2000) == "3,000 rows, 1,000 rows/s"
