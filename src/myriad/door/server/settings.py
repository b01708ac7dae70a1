"""The settings that a session has beyond the server's own, shared by all sessions with the same."""

import re
import weakref
from collections.abc import Iterable, Mapping

from myriad.door.verdict.reported import ENCODING, MOST_BYTES
from myriad.door.verdict.setting_changes import HARMLESS
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

# What the door's own queries run with instead of what somebody has set: no limits of time, and text
# that is read as it is written.
OURS = {
    "transaction_timeout": "0",  # since PostgreSQL 17
    "statement_timeout": "0",
    "lock_timeout": "0",
    ENCODING: "'UTF8'",
}
SINCE_17 = 17
# Somebody's own default may let a transaction wait for others before it begins.
_MODES = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE; "


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PLAIN = re.compile("[a-z_][a-z0-9_]*")
_TIME = re.compile(rf"\s*(\d+(?:\.\d*)?)\s*({'|'.join(_UNITS)})?\s*")


SETTING_BYTES = 150  # of the small objects around a name and its value


def size(named: Mapping[str, str]) -> int:
    """Return how many bytes names and values have."""
    return sum(len(name) + len(value.encode()) for name, value in named.items())


class Values:
    """Names and values of settings. Equal ones are one object: see `of`.

    Attributes:
        custom: the name of one that nobody declared, if any: no RESET makes it unknown again.
        bytes: how much memory they take, about, those that may change a parse twice.
        idle_seconds: what idle_session_timeout is, which the server cannot enforce here: it sees
            only whether its own connections are idle. 0: there is none.
    """

    __slots__ = ("__weakref__", "_parsing", "bytes", "custom", "idle_seconds", "named")

    def __init__(self, named: Mapping[str, str]) -> None:
        self.named = named
        self.custom = next((name for name in named if "." in name), "")
        self.idle_seconds = _seconds(named.get("idle_session_timeout", ""))
        self.bytes = 2 * (size(named) + SETTING_BYTES * len(named))
        self._parsing: Values | None = None

    @property
    def parsing(self) -> "Values":
        """Those of them that may change how a text is parsed or planned."""
        if self._parsing is None:
            if HARMLESS.isdisjoint(self.named):
                return self
            self._parsing = of({n: v for n, v in self.named.items() if n not in HARMLESS})
        return self._parsing


def is_too_much(named: Mapping[str, str]) -> bool:
    """Say whether these are more than a session may have."""
    return size(named) > MOST_BYTES


def kept() -> int:
    """Return how many bytes the settings of all sessions take: equal ones are there once."""
    return sum(each.bytes for each in list(_known.values()))


def _seconds(value: str) -> float:
    """Return the seconds of a time as PostgreSQL's settings have it: in ms, or with its unit."""
    found = _TIME.fullmatch(value)
    return float(found[1]) * _UNITS[found[2] or "ms"] if found else 0.0


# Those that it has and began with, as `Values.bytes` counts: a name has two letters at least.
MOST_OF_SESSION_BYTES = 2 * 2 * (MOST_BYTES + SETTING_BYTES * 400)
TOO_LONG = Fault(
    "54000",
    f"terminating connection: its settings have more than {MOST_BYTES >> 10} kB",
    "The door keeps them for you while you have no server connection: make them shorter.",
)
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
    """Return the SQL that makes these settings for the session, and returns none of them."""
    calls = (
        f"pg_catalog.set_config({wire.literal(name)}, {wire.literal(named[name])}, false) IS NULL"
        for name in sorted(named, key=OURS.__contains__)  # what could hit the rest as the last
    )
    return f"SELECT {', '.join(calls)}"


def listed(path: Iterable[str]) -> str:
    """Return names as a search_path has them, and as people write them."""
    return ", ".join(n if _PLAIN.fullmatch(n) else wire.identifier(n) for n in path)


def ours(version: str) -> dict[str, str]:
    """Return those of `OURS` that a server of that version has."""
    number = version.split(".", maxsplit=1)[0]
    older = number.isdigit() and int(number) < SINCE_17
    return {name: OURS[name] for name in OURS if not (older and name == "transaction_timeout")}


def undisturbed(version: str) -> str:
    """Return SQL that lets the rest of its message run under none of somebody's settings.

    A message is one transaction, and a limit of time counts anew for each of its statements.
    """
    return f"{_MODES}{for_transaction(version)}"


def for_transaction(version: str, *, without: str = "") -> str:
    """Return SQL that lets the rest of a transaction run so; `without` one of the settings."""
    changes = (name for name in ours(version) if name != without)
    return "".join(f"SET LOCAL {name} TO {OURS[name]}; " for name in changes)


def lifted(version: str) -> str:
    """Return SQL that does that for the session, before what cannot be one transaction with it."""
    changes = "; ".join(f"SET {name} TO {value}" for name, value in ours(version).items())
    return f"{changes}; SET default_transaction_deferrable TO off"


def showing(names: list[str]) -> str:
    """Return SQL that reads some of `OURS`: a row with the value, and one with the server's own.

    It takes so little that a limit of time hits it as seldom as it hits anything.
    """
    return "".join(
        f"SHOW {name}; SET LOCAL {name} TO DEFAULT; SHOW {name}; SET LOCAL {name} TO {OURS[name]}; "
        for name in names
    )


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
        " LEFT JOIN pg_catalog.pg_settings AS s"
        " ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) n.name"
    )
