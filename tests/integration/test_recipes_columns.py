"""What a recipe names is there: else it is refused, or said, and never something else."""

from typing import Any

import pytest

from myriad.errors import PublishError, UsageError
from myriad.publish import recipe_record
from myriad.publish.recipes import Recipe
from tests.harness import run
from tests.publishing import Place

TEXT = "id,Name,n\n1,Rose,2\n2,Bruno,4\n"


def remember(place: Place, **said: object) -> None:
    """Write a recipe as an import before the first publish, or a drifting file, leaves it."""
    server = place.installation.server()
    recipe = place.installation.recipe("t", place.database).updated(Recipe(**said))  # type: ignore[arg-type]
    recipe_record.save(server, (place.database, "public"), {"t": recipe})


@pytest.mark.nightly(by_day=["key=id,nix", "rename=nix=other"])
@pytest.mark.parametrize(
    "said",
    [
        "key=nix",
        "key=id,nix",
        "key=id/nix:desc",
        "type=nix=text",
        "rename=nix=other",
        "columns=id,nix",
        "exclude=nix",
    ],
)
def test_a_recipe_takes_no_column_that_the_table_lacks(place: Place, said: str) -> None:
    place.publish(place.write("t.csv", TEXT), keys={"": ("id",)})
    done = run(place.installation.home, "recipe", "t", "--database", place.database, "--set", said)
    assert done.returncode == 2, done.stdout
    assert "t has no column 'nix'" in done.stderr
    assert "hint: Columns of t: id, name, n." in done.stderr
    assert place.installation.recipe("t", place.database).key == "id"


def test_a_recipe_takes_every_column_that_the_file_has(place: Place) -> None:
    place.publish(place.write("t.csv", TEXT), exclude=("n",), renames={"Name": "who"})
    installation = place.installation
    for said in (
        Recipe(columns=("n", "id", "name")),
        Recipe(key="who"),
        Recipe(key="Name", type={"who": "text", "n": "real"}),
        Recipe(exclude=("Name",)),
        Recipe(rename={"name": "person"}, key="person"),
    ):
        installation.set_recipe("t", said, place.database)
        assert installation.recipe("t", place.database) == said
    with pytest.raises(UsageError, match="--key: t has no column 'id'"):
        installation.set_recipe("t", Recipe(exclude=("id",), key="id"), place.database)


def test_a_remembered_key_of_no_column_is_never_another_one(place: Place) -> None:
    file = place.write("t.csv", TEXT)
    remember(place, key="nix")
    with pytest.raises(PublishError, match="no column 'nix' for its key") as caught:
        place.publish(file)
    assert "myriad recipe t --forget key" in caught.value.hint
    place.publish(file, keys={"": ("id",)})
    remember(place, key="nix")
    adding: list[dict[str, Any]] = [{}, {"append": True, "again": True}, {"merge": True}]
    for ways in adding:
        with pytest.raises(PublishError, match="which its recipe has"):
            place.publish(file, **ways)
    (table,) = place.publish(file, keys={"": ("name",)}).tables
    assert table.table.primary_key == ("name",)


def test_what_a_recipe_names_and_is_gone_is_told(place: Place) -> None:
    remember(place, type={"gone": "text"}, exclude=("left",))
    (table,) = place.publish(place.write("t.csv", TEXT)).tables
    told = "\n".join(table.table.notes)
    assert "--type of gone, and no column is called so: `myriad recipe t --forget type`" in told
    assert "--exclude of left" in told
