"""Limits of people and groups: set, taken back, and which hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from myriad.errors import PeopleError
from myriad.limits import COUNTS, NAMES, merged
from myriad.people.register import Register
from myriad.people.tables import SQL, require
from myriad.settings import Settings

MOST = 10**9  # as settings have it
POOLS = ("transaction", "session")
OWN, DEFAULT = "own", "default"


@dataclass(frozen=True)
class LimitInForce:
    """A limit that holds for a person or a group.

    Attributes:
        value: 0 is no limit.
        origin: `own`, `group NAME`, or `default`: the setting `limit_<name>`.
    """

    name: str
    value: float
    origin: str


def check(limits: Mapping[str, float | None]) -> None:
    """Raise PeopleError for a limit that is none, or a value that makes no sense."""
    for name, value in limits.items():
        if name not in NAMES:
            raise PeopleError(
                f"there is no limit called {name!r}", hint=f"There are: {', '.join(NAMES)}."
            )
        problem = None if value is None else problem_of(name, value)
        if problem:
            raise PeopleError(f"{name} = {value!r} is no limit: {problem}", hint="0 is no limit.")


def problem_of(name: str, value: float) -> str | None:
    """Say why a limit cannot have that value, None if it can."""
    if isinstance(value, bool) or not math.isfinite(value):
        return "it must be a number"
    if value < 0:
        return "it must not be negative"
    if value > MOST:
        return f"it must not be more than {MOST:,}"
    if name in COUNTS and value != int(value):
        return "it must be a whole number"
    return None


def change(
    connection: psycopg.Connection,
    roles: Sequence[str],
    limits: Mapping[str, float | None],
    *,
    reset: bool,
) -> None:
    """Set limits of roles; take back those that are None, and with `reset` all before."""
    given = {name: value for name, value in limits.items() if value is not None}
    if reset:
        forget(connection, roles)
    back = [name for name in limits if name not in given]
    connection.execute(SQL["drop_limits"], {"roles": list(roles), "names": back})
    values = {
        "roles": list(roles),
        "names": list(given),
        "values": [float(value) for value in given.values()],
    }
    connection.execute(SQL["set_limits"], values)


def forget(connection: psycopg.Connection, roles: Sequence[str]) -> None:
    """Take back every limit of roles, for good: the names may be used again."""
    connection.execute(SQL["forget_limits"], {"roles": list(roles)})


def _of_person(
    connection: psycopg.Connection, name: str, settings: Settings
) -> tuple[LimitInForce, ...]:
    """Return every limit of a person, with what it comes from."""
    groups = [group for (group,) in connection.execute(SQL["groups_of"], {"name": name})]
    set_by = _set_by(connection, [name, *groups])
    own = set_by[name]
    overrides = merged(own, [set_by[group] for group in groups])
    origins = {
        limit: f"group {group}"
        for group in reversed(groups)
        for limit, value in set_by[group].items()
        if value == overrides[limit]
    } | dict.fromkeys(own, OWN)
    return _in_force(overrides, origins, settings)


def _of_group(
    connection: psycopg.Connection, group: str, settings: Settings
) -> tuple[LimitInForce, ...]:
    """Return every limit that a group gives to people who have none of their own."""
    own = _set_by(connection, [group])[group]
    return _in_force(own, dict.fromkeys(own, OWN), settings)


def set_people(
    register: Register, names: Sequence[str], limits: Mapping[str, float | None], *, reset: bool
) -> None:
    """Set limits of people; see `change`. Raises PeopleError."""
    check(limits)
    with register.change_here("person limit", names, _options(limits, reset=reset)) as connection:
        require(connection, "person", names)
        change(connection, names, limits, reset=reset)


def person(register: Register, name: str) -> tuple[LimitInForce, ...]:
    """Return every limit of a person; raises PeopleError if there is no such one."""
    with register.read() as connection:
        require(connection, "person", [name])
        return _of_person(connection, name, register.settings)


def set_group(
    register: Register,
    group: str,
    limits: Mapping[str, float | None],
    *,
    reset: bool,
    pool: str | None,
) -> None:
    """Set limits of a group, and how its sessions are pooled. Raises PeopleError."""
    check(limits)
    if pool not in (None, *POOLS):
        raise PeopleError(f"no way to pool: {pool!r}", hint="transaction or session.")
    options = _options(limits, reset=reset) + (["--pool", pool] if pool else [])
    with register.change_here("group limit", [group], options) as connection:
        require(connection, "group", [group])
        change(connection, [group], limits, reset=reset)
        if pool:
            connection.execute("UPDATE public.grp SET pool = %s WHERE name = %s", [pool, group])


def _options(limits: Mapping[str, float | None], *, reset: bool) -> list[str]:
    """Return how a command says these; None, which no option says, as `default`."""
    words = ["--reset"] if reset else []
    for name, value in limits.items():
        words += [f"--{name.replace('_', '-')}", "default" if value is None else f"{value:g}"]
    return words


def group(register: Register, name: str) -> tuple[LimitInForce, ...]:
    """Return every limit of a group; raises PeopleError if there is no such one."""
    with register.read() as connection:
        require(connection, "group", [name])
        return _of_group(connection, name, register.settings)


def _set_by(connection: psycopg.Connection, roles: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {role: {} for role in roles}
    for role, name, value in connection.execute(SQL["limits"], {"roles": list(roles)}):
        if name in NAMES:  # not one of a newer version
            found[role][name] = value
    return found


def _in_force(
    overrides: Mapping[str, float], origins: Mapping[str, str], settings: Settings
) -> tuple[LimitInForce, ...]:
    values = {name: overrides.get(name, getattr(settings, f"limit_{name}")) for name in NAMES}
    return tuple(
        LimitInForce(name, int(value) if name in COUNTS else value, origins.get(name, DEFAULT))
        for name, value in values.items()
    )
