"""What somebody mistypes, or names in the wrong place, is answered with what was meant."""

import uuid
from pathlib import Path

import pytest

from myriad.errors import MyriadError, PeopleError, PublishError
from myriad.home.home import Home
from myriad.people import People
from tests.harness import run
from tests.publishing import Place


def test_a_name_that_is_nearly_somebodys_is_proposed(people: People) -> None:
    name = f"Rose_{uuid.uuid4().hex[:8]}"
    people.add_people([name])
    with pytest.raises(PeopleError) as caught:
        people.disable([name.lower()])
    assert caught.value.hint.startswith(f"Is '{name}' meant? `myriad person list` shows all ")
    with pytest.raises(PeopleError) as caught:
        people.disable([uuid.uuid4().hex * 2])
    assert "meant?" not in caught.value.hint
    with pytest.raises(PeopleError) as caught:
        people.add_people([name])
    assert "`myriad person sync --from FILE`" in caught.value.hint


def test_an_end_that_is_over_is_called_so(people: People, place: Place) -> None:
    name = f"gone_{uuid.uuid4().hex[:8]}"
    people.add_people([name])
    for date, over in (("2020-01-31", True), ("2120-01-31", False)):
        done = run(place.installation.home, "person", "until", name, date)
        assert done.stdout.startswith(f"{name}: until {date}")
        assert ("which is over" in done.stdout) == over


@pytest.mark.parametrize("numbers", [(7, None), (1, 7)])
def test_a_version_that_is_not_kept_is_named(place: Place, numbers: tuple[int, int | None]) -> None:
    path = place.write("t.csv", "id\n1\n")
    place.publish(path)
    place.publish(path)
    with pytest.raises(PublishError, match=r"version 7 of public\.t is not kept") as caught:
        place.installation.diff("t", *numbers, database=place.database)
    assert "There are: 2, 1. `myriad history public.t`" in caught.value.hint


def test_a_database_that_is_not_there_is_said_by_all_who_are_asked_for_it(place: Place) -> None:
    home = place.installation.home
    for command in (["history"], ["history", "t"], ["undo", "t"], ["sql", "-c", "SELECT 1"]):
        done = run(home, *command, "--database", "nowhere")
        assert done.returncode == 1, command
        assert "error: there is no database nowhere" in done.stderr, command
        assert "hint: " in done.stderr, command
    with pytest.raises(MyriadError, match="there is no database nowhere"):
        place.installation.history(database="nowhere")


def test_a_log_that_is_not_there_is_said(home: Home) -> None:
    for which, what in ((["--door"], "the door"), (["--cassandra", "2"], "Cassandra node 2")):
        done = run(home, "logs", *which)
        assert done.returncode == 1
        assert f"error: {what} has no log in {home.folder}" in done.stderr


def test_files_that_are_named_and_not_there_are_not_the_disks_fault(
    place: Place, tmp_path: Path
) -> None:
    home = place.installation.home
    for command in (["person", "sync", "--from"], ["person", "add", "--from"]):
        done = run(home, *command, str(tmp_path / "nowhere.csv"))
        assert (done.returncode, "No such file or directory" in done.stderr) == (1, True)
        assert "hint: Check the path." in done.stderr


def test_a_demo_of_a_file_that_is_not_there_starts_nothing(home: Home) -> None:
    done = run(home, "demo", "nowhere.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: nowhere.csv: no such file")
