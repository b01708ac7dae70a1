"""The worked examples for those who change Myriad work, and the places that they name are there."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from myriad import cli
from myriad.sources import formats
from tests.publishing import Place

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def blocks(part: str) -> list[str]:
    """Return the examples in Python of a part of the guide."""
    text = GUIDE.split(f"## {part}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_example_of_a_format_is_published(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, line = blocks("A new format")
    names: dict[str, Any] = {"Format": formats.Format}
    exec(source, names)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, eval(line, names)))
    text = "root:x:0:0::/root:/bin/sh\nrose:x:7:7:Rose:/home/rose:/bin/sh\n"
    report = place.publish(place.write("accounts.passwd", text))
    assert report.rows == 2
    assert place.one("SELECT comment FROM accounts WHERE uid = '7'") == "Rose"


def test_the_example_of_a_command_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish(place.write("t.csv", "a\n1\n2\n"))
    module = types.ModuleType("myriad.cli.size")
    exec(blocks("A new command")[0], vars(module))
    monkeypatch.setitem(cli.COMMANDS, "size", "size")
    monkeypatch.setitem(sys.modules, "myriad.cli.size", module)
    home = str(place.installation.home.folder)
    done = CliRunner().invoke(cli.main, ["size", "--home", home])
    assert done.exit_code == 0
    assert re.fullmatch(r"[\d,]+ rows\n", done.output)


def test_the_places_of_a_limit_have_the_one_that_is_followed() -> None:
    part = GUIDE.split("## A new limit\n")[1].split("\n## ")[0]
    places = re.findall(r"`((?:src|tests|docs)/[\w/.]+)`", part)
    assert len(places) > 4
    for path in places:
        assert re.search("queue.seconds", (ROOT / path).read_text("utf-8")), path


def test_every_place_where_a_change_belongs_is_there() -> None:
    part = GUIDE.split("## Where does a change belong?\n")[1].split("\n## ")[0]
    named = re.findall(r"`([\w./]+(?:/|\.py))`", part)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / "src" / "myriad" / name).exists()] == []
