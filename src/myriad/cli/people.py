"""`myriad person`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from myriad import Myriad
from myriad.cli.columns import print_columns
from myriad.cli.common import Session, common
from myriad.cli.following import changing
from myriad.cli.limits import given, limit_options, say_where, show_limits, told
from myriad.cli.person_show import show_command
from myriad.cli.rosters import (
    listed,
    login_of,
    logins,
    read_list,
    show_passwords,
    sync_command,
    targets,
)
from myriad.errors import UsageError
from myriad.people import NewPerson, expiry
from myriad.people.names import shown
from myriad.wording import number_of


@click.group("person")
def person_command() -> None:
    """Accounts: who may log in."""


person_command.add_command(show_command)
person_command.add_command(sync_command)


@person_command.command("add")
@click.argument("names", nargs=-1)
@click.option("--group", "groups", multiple=True, metavar="G", help="Put them into this group.")
@click.option("--owner", is_flag=True, help="They may create databases and keyspaces of their own.")
@click.option("--until", metavar="DATE", help="The accounts' last day; a date, or `DATE TIME`.")
@click.option(
    "--from",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Add those in FILE (`-`: standard input): a name on each line, or CSV with a header"
    " name,groups,owner,until (groups separated by semicolons).",
)
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read their passwords from standard input, a line for each name, in that order.",
)
@common
def person_add(
    session: Session,
    *,
    names: tuple[str, ...],
    file: Path | None,
    password_stdin: bool,
    groups: tuple[str, ...],
    **given: Any,  # noqa: ANN401 - `owner` and `until`
) -> None:
    """Add people, all or none. Groups that are missing are made.

    Prints the passwords generated for them, once: only verifiers are stored.
    """
    installation = session.open()
    installation.server()  # before anything is read
    owner, until = given["owner"], expiry.read(given["until"] or "")
    people = _given(names, groups, owner=owner, password_stdin=password_stdin)
    if file:
        if password_stdin:
            raise UsageError(
                "--from and --password-stdin cannot be used together",
                hint="Leave --password-stdin out: passwords are made for those in a file.",
            )
        people += listed(session, read_list(file), groups, owner=owner)
    if not people:
        raise UsageError("nobody to add", hint="Give names, or a file with --from.")
    before = {group.name for group in installation.people.list_groups()}
    if until:
        people = [replace(person, until=person.until or until) for person in people]
    with changing(session, installation) as accounts:
        added = accounts.add(people)
    wanted = dict.fromkeys(group for person in people for group in person.groups)
    for group in wanted:
        if group not in before:
            session.say(f"made group {group!r}")
    _show_added(session, installation, added, typed=password_stdin)


def _given(
    names: Sequence[str], groups: tuple[str, ...], *, owner: bool, password_stdin: bool
) -> list[NewPerson]:
    if not password_stdin:
        return [NewPerson(name, groups, owner) for name in names]
    lines = _passwords(len(names))
    return [
        NewPerson(name, groups, owner, password)
        for name, password in zip(names, lines, strict=True)
    ]


def _passwords(wanted: int) -> list[str]:
    lines = [
        line.removesuffix("\r") for line in read_list(Path("-")).removesuffix("\n").split("\n")
    ]
    if len(lines) != wanted:
        raise UsageError(
            f"needed: {number_of(wanted, 'password')}; standard input has"
            f" {number_of(len(lines), 'line')}",
            hint="Write one password on each line, in the order of the names.",
        )
    return lines


def _show_added(
    session: Session, installation: Myriad, added: Sequence[tuple[str, str]], *, typed: bool
) -> None:
    if typed:
        names = [{"name": to.user, "uri": to.uri()} for to in targets(installation, added)]
        session.done(names, "\n".join(f"added {name}" for name, _ in added))
    elif session.as_json:
        session.result(logins(installation, added), "")
    else:
        show_passwords(session, added)


@person_command.command("list")
@common
def person_list(session: Session) -> None:
    """Show everybody, their groups, and who may create databases."""
    installed = session.open().people
    people = installed.list_people()
    if session.as_json:
        session.result([asdict(person) for person in people], "")
        return
    rows = [
        (
            person.name,
            ", ".join(person.groups),
            "yes" if person.owner else "",
            f"{person.created:%Y-%m-%d %H:%M}",
            login_of(person),
        )
        for person in people
    ]
    print_columns(("name", "groups", "owner", "added", "login"), rows)
    locked_out = [person.name for person in people if not person.cassandra]
    if installed.reach_cassandra and locked_out:
        session.say(
            f"Cannot log in to Cassandra: {shown(locked_out)}. `myriad person password NAME` gives"
            " a password that both engines know."
        )


@person_command.command("remove")
@click.argument("names", nargs=-1, required=True)
@common
def person_remove(session: Session, *, names: tuple[str, ...]) -> None:
    """Remove people and end their sessions; all or none."""
    with changing(session) as people:
        people.remove(names)
    session.done({"removed": list(names)}, "\n".join(f"removed {name}" for name in names))


@person_command.command("disable")
@click.argument("names", nargs=-1, required=True)
@common
def person_disable(session: Session, *, names: tuple[str, ...]) -> None:
    """Let people log in no more, and end their sessions. All that they have is kept."""
    with changing(session) as people:
        people.disable(names)
    session.done({"disabled": list(names)}, "\n".join(f"disabled {name}" for name in names))


@person_command.command("enable")
@click.argument("names", nargs=-1, required=True)
@common
def person_enable(session: Session, *, names: tuple[str, ...]) -> None:
    """Let people log in again who were disabled."""
    with changing(session) as people:
        people.enable(names)
        over = [each.name for each in people.list_people() if each.expired and each.name in names]
    session.done({"enabled": list(names)}, "\n".join(f"enabled {name}" for name in names))
    if over:
        session.warn(
            f"their time is over: {shown(over)}. `myriad person until NAME none` ends that"
        )


@person_command.command("until")
@click.argument("names", nargs=-1, required=True)
@click.argument("date")
@common
def person_until(session: Session, *, names: tuple[str, ...], date: str) -> None:
    """Let accounts end after DATE, with their sessions: 2030-01-31, '2030-01-31 17:30', or none."""
    until = expiry.read(date)
    with changing(session) as people:
        people.set_until(names, until)
    session.done(
        {"names": list(names), "until": until.isoformat() if until else None},
        "\n".join(f"{name}: {_end(until)}" for name in names),
    )


def _end(until: datetime | None) -> str:
    over = until is not None and until <= datetime.now(until.tzinfo)
    return f"until {expiry.shown(until)}{', which is over: nobody logs in with it' if over else ''}"


@person_command.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read it from standard input.")
@common
def person_password(session: Session, *, name: str, password_stdin: bool) -> None:
    """Give somebody a new password: a generated one, printed once, or one you type."""
    typed = _passwords(1)[0] if password_stdin else None
    with changing(session) as people:
        password = people.set_password(name, typed)
    if password_stdin:
        session.done({"name": name}, f"changed the password of {name}")
        return
    session.result({"name": name, "password": password}, password)


@person_command.command("limit")
@click.argument("names", nargs=-1, required=True)
@limit_options
@common
def person_limit(
    session: Session, *, names: tuple[str, ...], reset: bool, **limits: float | None
) -> None:
    """Limit what people may use, at once; without options, show what holds and why.

    A limit of their own counts before those of their groups and before the settings.
    """
    people = session.open().people
    wanted = given(limits)
    if not wanted and not reset:
        show_limits(session, {name: people.limits(name) for name in names})
        say_where(session, people)
        return
    people.set_limits(names, wanted, reset=reset)
    session.done(
        {"names": list(names), "limits": wanted, "reset": reset},
        "\n".join(f"{name}: {told(wanted, reset=reset)}" for name in names),
    )
