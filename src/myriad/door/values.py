"""The settings that a session has beyond the server's own, shared by all sessions with the same."""

import weakref
from collections.abc import Mapping

from myriad.door import wire


class Values:
    """Names and values of settings. Equal ones are one object: see `of`."""

    __slots__ = ("__weakref__", "named")

    def __init__(self, named: Mapping[str, str]) -> None:
        self.named = named


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


def reading(names: list[str]) -> str:
    """Return the SQL that reads these settings: name, value, and the server's own value."""
    listed = ", ".join(f"({wire.literal(name)})" for name in names)
    return (
        "SELECT n.name, pg_catalog.current_setting(n.name, true), s.reset_val, s.setting"
        f" FROM (VALUES {listed}) AS n (name)"
        " LEFT JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = n.name"
    )
