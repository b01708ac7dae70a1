"""What the benchmarks publish: made once with fixed seeds, kept in `build/bench`."""

import datetime as dt
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl

FOLDER = Path(__file__).resolve().parent.parent / "build" / "bench"
MB = 1_000_000

# hash() has no seed, so every run gives the same bytes. What it has to show: nulls, empty and
# quoted fields, a comma within quotes, exact decimals, two kinds of date.
ACCOUNTS = """
COPY (
    SELECT
        i AS id,
        ['Ada','Rose','Bruno','Chloé','Dmitri','Eun-ji','Fatima','Gülay'][h % 8 + 1] AS first_name,
        ['Nguyen','Smith','O''Brien','García','Okafor','Müller'][h // 8 % 6 + 1] AS last_name,
        'person' || i || '@example' || h % 97 || '.org' AS email,
        uuid_text AS reference,
        DATE '1950-01-01' + (h // 64 % 20000)::INTEGER AS born,
        strftime(
            TIMESTAMP '2020-01-01' + to_seconds((h // 128 % 150000000)::BIGINT),
            '%Y-%m-%d %H:%M:%S'
        ) AS joined,
        CASE WHEN h % 10 = 0 THEN NULL ELSE (h % 100000000)::DECIMAL(12, 2) / 100 END AS balance,
        (h // 16 % 40000)::INTEGER - 20000 AS points,
        h % 3 = 0 AS active,
        CASE h % 20 WHEN 0 THEN NULL WHEN 1 THEN 'said "yes", then no' ELSE 'none' END AS note,
    FROM (
        SELECT i, (hash(i) % 9000000000000000000)::BIGINT AS h, md5(i::VARCHAR) AS m,
            substr(m, 1, 8) || '-' || substr(m, 9, 4) || '-' || substr(m, 13, 4) || '-'
                || substr(m, 17, 4) || '-' || substr(m, 21, 12) AS uuid_text
        FROM range(1, 3000001) AS numbers(i)
    )
    ORDER BY i
) TO '{path}' (FORMAT csv, HEADER)
"""
ACCOUNTS_COLUMNS = """
    id bigint, first_name text, last_name text, email text, reference uuid, born date,
    joined timestamp, balance numeric, points bigint, active boolean, note text
"""
LINEITEM_COLUMNS = """
    l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber bigint,
    l_quantity bigint, l_extendedprice numeric, l_discount numeric, l_tax numeric,
    l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date,
    l_shipinstruct text, l_shipmode text, l_comment text
"""


@dataclass(frozen=True)
class Input:
    """A file to publish, and the columns that a person would write by hand for it."""

    name: str
    path: Path
    columns: str

    @property
    def megabytes(self) -> float:
        """Size of the file in MB (10⁶ bytes)."""
        return self.path.stat().st_size / MB


def _made(path: Path, make: Callable[[Path], object]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        make(unfinished)
        unfinished.rename(path)
    return path


def _make_accounts(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(ACCOUNTS.replace("{path}", str(path).replace("'", "''")))


def _make_lineitem(path: Path) -> None:
    folder = path.parent / "tpch"
    program = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run([program, "csv", "-q", "-s", "0.5", "-T", "lineitem", "-o", folder], check=True)
    (folder / "lineitem.csv").rename(path)
    shutil.rmtree(folder)


def accounts() -> Input:
    """3 million accounts with names, dates, exact decimals, UUIDs, nulls and quoted fields."""
    path = _made(FOLDER / "accounts.csv", _make_accounts)
    return Input("3 M accounts", path, ACCOUNTS_COLUMNS)


def lineitem() -> Input:
    """TPC-H's biggest table at scale factor 0.5: about 3 million rows."""
    path = _made(FOLDER / "lineitem.csv", _make_lineitem)
    return Input("TPC-H lineitem, SF 0.5", path, LINEITEM_COLUMNS)


def small() -> Path:
    """1,000 rows of three columns."""
    rows = "".join(f"{n},person {n},2024-01-{n % 28 + 1:02}\n" for n in range(1000))
    return _made(FOLDER / "small.csv", lambda path: path.write_text(f"id,name,day\n{rows}"))


def wide() -> Path:
    """600 columns, 2,000 rows."""
    rows = (",".join(str(row * n % 9973) for n in range(600)) for row in range(2000))
    names = ",".join(f"c{n}" for n in range(600))
    return _made(FOLDER / "wide.csv", lambda path: path.write_text("\n".join((names, *rows, ""))))


def thousand() -> Path:
    """A folder of 1,000 files with ten rows each."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for number in range(1000):
            rows = "".join(f"{n},person {n}\n" for n in range(10))
            (folder / f"t{number:04}.csv").write_text(f"id,name\n{rows}")

    return _made(FOLDER / "thousand", make)


def workbook() -> Path:
    """A sheet of 200,000 rows: numbers, texts, decimals, days, flags."""

    def make(path: Path) -> None:
        book = openpyxl.Workbook(write_only=True)
        sheet, first = book.create_sheet("people"), dt.date(2020, 1, 1)
        sheet.append(["id", "name", "city", "amount", "joined", "active"])
        for n in range(200_000):
            day = first + dt.timedelta(days=n % 2000)
            city = ("Bonn", "Köln", "Paris")[n * 7 % 3]
            sheet.append([n, f"person {n}", city, n * 7919 % 10**7 / 100, day, n % 3 == 0])
        book.save(path)

    return _made(FOLDER / "workbook.xlsx", make)


def sqlite() -> Path:
    """500,000 rows of five columns, with a key."""

    def make(path: Path) -> None:
        with closing(sqlite3.connect(path)) as con:
            con.execute(
                "CREATE TABLE people (id integer PRIMARY KEY, name text, amount real, day text,"
                " points integer)"
            )
            rows = ((n, f"person {n}", n / 100, "2024-01-31", n % 7) for n in range(500_000))
            con.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", rows)
            con.commit()

    return _made(FOLDER / "people.db", make)


def json_lines() -> Path:
    """500,000 records of five keys, one a line."""

    def make(path: Path) -> None:
        with path.open("w") as file:
            for n in range(500_000):
                record = {"id": n, "name": f"person {n}", "amount": n / 100, "day": "2024-01-31"}
                file.write(json.dumps(record | {"ok": n % 2 == 0}) + "\n")

    return _made(FOLDER / "people.jsonl", make)


def documents() -> Path:
    """An array of 1,000,000 documents with objects in objects."""

    def make(path: Path) -> None:
        with path.open("w") as file:
            for n in range(1_000_000):
                at = {"city": "Bonn", "zip": n % 90_000}
                record = {"id": n, "who": {"name": f"person {n}", "at": at}, "amount": n / 100}
                file.write(("," if n else "[") + json.dumps(record) + "\n")
            file.write("]\n")

    return _made(FOLDER / "documents.json", make)
