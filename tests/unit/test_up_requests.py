"""What commands ask of the `up` that runs, several of them at once."""

from pathlib import Path

import pytest

from myriad.errors import Unsupported
from myriad.home.home import Home
from myriad.running import requests


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_each_of_two_who_ask_at_once_is_answered(home: Home) -> None:
    asked = [requests.ask(home, {"cassandra": number}) for number in (1, 3)]
    taken = [requests.take(home), requests.take(home)]
    assert {each.number: each.settings for each in taken if each} == {
        each.number: each.settings for each in asked
    }
    assert requests.take(home) is None
    requests.answer(home, asked[1], Unsupported("there is one already", hint="Stop it first."))
    requests.answer(home, asked[0])
    assert requests.answered(home, asked[0])
    with pytest.raises(Unsupported, match="there is one already"):
        requests.answered(home, asked[1])


def test_who_is_not_answered_yet_goes_on_waiting(home: Home) -> None:
    asked = requests.ask(home, {})
    assert not requests.answered(home, asked)


def test_what_was_asked_of_an_up_before_this_one_is_forgotten(home: Home) -> None:
    asked = requests.ask(home, {})
    requests.answer(home, requests.ask(home, {}))
    before = set(home.folder.iterdir())
    requests.forget(home)
    assert requests.take(home) is None
    assert not requests.answered(home, asked)
    assert len(before - set(home.folder.iterdir())) == 3


def test_what_is_no_question_is_taken_away_and_keeps_nobody_waiting(home: Home) -> None:
    (home.folder / "asked-0.json").write_text("[1")
    asked = requests.ask(home, {"cassandra": 1})
    assert requests.take(home) == asked
    assert requests.take(home) is None
