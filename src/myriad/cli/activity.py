"""`myriad people`: what they do now, and what they did."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import click

from myriad.cli.columns import plain, print_columns
from myriad.cli.common import Session, common
from myriad.people import Activity, Ran, Statements
from myriad.wording import number_of

STATEMENT = 100  # characters of one, in a table
NAME = 63
FINE = "00000"  # the SQLSTATE of what went well


class _Time(click.DateTime):
    """A day, or a time of one, refused in words."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"])

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            found: datetime = super().convert(value, param, ctx)
        except click.BadParameter:
            words = f"{value!r} is no time: write 2030-01-31, or '2030-01-31 17:30'"
            self.fail(words, param, ctx)
        return found


SINCE = click.option(
    "--since",
    type=_Time(),
    metavar="TIME",
    help="Only from then on: `2030-01-31`, or with a time, `'2030-01-31 17:30'`.",
)


@click.group("people")
def people_command() -> None:
    """What people do now, and what they did."""


@people_command.command("activity")
@click.argument("names", nargs=-1)
@common
def people_activity(session: Session, *, names: tuple[str, ...]) -> None:
    """Show who is connected and does what now: everybody, or NAMES."""
    found = session.open().people.activity(names)
    if session.as_json:
        session.result([asdict(one) for one in found], "")
        return
    if not found:
        session.say("Nobody is connected.")
        return
    titles = ("person", "database", "state", "seconds", "from", "way", "statement")
    print_columns(titles, [_doing(one) for one in found])


def _doing(one: Activity) -> Sequence[str]:
    names = plain(one.person, NAME), plain(one.database, NAME)
    statement = plain(one.statement, STATEMENT)
    return (*names, one.state, f"{one.seconds:.1f}", one.address, one.way, statement)


@people_command.command("stop")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--disconnect",
    is_flag=True,
    help="End their sessions: a transaction in which they do nothing holds tables, too.",
)
@common
def people_stop(session: Session, *, names: tuple[str, ...], disconnect: bool) -> None:
    """Cancel what people run now. They stay connected, unless --disconnect ends their sessions.

    Either way they may go on at once: `myriad person limit` sets limits, `person remove` removes.
    """
    people = session.open().people
    if disconnect:
        ended = people.disconnect(names)
        session.done({"ended": ended}, f"ended {number_of(ended, 'session')}")
        return
    stopped = people.stop(names)
    session.done({"stopped": stopped}, f"stopped {number_of(stopped, 'statement')}")


@people_command.command("audit")
@click.argument("name", required=False)
@click.option(
    "--last", type=click.IntRange(1), default=50, show_default=True, help="At most that many."
)
@SINCE
@common
def people_audit(session: Session, *, name: str | None, last: int, since: datetime | None) -> None:
    """Show the last statements, the newest first: everybody's, or those of NAME.

    And what commands of Myriad's changed of people, groups, grants and limits, or of NAME.
    """
    begin = since.astimezone() if since else None  # as the clock here says
    found = session.open().people.audit(name, last=last, since=begin)
    if session.as_json:
        session.result([asdict(one) for one in found], "")
        return
    if not found:
        session.say("Nothing is written down.")
        return
    titles = ("at", "person", "database", "way", "seconds", "rows", "bytes", "outcome", "statement")
    print_columns(titles, [_ran(one) for one in found])


def _ran(one: Ran) -> Sequence[str]:
    return (
        f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}",
        plain(one.person, NAME),
        plain(one.database, NAME),
        one.way,
        f"{one.seconds:.3f}",
        f"{one.rows:,}",
        f"{one.bytes:,}",
        "ok" if one.outcome == FINE else one.outcome,
        plain(one.statement, STATEMENT),
    )


@people_command.command("statements")
@click.option(
    "--last", type=click.IntRange(1), default=20, show_default=True, help="At most that many."
)
@SINCE
@common
def people_statements(session: Session, *, last: int, since: datetime | None) -> None:
    """Show which statements took most of the time, of all people, without the values in them."""
    found = session.open().people.statements(last=last, since=since)
    if session.as_json:
        session.result([asdict(one) for one in found], "")
        return
    if not found:
        session.say("Nothing is counted yet.")
        return
    titles = ("seconds", "calls", "errors", "rows", "p50", "p99", "people", "statement")
    print_columns(titles, [_cost(one) for one in found])


def _cost(one: Statements) -> Sequence[str]:
    return (
        f"{one.seconds:,.1f}",
        f"{one.calls:,}",
        f"{one.errors:,}",
        f"{one.rows:,}",
        f"{one.p50:.4f}",
        f"{one.p99:.4f}",
        f"{one.people:,}",
        plain(one.statement, STATEMENT),
    )
