"""Commands, options and settings that a sentence of the program or a page names are there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import myriad
from docs import generate
from myriad import settings
from myriad.cli import main
from myriad.door.control import control

SOURCE = Path(myriad.__file__).parent
PAGES = (generate.FOLDER.parent / "README.md", *sorted(generate.FOLDER.glob("*.md")))
# As it is typed: `myriad group add`, `myriad publish FILE --table NAME`; "import myriad" is Python.
COMMAND = re.compile(
    r"(?<!import )(?<!from )(?<!schema )(?<!database )(?<![\w./\"'-])"
    r"myriad ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?([^`.;:\n]*)"
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# Of pip, systemctl, docker, cqlsh, mongodump and others, and how a comment of a page begins.
OF_OTHERS = {
    *("--upgrade", "--now", "--shm-size", "--ssl", "--username", "--archive", "--console"),
    *("--reuid", "--regid", "--bucket", "--no-", "--locale", "--name"),
}
BESIDE_SETTINGS = {"MYRIAD_HOME", "MYRIAD_POSTGRES_AT"}
VARIABLE = re.compile(r"\bMYRIAD_[A-Z_]+\b")


def command(name: str) -> click.Command | None:
    try:
        return main.get_command(click.Context(main), name)
    except click.UsageError:
        return None


def options(each: click.Command) -> set[str]:
    named = {option for one in each.params for option in (*one.opts, *one.secondary_opts)}
    for below in each.commands.values() if isinstance(each, click.Group) else ():
        named |= options(below)
    return named


@cache
def every_option() -> frozenset[str]:
    every = (command(name) for name in main.list_commands(click.Context(main)))
    return frozenset({"--help", "--version"}.union(*(options(each) for each in every if each)))


def wrong(text: str) -> Iterator[str]:
    """Yield what a text tells to type and nothing would understand."""
    for name, below, rest in COMMAND.findall(text):
        found = command(name)
        if found is None or (
            isinstance(found, click.Group) and below and below not in found.commands
        ):
            yield f"myriad {name} {below}"
        elif others := set(OPTION.findall(rest)) - options(found) - {"--help"}:
            yield f"myriad {name} … {' '.join(sorted(others))}"


def texts() -> Iterator[tuple[str, str]]:
    """Yield where each text of the source stands, and the text; X is what is put in."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            said = None
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said = node.value
            elif isinstance(node, ast.JoinedStr):
                said = "".join(str(getattr(each, "value", "X")) for each in node.values)
            if isinstance(node, ast.expr) and said and " " in said and said != control.APPLICATION:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", said


def strange(text: str) -> list[str]:
    """Return what a text names and nothing here has."""
    unknown = set(OPTION.findall(text)) - every_option() - OF_OTHERS
    known = {f"MYRIAD_{each.name.upper()}" for each in settings.TABLE} | BESIDE_SETTINGS
    return [*wrong(text), *sorted(unknown), *sorted(set(VARIABLE.findall(text)) - known)]


def test_what_a_sentence_of_the_program_names_is_there() -> None:
    found = list(texts())
    assert sum(bool(COMMAND.search(text)) for _, text in found) > 100
    assert [(where, each) for where, text in found for each in strange(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert strange(page.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("myriad set load_memory_mb 2000", ["myriad set load"]),
        ("`myriad group kill g`", ["myriad group kill"]),
        ("`myriad list --sheet A`", ["myriad list … --sheet"]),
        ("say --sheeet", ["--sheeet"]),
        ("MYRIAD_MEMORY=1", ["MYRIAD_MEMORY"]),
        ("`myriad publish t.csv --table t` or MYRIAD_PORT=1", []),
    ],
)
def test_what_is_not_there_is_found(text: str, named: list[str]) -> None:
    assert strange(text) == named
