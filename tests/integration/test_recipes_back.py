"""An undo takes the recipe back, too: the next publish without options is as before."""

from dataclasses import replace

from tests.publishing import Place

TEXT = "id,price\n1,10\n2,20\n"


def _undo(place: Place) -> list[str]:
    [table] = place.installation.undo("t", None, place.database)["tables"]
    notes: list[str] = table["notes"]
    return notes


def test_a_publish_after_an_undo_uses_what_the_version_that_came_back_was_made_with(
    place: Place,
) -> None:
    path = place.write("t.csv", TEXT)
    place.publish(path, keys={"": ("id",)}, types={"price": "numeric(10,2)"})
    place.publish(path, types={"price": "text"}, renames={"price": "cost"}, contract="free")
    before = "--key id --type 'price=numeric(10,2)'"
    assert f"the next publish uses its recipe again: {before}" in _undo(place)
    place.publish(path)
    assert place.columns("t") == {"id": "bigint", "price": "numeric(10,2)"}
    assert place.installation.recipe("t", place.database).written() == before


def test_an_undo_of_an_undo_brings_its_recipe_back_too(place: Place) -> None:
    path = place.write("t.csv", TEXT)
    place.publish(path, contract="free")
    place.publish(path, renames={"price": "cost"})
    _undo(place)
    assert place.installation.recipe("t", place.database).rename == {}
    _undo(place)
    assert place.installation.recipe("t", place.database).rename == {"price": "cost"}


def test_a_recipe_that_somebody_changed_since_and_what_is_said_of_a_table_stay(
    place: Place,
) -> None:
    path, installation = place.write("t.csv", TEXT), place.installation
    place.publish(path, contract="free")
    place.publish(path, renames={"price": "cost"})
    installation.changes(place.database).describe("t", "What things cost")
    _undo(place)
    recipe = installation.recipe("t", place.database)
    assert (recipe.rename, recipe.description) == ({}, "What things cost")
    _undo(place)
    changed = replace(installation.recipe("t", place.database), max_rejects=7)
    installation.set_recipe("t", changed, place.database)
    assert _undo(place) == []
    assert installation.recipe("t", place.database) == changed
