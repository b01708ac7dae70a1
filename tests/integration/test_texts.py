"""What people write is kept as text: no terminal is told anything by it, nor any reader misled."""

import json
from collections.abc import Callable

import pytest

from myriad.errors import PeopleError, UsageError
from tests.harness import run
from tests.publishing import Place

HOSTILE = ["a\x1b[31mb", "a\x07", "a\rb", "a\x9b31m", "a\x7f", "turned \u202e round"]
Taking = Callable[[Place, str], object]

# All texts of people's that are kept, and shown later.
TEXTS: dict[str, Taking] = {
    "a table's description": lambda place, text: place.installation.say("t", text, place.database),
    "a column's description": lambda place, text: place.installation.say(
        "t.v", text, place.database
    ),
    "a table's new name": lambda place, text: place.installation.rename("t", text, place.database),
    "a table's name": lambda place, text: place.publish(place.folder / "t.csv", table=text),
    "a dataset's name": lambda place, text: place.publish(place.folder / "t.csv", dataset=text),
    "a database's name": lambda place, text: place.publish(place.folder / "t.csv", database=text),
    "a column's name": lambda place, text: place.publish(
        place.folder / "t.csv", renames={"v": text}
    ),
    "a person's name": lambda place, text: place.installation.people.add_people([text]),
    "a group's name": lambda place, text: place.installation.people.add_groups([text]),
}


@pytest.fixture
def table(place: Place) -> Place:
    place.publish(place.write("t.csv", "id,v\n1,a\n"))
    return place


@pytest.mark.nightly(by_day=["a table's name", "a column's name", "a person's name"])
@pytest.mark.parametrize("what", TEXTS)
def test_a_text_that_a_terminal_would_obey_is_refused_wherever_it_comes_in(
    table: Place, what: str
) -> None:
    before = table.installation.recipe("t", table.database), table.relations()
    for text in HOSTILE:
        with pytest.raises((UsageError, PeopleError)) as caught:
            TEXTS[what](table, text)
        assert "control character" in caught.value.hint + caught.value.message, text
    assert (table.installation.recipe("t", table.database), table.relations()) == before


@pytest.mark.nightly(by_day=["a\\x1b[31mb", "turned \\u202e round"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_recipe_brings_no_such_description_in(table: Place, text: str) -> None:
    home, place = table.installation.home, ("--database", table.database)
    set_ = run(home, "recipe", "t", "--set", f"description={text}", *place)
    file = table.write("r.json", json.dumps({"descriptions": {"v": text}}))
    imported = run(home, "recipe", "t", "--import", file, *place)
    not_yet = run(home, "recipe", "later", "--import", file, *place)
    for done in (set_, imported, not_yet):
        assert done.returncode == 2
        assert "a description cannot have the control character" in done.stderr
        assert "hint: " in done.stderr
    for name in ("t", "later"):
        assert table.installation.recipe(name, table.database).said_of == {}


def test_lines_and_tabs_of_a_description_are_kept_and_look_like_nothing_of_ours(
    table: Place,
) -> None:
    text = "What we sold:\n\tall of it\nkey: none"
    table.installation.say("t", text, table.database)
    table.installation.say("t.v", text, table.database)
    home, place = table.installation.home, ("--database", table.database)
    shown = run(home, "show", "t", *place).stdout
    assert "\n  What we sold:\n  \tall of it\n  key: none\n" in shown
    assert "\n    What we sold:\n    \tall of it\n    key: none\n" in shown
    assert "\n  t: What we sold:\n    \tall of it\n    key: none\n" in (
        run(home, "recipe", "t", *place).stdout
    )
    comment = table.one("SELECT obj_description('t'::regclass)")
    assert comment.startswith(f"{text}\nPublished ")


def test_a_name_that_is_kept_as_it_is_loses_what_a_terminal_would_obey(place: Place) -> None:
    path = place.write("t.csv", 'id,"Total\x1b[31m"\n1,2\n')
    place.publish(path, keep_names=True)
    assert list(place.columns("t")) == ["id", "Total[31m"]


def test_the_name_of_a_file_is_spelled_in_one_way_everywhere(place: Place) -> None:
    name, spelled = "od\x1bd.csv", r"od\x1bd.csv"
    home, where = place.installation.home, ("--database", place.database)
    path = str(place.write(name, "id,v\n1,a\n"))
    said = [
        run(home, "publish", path, "--table", "odd", *where).stdout,
        run(home, "list").stdout,
        run(home, "show", "odd", *where).stdout,
        run(home, "history", "odd", *where).stdout,
        run(home, "recipe", "odd", *where).stdout,
    ]
    place.write(name, "id,v\n1\n")
    said.append(run(home, "publish", path, "--table", "odd", *where).stderr)
    said.append(run(home, "publish", f"{path}.gone", *where).stderr)
    said.append(run(home, "publish", f"{path}.gone", "--keep-going", *where).stdout)
    for text in said:
        assert spelled in text
        assert "\x1b" not in text
        assert "\N{REPLACEMENT CHARACTER}" not in text
