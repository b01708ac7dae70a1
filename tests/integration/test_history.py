"""What was done to tables is told by `history`, under numbers and names that last."""

import pytest

from myriad.errors import MyriadError, PublishError
from tests.integration.test_versions import published, undo, values
from tests.publishing import Place


def test_the_history_tells_of_all_that_came_and_did_not(place: Place) -> None:
    published(place, "a")
    published(place, "b", "c")
    with pytest.raises(Exception, match="is not unique"):
        place.publish(place.write("t.csv", "id,v\n1,b\n1,c\n"), keys={"": ("id",)})
    undo(place)
    runs = place.installation.history("t", place.database)
    assert [(run["kind"], run["outcome"], run["rows"], run["versions"]) for run in runs] == [
        ("undo", "done", 1, {"t": 1}),
        ("publish", "failed", None, None),
        ("publish", "done", 2, {"t": 2}),
        ("publish", "done", 1, {"t": 1}),
    ]
    assert "is not unique" in runs[1]["error"]


def test_the_history_tells_what_was_refused_from_what_failed(place: Place) -> None:
    published(place, "a")
    tries = {
        "id,v\n": "refused",  # exit code 4
        "<html><body>Not found</body></html>": "failed",  # exit code 1
        "id,v\n0,a\n0,b\n": "refused",
    }
    for text, outcome in tries.items():
        with pytest.raises(MyriadError) as caught:
            place.publish(place.write("t.csv", text), contract="safe")
        assert (caught.value.exit_code == 4) is (outcome == "refused")
        assert place.installation.history("t", place.database)[0]["outcome"] == outcome


def shown_as(place: Place, table: str = "t") -> dict[str, int]:
    """Return run → number of the version that `history` shows, of publishes."""
    runs = place.installation.history(table, place.database)
    return {run["run"]: run["versions"][table] for run in runs if run["versions"]}


def test_a_number_of_a_version_means_the_same_for_ever(place: Place) -> None:
    published(place, "a")
    published(place, "b")
    before = shown_as(place)
    undo(place)
    published(place, "c")
    assert undo(place)[0]["back_to"] == 1, "what was shown before, not the greatest number before"
    assert before.items() <= shown_as(place).items()
    assert undo(place, to=2)[0]["back_to"] == 2
    assert values(place) == ["b"]
    place.installation.unpublish("t", database=place.database, purge=True)
    published(place, "d")
    published(place, "e")
    with pytest.raises(PublishError, match=r"version 1 of .* is not kept"):
        undo(place, to=1)
    assert undo(place)[0]["back_to"] == 4


def test_a_run_whose_versions_came_and_went_is_not_taken_back_as_if_nothing_was(
    place: Place,
) -> None:
    published(place, "a")
    published(place, "b")
    run_of_b = str(place.installation.history("t", place.database)[0]["run"])
    undo(place)
    published(place, "c")
    undo(place, to=2)
    with pytest.raises(PublishError, match="was changed again after that run"):
        place.installation.undo_run(run_of_b, place.database)


def test_the_history_of_a_table_goes_with_it_when_it_is_renamed(place: Place) -> None:
    published(place, "a")
    undone = shown_as(place)
    place.installation.rename("t", "u", place.database)
    runs = place.installation.history("u", place.database)
    assert [(run["kind"], run["tables"], run["versions"]) for run in runs] == [
        ("rename", ["u"], None),
        ("publish", ["u"], {"u": 1}),
    ]
    assert [table["table"] for table in runs[1]["report"]["tables"]] == ["u"]
    with pytest.raises(PublishError, match="no table t is published"):
        place.installation.history("t", place.database)
    published(place, "other")
    assert len(place.installation.history("t", place.database)) == 1
    published(place, "b", name="u")
    assert undo(place, "u")[0]["back_to"] == 1
    assert undone.items() <= shown_as(place, "u").items()
