"""What a check of `myriad doctor` says."""

from dataclasses import dataclass

GOOD = "good"
WARNING = "warning"
WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One look at the machine.

    Attributes:
        state: `good`, `warning` or `wrong`.
        remedy: what to do about it; empty where it is good.
    """

    check: str
    state: str
    message: str
    remedy: str = ""
