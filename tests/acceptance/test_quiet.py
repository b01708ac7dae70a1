"""What commands print: only what is so, and nothing that was not asked for."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import myriad
from myriad.home.home import Home
from tests.harness import reachable_folder, run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(made: Path) -> Iterator[Home]:
    """The home of all these tests; the first command starts its engine."""
    with reachable_folder() as path:
        subprocess.run(["cp", "-a", made, path / "home"], check=True)
        yield Home(path / "home")
        myriad.open(path / "home").down()


@pytest.fixture
def command(home: Home, folder: Path) -> Command:
    """Run a command with a table `sales` of one row; return exit code, output and errors."""

    def said(*arguments: str, given: str = "") -> tuple[int, str, str]:
        done = run(home, *arguments, given=given)
        return done.returncode, done.stdout, done.stderr

    path = folder / "sales.csv"
    path.write_text("id,v\n1,a\n")
    assert said("publish", str(path), "--key", "id")[0] == 0
    return said


def test_commands_print_only_what_is_so(command: Command, folder: Path) -> None:
    path = str(folder / "sales.csv")
    for option in ("--check", "--dry-run"):
        code, said, errors = command("publish", path, option)
        assert code == 0
        assert "sales: would be made anew" in said
        assert "replaced" not in said + errors
        assert "published" not in said + errors
    _, said, _ = command("publish", path)
    assert "sales: replaced, 1 row (" in said
    assert "\n1 row in 1 table, " in said
    for arguments in (
        ("publish", path),
        ("undo", "sales"),
        ("describe", "sales", "what we sold"),
        ("rename", "sales", "sold"),
        ("recipe", "sold", "--set", "contract=frozen"),
        ("unpublish", "sold", "--yes"),
        ("group", "add", "all"),
        ("grant", "all", "public"),
    ):
        assert command(*arguments, "--quiet") == (0, "", ""), arguments
    code, said, errors = command("publish", path, "nothing.csv", "--keep-going", "--quiet")
    assert (code, said) == (5, "")
    assert "not published: nothing.csv: " in errors
    assert command("show", "sales", "--quiet")[1].startswith("public.sales: 1 row, ")


def test_what_is_not_there_is_named_with_what_is_near(command: Command) -> None:
    for name in ("recipe", "show", "history", "undo", "diff"):
        code, said, errors = command(name, "sale")
        assert (code, said) == (1, ""), name
        assert "no table sale is published in main\nhint: Is sales meant?" in errors
    assert command("show", "people")[2].endswith("hint: `myriad list` shows what there is.\n")


def test_the_demo_says_which_command_has_the_options_that_it_lacks(
    command: Command, folder: Path
) -> None:
    path = folder / "page.csv"
    path.write_text("<!doctype html><html><title>Not found</title></html>")
    code, _, errors = command("demo", str(path), "--exit")
    assert code == 1
    assert f"The demo has no such option: `myriad publish {path} --…` has." in errors


def test_a_question_that_nobody_answers_says_how_to_answer_it(command: Command) -> None:
    code, _, errors = command("unpublish", "sales")
    assert code == 2
    assert "Take public.sales away?" in errors
    assert "hint: Say it with --yes." in errors
    assert command("unpublish", "sales", given="n\n")[0] == 1
    assert command("show", "sales")[0] == 0
