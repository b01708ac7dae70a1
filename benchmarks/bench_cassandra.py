"""`myriad publish --to cassandra` beside cqlsh's COPY and DSBulk, in turns, on one embedded node.

Run by `make bench-cassandra`.

The peers load into a table made by hand; `myriad publish` works out types and key statistics,
loads, counts what is there, and switches. The node syncs its commit log as Cassandra does by
itself, and then as `myriad up` chooses, which is slower for the peers. A table is replaced, too.
A peer that fails is told of, and the others go on. It takes about half an hour on a quiet machine.
Goals: at least 8 times DSBulk's rate with 20 rows a partition, 3.5 times with unique keys, from
the command to the proof; at most 400 MB resident; keeping a version costs at most 5 % more.
"""

import argparse
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

import myriad
from benchmarks import cassandra_peers, cassandra_reads, inputs, measure

ROUNDS = 3
SYNCS = ("periodic", "batch")  # Cassandra's own default, and ours
REPLACED = (1_000, 100_000, 1_000_000)  # rows of tables with unique keys
COMPARED = 300_000  # rows that the peers load as well: DSBulk takes minutes for them
KEPT = 100_000  # rows of a table of which versions are kept
GOAL_SHARE = 1.05
RESULT = Path(__file__).resolve().parent / "results" / "cassandra.md"
MB = 1_000_000
GOAL_MB = 400
MYRIAD, COPY, DSBULK = "myriad publish", "cqlsh COPY", "DSBulk"
KEYSPACE, TABLE = "bench", "readings"
CONNECTIONS, SECONDS = 10_000, 10.0
COLUMNS = (
    """device int, at timestamp, temperature double, humidity double, status text, note text"""
)
# hash() has no seed, so every run gives the same bytes. Rows are not in the order of their keys.
# Times have no T and no Z: of those cqlsh's COPY loads the date alone, without a word.
READINGS = """
COPY (
    SELECT
        ({device})::INTEGER AS device,
        strftime(TIMESTAMP '2026-01-01' + to_seconds(i), '%Y-%m-%d %H:%M:%S') AS at,
        (hash(i) % 5000)::INTEGER / 100 AS temperature,
        (hash(i + 1) % 1000)::INTEGER / 10 AS humidity,
        ['ok', 'failed', 'unknown'][(hash(i) % 3)::BIGINT + 1] AS status,
        'reading ' || i || ' of the day' AS note
    FROM range({rows}) AS numbers(i)
    ORDER BY hash(i)
) TO '{path}' (FORMAT csv, HEADER)
"""


@dataclass(frozen=True)
class Case:
    """What is loaded, by which key, and how many times DSBulk's rate is the goal."""

    name: str
    source: inputs.Input
    rows: int
    key: str
    primary: str
    goal: float


def _cases(rows: int) -> list[Case]:
    cases = (
        ("20 rows a partition", f"i % {rows // 20}", "device/at", "(device, at)", 8.0),
        ("unique keys", "i", "device", "(device)", 3.5),
    )
    return [
        Case(name, _input(name, device, rows), rows, key, primary, goal)
        for name, device, key, primary, goal in cases
    ]


def _input(name: str, device: str, rows: int) -> inputs.Input:
    path = inputs.FOLDER / f"readings-{name.replace(' ', '-')}-{rows}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with duckdb.connect() as connection:
            connection.execute(READINGS.format(device=device, rows=rows, path=unfinished))
        unfinished.rename(path)
    return inputs.Input(name, path, COLUMNS)


