"""No session gets PostgreSQL to tell it a setting that cannot be told in its encoding.

PostgreSQL would try that for ever, and obey nothing: nobody could make or drop a database then.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from myriad.door.verdict import reported
from myriad.door.verdict.setting_changes import ENCODINGS
from tests.door_attackers import Scene, made_scene
from tests.door_script import SYNC, Ended, Place, bind, execute, hold_log, parse

UNTOLD = "could not tell"
HAN = "漢"


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
        with closing(made.place.admin("postgres")) as admin:  # a server that loops cannot do that
            admin.execute("SET statement_timeout = '20s'")
            admin.execute("CREATE DATABASE made_after_all")
            admin.execute("DROP DATABASE made_after_all")
    hold_log(installation)


ATTACKS = [
    ["SET client_encoding = 'LATIN1'", f"SET search_path = {HAN}"],
    ["SET NAMES 'LATIN1'", "SELECT length(set_config('search_path', chr(28450), false))"],
    ["SET client_encoding = 'LATIN1'", "SET TIME ZONE '<漢漢漢>3'"],
    ["SET client_encoding = 'WIN1252'", r"SET search_path = U&'\6F22'"],
    ["SET client_encoding = 'EUC_TW'", r"SELECT set_config('search_path', E'\u6F22', true) = ''"],
    ["SET client_encoding = 'LATIN1'; SELECT length(set_config('search_path', chr(28450), true))"],
    [f"SET search_path = {HAN}; SET client_encoding = 'LATIN1'"],
    [f"SET search_path = {HAN}", "SET client_encoding = 'LATIN1'"],
    [f"SET search_path = {HAN}", "SET LOCAL client_encoding = 'LATIN1'; SET search_path = a"],
    [f"BEGIN; SET search_path = {HAN}", "SET client_encoding = 'LATIN1'"],
    ["BEGIN; SET client_encoding = 'LATIN1'", f"SAVEPOINT a; SET search_path = {HAN}"],
    ["PREPARE p (text) AS SELECT set_config('search_path', $1, false) = ''"],
    ["PREPARE p AS SELECT set_config('client_encoding', 'LATIN1', false) = ''"],
]


@pytest.mark.parametrize("attack", ATTACKS, ids="; ".join)
def test_a_setting_that_could_not_be_told_is_refused(scene: Scene, attack: list[str]) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        answers = [eve.query(text) for text in attack]
        assert all("('E'" not in str(each) for each in answers[:-1])
        assert "22P05" in str(answers[-1]) or "PREPARE" in str(answers[-1])
        eve.query("ROLLBACK")
        assert eve.rows("SELECT 1") == [("'1'",)]


def test_what_was_prepared_is_looked_at_when_it_is_run(scene: Scene) -> None:
    text = "SELECT set_config('search_path', $1, false) = ''"
    with closing(scene.wire(scene.eve)) as eve:
        eve.send(parse(text, "s") + bind(HAN, name="s") + execute() + SYNC)
        assert "('E'" not in str(eve.until())
        eve.query("SET search_path = a")
        eve.query("SET client_encoding = 'LATIN1'")
        eve.send(bind(HAN, name="s") + execute() + SYNC)
        assert UNTOLD in str(eve.until())
        assert UNTOLD in str(eve.query("EXECUTE s ('a')"))
        assert eve.rows("SHOW search_path") == [("'a'",)]


@pytest.mark.parametrize("setting", ["search_path", "TimeZone"])
def test_no_session_begins_so(scene: Scene, setting: str) -> None:
    with pytest.raises(Ended, match=UNTOLD):
        scene.wire(scene.eve, client_encoding="LATIN1", **{setting: "<漢漢漢>3"})


def test_what_can_be_told_is_set(scene: Scene) -> None:
    with closing(scene.connect(scene.eve)) as eve:
        for text in (
            f"SET search_path = {HAN}",
            "SET client_encoding = 'EUC_JP'",
            "RESET ALL",
            "SET client_encoding = 'LATIN1'; SET search_path = public",
            r"SET search_path = U&'sch\00F6n'",
            "SELECT set_config('search_path', 'public', false)",
            "SET client_encoding = 'UTF8'",
            "SELECT length(set_config('search_path', chr(28450), false))",
        ):
            eve.execute(text.encode())


def test_what_the_door_takes_for_sure_the_server_can_tell(scene: Scene) -> None:
    letters = "".join(map(chr, (*range(128, 0xD800), *range(0xE000, 0x10000))))
    with closing(scene.place.admin("postgres")) as admin:
        for encoding in sorted(ENCODINGS - reported.WIDE):
            codec = reported.CODECS.get(encoding, "ascii")
            known = letters.encode(codec, "ignore").decode(codec)
            sure = "".join(letter for letter in known if reported.can_tell(encoding, letter))
            admin.execute("SELECT convert_to(%s, %s)", [sure, encoding])
