"""Which limit holds where several are set."""

from dataclasses import asdict

import pytest

from myriad import limits
from myriad.limits import Limits, merged
from myriad.settings import Settings

DEFAULTS = asdict(Settings(limit_rows=7))


def test_without_anything_set_the_settings_hold() -> None:
    found = Limits.of(DEFAULTS, {})
    assert found.rows == 7
    for name in limits.NAMES:
        assert getattr(found, name) == DEFAULTS[f"limit_{name}"]


def test_what_is_set_beats_the_settings_and_counts_stay_whole() -> None:
    found = Limits.of(DEFAULTS, {"rows": 5.0, "idle_seconds": 0.5})
    assert (found.rows, found.idle_seconds) == (5, 0.5)
    assert all(isinstance(getattr(found, name), int) for name in limits.COUNTS)


@pytest.mark.parametrize(
    ("own", "groups", "expected"),
    [
        ({}, [], {}),
        ({"rows": 3}, [{"rows": 10}], {"rows": 3}),
        ({"rows": 0}, [{"rows": 10}], {"rows": 0}),
        ({}, [{"rows": 10}, {"rows": 20}, {"concurrent": 1}], {"rows": 20, "concurrent": 1}),
        ({}, [{"rows": 10}, {"rows": 0}, {"rows": 5}], {"rows": 0}),
    ],
)
def test_a_persons_own_value_wins_else_the_most_generous_group(
    own: dict[str, float], groups: list[dict[str, float]], expected: dict[str, float]
) -> None:
    assert merged(own, groups) == expected
    assert merged(own, reversed(groups)) == expected
