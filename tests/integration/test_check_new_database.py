"""A dry run and a check of a database that is not there, which a publish would make."""

from typing import Any

import pytest

from myriad.engines.postgres import databases
from myriad.errors import PublishError
from tests.publishing import Place


def made(place: Place) -> set[str]:
    return {name for (name,) in place.ask("SELECT datname FROM pg_database")}


@pytest.mark.parametrize("way", ["dry_run", "check"])
def test_what_a_publish_would_make_is_worked_out_and_not_made(place: Place, way: str) -> None:
    file, new = place.write("t.csv", "id,v\n1,x\n"), f"{place.database}_new"
    before = made(place)
    asked: dict[str, Any] = {way: True}
    report = place.publish(file, database=new, dataset="shop", **asked)
    (table,) = report.tables
    assert (report.database, table.action) == (new, "created")
    assert table.rows == (0 if way == "dry_run" else 1)
    assert "CREATE TABLE" in table.ddl
    bad = place.write("t.csv", "id,v\n1,x\n1,y\n")
    with pytest.raises(PublishError, match="not unique"):
        place.publish(bad, database=new, keys={"": ("id",)}, check=True)
    assert made(place) == before


def test_what_a_killed_check_left_goes_with_the_next(place: Place) -> None:
    server, before = place.installation.server(), made(place)
    left = databases.create_scratch(server)
    assert left in made(place)
    place.publish(place.write("t.csv", "a\n1\n"), database=f"{place.database}_new", check=True)
    assert made(place) == before
