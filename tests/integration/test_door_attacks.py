"""Somebody attacks a colleague with the same rights by SQL: what the other sees, and gets."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad.door.verdict.effects import words
from tests.door_attackers import Scene, made_scene
from tests.door_script import up_with

CONNECTIONS = 2  # of the pool: one may stay with a session, and all can be looked at
# Every setting that is not as a new connection has it.
CHANGED = """
    SELECT name, setting FROM pg_settings
    WHERE source = 'session' AND setting IS DISTINCT FROM reset_val AND name <> 'search_path'
    UNION ALL SELECT 'search_path', current_setting('search_path')
    UNION ALL SELECT 'eve.mark', coalesce(current_setting('eve.mark', true), '')
    UNION ALL SELECT 'role', current_setting('role')
"""

# Server connections are counted here, and each process of the door would have a part of them.
pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with up_with(pool_size=CONNECTIONS) as place, made_scene(place) as made:
        yield made


def _outcome(connection: psycopg.Connection, text: str) -> str:
    """Run it as one text; return the SQLSTATE."""
    try:
        connection.execute(text.encode())
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__
    return ""


# Each changes a setting of Eve's session, in every spelling: nothing of it may reach Rose.
KEPT = r"""
SET work_mem = '77MB'
set "work_mem" to '77MB'
SET U&"\0077ork_mem" = '77MB'
/* a /* b */ c */ SET work_mem = '77MB'
SELECT set_config('work_mem', '77MB', false)
SELECT pg_catalog."set_config"('work_mem', '77MB', false)
SELECT U&"set\005fconfig"('work_mem', '77MB', false)
SELECT SET_CONFIG(E'work\x5fmem', '77MB', false)
SELECT set_config($$work_mem$$, '77MB', false)
SELECT set_config($a$work_mem$a$::text, '77MB', false)
SELECT set_config(U&'work!005fmem' UESCAPE '!', '77MB', false)
WITH a AS MATERIALIZED (SELECT set_config('work_mem', '77MB', false)) SELECT 1 FROM a
SELECT 1 WHERE set_config('work_mem', '77MB', false) IS NOT NULL
SELECT 1 ORDER BY set_config('work_mem', '77MB', false)
SELECT count(*) FILTER (WHERE set_config('work_mem', '77MB', false) IS NOT NULL)
SELECT * FROM ROWS FROM (set_config('work_mem', '77MB', false))
SELECT json_object('a': set_config('work_mem', '77MB', false))
SELECT upper(lower(set_config('work_mem', '77MB', false)))
VALUES (set_config('work_mem', '77MB', false))
TABLE given; SET work_mem = '77MB'
EXPLAIN ANALYZE SELECT set_config('work_mem', '77MB', false)
PREPARE p AS SELECT set_config('work_mem', '77MB', false); EXECUTE p
DECLARE c CURSOR WITH HOLD FOR SELECT set_config('work_mem', '77MB', false)
BEGIN; DECLARE c CURSOR FOR SELECT set_config('work_mem', '77MB', false); FETCH c; COMMIT
BEGIN; SET work_mem = '77MB'; SAVEPOINT a; SET work_mem = '78MB'; ROLLBACK TO a; COMMIT
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SET TIME ZONE 'Asia/Tokyo'
SET NAMES 'latin1'
SET eve.mark = 'x'
SET LOCAL eve.mark = 'x'
SELECT set_config('eve.mark', 'x', true)
SET row_security = off
SET default_transaction_read_only = on
SET search_path = hidden, pg_temp
SET hash_mem_multiplier = 1000
SET temp_buffers = '1GB'
SET plan_cache_mode = force_generic_plan
SET lock_timeout = 1
SET idle_in_transaction_session_timeout = 1
SET ROLE NONE
SET SESSION AUTHORIZATION DEFAULT
RESET ALL
DISCARD ALL
""".strip().splitlines()
# Refused, because the door or PostgreSQL could not know or undo what they do.
DENIED, NOT_HERE = "42501", "0A000"
REFUSED = r"""
0A000 SELECT set_config('work' || '_mem', '77MB', false)
0A000 SELECT set_config(x, '77MB', false) FROM (VALUES ('work_mem')) v (x)
0A000 SELECT set_config(is_local => false, setting_name => 'work_mem', new_value => '77MB')
0A000 SELECT set_config(VARIADIC ARRAY['work_mem', '77MB', 'f'])
0A000 PREPARE p (text) AS SELECT set_config($1, '77MB', false)
42501 UPDATE pg_settings SET setting = '77MB' WHERE name = 'work_mem'
42501 WITH a AS (UPDATE pg_settings SET setting = '1' RETURNING 1) SELECT 1
42501 CREATE TEMP VIEW v AS SELECT set_config('work_mem', '77MB', false)
42501 DO $$ BEGIN PERFORM set_config('work_mem', '77MB', false); END $$
42501 SELECT query_to_xml('SELECT set_config(''work_mem'', ''77MB'', false)', true, true, '')
42501 ALTER ROLE CURRENT_USER SET work_mem = '77MB'
42501 ALTER USER SESSION_USER SET work_mem = '77MB'
42501 ALTER ROLE ALL SET work_mem = '77MB'
42501 ALTER DATABASE postgres SET work_mem = '77MB'
42501 ALTER SYSTEM SET work_mem = '77MB'
42501 ALTER ROLE CURRENT_USER PASSWORD NULL
42501 ALTER ROLE nobody PASSWORD 'x'
42501 SET standard_conforming_strings = off
42501 SET LOCAL standard_conforming_strings TO 'f'
42501 SELECT set_config('Standard_Conforming_Strings', 'off', true)
42501 SET client_encoding = 'SJIS'
42501 SET NAMES 'GBK'
42501 SELECT set_config('client_encoding', 'b-i-g 5', false)
42501 SET session_replication_role = replica
42501 SET ROLE myriad_owner
42501 SET LOCAL ROLE 'pg_read_all_data'
42501 SET SESSION AUTHORIZATION myriad
42501 SELECT set_config('ROLE', 'myriad', false)
42501 BEGIN; PREPARE TRANSACTION 'a'
42501 LOAD 'auto_explain'
42501 LISTEN eve
42501 NOTIFY eve
42501 SELECT pg_notify('eve', 'x')
42501 SELECT pg_reload_conf()
""".strip().splitlines()


@pytest.mark.parametrize("attack", KEPT)
def test_what_somebody_sets_stays_with_them(scene: Scene, attack: str) -> None:
    before = scene.everywhere(CHANGED, CONNECTIONS)
    with closing(scene.connect(scene.eve)) as eve:
        assert _outcome(eve, attack) == ""
        assert scene.everywhere(CHANGED, 1) == before[:1]
    assert scene.everywhere(CHANGED, CONNECTIONS) == before


@pytest.mark.parametrize("attack", REFUSED)
def test_what_could_reach_others_is_refused(scene: Scene, attack: str) -> None:
    code, text = attack.split(" ", 1)
    before = scene.everywhere(CHANGED, CONNECTIONS)
    with closing(scene.connect(scene.eve)) as eve:
        assert _outcome(eve, text) == code
        eve.execute("ROLLBACK")
        assert eve.execute("SELECT count(*) > 0 FROM given").fetchall() == [(True,)]
    assert scene.everywhere(CHANGED, CONNECTIONS) == before


@pytest.mark.parametrize(
    "setting", ["idle_session_timeout", "statement_timeout", "transaction_timeout"]
)
def test_a_time_limit_that_somebody_sets_ends_nothing_of_others(scene: Scene, setting: str) -> None:
    with closing(scene.connect(scene.rose)) as rose:
        for _ in range(20):
            with closing(scene.connect(scene.eve)) as eve:
                _outcome(eve, f"SET {setting} = 1")
            assert rose.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "option",
    [
        "-c standard_conforming_strings=off",
        "-c client_encoding=SJIS",
        "-c role=myriad",
        "-c session_authorization=myriad",
        "--ROLE=myriad_owner",
    ],
)
def test_what_a_session_may_not_set_it_may_not_start_with(scene: Scene, option: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        scene.connect(scene.eve, options=option)


def test_a_custom_setting_from_the_start_is_gone_for_others(scene: Scene) -> None:
    with closing(scene.connect(scene.eve, options="-c eve.mark=hello")) as eve:
        assert eve.execute("SHOW eve.mark").fetchall() == [("hello",)]
    seen = scene.everywhere("SELECT coalesce(current_setting('eve.mark', true), '')", CONNECTIONS)
    assert seen == [[("",)]] * CONNECTIONS


def test_the_seed_of_chance_cannot_be_set_for_others(scene: Scene) -> None:
    with closing(scene.direct(scene.eve)) as direct:
        direct.execute("SELECT setseed(0.5)")
        foreseen = direct.execute("SELECT random()").fetchall()
    for attack in ("SELECT setseed(0.5)", "SET seed = 0.5"):
        with closing(scene.connect(scene.eve)) as eve:
            eve.execute(attack.encode())
        assert foreseen not in scene.everywhere("SELECT random()", CONNECTIONS)


def test_prepared_statements_and_cursors_are_nobody_elses(scene: Scene) -> None:
    with closing(scene.connect(scene.rose)) as rose:
        rose.execute("PREPARE mine AS SELECT 'a secret'")
        rose.execute("DECLARE held CURSOR WITH HOLD FOR SELECT 'a secret'")
        with closing(scene.connect(scene.eve)) as eve:
            assert _outcome(eve, "EXECUTE mine") == "26000"
            assert _outcome(eve, "FETCH held") == "34000"
    for text, code in (("EXECUTE mine", "26000"), ("FETCH held", "34000")):
        for _ in range(CONNECTIONS):
            with closing(scene.connect(scene.eve)) as eve:
                assert _outcome(eve, text) == code


def test_leaving_in_the_middle_of_a_transaction_leaves_nothing(scene: Scene) -> None:
    before = scene.everywhere(CHANGED, CONNECTIONS)
    eve = scene.connect(scene.eve)
    eve.execute(
        b"BEGIN; PREPARE trap AS SELECT 1; SET work_mem = '77MB'; INSERT INTO note VALUES (0)"
    )
    eve.close()
    assert scene.everywhere(CHANGED, CONNECTIONS) == before
    with closing(scene.connect(scene.rose)) as rose:
        assert _outcome(rose, "EXECUTE trap") == "26000"
        rose.execute("PREPARE trap AS SELECT 2")
        assert rose.execute("EXECUTE trap").fetchall() == [(2,)]


def test_sequence_values_of_others_are_not_told(scene: Scene) -> None:
    with closing(scene.connect(scene.rose)) as rose:
        rose.execute("INSERT INTO note (body) VALUES ('x')")
        rose.execute("SELECT nextval('note_id_seq')")
    with closing(scene.connect(scene.eve)) as eve:
        for asked in ("lastval()", "currval('note_id_seq')"):
            assert _outcome(eve, f"SELECT {asked}") == "0A000"
            # in a text that moves a sequence the door lets it pass; the server does not know it
            eve.execute("BEGIN")
            hidden = f"SELECT {asked} FROM given WHERE a < 0 AND nextval('note_id_seq') > 0"
            assert _outcome(eve, f"SELECT {asked}; {hidden}") == "55000"
            eve.execute("ROLLBACK")


# What tells of others' work, verifiers, other databases. PostgreSQL itself says no to each.
CLOSED = words("""
    pg_stat_get_activity(NULL) pg_stat_replication pg_prepared_statements pg_cursors
    pg_stat_get_backend_idset() pg_stat_get_backend_activity(1) pg_stat_get_backend_io(1)
    pg_stat_get_backend_wal(1) pg_stat_progress_vacuum pg_stat_progress_copy
    pg_backend_memory_contexts pg_shmem_allocations pg_aios pg_authid pg_shadow pg_subscription
    pg_statistic pg_user_mapping pg_largeobject pg_file_settings pg_hba_file_rules
    pg_ident_file_mappings pg_ls_logdir() pg_ls_tmpdir() pg_ls_waldir() pg_read_file('PG_VERSION')
    pg_read_binary_file('PG_VERSION') pg_stat_file('PG_VERSION') pg_current_logfile()
    pg_config pg_replication_origin_status hidden.secret
