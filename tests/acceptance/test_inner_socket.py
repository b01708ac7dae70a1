"""The inner socket of an `up` that is killed, of a door that is killed, and of one that ends."""

import signal
from contextlib import closing

import pytest

import myriad
from myriad.home.home import Home
from myriad.running import door, inner
from tests.door_inner import Inner
from tests.harness import up, wait_until

DATABASE = "main"


def enters(installed: myriad.Myriad) -> None:
    with closing(Inner(installed).enter("rose", DATABASE)) as session:
        assert session.rows("SELECT current_user") == [("'rose'",)]


def test_it_is_there_again_whoever_was_killed_and_gone_in_the_end(made_home: Home) -> None:
    installed = myriad.open(made_home)
    path = inner.path(made_home)
    with up(made_home) as killed:
        killed.wait_ready()
        installed.people.add_people(["rose"], ["readers"])
        installed.people.grant("readers", "public", DATABASE)
        enters(installed)
        killed.end(signal.SIGKILL)
    assert path.is_socket()
    with up(made_home) as started:
        started.wait_ready()
        enters(installed)
        before = door.running(made_home)
        assert before is not None
        before.kill()
        wait_until(lambda: (now := door.running(made_home)) is not None and now.pid != before.pid)
        started.wait_ready()
        enters(installed)  # it listens all the time: whoever comes early waits
        assert started.end() == 0
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        Inner(installed).stream()