class Bench:
    """A running installation with one node, and the ways to load into it."""

    def __init__(self, installation: myriad.Myriad) -> None:
        self._installation = installation
        self._cluster = installation.cluster()

    def ways(self, case: Case) -> dict[str, Callable[[], measure.Run]]:
        """Return the ways to load, by name."""
        endpoint = self._cluster.endpoint
        return {
            MYRIAD: lambda: self.publish(case),
            COPY: lambda: cassandra_peers.cqlsh(endpoint, KEYSPACE, TABLE, case.source),
            DSBULK: lambda: cassandra_peers.dsbulk(endpoint, KEYSPACE, TABLE, case.source),
        }

    def publish(self, case: Case, table: str = TABLE, versions: int = 2) -> measure.Run:
        """Publish as a person does, with so many older versions kept."""
        command = ["env", f"MYRIAD_VERSIONS={versions}", sys.executable, "-m", "myriad", "publish"]
        how = ["--quiet", "--to", "cassandra", "--dataset", KEYSPACE, "--table", table]
        home = ["--key", case.key, "--home", str(self._installation.home.folder)]
        return measure.run([*command, *how, *home, str(case.source.path)])

    def prepare(self, name: str, case: Case) -> None:
        """Have no table for ourselves, an empty one for the peers."""
        with self._cluster.session() as session:
            session.query(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=60)
            if name != MYRIAD:
                session.query(
                    f"CREATE KEYSPACE {KEYSPACE} WITH replication = {self._cluster.replication}"
                )
                columns = f"{COLUMNS}, PRIMARY KEY {case.primary}"
                session.query(f"CREATE TABLE {KEYSPACE}.{TABLE} ({columns})")

    def missing(self, case: Case) -> str:
        """Return what is wrong with the rows that are there, nothing if every one is."""
        found = 0
        with self._cluster.session() as session:
            for page in session.pages(f"SELECT device FROM {KEYSPACE}.{TABLE}"):
                found += len(page)
        return "" if found == case.rows else f"{found} rows instead of {case.rows}"

    def reads(self, case: Case, connections: int, seconds: float) -> cassandra_reads.Reads:
        """Publish it once more, and read it by key, as a person who may."""
        self.prepare(MYRIAD, case)
        self.publish(case)
        people = self._installation.people
        [(user, password)] = people.add_people([f"reader_{secrets.token_hex(4)}"], [KEYSPACE])
        try:
            people.grant(KEYSPACE, KEYSPACE)
            endpoint = replace(self._cluster.endpoint, user=user, password=password)
            with self._cluster.session() as session:
                text = f"SELECT * FROM {KEYSPACE}.{TABLE} WHERE device = ?"
                statement = session.connection().prepare(text)
            keys = case.rows // 20
            return cassandra_reads.measure(endpoint, statement, keys, connections, seconds)
        finally:
            people.remove([user])


@contextmanager
def running(sync: str) -> Iterator[Bench]:
    """Have an installation of its own for the benchmark, with the commit log synced so."""
    folder = Path(tempfile.mkdtemp(prefix="myriad-bench-"))
    folder.chmod(0o755)  # as root the engines run as another user
    installation = myriad.open(folder / "home", cassandra=1, cassandra_commitlog_sync=sync)
    try:
        installation.up_detached()
        yield Bench(installation)
    finally:
        installation.down()
        shutil.rmtree(folder)


def compare(bench: Bench, case: Case, rounds: int) -> list[str]:
    """Load in all ways in turns; return the lines of a table of results."""
    runs: dict[str, list[measure.Run]] = {}
    for number in range(rounds):
        for name, way in bench.ways(case).items():
            bench.prepare(name, case)
            place = f"{case.name}, round {number + 1}, {name}"
            try:
                run = way()
                wrong = bench.missing(case)
            except subprocess.CalledProcessError as error:
                wrong = f"failed:\n{error.output[-2000:]}"
            if wrong and name == MYRIAD:
                sys.exit(f"{place}: {wrong}")
            if wrong:
                print(f"{place}: {wrong}", flush=True)
                continue
            runs.setdefault(name, []).append(run)
            print(f"{place}: {run.seconds:.1f} s", flush=True)
    return _table(case, runs)


def _table(case: Case, runs: dict[str, list[measure.Run]]) -> list[str]:
    medians = {
        name: statistics.median(run.seconds for run in measured) for name, measured in runs.items()
    }
    lines = [
        f"## {case.name}: {case.rows:,} rows, {case.source.megabytes:.0f} MB of CSV",
        "",
        f"Goal: {case.goal:g} times DSBulk's rate, at most {GOAL_MB} MB.",
        "",
        "| | median s | fastest s | rows/s | times DSBulk | peak resident MB |",
        "|---|---|---|---|---|---|",
    ]
    least = medians.get(DSBULK, float("nan"))
    for name, measured in runs.items():
        lines.append(
            f"| {name} | {medians[name]:.1f} | {min(run.seconds for run in measured):.1f}"
            f" | {case.rows / medians[name]:,.0f} | {least / medians[name]:.2f}"
            f" | {max(run.peak for run in measured) / MB:.0f} |"
        )
    return [*lines, ""]