""")


@pytest.mark.parametrize("what", sorted(CLOSED))
def test_what_tells_of_others_is_closed(scene: Scene, what: str) -> None:
    for connect in (scene.connect, scene.direct):
        with closing(connect(scene.eve)) as eve:
            assert _outcome(eve, f"SELECT * FROM {what}") == DENIED


@pytest.mark.parametrize("database", ["myriad", "postgres", "template1"])
def test_databases_that_nobody_was_let_into_are_closed(scene: Scene, database: str) -> None:
    elsewhere = Scene(scene.place, database, scene.eve, scene.rose)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        elsewhere.connect(scene.eve)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        elsewhere.direct(scene.eve)


def _pool_role(scene: Scene) -> str:
    with closing(scene.connect(scene.eve)) as eve:
        [(role,)] = eve.execute("SHOW session_authorization").fetchall()
    assert role.startswith("myriad_pool_")
    return str(role)


def test_nobody_becomes_the_role_of_a_pool(scene: Scene) -> None:
    role = _pool_role(scene)
    for name in (role, role.upper(), "myriad", "myriad_owner", "pg_read_all_data", "postgres"):
        scene.place.passwords.setdefault(name, "guess")
        with pytest.raises(psycopg.OperationalError, match=r"authentication failed|too many"):
            scene.connect(name)
    with closing(scene.connect(scene.eve)) as eve:
        for text in (
            f"GRANT {role} TO CURRENT_USER",
            f'GRANT {role} TO "{scene.eve}"',
            f"GRANT myriad TO {role}",
            f"SET ROLE {role}",
            f"SET SESSION AUTHORIZATION {role}",
            f"ALTER ROLE {role} PASSWORD 'x'",
            f"DROP ROLE {role}",
            f"REASSIGN OWNED BY {role} TO CURRENT_USER",
            "DROP OWNED BY CURRENT_USER",
            f"CREATE ROLE friend IN ROLE {role}",
            f"COMMENT ON ROLE {role} IS 'x'",
        ):
            assert _outcome(eve, text) in {DENIED, NOT_HERE}, text


def test_a_person_is_told_their_own_name(scene: Scene) -> None:
    asked = """SELECT current_user, session_user, current_role, user, system_user,
        pg_catalog.current_user(), (SELECT "session_user" FROM session_user),
        current_user::regrole::text, concat(user, ''), array[user]::text[]"""
    eve = scene.eve
    with closing(scene.connect(eve)) as connection:
        [row] = connection.execute(asked.replace("pg_catalog.current_user()", "user").encode())
        assert row == (*[eve] * 4, f"scram-sha-256:{eve}", eve, eve, eve, eve, [eve])
        assert connection.info.parameter_status("session_authorization") == eve


def test_where_the_name_of_the_pool_shows(scene: Scene) -> None:
    """Documented in docs/security.md: it names a set of groups, and nobody."""
    role = _pool_role(scene)
    with closing(scene.connect(scene.eve)) as eve:
        told = eve.execute("SELECT role_name FROM information_schema.enabled_roles").fetchall()
        assert (role,) in told
        assert (scene.eve,) not in told
        setting = eve.execute("SELECT current_setting('session_authorization')").fetchall()
        assert setting == [(role,)]


@pytest.mark.parametrize(
    "name", ['o"brien', "a'; DROP TABLE given; --", "back\\slash", "$user", "ünï cödé", "x" * 63]
)
def test_names_are_only_names(scene: Scene, name: str) -> None:
    people = scene.place.installation.people
    group = next(each.name for each in people.list_groups() if each.name.startswith("readers"))
    scene.place.passwords.update(people.add_people([name], [group]))
    try:
        with closing(scene.connect(name)) as connection:
            assert connection.execute("SELECT current_user, user").fetchall() == [(name, name)]
            assert connection.execute("SELECT current_user", prepare=True).fetchall() == [(name,)]
    finally:
        people.remove([name])


def test_a_person_cannot_be_named_as_one_of_ours(scene: Scene) -> None:
    for name in ("myriad_pool_0123456789abcdef", "myriad", "pg_me", "Myriad_x"):
        with pytest.raises(Exception, match=name):
            scene.place.installation.people.add_people([name])


def test_the_list_of_everybody_is_there_without_verifiers(scene: Scene) -> None:
    with closing(scene.connect(scene.eve)) as eve:
        row = eve.execute(
            "SELECT rolpassword, rolcanlogin FROM pg_roles WHERE rolname = %s", [scene.rose]
        ).fetchall()
        assert row == [("********", True)]
        assert _outcome(eve, "SELECT rolpassword FROM pg_authid") == DENIED
