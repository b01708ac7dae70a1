"""`myriad publish` against `psql` copying into a table made by hand, in turns, on one server.

Run by `make bench`.

Both begin with no table and end with a committed one of the same types. `psql` is measured as
people use it, and once more with the table made in the transaction that fills it: PostgreSQL
then writes no WAL, as for `myriad publish`. Goal: at most 0.8 of psql's time, with types proven;
at most 300 MB resident.
"""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

import myriad
from benchmarks import inputs, measure
from myriad.engines.postgres import programs
from myriad.machine import process

ROUNDS = 5
RESULTS = Path(__file__).resolve().parent / "results"
GOAL_SHARE = 0.8
GOAL_MB = 300
MB = 1_000_000
MYRIAD = "myriad publish"
PSQL = "psql \\copy"
PSQL_ONE = "psql \\copy, one transaction"


@dataclass(frozen=True)
class Bench:
    """A running installation, and psql for it."""

    installation: myriad.Myriad
    psql: Path

    def publish(self, source: inputs.Input, table: str) -> measure.Run:
        """Publish as a person does, by the command."""
        command = [sys.executable, "-m", "myriad", "publish", "--quiet", "--table", table]
        home = ["--home", str(self.installation.home.folder)]
        return measure.run([*command, *home, str(source.path)])

    def copy(self, source: inputs.Input, table: str) -> measure.Run:
        """Make a table, then fill it."""
        return self._psql(source, table)

    def copy_at_once(self, source: inputs.Input, table: str) -> measure.Run:
        """Make and fill a table in one transaction."""
        return self._psql(source, table, "--single-transaction")

    def _psql(self, source: inputs.Input, table: str, *options: str) -> measure.Run:
        dsn = make_conninfo(self.installation.server().dsn, dbname="main")
        create = f"CREATE TABLE public.{table} ({source.columns})"
        copy = f"\\copy public.{table} FROM '{source.path}' (FORMAT csv, HEADER)"
        command = [
            str(self.psql),
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            *options,
            "-c",
            create,
            "-c",
            copy,
        ]
        return measure.run([*command, dsn])

    def check_and_drop(self, table: str) -> tuple[int, list[tuple[str, str]]]:
        """Return rows and types of a table, drop it, and let the server come to rest."""
        columns = """SELECT column_name, data_type FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position"""
        with closing(self.installation.server().connect("main", autocommit=True)) as connection:
            name = sql.Identifier("public", table)
            counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
            types = connection.execute(columns, [table]).fetchall()
            connection.execute(sql.SQL("DROP TABLE {}").format(name))
            connection.execute("CHECKPOINT")
        return (counted or (0,))[0], types


@contextmanager
def running() -> Iterator[Bench]:
    """Have an installation of its own for the benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="myriad-bench-"))
    folder.chmod(0o755)  # as root the engine runs as another user
    installation = myriad.open(folder / "home")
    try:
        installation.up_detached()
        home = installation.home
        user = process.engine_user(home.postgres)
        found = programs.find("", home.folder / "programs", user)
        yield Bench(installation, found.path("psql"))
    finally:
        installation.down()
        shutil.rmtree(folder)


def compare(bench: Bench, source: inputs.Input) -> list[str]:
    """Run all ways in turns; return the lines of a table of results."""
    ways: dict[str, Callable[[inputs.Input, str], measure.Run]] = {
        MYRIAD: bench.publish,
        PSQL: bench.copy,
        PSQL_ONE: bench.copy_at_once,
    }
    runs: dict[str, list[measure.Run]] = {name: [] for name in ways}
    contents = set()
    for number in range(ROUNDS):
        for name, way in ways.items():
            runs[name].append(way(source, "bench"))
            rows, types = bench.check_and_drop("bench")
            contents.add((rows, *types))
            print(f"{source.name}, round {number + 1}, {name}: {runs[name][-1].seconds:.2f} s")
    if len(contents) != 1:
        sys.exit(f"not the same table by all ways: {contents}")
    return _table(source, runs, rows)


def _table(source: inputs.Input, runs: dict[str, list[measure.Run]], rows: int) -> list[str]:
    psql = statistics.median(run.seconds for run in runs[PSQL])
    lines = [
        f"## {source.name}: {rows:,} rows, {source.megabytes:.0f} MB of CSV",
        "",
        "| | median s | fastest s | of psql | rows/s | peak resident MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, measured in runs.items():
        seconds = [run.seconds for run in measured]
        median = statistics.median(seconds)
        peak = max(run.peak for run in measured) / MB
        lines.append(
            f"| {name} | {median:.2f} | {min(seconds):.2f} | {median / psql:.2f}"
            f" | {rows / median:,.0f} | {peak:.0f} |"
        )
    return [*lines, ""]


def main() -> None:
    """Run everything; print the result and keep it in `results/`."""
    lines = [
        "# Publishing against psql",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; {ROUNDS} rounds in turns.",
        f"Goal: at most {GOAL_SHARE} of psql's time, with types proven, and {GOAL_MB} MB.",
        "",
        *(f"- {line}" for line in measure.machine()),
        "",
    ]
    with running() as bench:
        for source in (inputs.accounts(), inputs.lineitem()):
            lines += compare(bench, source)
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "publish.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
