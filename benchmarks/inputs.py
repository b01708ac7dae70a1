"""What the benchmarks publish: made once with fixed seeds, kept in `build/bench`."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

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
    id integer, first_name text, last_name text, email text, reference uuid, born date,
    joined timestamp, balance numeric, points integer, active boolean, note text
"""
LINEITEM_COLUMNS = """
    l_orderkey integer, l_partkey integer, l_suppkey smallint, l_linenumber smallint,
    l_quantity smallint, l_extendedprice numeric, l_discount numeric, l_tax numeric,
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


def _made(path: Path, make: Callable[[Path], None]) -> Path:
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
