"""The options that set limits, and how limits are shown; of `myriad person` and `group`."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from myriad.cli.columns import print_columns
from myriad.cli.common import Session
from myriad.limits import COUNTS, NAMES
from myriad.people import LimitInForce, People
from myriad.people.limits import problem_of
from myriad.settings import TABLE

NONE = "none"  # and so is 0
_HELP = {entry.name: str(entry.metadata["help"]) for entry in TABLE}


def _reader(limit: str) -> Callable[[str], float]:
    """Return what reads a limit as it is typed: a number, or `none`."""

    def number(text: str) -> float:
        if text == NONE:
            return 0.0
        try:
            value = float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is neither a number nor {NONE!r}") from None
        problem = problem_of(limit, value)
        if problem:
            raise click.BadParameter(f"{text}: {problem}; 0 or {NONE!r} is no limit")
        return int(value) if limit in COUNTS else value

    return number


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each limit, and --reset."""
    reset = click.option("--reset", is_flag=True, help="First take back all that were set before.")
    command = reset(command)
    for name in reversed(NAMES):
        about = _HELP[f"limit_{name}"].removesuffix("; 0: any")
        command = click.option(
            f"--{_shown(name)}",
            name,
            type=_reader(name),
            metavar="N" if name in COUNTS else "X",
            help=f"{about[0].upper()}{about[1:]}.",
        )(command)
    return command


def given(limits: Mapping[str, float | None]) -> dict[str, float]:
    """Return the limits that were given as options."""
    values = {name: limits.get(name) for name in NAMES}  # not in the order they were typed
    return {name: value for name, value in values.items() if value is not None}


def told(limits: Mapping[str, float], *, reset: bool, pool: str | None = None) -> str:
    """Say what was changed."""
    parts = ["back to the defaults"] if reset else []
    parts += [f"{_shown(name)} {_number(value)}" for name, value in limits.items()]
    parts += [f"pool {pool}"] if pool else []
    return ", ".join(parts)


def show_limits(
    session: Session, found: Mapping[str, tuple[LimitInForce, ...]], pool: str | None = None
) -> None:
    """Print the limits that hold for each name, and where they come from."""
    if session.as_json:
        session.result([data_of(name, limits, pool) for name, limits in found.items()], "")
        return
    for name, limits in found.items():
        rows = [(_shown(limit.name), _number(limit.value), limit.origin) for limit in limits]
        rows += [("pool", pool, "own")] if pool else []
        titles = (name, "limit", "from")
        print_columns(titles, rows)


def say_where(session: Session, people: People) -> None:
    """Say that there are engines which know no limits of single people."""
    if people.reach_cassandra:
        session.say("These hold over SQL. Cassandra has limits only for all its people together.")


def data_of(name: str, limits: tuple[LimitInForce, ...], pool: str | None) -> dict[str, Any]:
    """Return the limits that hold for a name, and where they come from, as plain data."""
    held = {each.name: {"value": each.value, "from": each.origin} for each in limits}
    return {"name": name, "limits": held} | ({"pool": pool} if pool else {})


def _shown(name: str) -> str:
    return name.replace("_", "-")


def _number(value: float) -> str:
    return f"{value:,.10g}" if value else NONE
