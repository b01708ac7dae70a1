"""What whoever runs Myriad does to people stands in the audit: every command, no password."""

from contextlib import closing

import click
import psycopg
import pytest

from myriad import Myriad
from myriad.cli import COMMANDS, main
from myriad.machine.process import account
from tests.harness import as_admin, run

PASSWORD = "correct horse battery"
MODULES = ("people", "groups", "activity")  # of `myriad.cli`, with what is about people
LOOKS = {
    "person list",
    "person show",
    "group list",
    "people activity",
    "people audit",
    "people statements",
}
# How each command that changes something is typed; {t} makes its names new.
CHANGES = {
    "person add": ["person", "add", "new{t}", "--group", "g{t}", "--password-stdin"],
    "person password": ["person", "password", "p{t}", "--password-stdin"],
    "person limit": ["person", "limit", "p{t}", "--rows", "100"],
    "person disable": ["person", "disable", "p{t}"],
    "person enable": ["person", "enable", "p{t}"],
    "person until": ["person", "until", "p{t}", "2031-01-31"],
    "person sync": ["person", "sync", "--from", "-"],
    "person remove": ["person", "remove", "p{t}"],
    "group add": ["group", "add", "new{t}"],
    "group join": ["group", "join", "g{t}", "p{t}"],
    "group leave": ["group", "leave", "g{t}", "p{t}"],
    "group limit": ["group", "limit", "g{t}", "--pool", "session"],
    "group remove": ["group", "remove", "g{t}"],
    "grant": ["grant", "g{t}", "public", "--write"],
    "revoke": ["revoke", "g{t}", "public"],
    "people stop": ["people", "stop", "p{t}", "--disconnect"],
}


def commands() -> set[str]:
    """Return every command of those modules, `group command` where it is in a group."""
    found: set[str] = set()
    for name in (name for name, module in COMMANDS.items() if module in MODULES):
        command = main.get_command(click.Context(main), name)
        inner = command.commands if isinstance(command, click.Group) else [""]
        found |= {f"{name} {each}".strip() for each in inner}
    return found


def rows(installation: Myriad) -> list[tuple[object, ...]]:
    with closing(as_admin(installation.server())) as connection:
        question = "SELECT account, statement, names FROM administration ORDER BY at"
        return connection.execute(question).fetchall()


def test_every_command_about_people_is_known_here() -> None:
    assert commands() - LOOKS == CHANGES.keys()


@pytest.mark.nightly(
    by_day=[
        "person add",
        "person password",
        "person sync",
        "person remove",
        "group join",
        "grant",
        "people stop",
    ]
)
@pytest.mark.parametrize("name", CHANGES)
def test_a_command_that_changes_people_stands_in_the_audit(
    installation: Myriad, tag: str, name: str
) -> None:
    people = installation.people
    people.add_people([f"p{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "public")
    before = len(rows(installation))
    command = [word.format(t=tag) for word in CHANGES[name]]
    given = f"new{tag}\n" if name == "person sync" else f"{PASSWORD}\n"
    done = run(installation.home, *command, given=given)
    assert done.returncode == 0, done.stderr
    [(who, statement, names)] = rows(installation)[before:]
    assert who == account()
    assert str(statement).startswith(name)
    about = {word for word in command if word.endswith(tag)}
    assert about - {f"g{tag}"} <= set(names)  # type: ignore[call-overload]
    assert PASSWORD not in str(rows(installation))
    shown = run(installation.home, "people", "audit", min(names)).stdout  # type: ignore[call-overload]
    assert "command" in shown.splitlines()[1]
    assert str(statement) in shown.splitlines()[1]


def test_a_change_that_is_refused_is_not_written_down(installation: Myriad, tag: str) -> None:
    before = rows(installation)
    for command in (
        ["person", "remove", f"nobody{tag}"],
        ["person", "remove", "a\0b", "\udcff"],
        ["group", "join", f"nothing{tag}", "p"],
        ["grant", f"nothing{tag}", "public"],
        ["person", "limit", f"nobody{tag}", "--rows", "1"],
    ):
        done = run(installation.home, *command)
        assert done.returncode == 1
        assert "there is no" in done.stderr
    assert rows(installation) == before


def test_names_that_look_like_options_or_quotes_are_shown_as_they_would_be_typed(
    installation: Myriad, tag: str
) -> None:
    names = [f"O'Brien {tag}", f"$(reboot) {tag}"]
    installation.people.add_people(names)
    installation.people.remove(names)
    [_, statement, _] = rows(installation)[-1]
    assert statement == f"""person remove 'O'"'"'Brien {tag}' '$(reboot) {tag}'"""


def test_of_many_names_the_first_are_shown_and_all_are_kept(installation: Myriad, tag: str) -> None:
    names = [f"{number:02d} {tag}" for number in range(30)]
    installation.people.add_people(names)
    [_, statement, kept] = rows(installation)[-1]
    assert str(statement).endswith("and 20 more names")
    assert kept == names
    [found] = installation.people.audit(names[-1])
    assert found.way == "command"
    installation.people.remove(names)


def test_people_cannot_read_or_change_it(installation: Myriad, tag: str) -> None:
    [(name, password)] = installation.people.add_people([f"o{tag}"], owner=True)
    server = installation.server()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host=server.host, port=server.port, user=name, password=password, dbname="myriad"
        )
