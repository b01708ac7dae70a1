"""The settings that a session has beyond the server's own, shared by all sessions with the same."""

import weakref
from collections.abc import Mapping

from myriad.door import wire

# With these, no text is parsed or planned otherwise: tests/integration/test_door_settings.py tries
# every setting that a person may change.
HARMLESS = frozenset(
    (
        "application_name",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "statement_timeout",
        "transaction_timeout",
    )
)


class Values:
    """Names and values of settings. Equal ones are one object: see `of`.

    Attributes:
        custom: the name of one that nobody declared, if any: no RESET makes it unknown again.
    """

    __slots__ = ("__weakref__", "_parsing", "custom", "named")

    def __init__(self, named: Mapping[str, str]) -> None:
        self.named = named
        self.custom = next((name for name in named if "." in name), "")
        self._parsing: Values | None = None

    @property
    def parsing(self) -> "Values":
        """Those of them that may change how a text is parsed or planned."""
        if self._parsing is None:
            if HARMLESS.isdisjoint(self.named):
                return self
            self._parsing = of({n: v for n, v in self.named.items() if n not in HARMLESS})
        return self._parsing


# Of a session; a startup message has 10,000 at most. Who wants more has something else in mind.
MOST_BYTES = 16 << 10
NONE = Values({})
UNKNOWN = Values({"?": ""})  # has a name that nothing else has, so RESET ALL comes first
_known: "weakref.WeakValueDictionary[frozenset[tuple[str, str]], Values]" = (
    weakref.WeakValueDictionary()
)


def of(named: Mapping[str, str]) -> Values:
    """Return the one object with these settings."""
    if not named:
        return NONE
    key = frozenset(named.items())
    found = _known.get(key)
    if found is None:
        found = _known[key] = Values(dict(named))
    return found


def setting(named: Mapping[str, str]) -> str:
    """Return the SQL that makes these settings for the session."""
    calls = (
        f"pg_catalog.set_config({wire.literal(name)}, {wire.literal(value)}, false)"
        for name, value in named.items()
    )
    return f"SELECT {', '.join(calls)}"


def size(named: Mapping[str, str]) -> int:
    """Return how many bytes names and values have."""
    return sum(len(name) + len(value.encode()) for name, value in named.items())


def reading(names: list[str]) -> str:
    """Return the SQL that reads these settings: name, value, and the server's own value.

    Values end behind the byte that is too much.
    """
    listed = ", ".join(f"({wire.literal(name)})" for name in names)
    value, default, plain = (
        f"pg_catalog.left({column}, {MOST_BYTES + 1})"
        for column in ("pg_catalog.current_setting(n.name, true)", "s.reset_val", "s.setting")
    )
    return (
        f"SELECT n.name, {value}, {default}, {plain}"
        f" FROM (VALUES {listed}) AS n (name)"
        " LEFT JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = n.name"
    )
