"""What people send takes no more of the door's memory than its bounds say, and leaves it again."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.door.ledger import measures
from myriad.door.verdict.reported import MOST_BYTES
from myriad.home.home import Home
from myriad.running import status
from tests.door_attackers import Scene, made_scene
from tests.door_memory import memory
from tests.door_script import Ended, Place, hold_log
from tests.harness import run, wait_until

MB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


def _shown(home: Home, part: str) -> int:
    return status.look(home).door_memory.get(part, {}).get("bytes", 0)


def test_status_shows_what_every_part_holds_and_may_hold(scene: Scene) -> None:
    home = scene.place.installation.home
    with closing(scene.wire(scene.eve)) as eve:
        eve.query(f"SELECT 1 /*{'x' * 5000}*/")
        wait_until(lambda: _shown(home, "session_texts") >= 1000, 4 * measures.WRITE_SECONDS)
        shown = status.look(home).door_memory
    assert shown["verdicts"]["bytes"] > 5000
    assert json.loads(run(home, "status", "--json").stdout)["door_memory"].keys() == shown.keys()
    documented = (ROOT / "docs" / "door.md").read_text()
    for name, part in shown.items():
        assert 0 <= part["bytes"] <= part["most_bytes"]
        assert f"| `{name}` |" in documented


LONG_SETTINGS = [
    "SET search_path = '{long}'",
    "SELECT set_config('search_path', repeat('x', {size}), false)",
    "BEGIN; SET search_path = '{long}'; COMMIT",
]


@pytest.mark.parametrize("attack", LONG_SETTINGS)
@pytest.mark.parametrize("size", [MOST_BYTES, 3 * MB])
def test_settings_that_are_too_long_to_be_kept_are_an_error(
    scene: Scene, attack: str, size: int
) -> None:
    before = memory(scene.place)
    text = attack.format(long="x" * min(size, MB), size=size)
    some = [scene.wire(scene.eve) for _ in range(3)]
    for eve in some:
        eve.stream.settimeout(60)
        try:
            told = eve.query(text)
        except Ended as ended:
            told = ended.answers
        assert "54000" in str(told)
    assert memory(scene.place) - before < 100 * MB
    for eve in some:
        eve.close()
    with closing(scene.wire(scene.rose)) as rose:
        assert rose.rows("SHOW search_path") == [("'public'",)]


def test_short_settings_are_kept(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        value = "x" * 60 + ", " + ", ".join(["public"] * 1000)
        eve.query(f"SET search_path = {value}")
        assert eve.rows("SHOW search_path") == [(repr(value),)]


MANY_SETTINGS = "; ".join(f"SET made_up_{number} = 1" for number in range(2000))


def test_a_text_changes_so_many_settings_and_no_more(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        assert [row[1] for row in eve.rows(MANY_SETTINGS)] == ["54000"]
        eve.query("BEGIN")
        for number in range(0, 1000, 100):
            names = "; ".join(f"SET made_up_{number + n} = 1" for n in range(100))
            eve.query(f"SAVEPOINT a; {names}")
            eve.query("ROLLBACK TO a")
        assert [row[1] for row in eve.rows("SET work_mem = '1MB'")] == ["54000"]


def test_a_name_in_too_many_places_is_refused(scene: Scene) -> None:
    with closing(scene.wire(scene.eve)) as eve:
        eve.stream.settimeout(60)
        text = f"SELECT count(*) FROM (VALUES {','.join(['(user)'] * 20_000)}) v"
        assert [row[1] for row in eve.rows(text)] == ["54000"]
