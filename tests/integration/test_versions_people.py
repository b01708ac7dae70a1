"""Versions are nobody's but Myriad's; readers see all of one or all of another; nothing grows."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.errors import MyriadError, PublishError, SchemaRefused
from myriad.home.home import Home
from myriad.publish.options import Options
from myriad.publish.postgres.changes import Changes
from myriad.publish.publish import Engines, publish
from myriad.settings import Settings
from tests.harness import READ_AGAIN, wait_until
from tests.hostile import no_superuser
from tests.integration.test_versions import kept, published, undo, values
from tests.publishing import Place


@pytest.fixture
def person(place: Place) -> Iterator[str]:
    """A role with the right to make things in `public`, and all that can be given on tables."""
    name = f"person_{place.database}"
    role = sql.Identifier(name)
    with closing(place.connect()) as admin:
        admin.execute(sql.SQL("CREATE ROLE {}").format(role))
        admin.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(role))
    yield name
    with closing(place.connect()) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


def as_person(place: Place, person: str, *statements: str) -> None:
    with closing(place.connect()) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(person)))
        for statement in statements:
            connection.execute(statement.encode())


def rights(place: Place) -> list[Any]:
    """Return what anybody but their owner may do with versions, their columns and sequences."""
    return place.ask(
        "SELECT c.relname, x.grantee::regrole FROM pg_class c, aclexplode(c.relacl) x"
        " WHERE c.relname ~ '^version_' AND x.grantee <> c.relowner"
        " UNION ALL SELECT c.relname, x.grantee::regrole"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x"
        " WHERE c.relname ~ '^version_' AND x.grantee <> c.relowner"
    )


def test_nobody_has_a_right_to_a_version_whatever_was_given_to_them(
    place: Place, person: str
) -> None:
    published(place, "a")
    for what in ("TABLES", "SEQUENCES"):
        place.ask(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {what} TO {person} WITH GRANT OPTION")
    place.ask("ALTER TABLE t ADD n bigserial")
    place.ask(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {person} WITH GRANT OPTION")
    place.ask(f"GRANT ALL (v) ON t TO {person} WITH GRANT OPTION")
    as_person(place, person, "GRANT SELECT, INSERT (v) ON t TO PUBLIC")
    published(place, "b")
    place.publish(place.write("t.csv", "id,v\n5,c\n"), append=True)
    undo(place, to=2)
    assert len(kept(place)) == 3  # a table, its sequence, and rows that were added
    assert rights(place) == []
    place.installation.unpublish("t", database=place.database)
    assert rights(place) == []
    undo(place)
    assert values(place) == ["b"]


HOSTILE = {
    "a trigger": "CREATE TRIGGER mine BEFORE INSERT ON t FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "a row of its type": "CREATE TABLE typed (one t)",
    "a function of its type": "CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
}


@pytest.mark.parametrize("statement", HOSTILE.values(), ids=HOSTILE)
def test_what_people_hang_on_a_table_does_not_follow_its_version(
    place: Place, person: str, statement: str
) -> None:
    published(place, "a")
    published(place, "b")
    place.ask(f"GRANT ALL ON t TO {person}")
    as_person(place, person, statement)
    for change in (lambda: published(place, "c"), lambda: undo(place)):
        with pytest.raises(SchemaRefused, match="would lose"):
            change()
    assert values(place) == ["b"]
    assert len(kept(place)) == 1


def test_what_people_hang_on_a_table_while_it_is_loaded_does_not_follow_it_either(
    place: Place, person: str
) -> None:
    published(place, "a")
    place.ask(f"GRANT ALL ON t TO {person}")

    def progress(step: Any) -> None:
        if step.phase == "replacing":
            as_person(place, person, HOSTILE["a trigger"])

    with pytest.raises(SchemaRefused, match="trigger mine"):
        published(place, "b", progress=progress)
    assert (values(place), kept(place)) == (["a"], [])


def test_a_foreign_key_of_a_person_moves_on_to_what_is_shown(place: Place, person: str) -> None:
    published(place, "a", "b")
    place.ask(f"GRANT ALL ON t TO {person}")
    as_person(place, person, "CREATE TABLE mine (n bigint REFERENCES t)")
    published(place, "c", "d")
    as_person(place, person, "INSERT INTO mine VALUES (1)")
    assert undo(place)[0]["back_to"] == 1
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        as_person(place, person, "INSERT INTO mine VALUES (9)")
    with pytest.raises(SchemaRefused, match="foreign key mine_n_fkey"):
        published(place, "e")  # has no row 1


def test_an_index_of_an_extension_goes_away_and_comes_back_with_its_version(place: Place) -> None:
    place.ask("CREATE EXTENSION btree_gin")
    published(place, "a")
    place.ask("CREATE INDEX by_v ON t USING gin (v)")
    shape = ("SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
             " WHERE indrelid = 't'::regclass ORDER BY 1")  # fmt: skip
    before = place.ask(shape)
    published(place, "b")
    published(place, "c")
    undo(place, to=1)
    assert place.ask(shape) == before
    place.ask("DROP INDEX by_v; CREATE INDEX by_id ON t (v, id)")
    undo(place)
    assert [name for name, _ in place.ask(shape)] == ["by_id", "t_pkey"]
    undo(place)
    assert [name for name, _ in place.ask(shape)] == ["by_id", "t_pkey"]


def test_readers_see_all_of_one_version_or_all_of_another(place: Place) -> None:
    published(place, *["old"] * 500)
    published(place, *["new"] * 700)
    place.publish(place.write("t.csv", "id,v\n" + "".join(f"{n},new\n" for n in range(700, 900))),
                  append=True)  # fmt: skip
    whole = {("old", 500), ("new", 700), ("new", 900)}
    seen: set[tuple[str, int]] = set()
    wrong: list[Any] = []
    done = threading.Event()

    def read() -> None:
        with closing(place.connect()) as connection:
            while not done.wait(READ_AGAIN):
                rows = connection.execute("SELECT v, count(*) FROM t GROUP BY v").fetchall()
                if len(rows) == 1 and rows[0] in whole:
                    seen.add(rows[0])
                else:
                    wrong.append(rows)

    def was_seen(wanted: int) -> bool:
        return any(count == wanted for _, count in list(seen))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for state, number in ((500, 1), (900, 3), (700, 2), (900, None)):
            undo(place, to=number)
            wait_until(partial(was_seen, state))
    finally:
        done.set()
        for reader in readers:
            reader.join(30)
    assert wrong == []


def test_what_people_wrote_is_counted_where_they_may_write(place: Place, person: str) -> None:
    published(place, *"abcdef")
    place.ask(f"GRANT ALL ON t TO {person}")
    as_person(
        place,
        person,
        "INSERT INTO t VALUES (10, 'x'), (11, 'y')",
        "UPDATE t SET v = 'z' WHERE id = 1",
        "DELETE FROM t WHERE id IN (2, 3)",
    )
    place.ask("VACUUM (FREEZE, FULL) t")
    report = place.publish(place.write("t.csv", "id,v\n20,added\n"), append=True)
    assert report.tables[0].written == (3, 3)
    report = place.publish(place.write("t.csv", "id,v\n1,new\n"), keys={"": ("id",)})
    assert report.tables[0].written == (3, 3)
    report = place.publish(place.write("t.csv", "id,v\n1,newer\n"), keys={"": ("id",)})
    assert report.tables[0].written == (0, 0)


def test_rows_that_were_added_and_then_changed_by_people_are_not_taken_out(place: Place) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n1,b\n2,c\n"), append=True)
    place.ask("UPDATE t SET v = 'mine' WHERE id = 2")
    with pytest.raises(PublishError, match="changed or deleted 1 of the 2 rows"):
        undo(place)
    assert values(place) == ["a", "b", "mine"]


@pytest.fixture
def bounded(place: Place) -> Callable[..., Place]:
    """The same place with other settings."""

    def within(**settings: Any) -> Place:
        installation = Myriad(
            place.installation.home, replace(place.installation.settings, **settings)
        )
        return replace(place, installation=installation)

    return within


def test_versions_are_bounded_in_number(
    bounded: Callable[..., Place],
) -> None:
    place = bounded(versions=3)
    for value in "abcdef":
        published(place, value)
    assert len(kept(place)) == 3
    place = bounded(versions=0)
    published(place, "g")
    assert kept(place) == []
    with pytest.raises(PublishError, match="no older version"):
        undo(place)


def test_versions_are_bounded_in_bytes_of_all_tables_the_oldest_go_first(
    bounded: Callable[..., Place],
) -> None:
    place = bounded(versions_megabytes=1)
    text = "x" * 1000
    for name in ("one", "two", "two", "one"):
        published(place, *[text] * 300, name=name)
    assert len(kept(place)) == 2
    for name in ("three", "three"):
        published(place, *[text] * 300, name=name)
    with pytest.raises(PublishError, match="no older version"):
        undo(place, "two")
    undo(place, "one")
    large = [text] * 1200
    published(place, *large, name="large")
    report = place.publish(place.write("large.csv", "id,v\n0,small\n"), contract="free")
    assert any("version before is not kept" in note for note in report.tables[0].notes)
    with pytest.raises(PublishError, match="no older version"):
        undo(place, "large")


def test_a_version_that_somebody_reads_is_dropped_by_the_next_publish(
    bounded: Callable[..., Place],
) -> None:
    place = bounded(versions=1)
    for value in "ab":
        published(place, value)
    (first,) = kept(place)
    with closing(place.connect(autocommit=False)) as backup:
        backup.execute(f"LOCK TABLE myriad.{first} IN ACCESS SHARE MODE".encode())
        published(place, "c")
        assert len(kept(place)) == 2
    published(place, "d")
    assert len(kept(place)) == 1
    assert first not in kept(place)


def test_what_was_unpublished_long_ago_goes_with_the_next_publish(
    bounded: Callable[..., Place],
) -> None:
    place = bounded()
    published(place, "a")
    place.installation.unpublish("t", database=place.database)
    published(place, "b", name="other")
    assert len(kept(place)) == 1
    published(bounded(unpublished_days=1e-9), "c", name="other")
    assert len(kept(place)) == 1  # of the other one
    with pytest.raises(PublishError, match="no older version"):
        undo(place)


def test_a_publish_that_fails_leaves_no_version(place: Place) -> None:
    published(place, "a")

    def progress(step: Any) -> None:
        if step.phase == "replacing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        published(place, "b", progress=progress)
    assert (values(place), kept(place)) == (["a"], [])
    (run, _) = place.installation.history("t", place.database)
    assert (run["outcome"], run["error"]) == ("failed", "KeyboardInterrupt")


def test_the_history_is_bounded_and_what_can_be_had_stays_in_it(
    bounded: Callable[..., Place],
) -> None:
    place = bounded(history_runs=3, versions=1)
    published(place, "a")
    published(place, "b")
    for _ in range(5):
        with suppress(MyriadError):
            place.publish(place.write("t.csv", "id,v\n1,b\n1,c\n"), keys={"": ("id",)})
    runs = place.installation.history("t", place.database)
    assert [run["outcome"] for run in runs] == ["failed"] * 3 + ["done"] * 2


def test_versions_are_kept_where_myriad_is_no_superuser(home: Home, tmp_path: Path) -> None:
    path, options = tmp_path / "t.csv", Options(database="theirs", keys={"": ("id",)})
    with no_superuser() as (server, _):
        for value in "ab":
            path.write_text(f"id,v\n1,{value}\n2,{value}\n")
            publish(Engines(server), home, Settings(), [path], options)
        path.write_text("id,v\n3,c\n")
        publish(Engines(server), home, Settings(), [path], replace(options, append=True, keys={}))
        changes = Changes(server, Settings(), None, "theirs")
        shown = []
        for number in (2, 1, None):
            changes.undo("t", number)
            with closing(server.connect("theirs", autocommit=True)) as connection:
                shown.append(connection.execute("SELECT min(v), max(v) FROM public.t").fetchone())
        assert shown == [("b", "b"), ("a", "a"), ("b", "b")]
        assert changes.diff("t", 3, None)["removed"] == 1
        changes.unpublish(["t"])
        changes.undo("t")
        outcomes = [run["outcome"] for run in changes.history("t", 10, everywhere=False)]
        assert outcomes == ["done"] * 8


@pytest.mark.nightly(
    daily="tests/integration/test_versions_people.py"
    "::test_versions_are_bounded_in_bytes_of_all_tables_the_oldest_go_first"
)
def test_many_that_publish_at_once_drop_what_is_too_large_without_waiting_for_each_other(
    bounded: Callable[..., Place],
) -> None:
    place = bounded(versions_megabytes=1, history_runs=1)
    text = "x" * 1000
    names = [f"t{number}" for number in range(4)]

    def publish_often(name: str) -> None:
        for _ in range(3):
            path = place.write(f"{name}.csv", "v\n" + f"{text}\n" * 300)
            place.publish(path, max_rejects=1)

    with ThreadPoolExecutor(len(names)) as pool:
        for done in [pool.submit(publish_often, name) for name in names]:
            done.result(60)
    publish_often("t0")
    sizes = ("SELECT sum(pg_total_relation_size(format('myriad.%I', relation)::regclass))"
             " FROM myriad.kept")  # fmt: skip
    assert place.one(sizes) <= 1_000_000
    runs = place.installation.history("t0", place.database)
    assert {run["outcome"] for run in runs} == {"done"}
