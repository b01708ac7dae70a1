"""The home: its lock and who holds it."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

import myriad
from myriad.errors import HomeError, HomeLocked, TooNew
from myriad.home import home as homes
from myriad.home import notes
from myriad.home.home import SOCKET_FOLDER_BYTES, Home, Running


def test_a_held_home_says_who_holds_it(home: Home) -> None:
    with home.locked():
        assert home.holder() == os.getpid()
        with pytest.raises(HomeLocked, match=f"process {os.getpid()} of user"), home.locked():
            pass
    assert home.holder() is None


def test_a_process_that_has_the_number_of_an_older_one_is_not_it(home: Home) -> None:
    started = notes.started(os.getpid())
    assert started is not None
    with home.locked():
        home.announce(Running(os.getpid(), "embedded", "127.0.0.1", 1, ""))
        assert home.running() == Running(os.getpid(), "embedded", "127.0.0.1", 1, "")
        for name in ("lock.holder", "running.json"):
            path = home.folder / name
            path.write_text(json.dumps(json.loads(path.read_text()) | {"started": started - 1}))
        assert home.holder() is None
        assert home.running() is None


def test_a_process_that_ended_has_no_start_time() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert notes.started(child.pid) is None  # a zombie
    child.wait()
    assert notes.started(child.pid) is None


def test_what_may_hold_a_password_is_private_and_not_shown(home: Home) -> None:
    home.create()
    home.announce(Running(os.getpid(), "attached", "h", 1, "password=hidden"))
    assert stat.S_IMODE((home.folder / "running.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    assert "hidden" not in repr(Running(1, "attached", "h", 1, "password=hidden"))


@pytest.mark.parametrize("name", ["a,b", "x" * 100])
def test_sockets_move_out_of_a_home_whose_path_cannot_hold_them(folder: Path, name: str) -> None:
    place = Home(folder / name).socket_folder()
    assert folder not in place.parents
    assert len(os.fsencode(place)) <= SOCKET_FOLDER_BYTES
    assert place != Home(folder / (name + "2")).socket_folder()


def test_a_home_that_is_a_file_is_an_error_with_a_hint(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(HomeError) as caught:
        Home(folder / "file").create()
    assert "--home" in caught.value.hint


def test_a_new_home_has_its_format_and_one_from_before_there_was_one_gets_it(home: Home) -> None:
    home.create()
    written = home.folder / "format"
    assert written.read_text() == "1\n"
    with home.locked():
        pass
    written.unlink()
    home.create()
    assert home.format() == 1
    assert not written.exists()  # `up` writes it, when it has brought the home up to date
    with home.locked():
        assert written.read_text() == "1\n"


def test_a_home_of_a_newer_version_is_refused_by_name(home: Home) -> None:
    home.create()
    (home.folder / "format").write_text("2\n")
    (home.folder / "myriad.toml").write_text("of_tomorrow = 1\n")
    with pytest.raises(TooNew, match=r"newer Myriad \(format 2\); this one knows format 1"):
        myriad.open(home.folder)
    with pytest.raises(TooNew, match=str(home.folder)), home.locked():
        pass
    assert (home.folder / "format").read_text() == "2\n"


@pytest.mark.parametrize("text", ["", "one", "0", "-1", "1 2", "9" * 5000])
def test_a_format_that_is_no_number_is_an_error_with_a_hint(home: Home, text: str) -> None:
    home.create()
    (home.folder / "format").write_text(text)
    with pytest.raises(HomeError, match="does not hold the number of a format") as caught:
        myriad.open(home.folder)
    assert caught.value.hint


def test_an_older_home_is_brought_up_to_date_step_by_step_and_goes_on_after_an_interruption(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with home.locked():
        pass
    ran: list[str] = []

    def first(place: Home) -> None:
        ran.append(f"first {place.format()}")

    def second(_: Home) -> None:
        ran.append("second")
        if ran.count("second") == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(homes, "STEPS", (first, second))
    with pytest.raises(KeyboardInterrupt), home.locked():
        pass
    assert home.format() == 2
    with home.locked():
        assert home.format() == 3
    assert ran == ["first 1", "second", "second"]
