"""Nobody's short names come to mean what somebody else has made."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from tests.granted import PATH, Datasets, listed, made_datasets, one
from tests.harness import wait_until

PLACE = "SELECT place FROM t"
PLANTED = "CREATE FUNCTION {}.lower(varchar) RETURNS text LANGUAGE sql AS $$SELECT 'planted'$$"
CALL = "SELECT lower('Plain'::varchar)"


@pytest.fixture(scope="module")
def made(installation: Myriad) -> Iterator[Datasets]:
    with made_datasets(installation) as made:
        yield made


@pytest.fixture
def sets(made: Datasets) -> Iterator[Datasets]:
    yield made
    made.ask(f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {', '.join(made.passwords)}")
    made.ask(f"REVOKE CREATE ON DATABASE {made.database} FROM {', '.join(made.passwords)}")
    made.ask("DROP FUNCTION IF EXISTS public.lower(varchar)", "DROP TABLE IF EXISTS public.t")
    made.clear()


@pytest.fixture
def ann(made: Datasets) -> str:
    return next(iter(made.passwords))


@pytest.fixture
def eve(made: Datasets) -> str:
    return list(made.passwords)[1]


def is_ended(session: psycopg.Connection) -> bool:
    """Say whether a session was ended because of what somebody may create."""
    try:
        session.execute("SELECT 1")
    except psycopg.errors.AdminShutdown as error:
        return "somebody may create" in str(error)
    return False


@pytest.mark.nightly(by_day=["{}-public", "PUBLIC-arts"])
@pytest.mark.parametrize("dataset", ["public", "arts"])
@pytest.mark.parametrize("who", ["{}", "PUBLIC"])
def test_nothing_is_looked_up_where_somebody_was_allowed_to_create(
    sets: Datasets, ann: str, eve: str, dataset: str, who: str
) -> None:
    sets.add("arts", "sales")
    with closing(sets.log_in(ann)) as running:
        assert one(running, PATH) == listed("public", "arts", "sales")
        sets.ask("DROP TABLE arts.t", f"GRANT CREATE ON SCHEMA {dataset} TO {who.format(eve)}")
        left = listed(*(name for name in ("public", "arts", "sales") if name != dataset))
        wait_until(lambda: one(running, PATH) == left)
        with closing(sets.log_in(eve)) as session:
            session.execute(f"CREATE TABLE {dataset}.t AS SELECT 'planted' AS place".encode())
            session.execute(f"GRANT SELECT ON {dataset}.t TO PUBLIC".encode())
            session.execute(PLANTED.format(dataset).encode())
        with closing(sets.log_in(ann)) as fresh:
            for session in (running, fresh):
                assert one(session, PLACE) == "sales"
                assert one(session, CALL) == "plain"
        assert sets.path(eve) == left
        # what is there stays theirs when the right is taken back
        sets.ask(f"REVOKE CREATE ON SCHEMA {dataset} FROM {who.format(eve)}")
        wait_until(lambda: sets.path(ann) == left)
        assert one(running, CALL) == "plain"


def test_a_schema_of_somebodys_is_not_looked_in_whatever_its_name(
    sets: Datasets, ann: str, eve: str
) -> None:
    """It has the name of a dataset that was taken away, of a person, of what sorts first."""
    sets.add("arts", "sales")
    with closing(sets.log_in(ann)) as running:
        assert one(running, PATH) == listed("public", "arts", "sales")
        sets.ask("DROP SCHEMA arts CASCADE", f"GRANT CREATE ON DATABASE {sets.database} TO {eve}")
        names = ["arts", ann, "$user", "0"]
        with closing(sets.log_in(eve)) as session:
            for name in names:
                schema = listed(name)
                session.execute(f"CREATE SCHEMA {schema}".encode())
                session.execute(f"CREATE TABLE {schema}.t AS SELECT 'planted' AS place".encode())
                session.execute(PLANTED.format(schema).encode())
                session.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC".encode())
                session.execute(f"GRANT SELECT ON {schema}.t TO PUBLIC".encode())
        wait_until(lambda: one(running, PATH) == listed("public", "sales"))
        with closing(sets.log_in(ann)) as fresh:
            for session in (running, fresh):
                assert one(session, PLACE) == "sales"
                assert one(session, CALL) == "plain"


@pytest.mark.parametrize("held", ["BEGIN; SELECT 1", "PREPARE mine AS SELECT 1"])
def test_no_session_keeps_a_path_in_which_somebody_may_create_now(
    sets: Datasets, ann: str, eve: str, held: str
) -> None:
    """Others keep theirs: what is only new there waits for their next transaction."""
    sets.add("arts", "sales")
    with closing(sets.log_in(ann)) as session, closing(sets.log_in(ann)) as other:
        session.execute(held.encode())
        other.execute("SET search_path = public; BEGIN")
        sets.add("more")
        assert sets.path(ann) == listed("public", "arts", "more", "sales")
        assert one(session, PATH) == listed("public", "arts", "sales")
        sets.ask(f"GRANT CREATE ON SCHEMA arts TO {eve}")

        wait_until(lambda: is_ended(session))
    assert sets.path(ann) == listed("public", "more", "sales")


def test_a_schema_of_ones_own_comes_first_for_its_owner_alone(
    sets: Datasets, ann: str, eve: str
) -> None:
    sets.add("sales")
    sets.ask(f"CREATE SCHEMA {ann} AUTHORIZATION {ann}", f"GRANT USAGE ON SCHEMA {ann} TO PUBLIC")
    wait_until(lambda: sets.path(ann) == listed(ann, "public", "sales"))
    with closing(sets.log_in(ann)) as session:
        session.execute("CREATE TABLE t AS SELECT 'own' AS place")
        assert one(session, PLACE) == "own"
    assert sets.path(eve) == listed("public", "sales")
    sets.ask(f"GRANT CREATE ON SCHEMA {ann} TO {eve}")
    wait_until(lambda: sets.path(ann) == listed("public", "sales"))


def test_a_workspace_is_not_looked_in(sets: Datasets, ann: str, eve: str) -> None:
    """Its own people call it by its name, too; temporary tables they find."""
    people = sets.installation.people
    sets.add("sales")
    people.create_workspace(sets.group, "lab", sets.database)
    try:
        with closing(sets.log_in(eve)) as session:
            assert one(session, PATH) == "public, sales"
            session.execute("CREATE TABLE lab.t AS SELECT 'planted' AS place")
            assert one(session, PLACE) == "sales"
            session.execute("CREATE TEMPORARY TABLE own AS SELECT 1 AS n")
            assert one(session, "SELECT n FROM own") == "1"
        with closing(sets.log_in(ann)) as session:
            assert one(session, PATH) == "public, sales"
            assert one(session, PLACE) == "sales"
    finally:
        people.drop_workspace("lab", sets.database)


def test_a_temporary_table_is_not_mistaken_for_one_that_was_published(
    sets: Datasets, ann: str
) -> None:
    """Whoever empties it empties no other."""
    sets.add("sales")
    sets.installation.people.grant(sets.group, "sales", sets.database, write=True)
    sets.ask(f"GRANT TEMPORARY ON DATABASE {sets.database} TO {sets.group}")
    with closing(sets.log_in(ann)) as session:
        session.execute("CREATE TEMPORARY TABLE t AS SELECT 'temporary' AS place")
        assert one(session, PLACE) == "temporary"
        session.execute("DELETE FROM t")
    with closing(sets.log_in(ann)) as session:
        assert one(session, PLACE) == "sales"
