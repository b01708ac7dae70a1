"""`up` where something is up, `status` where nothing is, and output that nobody reads."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import myriad
from myriad.errors import HomeLocked
from myriad.home.home import Home
from tests.harness import COMMAND, Up, run, up, wait_until
from tests.own_ports import copied


@pytest.fixture(scope="module")
def first(made: Path) -> Iterator[Up]:
    """An `up` that nobody ends."""
    with copied(made) as home, up(home) as started:
        started.wait_ready()
        yield started


def test_a_second_up_says_that_it_is_up(first: Up) -> None:
    home = first.home
    for arguments in (["up"], ["up", "--detach"], ["up", "--detach", "--port", port_of(home)]):
        second = run(home, *arguments)
        assert (second.returncode, second.stderr) == (0, ""), arguments
        assert second.stdout.startswith("already up: ready on 127.0.0.1 port ")
    assert run(home, "up", "--detach", "--quiet").stdout == ""
    assert str(myriad.open(home).up_detached().port) == port_of(home)
    with pytest.raises(HomeLocked, match=f"is up as process {first.process.pid}, on port"):
        myriad.open(home, port=1).up_detached()
    assert myriad.open(home).published() == []


def port_of(home: Home) -> str:
    running = home.running()
    assert running is not None
    return str(running.port)


def test_a_second_up_that_asks_for_something_else_is_refused(first: Up) -> None:
    home, dsn = first.home, "host=db.example.org user=boss password=hidden"
    for arguments, said in (
        (["--port", "1"], f"on port {port_of(home)}, not 1"),
        (["--detach", "--postgres-at", dsn], "not db.example.org port 5432 as boss"),
    ):
        second = run(home, "up", *arguments)
        assert second.returncode == 1
        assert f"is up as process {first.process.pid}, " in second.stderr
        assert said in second.stderr
        assert f"hint: Stop it first with `myriad down --home {home.folder}`" in second.stderr
    assert run(home, "up", "--detach", "--postgres-at", "own").returncode == 0


@pytest.mark.nightly(daily="tests/acceptance/test_up_again.py::test_a_second_up_says_that_it_is_up")
def test_a_second_up_waits_for_one_that_starts(made_home: Home) -> None:
    with up(made_home) as first:
        wait_until(lambda: made_home.holder() == first.process.pid)
        second = run(made_home, "up", "--detach")
        assert second.returncode == 0
        assert "already up: ready on" in second.stdout
        assert myriad.open(made_home).published() == []


def test_publishes_that_begin_while_nothing_is_up_all_come_through(
    made_home: Home, folder: Path
) -> None:
    source = folder / "crew.csv"
    source.write_text("id\n1\n")
    begun = [
        subprocess.Popen(
            [*COMMAND, "publish", "-", "--table", name, "--home", str(made_home.folder)],
            stdin=source.open(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    try:
        for each in begun:
            _, said = each.communicate(timeout=120)
            assert each.returncode == 0, said
        assert len(myriad.open(made_home).published()) == len(begun)
    finally:
        run(made_home, "down")


def test_status_tells_by_its_exit_code_what_is_so(made_home: Home, folder: Path) -> None:
    down = run(made_home, "status")
    assert (down.returncode, down.stdout.split()[0]) == (3, "down")
    assert f"`myriad up --detach --home {made_home.folder}`" in down.stdout
    with made_home.locked():  # as an `up` has it that is not ready yet
        starting = run(made_home, "status")
    assert (starting.returncode, starting.stdout.split()[0]) == (3, "starting")
    assert f"`myriad up --detach --home {made_home.folder}` waits until" in starting.stdout
    nothing = run(Home(folder), "status")
    assert nothing.returncode == 3
    assert f"no home of Myriad in {folder}" in nothing.stdout
    assert json.loads(run(Home(folder / "new"), "status", "--json").stdout)["state"] == "absent"


@pytest.mark.parametrize(
    "arguments", [["settings"], ["settings", "--json"], ["doctor"], ["--help"]]
)
def test_a_pipe_that_nobody_reads_is_no_error(made_home: Home, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    place = {**os.environ, "MYRIAD_HOME": str(made_home.folder)}
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=output, stderr=subprocess.PIPE, env=place, check=False
        )
    assert done.returncode in {1, 141}  # click's own, and what shells make of SIGPIPE
    assert done.stderr == b""
