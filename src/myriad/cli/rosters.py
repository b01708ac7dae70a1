"""Lists of people: read, and `myriad person sync`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from myriad import Myriad
from myriad.cli.columns import print_columns
from myriad.cli.common import Session, common
from myriad.cli.following import changing
from myriad.connect import Target
from myriad.errors import UsageError
from myriad.people import NewPerson, Person, Roster, Synced, expiry
from myriad.people.imports import COLUMNS, MOST_BYTES, ignored, read_people, said
from myriad.people.roster import MOST_LOSSES


def listed(
    session: Session, text: str, groups: tuple[str, ...] = (), *, owner: bool = False
) -> list[NewPerson]:
    """Return who is in a list of people, and say what of it means nothing."""
    people = read_people(text, groups, owner=owner)
    if columns := ignored(text):
        session.warn(f"not read: {', '.join(columns)} (only {', '.join(COLUMNS)} are)")
    return people


def read_list(file: Path) -> str:
    """Return a file's text, `-` for standard input; raises UsageError for what is no list."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with file.open("rb") as source:
                data = source.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UsageError(
                f"{file} has more than {MOST_BYTES >> 20} MB: no list of people is that long",
                hint="Give the right file, or a part of it.",
            )
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error}", hint="Save it as UTF-8.") from error


def login_of(person: Person) -> str:
    """Say whether somebody can log in, and until when."""
    if person.disabled:
        return "disabled"
    if person.until is None:
        return ""
    return f"{'ended' if person.expired else 'until'} {expiry.shown(person.until)}"


def targets(installation: Myriad, added: Sequence[tuple[str, str]]) -> list[Target]:
    """Return where people who were added log in."""
    server, database = installation.server(), installation.settings.database
    return [Target(server.host, server.port, database, *each) for each in added]


def logins(installation: Myriad, added: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return how people who were added log in, for a mail merge."""
    return [
        {"name": to.user, "password": to.password, "uri": to.uri(with_password=True)}
        for to in targets(installation, added)
    ]


def show_passwords(session: Session, added: Sequence[tuple[str, str]]) -> None:
    """Print names and passwords."""
    print_columns(("name", "password"), added)
    session.say("The passwords are shown only now. `myriad connect NAME` prints how to log in.")


@click.command("sync")
@click.option(
    "--from",
    "file",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="The list of all of them (`-`: standard input), as `person add --from` reads it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--remove", is_flag=True, help="Remove who is in no list any more; else disable.")
@click.option(
    "--max-losses",
    type=click.FloatRange(0, 100),
    default=MOST_LOSSES,
    show_default=True,
    metavar="PERCENT",
    help="Change nothing where more of them would lose an account, a group, or being an owner.",
)
@common
def sync_command(
    session: Session, *, file: Path, dry_run: bool, remove: bool, max_losses: float
) -> None:
    """Make people what a list of all of them says: who joins, leaves, is in which group.

    Whom no list ever named stays as they are. Prints the passwords of who is new, once.
    """
    installation = session.open()
    installation.server()  # before anything is read
    text = read_list(file)
    wanted = Roster(listed(session, text), said(text))
    if dry_run:
        planned = installation.people.plan_sync(wanted, most=max_losses, remove=remove)
        _show(session, installation, planned, dry=True)
        return

    def tell(done: Synced) -> None:
        _show(session, installation, done, dry=False)
        sys.stdout.flush()  # who does not get the passwords has not heard them

    with changing(session, installation) as people:
        people.sync_people(wanted, tell, most=max_losses, remove=remove)


def _show(session: Session, installation: Myriad, done: Synced, *, dry: bool) -> None:
    if session.as_json:
        data: dict[str, Any] = {"dry_run": dry, **done.changes.data()}
        data |= {"removed": list(done.removed), "kept": dict(done.kept)}
        session.result(data | {"passwords": logins(installation, done.passwords)}, "")
        return
    session.done(None, "\n".join([*_lines(done, dry=dry), _sum(done, dry=dry)]))
    if done.passwords:
        show_passwords(session, done.passwords)


def _lines(done: Synced, *, dry: bool) -> list[str]:
    """Return a line for each change of somebody; who joins stands with their password."""
    changes = done.changes
    lines = [f"+ {person.name}: joins" for person in changes.join if dry]
    lines += [f"+ {name}: is back" for name in changes.back]
    away = {*done.removed, *done.kept}
    lines += [f"- {name}: disabled" for name in changes.leave if name not in away]
    lines += [f"- {name}: removed" for name in done.removed]
    lines += [
        f"- {name}: disabled and kept, owns {', '.join(what)}" for name, what in done.kept.items()
    ]
    lines += [f"~ {name}: joins {group}" for group, some in changes.into.items() for name in some]
    lines += [f"~ {name}: leaves {group}" for group, some in changes.out.items() for name in some]
    lines += [f"~ {name}: {'an' if on else 'no'} owner" for name, on in changes.owner.items()]
    lines += [f"~ {name}: until {expiry.shown(end)}" for name, end in changes.until.items()]
    lines += [f"= {name}: added by hand, from now on in the list" for name in changes.adopt]
    return lines + [f"= {name}: stays disabled, by hand" for name in changes.shut]


def _sum(done: Synced, *, dry: bool) -> str:
    changes = done.changes
    gone = len({*changes.leave, *done.removed})
    new = {person.name for person in changes.join}
    changed = {*changes.touched()} - new - {*changes.leave}
    verb = "would join" if dry else "joined"
    left = "would leave" if dry else "left"
    return (
        f"{len(new):,} {verb}, {gone:,} {left}, {len(changed):,} otherwise changed;"
        f" added by hand and left alone: {len(changes.by_hand):,}"
    )