def _reads(found: cassandra_reads.Reads) -> list[str]:
    told = (
        f"All logged in after {found.login_seconds:.0f} s;"
        f" {cassandra_reads.AT_ONCE} reads in flight, each of a partition of 20 rows:"
        f" {found.rate:,.0f} reads/s, p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms."
        " The clients share the machine with the node."
    )
    return [f"## Reads by key over {found.connections:,} connections", "", told, ""]


def _replacing(bench: Bench, most: int, rounds: int) -> list[str]:
    """Load tables of unique keys and replace them; return the lines of a table of results."""
    lines = ["## Replacing, unique keys", "", "| rows | first s | replacing, median s |"]
    lines.append("|---|---|---|")
    for rows in (size for size in REPLACED if size <= most):
        source = _input("unique keys", "i", rows)
        case = Case("replacing", source, rows, "device", "(device)", 0.0)
        publish = bench.ways(case)[MYRIAD]
        bench.prepare(MYRIAD, case)
        first, *again = [publish().seconds for _ in range(1 + rounds)]
        if wrong := bench.missing(case):
            sys.exit(wrong)
        lines.append(f"| {rows:,} | {first:.1f} | {statistics.median(again):.1f} |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def _keeping(bench: Bench, most: int, rounds: int) -> list[str]:
    """Replace a table in turns with its version kept and without; return the lines of a result."""
    rows = min(KEPT, most)
    case = Case("keeping", _input("unique keys", "i", rows), rows, "device", "(device)", 0.0)
    ways = {"versions = 2": 2, "versions = 0": 0}
    runs: dict[str, list[float]] = {name: [] for name in ways}
    bench.prepare(MYRIAD, case)
    for number in range(2 * rounds + 2):
        for name in sorted(ways, reverse=bool(number % 2)):  # each its own table
            run = bench.publish(case, f"kept_{ways[name]}", ways[name])
            if number > 1:  # as every night: a version is kept, and an old one goes
                runs[name].append(run.seconds)
                print(f"keeping, {name}: {run.seconds:.2f} s", flush=True)
    kept, without = (statistics.median(runs[name]) for name in ways)
    told = (
        f"Replacing {rows:,} rows takes {kept:.2f} s with the version before kept, {without:.2f} s"
        f" without: {kept / without:.3f}. Goal: {GOAL_SHARE} at most."
    )
    return ["## Keeping a version", "", told, ""]


def _measured(sync: str, *, quick: bool, rounds: int) -> list[str]:
    """Measure all on a node that syncs its commit log so."""
    rows = 100_000 if quick else COMPARED
    lines = [f"# With `commitlog_sync: {sync}`", ""]
    with running(sync) as bench:
        # The last table that is loaded is the one that is read: partitions of 20 rows.
        for case in reversed(_cases(rows)):
            lines += compare(bench, case, rounds)
        connections = CONNECTIONS // 10 if quick else CONNECTIONS
        lines += _reads(bench.reads(case, connections, SECONDS / 2 if quick else SECONDS))
        lines += _replacing(bench, rows if quick else max(REPLACED), rounds)
        return lines + _keeping(bench, rows, rounds)


def main() -> None:
    """Run everything; print the result, and keep it in `results/` if it is everything."""
    parser = argparse.ArgumentParser(description="Publishing to Cassandra beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one round, a tenth of the rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sync", choices=("periodic", "group", "batch"), help="only so")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    cassandra_peers.fetch()
    lines = [
        "# Publishing to Cassandra",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; medians of {rounds} rounds in turns, on one node.",
        "",
        *(f"- {line}" for line in measure.machine()),
        "",
    ]
    for sync in [options.sync] if options.sync else SYNCS:
        lines += _measured(sync, quick=options.quick, rounds=rounds)
        if not options.quick and not options.sync:  # should the next one fail
            RESULT.write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
