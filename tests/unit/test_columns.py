"""What anybody wrote reaches a terminal as text: it is shown and not obeyed."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import myriad.cli
from myriad.cli import columns, main
from myriad.wording import harmless

HOSTILE = "\x1b]0;title\x07 \x1b[2J \x9b31m \r \b \u202e \u2066 \u061c"
PLAIN = "a\tb\nŁucja 山 👩\u200d🔬 \u0645\u06cc\u200c\u062e"


def test_what_a_terminal_would_obey_is_replaced_and_all_else_stays() -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202e\u2066]", harmless(HOSTILE))
    assert harmless(PLAIN) == PLAIN


def test_json_keeps_every_character_and_is_not_obeyed_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns.echo_json({"text": HOSTILE + PLAIN})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": HOSTILE + PLAIN}
    assert harmless(printed) == printed


def test_an_error_shows_what_somebody_wrote_and_does_not_obey_it() -> None:
    done = CliRunner().invoke(main, ["publish", HOSTILE, "--home", "/nowhere\x1b[2J"])
    assert done.exit_code
    assert done.stderr
    assert "\x1b" not in done.output


def test_nothing_else_prints() -> None:
    folder = Path(myriad.cli.__file__).parent
    printing = [path.name for path in folder.glob("*.py") if "click.echo(" in path.read_text()]
    assert printing == [Path(columns.__file__).name]
