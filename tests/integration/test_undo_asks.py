"""An undo whose other side could not be had back asks first, like all that is for good."""

import pytest

from myriad.errors import WouldBeLost
from tests.harness import run
from tests.publishing import Place


@pytest.fixture
def small(place: Place) -> Place:
    """A table of two versions, where nothing more is kept."""
    for value in "ab":
        place.publish(place.write("t.csv", f"id,v\n1,{value}\n"), keys={"": ("id",)})
    return place.within(versions=0)


def value(place: Place) -> str:
    return str(place.one("SELECT v FROM t"))


def test_what_would_be_gone_for_good_is_refused_unless_that_is_said(small: Place) -> None:
    with pytest.raises(WouldBeLost, match=r"what public\.t shows now is not kept") as caught:
        small.installation.undo("t", None, small.database)
    assert "--yes" in caught.value.hint
    assert value(small) == "b"
    report = small.installation.undo("t", None, small.database, for_good=True)
    assert value(small) == "a"
    assert report["tables"][0]["before"] is None
    outcomes = [entry["outcome"] for entry in small.installation.history("t", small.database)]
    assert outcomes == ["done", "refused", "done", "done"]


@pytest.mark.nightly(by_day=["no", "--yes"])
@pytest.mark.parametrize(
    ("more", "given", "code", "shown"),
    [((), "", 2, "b"), ((), "n\n", 1, "b"), ((), "y\n", 0, "a"), (("--yes",), "", 0, "a")],
    ids=["nobody", "no", "yes", "--yes"],
)
def test_the_command_asks_as_unpublish_does(
    small: Place, more: tuple[str, ...], given: str, code: int, shown: str
) -> None:
    none = {"MYRIAD_VERSIONS": "0"}
    place = "--database", small.database
    done = run(small.installation.home, "undo", "t", *more, *place, given=given, environment=none)
    assert done.returncode == code, done.stderr
    assert value(small) == shown
    asked = "What public.t shows now is not kept" in done.stderr
    assert asked == (not more)
    assert ("hint: Say it with --yes." in done.stderr) == (code == 2)


def test_an_undo_that_can_be_undone_does_not_ask(small: Place) -> None:
    done = run(small.installation.home, "undo", "t", "--database", small.database)
    assert done.returncode == 0, done.stderr
    assert value(small) == "a"


def test_what_is_not_kept_at_all_is_asked_for_as_such(small: Place) -> None:
    command = "unpublish", "t", "--database", small.database
    home = small.installation.home
    assert "Take public.t away?" in run(home, *command, given="n\n").stderr
    no_day = {"MYRIAD_UNPUBLISHED_DAYS": "0"}
    asked = run(home, *command, given="n\n", environment=no_day).stderr
    assert "Take public.t away for good?" in asked


def test_who_finds_a_table_taken_is_told_what_that_command_can_do(small: Place) -> None:
    taken = "SELECT pg_advisory_xact_lock(hashtextextended('publish public.t', 0))"
    with small.connect(autocommit=False) as other:
        other.execute(taken)
        for arguments in (("undo", "t"), ("unpublish", "t", "--yes"), ("rename", "t", "u")):
            home = small.installation.home
            done = run(home, *arguments, "--database", small.database)
            assert done.returncode == 1
            assert "hint: Try again when that has ended." in done.stderr, arguments
        path = str(small.folder / "t.csv")
        done = run(small.installation.home, "publish", path, "--database", small.database)
        assert "hint: Publish when that has ended, or with --wait." in done.stderr
        other.rollback()
