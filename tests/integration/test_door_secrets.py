"""Passwords in statements reach no log and no list, whether the statement succeeds or fails."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from tests.door_attackers import Scene, made_scene
from tests.door_script import (
    SYNC,
    Place,
    Wire,
    bind,
    execute,
    hold_log,
    owning,
    parse,
    unit,
)
from tests.harness import run, wait_until

# Each has a password, {secret}, somewhere.
TEXTS = r"""
ALTER ROLE CURRENT_USER PASSWORD '{secret}'
ALTER USER CURRENT_USER PASSWORD '{secret}' VALID UNTIL 'never'
ALTER ROLE nobody WITH ENCRYPTED PASSWORD '{secret}'
CREATE ROLE somebody LOGIN PASSWORD E'{secret}\n'
CREATE USER somebody PASSWORD $${secret}$$
ALTER ROLE nobody PASSWORD "{secret}"
ALTER ROLE nobody PASSWORD {secret}
ALTER ROLE nobody PASWORD '{secret}'
ALTER ROLE nobody PASSWORD '{secret}
ALTER ROLE nobody PASSWORD NULL '{secret}'
SELECT 1; ALTER ROLE nobody PASSWORD '{secret}'; SELECT 2
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'x', password '{secret}')
CREATE SUBSCRIPTION s CONNECTION 'host=x password={secret}' PUBLICATION p
SELECT * FROM dblink('host=x password={secret}', 'SELECT 1') AS t (a int)
SELECT dblink_connect('postgres://rose:{secret}@nowhere/x')
SELECT 'password={secret}'::int
SELECT ('x' || 'password={secret}')::int
SELECT crypt('{secret}', 'no salt')
DO $$ BEGIN EXECUTE 'ALTER ROLE nobody PASSWORD ''{secret}'''; END $$
DO $$ BEGIN EXECUTE 'ALTER ROLE nobody PASWORD ''{secret}'''; END $$
DO $$ BEGIN RAISE LOG 'password {secret}'; RAISE EXCEPTION 'password {secret}'; END $$
SET debug_print_parse = on; SELECT 'password={secret}'; RESET debug_print_parse
PREPARE p AS SELECT 'password={secret}'; EXECUTE p; DEALLOCATE p
SET app.password = '{secret}'
SELECT set_config('app.password', '{secret}', false)
COPY (SELECT 'password={secret}') TO PROGRAM 'false'
""".strip().splitlines()
WHO = ["reader", "owner"]


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


@pytest.fixture(scope="module")
def owner(scene: Scene) -> Iterator[str]:
    """An owner, whose database has their name."""
    name = f"oscar_{secrets.token_hex(4)}"
    with owning(scene.place, name, name):
        yield name


def _session(scene: Scene, owner: str, who: str) -> Wire:
    if who == "reader":
        return scene.wire(scene.eve)
    return scene.place.door(owner, owner)


def _do(session: Wire, text: str) -> None:
    """Run it in each way in which a statement may come."""
    session.query(text)
    session.query("ROLLBACK")
    for message in (
        unit(text),
        parse(text, "named"),
        parse(text) + bind(),
        parse(text) + execute(),
    ):
        session.send(message + SYNC)
        session.until()
    session.query(f"BEGIN; {text}")
    session.query("ROLLBACK")


def _told(scene: Scene) -> str:
    """Return all that is written down, and shown to administrators, of what people did."""
    home = scene.place.installation.home
    logs = [path.read_text(errors="replace") for path in home.logs.glob("*.log*")]
    shown = [run(home, "people", what, "--json").stdout for what in ("activity", "audit")]
    with closing(scene.place.admin("myriad")) as admin:
        shown += [str(admin.execute(f"TABLE public.audit_{n}").fetchall()) for n in (0, 1)]
        asked = "SELECT query FROM pg_stat_activity WHERE query !~ 'pg_stat_activity'"
        wait_until(lambda: "secret_" not in str(admin.execute(asked).fetchall()))
    return "\n".join(logs + shown)


@pytest.mark.nightly(by_day=["owner"])
@pytest.mark.parametrize("who", WHO)
def test_passwords_in_statements_are_written_down_nowhere(
    scene: Scene, owner: str, who: str
) -> None:
    mark = secrets.token_hex(4)
    with closing(_session(scene, owner, who)) as session:
        for number, text in enumerate(TEXTS):
            _do(session, text.replace("{secret}", f"secret_{mark}_{number}"))
        session.query(f"SELECT 'the end {mark}'")
        activity = scene.place.installation.people.activity()
        assert f"secret_{mark}" not in str(activity)
    place, name = scene.place, scene.eve if who == "reader" else owner
    place.passwords[name] = place.installation.people.set_password(name)  # it was changed, too
    wait_until(lambda: f"the end {mark}" in str(scene.place.installation.people.audit()))
    told = _told(scene)
    found = {n for n in range(len(TEXTS)) if f"secret_{mark}_{n}" in told}
    assert not found, [TEXTS[n] for n in sorted(found)]
    assert "ALTER ROLE nobody" in told  # but that it was tried


@pytest.mark.parametrize("who", WHO)
def test_a_statement_with_a_password_that_is_no_sql_is_an_error_in_its_place(
    scene: Scene, owner: str, who: str
) -> None:
    with closing(_session(scene, owner, who)) as session:
        text = "ALTER ROLE nobody PASWORD 'x'"
        assert [row[1] for row in session.rows(text)] == ["42601"]
        session.query("BEGIN")
        assert session.rows(text)[0][2] == 'unrecognized role option "pasword"'
        assert [row[1] for row in session.rows("SELECT 1")] == ["25P02"]
        session.query("ROLLBACK")
        session.send(unit("SELECT 7") + unit(text) + unit("SELECT 8") + SYNC)
        answers = session.until()
        assert ("D", "'7'") in answers
        assert [answer[2] for answer in answers if answer[0] == "E"] == ["42601"]
        assert ("D", "'8'") not in answers
        assert session.rows("SELECT 9") == [("'9'",)]


@pytest.mark.parametrize("who", WHO)
def test_nobody_fills_the_log_of_the_server(scene: Scene, owner: str, who: str) -> None:
    log = scene.place.installation.home.logs / "postgres.log"
    before = log.stat().st_size
    with closing(_session(scene, owner, who)) as session:
        session.stream.settimeout(60)
        session.query("SET debug_print_plan = on")
        session.query("SET client_min_messages = debug5")
        for _ in range(20):
            session.query("SELECT no_such_column")
        session.query("SELECT repeat('x', 500000)::int")
        session.query(f"SELECT no_such_column /*{'x' * 1_000_000}*/")
    assert log.stat().st_size - before < 2000


def test_errors_of_the_server_itself_are_in_the_doors_log(scene: Scene) -> None:
    """Not one for each: nobody fills that log either."""
    log = scene.place.installation.home.logs / "door.log"
    fault = "expected 2-element int8 array"
    with closing(scene.wire(scene.eve)) as eve:
        for _ in range(200):
            answers = eve.query("SELECT int4_avg_accum('{1,2,3}', 1)")
            assert answers[0][2:] == ("XX000", fault)
    lines = [line for line in log.read_text().splitlines() if fault in line]
    assert 0 < len(lines) < 100
    assert f"database {scene.database}: XX000" in lines[0]
