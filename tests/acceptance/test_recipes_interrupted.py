"""A change that is killed when the tables have changed, and its recipe is not yet in its place."""

import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.publish.recipes import Recipe
from tests.harness import COMMAND, as_admin, wait_until
from tests.publishing import Place

TABLE = "clubs"
FILE = "Nr;Name\n1;Rose\n2;-\n"


@pytest.fixture
def place(installation: Myriad, database: str, tmp_path: Path) -> Place:
    return Place(installation, database, tmp_path)


def is_there(place: Place, table: str) -> bool:
    return bool(place.one("SELECT to_regclass(%s) IS NOT NULL", [table]))


# The command, and what the tables are when it has changed them.
COMMANDS: dict[str, tuple[list[str], Callable[[Place], bool]]] = {
    "publish": (
        ["publish", "{folder}/clubs.csv", "--exclude", "Name"],
        lambda place: list(place.columns(TABLE)) == ["id"],
    ),
    "append": (
        ["publish", "{folder}/more.csv", "--table", TABLE, "--append", "--null", "none"],
        lambda place: place.one(f"SELECT count(*) FROM {TABLE}") == 3,
    ),
    "rename": (["rename", TABLE, "unions"], lambda place: is_there(place, "unions")),
    "purge": (
        ["unpublish", TABLE, "--yes", "--purge"],
        lambda place: not is_there(place, TABLE),
    ),
    "describe": (
        ["describe", TABLE, "Who is in which."],
        lambda place: "Who is" in str(place.one(f"SELECT obj_description('{TABLE}'::regclass)")),
    ),
}


other_commands = pytest.mark.nightly(
    daily="tests/acceptance/test_recipes_interrupted.py"
    "::test_a_recipe_is_not_lost_with_the_process_that_has_changed_the_table[publish]"
)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(name, marks=() if name in ("publish", "purge") else other_commands)
        for name in COMMANDS
    ],
)
def test_a_recipe_is_not_lost_with_the_process_that_has_changed_the_table(
    place: Place, what: str
) -> None:
    path = place.write(f"{TABLE}.csv", FILE)
    options: dict[str, Any] = {"keys": {"": ("id",)}, "renames": {"Nr": "id"}}
    place.publish(path, contract="free", **options)
    place.write("more.csv", "id;name\n3;none\n")
    before = recipe(place, TABLE)
    arguments, changed = COMMANDS[what]
    server = place.installation.server()
    with closing(as_admin(server)) as control:  # who wants to write a recipe waits
        control.execute("LOCK TABLE public.recipe IN SHARE ROW EXCLUSIVE MODE")
        command = started(place, *arguments)
        wait_until(lambda: changed(place) or command.poll() is not None)
        assert command.poll() is None, command.communicate()
        command.send_signal(signal.SIGKILL)
        command.communicate(timeout=20)
        control.rollback()
    after = recipe(place, TABLE)
    if what == "publish":
        assert (after.exclude, after.key, after.rename) == (("Name",), "id", {"Nr": "id"})
        assert "--exclude Name" in place.publish(path).tables[0].used
    elif what == "append":
        assert (after.null, after.key) == (("none",), "id")
    elif what == "rename":
        assert after == Recipe()
        assert recipe(place, "unions") == before
    elif what == "purge":
        assert (before != Recipe(), after) == (True, Recipe())
    else:
        assert after.description == "Who is in which."
    assert place.one("SELECT count(*) FROM myriad.recipe") == 0


def recipe(place: Place, table: str) -> Recipe:
    return place.installation.recipe(table, place.database)


def started(place: Place, *arguments: str) -> "subprocess.Popen[str]":
    filled = [argument.format(folder=place.folder) for argument in arguments]
    where = ["--database", place.database, "--home", str(place.installation.home.folder)]
    return subprocess.Popen(
        [*COMMAND, *filled, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_what_was_said_of_a_recipe_after_a_kill_is_newer(place: Place) -> None:
    path = place.write("t.csv", "id,v\n1,a\n")
    place.publish(path)
    place.ask("INSERT INTO myriad.recipe VALUES ('public', 't', '{\"key\": \"id\", \"skip\": 0}')")
    recipe = place.installation.recipe("t", place.database)
    assert recipe.key == "id"
    place.installation.set_recipe("t", Recipe(contract="frozen"), place.database)
    assert place.installation.recipe("t", place.database) == Recipe(contract="frozen")
