"""Tables are found by their names alone: sessions look in what was granted."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import myriad
from myriad import Myriad
from myriad.home.home import Home
from tests.door_script import SYNC, bind, describe, execute, parse
from tests.door_script import Place as Wires
from tests.elsewhere import elsewhere
from tests.granted import PATH, Datasets, listed, made_datasets, one
from tests.harness import wait_until
from tests.publishing import Place

PLACE = "SELECT place FROM {}"


@pytest.fixture(scope="module")
def made(installation: Myriad) -> Iterator[Datasets]:
    with made_datasets(installation) as made:
        yield made


@pytest.fixture
def sets(made: Datasets) -> Iterator[Datasets]:
    yield made
    made.clear()


@pytest.fixture
def ann(made: Datasets) -> str:
    return next(iter(made.passwords))


def test_the_default_dataset_comes_first_then_what_was_granted_by_name(
    sets: Datasets, ann: str
) -> None:
    sets.add("sales", "Music", "an_hr")
    sets.add("secret", granted=False)
    with closing(sets.log_in(ann)) as session:
        assert one(session, PATH) == listed("public", "Music", "an_hr", "sales")
        assert one(session, "SELECT current_schema()") == "public"
        assert one(session, PLACE.format("members")) == "public"
        assert one(session, PLACE.format("t")) == "Music"
        found = one(session, "SELECT current_schemas(true)::text")
        assert found == "{pg_catalog,public,Music,an_hr,sales}"
    assert sets.ask("SELECT FROM pg_db_role_setting WHERE setrole <> 0") == []


def test_a_setting_of_ones_own_wins_and_resetting_takes_it_back(sets: Datasets, ann: str) -> None:
    sets.add("sales")
    ours = listed("public", "sales")
    assert sets.path(ann, options="-c search_path=sales") == "sales"
    with closing(sets.log_in(ann)) as session:
        for back in ("RESET search_path", "RESET ALL", "DISCARD ALL", "SET search_path TO DEFAULT"):
            session.execute("SET search_path = sales")
            assert one(session, PATH) == "sales"
            session.execute(back.encode())
            assert one(session, PATH) == ours
        with session.transaction(force_rollback=True):
            session.execute("SET LOCAL search_path = sales")
            assert one(session, PATH) == "sales"
        assert one(session, PATH) == ours
    with closing(sets.log_in(ann, options="-c search_path=sales")) as session:
        session.execute("SET search_path = public")
        session.execute("DISCARD ALL")
        assert one(session, PATH) == "sales"


def test_what_an_administrator_has_set_wins(sets: Datasets, ann: str) -> None:
    sets.add("sales")
    ours, database = listed("public", "sales"), sets.database
    with closing(sets.log_in(ann)) as session:
        assert one(session, PATH) == ours
        for what in (f"DATABASE {database}", f"ROLE {ann}", f"ROLE {ann} IN DATABASE {database}"):
            sets.ask(f"ALTER {what} SET search_path = sales")
            assert sets.path(ann) == "sales", what
            if what.startswith("DATABASE"):
                wait_until(lambda: one(session, PATH) == "sales")
            sets.ask(f"ALTER {what} RESET search_path")
            wait_until(lambda: sets.path(ann) == ours)
        wait_until(lambda: one(session, PATH) == ours)


def test_a_new_session_sees_what_was_granted_just_now_and_one_that_runs_soon(
    sets: Datasets, ann: str
) -> None:
    people = sets.installation.people
    sets.add("sales", granted=False)
    with closing(sets.log_in(ann)) as session:
        for _ in range(3):
            assert one(session, PATH) == listed("public")
            people.grant(sets.group, "sales", sets.database)
            assert sets.path(ann) == listed("public", "sales")
            wait_until(lambda: one(session, PATH) == listed("public", "sales"))
            assert one(session, PLACE.format("t")) == "sales"
            people.revoke(sets.group, "sales", sets.database)
            assert sets.path(ann) == listed("public")
            wait_until(lambda: one(session, PATH) == listed("public"))
            with pytest.raises(psycopg.errors.UndefinedTable):
                session.execute(PLACE.format("t").encode())


def test_a_running_transaction_keeps_its_path(sets: Datasets, ann: str) -> None:
    sets.add("sales")
    with closing(sets.log_in(ann)) as session, session.transaction():
        assert one(session, PLACE.format("t")) == "sales"
        sets.add("arts")
        assert sets.path(ann) == listed("public", "arts", "sales")
        assert one(session, PATH) == listed("public", "sales")
        assert one(session, PLACE.format("t")) == "sales"


def test_what_is_published_is_found_and_what_is_taken_away_is_not(place: Place, tag: str) -> None:
    people, group = place.installation.people, f"readers {tag}"
    table = place.write("scores.csv", "n\n7\n")
    [(name, password)] = people.add_people([f"ann {tag}"], [group])
    made = Datasets(place.installation, place.database, group, {name: password})
    try:
        people.grant(group, "public", place.database)
        place.publish(table, dataset="new")
        people.grant(group, "new", place.database)
        with closing(made.log_in(name)) as session:
            assert one(session, "SELECT n FROM scores") == "7"
            place.installation.unpublish("new.scores", database=place.database)
            with pytest.raises(psycopg.errors.UndefinedTable):
                session.execute("SELECT n FROM scores")
    finally:
        people.remove([name])
        people.remove_group(group)


def test_whoever_has_rights_of_their_own_finds_tables_too(sets: Datasets, ann: str) -> None:
    sets.add("sales")
    sets.add("gift", granted=False)
    sets.ask(f"GRANT USAGE ON SCHEMA gift TO {ann}", f"GRANT SELECT ON gift.t TO {ann}")
    with closing(sets.log_in(ann)) as session:
        assert one(session, PATH) == listed("public", "gift", "sales")
        assert one(session, PLACE.format("t")) == "gift"
        session.execute("SET search_path = sales; RESET search_path")
        assert one(session, PATH) == listed("public", "gift", "sales")


ODD = ["$user", 'a "b", c', "comma,", "d d", "é漢", "x" * 63, "'; --", "\\", "UPPER", "%s"]


def test_datasets_may_be_called_anything(sets: Datasets, ann: str) -> None:
    sets.add(*ODD)
    with closing(sets.log_in(ann)) as session:
        assert one(session, PATH) == listed("public", *sorted(ODD[1:]))
        for name in ODD[1:]:
            own = listed("u" + name[1:])
            sets.ask(f"CREATE TABLE {listed(name)}.{own} AS SELECT 1 AS place")
            assert one(session, PLACE.format(own)) == "1"


def test_fifty_datasets_beside_the_default_one_are_looked_in(sets: Datasets, ann: str) -> None:
    """However many bytes that takes to write: a startup message has 10,000 at most."""
    names = [f"{number:02}" + '"' * 61 for number in range(60)]
    schemas = "; ".join(f"CREATE SCHEMA {listed(name)}" for name in names)
    sets.ask(schemas, f"GRANT USAGE ON SCHEMA {listed(*names)} TO {sets.group}")
    with closing(sets.log_in(ann)) as session:
        wait_until(lambda: one(session, PATH) == listed("public", *names[:50]))


def test_what_is_prepared_follows_the_path(sets: Datasets, ann: str) -> None:
    """As it does in PostgreSQL after SET; who was told other columns hears of it."""
    sets.add("sales")
    with closing(sets.log_in(ann)) as session, closing(sets.log_in(ann)) as other:
        for each in (session, other):
            each.prepare_threshold = 0
            assert one(each, PLACE.format("t")) == "sales"
        sets.add("arts")
        wait_until(lambda: one(session, PATH) == listed("public", "arts", "sales"))
        assert one(session, PLACE.format("t")) == "arts"
        with other.transaction():
            assert one(other, PLACE.format("t")) == "arts"
        sets.installation.people.revoke(sets.group, "arts", sets.database)
        wait_until(lambda: one(session, PATH) == listed("public", "sales"))
        assert one(session, PLACE.format("t")) == "sales"


def test_nobody_gets_columns_of_another_table_than_they_were_told_of(
    sets: Datasets, ann: str
) -> None:
    sets.add("sales")
    wires = Wires(sets.installation, sets.passwords)
    run = bind(name="s") + execute() + SYNC
    with closing(wires.door(ann, sets.database)) as wire, closing(sets.log_in(ann)) as session:
        wire.send(parse("SELECT * FROM t", "s") + describe("S", "s") + SYNC)
        assert "place" in str(wire.until())
        wire.send(run)
        assert "sales" in str(wire.until())
        sets.ask("CREATE SCHEMA arts", "CREATE TABLE arts.t AS SELECT 1 AS n, 'arts' AS place")
        sets.installation.people.grant(sets.group, "arts", sets.database)
        wait_until(lambda: one(session, PATH) == listed("public", "arts", "sales"))
        wire.send(run)
        assert "0A000" in str(wire.until())
        wire.send(parse("SELECT * FROM t") + bind() + execute() + SYNC)
        assert "arts" in str(wire.until())


def test_a_client_in_another_encoding_is_not_kept_out_by_a_name(sets: Datasets, ann: str) -> None:
    sets.add("schön")
    assert sets.path(ann, client_encoding="LATIN1") == listed("public", "schön")
    sets.add("漢")
    assert sets.path(ann) == listed("public", "schön", "漢")
    with closing(sets.log_in(ann, client_encoding="LATIN1")) as session:
        assert one(session, PATH) == listed("public")
        assert one(session, PLACE.format("members")) == "public"
        session.execute("SET search_path = sales; RESET ALL")
        assert one(session, PATH) == listed("public")
        session.execute("SET search_path = sales")
        with pytest.raises(psycopg.errors.UntranslatableCharacter):
            session.execute("RESET search_path")
        session.execute("DISCARD ALL")
        assert one(session, PATH) == listed("public")


def test_in_a_database_of_somebodys_own_nothing_is_chosen(made: Datasets) -> None:
    people, owner = made.installation.people, f"{made.database}_owner"
    passwords = dict(people.add_people([owner], owner=True))
    own = Datasets(made.installation, "main", made.group, passwords)
    try:
        with closing(own.log_in(owner)) as session:
            session.execute(f"CREATE DATABASE {owner}".encode())
        theirs = Datasets(made.installation, owner, made.group, passwords)
        assert theirs.path(owner) == '"$user", public'
        with closing(theirs.log_in(owner)) as session:
            session.execute(f"ALTER DATABASE {owner} SET search_path = mine".encode())
        assert theirs.path(owner) == "mine"
        with closing(own.log_in(owner)) as session:
            assert one(session, PATH) == listed("public")
            session.execute(f"ALTER ROLE {owner} SET search_path = here".encode())
            session.execute("DISCARD ALL")
            assert one(session, PATH) == "here"
    finally:
        with closing(Datasets(made.installation, "main", made.group, passwords).log_in(owner)) as s:
            s.execute(f"DROP DATABASE {owner} WITH (FORCE)".encode())
        people.remove([owner])


def test_in_a_database_of_another_encoding_what_cannot_be_told_is_left_out(
    sets: Datasets, ann: str
) -> None:
    """What is in a startup message the server takes as it comes."""
    name = f"{sets.database}_latin"
    sets.ask(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    latin = Datasets(sets.installation, name, sets.group, sets.passwords)
    try:
        latin.add("sales", "schön")
        with closing(latin.log_in(ann)) as session:
            assert one(session, PATH) == "public, sales"
            assert one(session, 'SELECT place FROM "schön".t') == "schön"
    finally:
        latin.clear()
        sets.ask(f"DROP DATABASE {name} WITH (FORCE)")


def test_on_a_server_that_is_attached_the_same_holds_and_nothing_is_written(home: Home) -> None:
    """Also where Myriad is no superuser there."""
    with elsewhere() as theirs:
        with closing(theirs.connect("postgres", autocommit=True)) as connection:
            connection.execute("CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'boss'")
        dsn = make_conninfo(host=theirs.host, port=theirs.port, user="boss", password="boss")
        installed = myriad.open(home)
        installed.up_detached(postgres_at=dsn)
        try:
            with made_datasets(installed) as there:
                ann = next(iter(there.passwords))
                there.add("sales")
                with closing(there.log_in(ann)) as session:
                    assert one(session, PATH) == "public, sales"
                    assert one(session, PLACE.format("t")) == "sales"
                    installed.people.revoke(there.group, "sales", there.database)
                    wait_until(lambda: one(session, PATH) == "public")
                assert there.ask("SELECT FROM pg_db_role_setting") == []
        finally:
            installed.down()
