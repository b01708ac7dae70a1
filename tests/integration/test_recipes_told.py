"""A recipe says what a table is, and where it goes."""

import json
from contextlib import closing

import pytest

from myriad.errors import EngineError, NotRunning, UsageError
from myriad.publish import recipe_record, recipes
from tests.harness import run
from tests.publishing import Place


def comments(place: Place, table: str) -> list[str | None]:
    ((first, second),) = place.ask(
        "SELECT obj_description(%s::regclass, 'pg_class'), col_description(%s::regclass, 1)",
        [table, table],
    )
    return [first and first.split("\n")[0], second]


def test_descriptions_go_out_with_the_recipe_and_come_back_with_it(place: Place) -> None:
    home, database = place.installation.home, ("--database", place.database)
    path = place.write("t.csv", "id,v\n1,a\n")
    place.publish(path)
    place.installation.say("t", "What we sold.", place.database)
    place.installation.say("t.id", "Its number.", place.database)
    place.publish(path)
    exported = run(home, "recipe", "t", "--export", *database).stdout
    data = json.loads(exported)
    assert data["description"] == "What we sold."
    assert data["descriptions"] == {"id": "Its number."}
    file = place.write("recipe.json", exported.replace("sold", "bought"))
    for table in ("t", "later"):
        assert run(home, "recipe", table, "--import", file, *database).returncode == 0
    assert comments(place, "t") == ["What we bought.", "Its number."]
    place.publish(path, table="later")
    assert comments(place, "later") == ["What we bought.", "Its number."]
    shown = json.loads(run(home, "show", "t", "--json", *database).stdout)
    assert shown["description"] == "What we bought."
    assert [column["description"] for column in shown["columns"]] == ["Its number.", None]
    told = run(home, "show", "t", *database).stdout
    assert "\n  What we bought.\n" in told
    assert "\n    Its number.\n" in told
    assert run(home, "recipe", "t", "--forget", "descriptions", *database).returncode == 0
    place.publish(path)
    assert comments(place, "t") == ["What we bought.", None]
    place.installation.say("t", "", place.database)
    assert "description" not in place.installation.recipe("t", place.database).as_data()


def test_descriptions_of_before_recipes_had_them_are_in_it(place: Place) -> None:
    place.publish(place.write("t.csv", "id,v\n1,a\n"))
    place.installation.say("t", "What we sold.", place.database)
    recipe_record.save(
        place.installation.server(), (place.database, "public"), {"t": recipes.Recipe()}
    )
    assert place.installation.recipe("t", place.database).description == "What we sold."


def test_what_is_noted_and_held_by_somebody_is_said_and_taken_over_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recipe_record, "BRIEFLY", "SET LOCAL lock_timeout = '200ms'")
    place.publish(place.write("t.csv", "id,v\n1,a\n"))
    note = "INSERT INTO myriad.recipe VALUES ('public', 't', '{\"description\": \"Sold.\"}')"
    place.ask(note)  # as a publish that was killed right after its commit
    with closing(place.connect(autocommit=False)) as somebody:
        somebody.execute("SELECT FROM myriad.recipe FOR UPDATE")
        with pytest.raises(EngineError, match="changing the recipes") as caught:
            place.installation.recipe("t", place.database)
        assert caught.value.hint.startswith("Try again")
        place.publish(place.write("u.csv", "id,v\n1,a\n"))
        assert f"recipes of {place.database} are not taken over yet" in caplog.text
    with closing(place.installation.server().connect()) as control:
        control.execute("LOCK TABLE public.recipe IN SHARE MODE")
        with pytest.raises(EngineError, match="changing the recipes"):
            place.installation.recipe("t", place.database)
    assert place.installation.recipe("t", place.database).description == "Sold."
    assert place.one("SELECT count(*) FROM myriad.recipe") == 0


def test_who_only_asks_for_recipes_does_not_bring_a_record_up_to_date(place: Place) -> None:
    place.publish(place.write("t.csv", "id,v\n1,a\n"))
    place.ask("DROP SCHEMA myriad CASCADE")
    place.ask("CREATE SCHEMA myriad")
    recipe_record.take_over(place.installation.server(), place.database)
    assert place.one("SELECT count(*) FROM pg_tables WHERE schemaname = 'myriad'") == 0


def test_a_table_goes_where_it_went_before(place: Place) -> None:
    path = place.write("t.csv", "id,v\n1,a\n")
    place.publish(path, to="postgres")
    assert place.installation.recipe("t", place.database).as_data()["to"] == "postgres"
    _went_to(place, "t", "cassandra")
    with pytest.raises(NotRunning, match="no Cassandra is up"):
        place.publish(path)
    other = place.write("u.csv", "id,v\n1,a\n")
    with pytest.raises(UsageError, match="u to postgres") as caught:
        place.publish(path, other)
    assert "--to" in caught.value.hint
    report = place.publish(path, to="postgres")
    assert (report.tables[0].engine, report.tables[0].recipe.to) == ("postgres", "postgres")
    assert "--to postgres" in place.publish(path).tables[0].used


def _went_to(place: Place, table: str, engine: str) -> None:
    recipe = recipes.told(f"to={engine}")
    place.installation.set_recipe(table, recipe, place.database)


def test_what_no_engine_is_cannot_be_remembered(place: Place) -> None:
    done = run(place.installation.home, "recipe", "t", "--set", "to=oracle")
    assert done.returncode == 2
    assert "there is no engine 'oracle'" in done.stderr
