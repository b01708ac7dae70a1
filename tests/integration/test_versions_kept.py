"""Going back and publishing again lose nothing that people wrote, here or in tables of theirs."""

import psycopg
import pytest

from myriad.errors import ContractRefused, SchemaRefused
from tests.integration.test_versions import published, undo, values
from tests.integration.test_versions_people import as_person, person
from tests.publishing import Place

__all__ = ["person"]  # a fixture


@pytest.mark.nightly(by_day=["CASCADE", "SET NULL"])
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"])
def test_rows_that_are_taken_out_take_nothing_of_others_along(
    place: Place, person: str, action: str
) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n8,b\n9,c\n"), append=True)
    place.ask(f"GRANT ALL ON t TO {person}")
    reference = f"REFERENCES t ON DELETE {action}"
    as_person(place, person, f"CREATE TABLE mine (n bigint {reference})")
    as_person(place, person, "INSERT INTO mine VALUES (0), (9)")
    with pytest.raises(SchemaRefused, match=r"mine_n_fkey of .*mine cannot survive"):
        undo(place)
    assert place.ask("SELECT n FROM mine ORDER BY n") == [(0,), (9,)]
    assert values(place) == ["a", "b", "c"]
    as_person(place, person, "DELETE FROM mine WHERE n = 9")
    assert undo(place)[0]["back_to"] == 1
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        as_person(place, person, "INSERT INTO mine VALUES (9)")
    definition = place.one(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'mine_n_fkey'"
    )
    assert ("ON DELETE" in definition) == (action != "NO ACTION")


def test_rows_that_are_taken_out_take_no_row_of_the_same_table_along(place: Place) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n9,b\n"), append=True)
    place.ask("ALTER TABLE t ADD up bigint")
    place.ask("ALTER TABLE t ADD CONSTRAINT up FOREIGN KEY (up) REFERENCES t ON DELETE CASCADE")
    place.ask("UPDATE myriad.published SET report = jsonb_set(report, '{made}', '[\"up\"]')")
    place.ask("INSERT INTO t VALUES (10, 'theirs', 9)")
    with pytest.raises(SchemaRefused, match=r"foreign key up of .*t cannot survive"):
        undo(place)
    assert values(place) == ["a", "b", "theirs"]


def test_what_people_wrote_is_known_when_their_rights_and_the_counters_are_gone(
    place: Place, person: str
) -> None:
    published(place, "a", "b")
    place.ask(f"GRANT ALL ON t TO {person}")
    as_person(place, person, "UPDATE t SET v = 'theirs' WHERE id = 1")
    place.ask(f"REVOKE ALL ON t FROM {person}")
    place.ask("SELECT pg_stat_force_next_flush()")
    place.ask("SELECT pg_stat_reset_single_table_counters('t'::regclass)")  # as a crash does
    with pytest.raises(ContractRefused, match="it would undo 1 row that people added or changed"):
        published(place, "a", "b", contract="safe")
    assert values(place) == ["a", "theirs"]


other_orders = pytest.mark.nightly(
    daily="tests/integration/test_versions_kept.py"
    "::test_undo_keeps_every_version_that_rows_were_added_to[order0]"
)


@pytest.mark.parametrize(
    "order",
    [
        (2, 1, 3, 2, 3, 1, 2),
        pytest.param((1, 3, 1, 2, 3), marks=other_orders),
        pytest.param((2, 3, 1, 2, 1, 3), marks=other_orders),
    ],
)
def test_undo_keeps_every_version_that_rows_were_added_to(
    place: Place, order: tuple[int, ...]
) -> None:
    published(place, "a")
    sums = {1: place.checksums("t")}
    for number in (2, 3):
        place.publish(place.write("t.csv", f"id,v\n{number},b\n{number}0,c\n"), append=True)
        sums[number] = place.checksums("t")
    for goal in order:
        undo(place, to=goal)
        assert place.checksums("t") == sums[goal]
