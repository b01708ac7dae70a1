"""A workspace holds what it may, whatever its people do to fill it."""

import base64
import os
import random
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from myriad import Myriad
from myriad.publish.options import Options
from tests import workspaces
from tests.harness import wait_until
from tests.workspaces import MEGABYTES, Lab

# 10 GB, which no test is to see: by the select list, so that no file of a sort comes before.
ENDLESS = "SELECT repeat('x', 1000) AS t, generate_series(1, 10000000) AS g"
SOME = "SELECT repeat('x', 1000) AS t, generate_series(1, 12000) AS g"  # 13 MB
FULL = "53400"
# What a measure a second lets through, on a disk that takes 400 MB in one.
OVERSHOOT = 500_000_000


@pytest.fixture(scope="module")
def lab(installation: Myriad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield from workspaces.make(installation, tmp_path_factory.mktemp("lab"))


EMPTY = """
DO $$
DECLARE what text;
BEGIN
    FOR what IN
        SELECT CASE relkind WHEN 'v' THEN 'VIEW ' ELSE 'TABLE ' END || oid::regclass FROM pg_class
        WHERE relnamespace = 'lab'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        EXECUTE 'DROP ' || what;
    END LOOP;
END
$$"""


@pytest.fixture(autouse=True)
def emptied(lab: Lab) -> Iterator[None]:
    yield
    lab.admin(EMPTY)
    wait_until(lambda: lab.workspace("lab").bytes < 1_000_000)


def size(lab: Lab) -> int:
    [(found,)] = lab.admin("SELECT pg_database_size(current_database())")
    return int(found)


@pytest.mark.nightly(by_day=["text3"])
@pytest.mark.parametrize(
    "text",
    [
        f"INSERT INTO lab.t {ENDLESS}",
        f"CREATE TABLE lab.new AS {ENDLESS}",
        f"CREATE MATERIALIZED VIEW lab.new AS {ENDLESS}",
        f"BEGIN; TRUNCATE lab.t; INSERT INTO lab.t {ENDLESS}; COMMIT",
        f"WITH gone AS (DELETE FROM lab.t) INSERT INTO lab.t {ENDLESS}",
    ],
)
def test_a_statement_without_end_is_ended(lab: Lab, text: str) -> None:
    before = size(lab)
    error = lab.refused("rose", "CREATE TABLE lab.t (t text, g int)", text)
    assert error.sqlstate == "57014"
    assert "workspace" in str(error.diag.message_hint)
    assert size(lab) - before < OVERSHOOT


def test_a_temporary_table_without_end_ends_its_session(lab: Lab) -> None:
    before = size(lab)
    with closing(lab.connect("rose")) as rose, pytest.raises(psycopg.OperationalError):
        rose.execute(f"CREATE TEMP TABLE t AS {ENDLESS}")
    wait_until(lambda: size(lab) - before < 1_000_000)


def test_many_small_temporary_tables_are_as_one(lab: Lab) -> None:
    texts = [f"CREATE TEMP TABLE t{number} AS {SOME}" for number in range(1_000)]
    with closing(lab.connect("rose")) as rose, pytest.raises(psycopg.OperationalError):
        run_all(rose, texts)


def test_what_is_too_large_is_refused_as_soon_as_it_is_made(lab: Lab) -> None:
    error = lab.refused("rose", f"CREATE TABLE lab.new AS {SOME}")
    assert error.sqlstate in (FULL, "57014")
    assert lab.ask("rose", "SELECT to_regclass('lab.new')") == [(None,)]


def test_a_full_one_says_so_and_takes_more_when_there_is_room(lab: Lab) -> None:
    lab.ask("rose", "CREATE TABLE lab.t (t text, g int)", "CREATE TABLE lab.small (a int)")
    lab.makes("rose", f"INSERT INTO lab.t {SOME}")
    wait_until(lambda: lab.workspace("lab").bytes > MEGABYTES * 1e6)
    group = lab.name("lab")
    for text in (
        "INSERT INTO lab.small VALUES (1)",
        "UPDATE lab.small SET a = 1",
        "MERGE INTO lab.small USING lab.t ON a = g WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "CREATE TABLE lab.more (a int)",
        "CREATE VIEW lab.more AS SELECT 1 AS a",
        "SELECT 1 AS a INTO lab.more",
    ):
        error = lab.refused("rose", text)
        assert (error.sqlstate, "Make room" in str(error.diag.message_hint)) == (FULL, True), text
    lab.ask("rose", f"GRANT ALL ON lab.small TO {group}")
    full = pytest.raises(psycopg.errors.ConfigurationLimitExceeded)
    with closing(lab.connect("bob")) as bob, full:
        copy_one(bob)
    lab.ask("rose", "SELECT count(*) FROM lab.t", "DELETE FROM lab.t", "VACUUM FULL lab.t")
    wait_until(lambda: lab.makes("rose", "INSERT INTO lab.small VALUES (1)"))


def copy_one(connection: psycopg.Connection) -> None:
    with connection.cursor().copy("COPY lab.small FROM STDIN") as copy:
        copy.write_row([1])


def test_a_transaction_that_looks_at_the_past_gets_no_further(lab: Lab) -> None:
    """In REPEATABLE READ it would never see that there is no room left."""
    before = size(lab)
    lab.ask("rose", "CREATE TABLE lab.t (t text, g int)")
    with closing(lab.connect("rose", autocommit=False)) as rose:
        rose.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rose.execute("SELECT 1 FROM lab.t")
        with pytest.raises(psycopg.Error) as caught:
            run_all(rose, [f"INSERT INTO lab.t {SOME}"] * 1_000)
    assert caught.value.sqlstate in (None, "57014", "57P01", FULL)
    assert size(lab) - before < OVERSHOOT


def test_words_count_too(lab: Lab) -> None:
    """Comments and definitions stand in tables that all share."""
    columns = ", ".join(f"c{number} int" for number in range(12))
    lab.ask("rose", f"CREATE TABLE lab.t ({columns})")
    text = base64.b64encode(random.Random(1).randbytes(750_000)).decode()  # nothing makes it short
    texts = [f"COMMENT ON COLUMN lab.t.c{n} IS '{text}'" for n in range(12)]
    texts += [f"CREATE VIEW lab.v{n} AS SELECT '{text[:400_000]}' AS a" for n in range(2)]
    for each in texts:
        lab.makes("rose", each)  # the last ones may be refused already
    wait_until(lambda: not lab.makes("rose", "COMMENT ON COLUMN lab.t.c11 IS 'one more'"))
    assert lab.refused("rose", "CREATE VIEW lab.more AS SELECT 1 AS a").sqlstate == FULL
    lab.ask("rose", "DROP TABLE lab.t")


def noise(number: int) -> str:
    """Return text of this size that nothing makes shorter."""
    return base64.b64encode(random.Random(1).randbytes(number * 3 // 4)).decode()


def test_what_is_said_of_other_things_than_tables_is_refused(lab: Lab) -> None:
    """It would stand in tables that all share, and count for nothing."""
    lab.ask("rose", "CREATE TABLE lab.t (a int CONSTRAINT c CHECK (a > 0))")
    lab.ask("rose", "CREATE VIEW lab.v AS SELECT 1 AS a")
    for what in (
        "CONSTRAINT c ON lab.t",
        "TRIGGER myriad_room ON lab.t",
        "TYPE lab.t",
        'RULE "_RETURN" ON lab.v',
    ):
        error = lab.refused("rose", f"COMMENT ON {what} IS 'words'")
        assert error.sqlstate == "42501", what


@pytest.mark.nightly(by_day=["comment", "columns"])
@pytest.mark.parametrize(
    "texts",
    [
        [f"CREATE TEMP VIEW v{n} AS SELECT '{noise(3_000_000)}'::text AS a" for n in range(4)],
        ["CREATE TEMP TABLE t (a int)", f"COMMENT ON TABLE t IS '{noise(12_000_000)}'"],
        [f"CREATE TEMP TABLE d (a text DEFAULT '{noise(12_000_000)}')"],
        [
            f"CREATE TEMP TABLE wide{n} ({', '.join(f'c{m} int' for m in range(1_500))})"
            for n in range(25)
        ],
    ],
    ids=["view", "comment", "default", "columns"],
)
def test_words_of_temporary_things_end_the_session(lab: Lab, texts: list[str]) -> None:
    with closing(lab.connect("rose")) as rose, suppress(psycopg.OperationalError):
        run_all(rose, texts)
        wait_until(lambda: not answers(rose))


def answers(connection: psycopg.Connection) -> bool:
    connection.execute("SELECT 1")
    return True


@pytest.mark.nightly(
    daily="tests/integration/test_people_workspaces_room.py::test_a_statement_without_end_is_ended"
)
def test_how_a_table_is_divided_counts(lab: Lab) -> None:
    text = f"CREATE TABLE lab.p (a text) PARTITION BY RANGE ((a || '{noise(9_000_000)}'))"
    lab.ask("rose", text)
    wait_until(lambda: lab.workspace("lab").bytes > MEGABYTES * 1e6)
    lab.ask("rose", "DROP TABLE lab.p")


def test_nobody_writes_what_is_told_of_rows(lab: Lab) -> None:
    lab.ask("rose", "CREATE TABLE lab.t (a int)")
    place = "'schemaname', 'lab', 'relname', 't'"
    for text in (
        f"pg_restore_relation_stats({place}, 'relpages', 1::int)",
        f"pg_restore_attribute_stats({place}, 'attname', 'a', 'inherited', false)",
    ):
        assert lab.refused("rose", f"SELECT {text}").sqlstate == "42501"


def test_what_an_open_transaction_has_made_counts_however_old_it_is(lab: Lab) -> None:
    with closing(lab.connect("rose", autocommit=False)) as rose:
        rose.execute("CREATE TABLE lab.t AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
        path = rose.execute("SELECT pg_relation_filepath('lab.t')").fetchall()[0][0]
        [(folder,)] = lab.admin("SHOW data_directory")
        lab.admin("CHECKPOINT")  # nothing is written to it later
        os.utime(Path(folder, path), (0, 0))
        lab.admin("UPDATE myriad_workspace.room SET bytes = 0")
        wait_until(lambda: lab.workspace("lab").bytes > 5_000_000)


def run_all(connection: psycopg.Connection, texts: list[str]) -> None:
    for text in texts:
        connection.execute(text.encode())


def test_who_publishes_beside_it_is_not_its_business(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_text("a,t\n" + "".join(f"{n},{'x' * 200}\n" for n in range(60_000)), "utf-8")
    lab.ask("rose", "CREATE TABLE lab.t (a int)")
    with closing(lab.connect("rose", autocommit=False)) as rose:
        rose.execute("TRUNCATE lab.t")
        lab.installation.publish(file, Options(database=lab.database, dataset="other"))
        rose.execute("INSERT INTO lab.t VALUES (1)")
        rose.commit()
    assert lab.ask("rose", "TABLE lab.t") == [(1,)]
