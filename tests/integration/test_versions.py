"""What a table was before is kept, and shown again by `undo`."""

from typing import Any

import pytest

from myriad.errors import PublishError
from tests.publishing import Place


def published(place: Place, *values: str, name: str = "t", **options: Any) -> None:
    """Publish a table of these values, numbered."""
    rows = "".join(f"{number},{value}\n" for number, value in enumerate(values))
    place.publish(place.write(f"{name}.csv", f"id,v\n{rows}"), keys={"": ("id",)}, **options)


def undo(place: Place, table: str = "t", to: int | None = None) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = place.installation.undo(table, to, place.database)["tables"]
    return tables


def values(place: Place, table: str = "t") -> list[str]:
    return [value for (value,) in place.ask(f"SELECT v FROM {table} ORDER BY id")]


def test_undo_shows_the_version_before_and_an_undo_can_be_undone(place: Place) -> None:
    published(place, "a")
    published(place, "b", "c")
    sums = place.checksums("t")
    assert undo(place)[0]["back_to"] == 1
    assert values(place) == ["a"]
    assert undo(place)[0]["back_to"] == 2
    assert place.checksums("t") == sums


def test_undo_to_each_version_that_is_kept(place: Place) -> None:
    sums = {}
    for number, value in enumerate("abcd", 1):
        published(place, value, value + value)
        sums[number] = place.checksums("t")
    with pytest.raises(PublishError, match=r"version 1 of public\.t is not kept") as caught:
        undo(place, to=1)
    assert "There are: 3, 2." in caught.value.hint
    for number in (3, 2):
        undo(place, to=number)
        assert place.checksums("t") == sums[number]


def test_undo_of_appends_takes_out_what_they_added_and_puts_it_back(place: Place) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n1,b\n2,c\n"), append=True)
    place.publish(place.write("t.csv", "id,v\n3,d\n"), append=True)
    assert undo(place)[0]["back_to"] == 2
    assert values(place) == ["a", "b", "c"]
    assert undo(place, to=1)[0]["version"] == 5
    assert values(place) == ["a"]
    assert undo(place)[0]["back_to"] == 4
    assert values(place) == ["a", "b", "c"]
    assert undo(place)[0]["back_to"] == 5
    assert values(place) == ["a"]


def test_the_history_tells_of_all_that_came_and_did_not(place: Place) -> None:
    published(place, "a")
    published(place, "b", "c")
    with pytest.raises(Exception, match="is not unique"):
        place.publish(place.write("t.csv", "id,v\n1,b\n1,c\n"), keys={"": ("id",)})
    undo(place)
    runs = place.installation.history("t", place.database)
    assert [(run["kind"], run["outcome"], run["rows"], run["versions"]) for run in runs] == [
        ("undo", "done", 1, None),
        ("publish", "refused", None, None),
        ("publish", "done", 2, {"t": 2}),
        ("publish", "done", 1, {"t": 3}),
    ]
    assert "is not unique" in runs[1]["error"]
