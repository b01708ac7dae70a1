"""The home: its lock and who holds it."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from myriad.errors import HomeError, HomeLocked
from myriad.home import SOCKET_FOLDER_BYTES, Home, Running, process_started


def test_a_held_home_says_who_holds_it(home: Home) -> None:
    with home.locked():
        assert home.holder() == os.getpid()
        with pytest.raises(HomeLocked, match=f"process {os.getpid()} of user"), home.locked():
            pass
    assert home.holder() is None


def test_a_process_that_has_the_number_of_an_older_one_is_not_it(home: Home) -> None:
    started = process_started(os.getpid())
    assert started is not None
    now = Running(os.getpid(), started, "embedded", "127.0.0.1", 1, "")
    assert now.alive()
    assert not Running(os.getpid(), started - 1, "embedded", "127.0.0.1", 1, "").alive()
    with home.locked():
        holder = home.folder / "lock.holder"
        holder.write_text(json.dumps({"pid": os.getpid(), "started": started - 1}))
        assert home.holder() is None


def test_a_process_that_ended_has_no_start_time() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_started(child.pid) is None  # a zombie
    child.wait()
    assert process_started(child.pid) is None


def test_what_may_hold_a_password_is_private_and_not_shown(home: Home) -> None:
    home.create()
    home.announce(Running(os.getpid(), 1.0, "attached", "h", 1, "password=hidden"))
    assert stat.S_IMODE((home.folder / "running.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    assert "hidden" not in repr(Running(1, 1.0, "attached", "h", 1, "password=hidden"))


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
