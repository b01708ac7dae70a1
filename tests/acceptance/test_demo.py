"""`myriad demo`, as a newcomer runs it."""

import csv
import json
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import myriad
from myriad.connect import Target
from myriad.demo import data, tour
from myriad.home.home import Home
from tests import harness
from tests.own_ports import give_port


def _demo(home: Home, *arguments: str) -> dict[str, list[dict[str, object]]]:
    done = harness.run(home, "demo", "--exit", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return answer


@dataclass(frozen=True)
class Toured:
    """A home in which the demo ran, and what it said."""

    home: Home
    said: dict[str, list[dict[str, object]]]


@pytest.fixture(scope="module")
def toured(made: Path) -> Iterator[Toured]:
    with harness.reachable_folder() as folder:
        subprocess.run(["cp", "-a", made, folder / "home"], check=True)
        home = Home(folder / "home")
        give_port(home)
        yield Toured(home, _demo(home))


def test_the_demo_shows_a_join_an_aggregation_and_a_refusal(toured: Toured) -> None:
    join, aggregation, refused = toured.said["answers"]
    with (toured.home.folder / "demo" / data.PAYMENTS_FILE).open() as file:
        payments = list(csv.DictReader(file))
    with (toured.home.folder / "demo" / data.ACCOUNTS_FILE).open() as file:
        accounts = list(csv.DictReader(file))
    assert len(accounts) == 10_000
    assert join["person"] == tour.ROSE
    assert sum(row[1] for row in join["rows"]) == len(payments)  # type: ignore[attr-defined]
    years = Counter(int(account["joined"][:4]) for account in accounts)
    shown = {row[0]: row[1] for row in aggregation["rows"]}  # type: ignore[attr-defined]
    assert shown == {year: years[year] for year in sorted(years)[-5:]}
    assert refused["person"] == tour.BRUNO
    assert refused["refused"] == "ERROR:  permission denied for schema finance"


@pytest.mark.nightly(daily="tests/acceptance/test_demo.py::test_the_demo_leaves_up_what_was_up")
def test_the_demo_takes_down_what_it_started_and_runs_again(toured: Toured) -> None:
    assert toured.home.running() is None
    first, second = toured.said["logins"], _demo(toured.home)["logins"]
    assert toured.home.running() is None
    assert [login["user"] for login in second] == [login["user"] for login in first]
    assert [login["password"] for login in second] != [login["password"] for login in first]


@pytest.mark.nightly(
    daily="tests/acceptance/test_demo.py::test_the_demo_shows_a_join_an_aggregation_and_a_refusal"
)
def test_the_demos_files_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        data.write(tmp_path / name)
    for name in data.COLUMNS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.fixture
def own(made_home: Home) -> Iterator[myriad.Myriad]:
    """An installation of one's own that is up: the demo adds people to it."""
    installed = myriad.open(made_home)
    installed.up_detached()
    yield installed
    installed.down()


def test_the_demo_leaves_up_what_was_up(own: myriad.Myriad, folder: Path) -> None:
    file = folder / "numbers.csv"
    file.write_text("n\n1\n")
    [answer] = _demo(own.home, str(file))["answers"]
    assert answer["rows"] == [[1]]
    assert own.server()


@pytest.mark.nightly(daily="tests/acceptance/test_demo.py::test_the_demo_leaves_up_what_was_up")
def test_somebody_real_called_rose_keeps_the_password(own: myriad.Myriad, folder: Path) -> None:
    file = folder / "numbers.csv"
    file.write_text("n\n1\n")
    [(_, password)] = own.people.add_people([tour.ROSE], ["real"])
    own.people.grant("real", "public")
    done = harness.run(own.home, "demo", "--exit", str(file))
    assert done.returncode == 1
    assert f"has people of its own: {tour.ROSE}" in done.stderr
    assert "hint: Run the demo in another home" in done.stderr
    assert own.published() == []  # it was refused before it published anything
    server = own.server()
    target = Target(server.host, server.port, "main", tour.ROSE, password)
    with psycopg.connect(target.uri(with_password=True)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@contextmanager
def _staying(home: Home, file: Path, *, as_json: bool = True) -> Iterator[subprocess.Popen[str]]:
    said = ["--json"] if as_json else []
    command = [*harness.COMMAND, "demo", str(file), *said, "--home", str(home.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(
            signal.SIGTERM,
            marks=pytest.mark.nightly(
                daily="tests/acceptance/test_demo.py::test_a_file_is_served_until_a_signal[2]"
            ),
        ),
    ],
)
def test_a_file_is_served_until_a_signal(home: Home, folder: Path, number: signal.Signals) -> None:
    file = folder / "Sales 2024.csv"
    file.write_text("day,amount\n2024-01-01,1.50\n2024-01-02,2.25\n")
    with _staying(home, file) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        uri = answer["logins"][0]["uri"]
        with psycopg.connect(uri) as connection:
            rows = connection.execute("SELECT sum(amount) FROM sales_2024").fetchall()
        assert str(rows[0][0]) == "3.75"
        process.send_signal(number)
        assert process.wait(30) == 0
    assert home.running() is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uri)


@pytest.mark.nightly(daily="tests/acceptance/test_demo.py::test_the_demo_leaves_up_what_was_up")
def test_the_last_line_that_the_demo_prints_works(made_home: Home, folder: Path) -> None:
    file = folder / "sales.csv"
    file.write_text("day,amount\n2024-01-01,1.50\n")
    with _staying(made_home, file, as_json=False) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        line = next(each for each in lines if each.startswith("# Other clients: "))
        _, *words = shlex.split(line.removeprefix("# Other clients: "))
        done = harness.run_process(*words)
        assert done.returncode == 0, done.stderr
        assert f"psql postgresql://{tour.ROSE}@127.0.0.1:" in done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_file_that_is_not_there_leaves_nothing_up(made_home: Home) -> None:
    done = harness.run(made_home, "demo", "/nowhere/at-all.csv")
    assert done.returncode == 1
    assert "/nowhere/at-all.csv: no such file" in done.stderr
    assert made_home.running() is None
