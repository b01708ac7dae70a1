"""What a person may use: one table of limits, and which holds where several are set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one person; of each, 0 means none.

    Attributes:
        statement_seconds: that a statement may take.
        rows, megabytes: that a transaction may return.
        concurrent: statements at once.
        idle_seconds: that a session may do nothing in a transaction.
        queue_seconds: that a statement may wait for its turn.
        connections: at once.
    """

    statement_seconds: float = 0.0
    rows: int = 0
    megabytes: float = 0.0
    concurrent: int = 0
    idle_seconds: float = 0.0
    queue_seconds: float = 0.0
    connections: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any], overrides: Mapping[str, float]) -> "Limits":
        """Return the limits that `overrides` set, the others as in the settings `limit_*`."""
        chosen: dict[str, Any] = {
            name: overrides.get(name, settings[f"limit_{name}"]) for name in NAMES
        }
        whole = {name: int(chosen[name]) for name in COUNTS}
        return cls(**{**chosen, **whole})


# Each limit's name; the setting with its default is `limit_<name>`.
NAMES = tuple(entry.name for entry in fields(Limits))
COUNTS = ("rows", "concurrent", "connections")  # whole numbers


def merged(own: Mapping[str, float], groups: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the overrides of a person from those of their own and of their groups.

    A person's own value wins; else the most generous among the groups that set one.
    """
    found: dict[str, float] = {}
    for group in groups:
        for name, value in group.items():
            found[name] = _generous(found.get(name, value), value)
    return {**found, **own}


def _generous(one: float, other: float) -> float:
    """Return the one that allows more; 0 is no limit at all."""
    return max(one, other) if one and other else 0.0
