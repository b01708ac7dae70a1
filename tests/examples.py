"""Hypothesis in these tests: the same examples in every run, more of them at night."""

import gc

from hypothesis import HealthCheck, Phase, settings

# No time limit for one example: the machine may be busy.
_SAME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
for _profile, _number in {"daily": 30, "nightly": 500}.items():
    settings.register_profile(_profile, _SAME, max_examples=_number)


def load(*, nightly: bool) -> None:
    """Choose how many examples tests get; before they are imported."""
    settings.load_profile("nightly" if nightly else "daily")


def unload() -> None:
    """Take Hypothesis out of the garbage collector, which it watches.

    At the end of Python that keeps DuckDB's types alive, whose binding then reports them leaked.
    """
    gc.callbacks.clear()


def examples(*, daily: int, nightly: int, at_random: bool = False) -> settings:
    """Give a test that costs much so many examples; none that fails is made smaller.

    With `at_random` they are others each night, and one that fails is made smaller and printed.
    """
    at_night = settings.get_current_profile_name() == "nightly"
    if at_night and at_random:
        return settings(max_examples=nightly, derandomize=False, print_blob=True)
    return settings(
        max_examples=nightly if at_night else daily, phases=(Phase.explicit, Phase.generate)
    )
