"""The door beside PgBouncer, in turns, in front of one PostgreSQL on one machine.

Run by `make bench-door`. Each turn starts the installation anew, so that nothing is left of the
turn before: neither server connections nor memory. Load comes from `benchmarks.load`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psutil

import myriad
from benchmarks import load_report as report
from benchmarks import measure, pgbouncer
from benchmarks.load_report import CASES, DIRECT, DOOR, PGBOUNCER, Case, Results
from myriad.machine import process
from myriad.verifiers import scram_sha_256

ROUNDS = 3
PEOPLE = 10_000
PASSWORD = "password"  # everybody's, with one verifier: servers work as hard, the load does not
RESULT = Path(__file__).resolve().parent / "results" / "door.md"
DEADLINE = 300  # seconds for one measurement
# PgBouncer with an account each opens server connections up to a limit; these are for others:
# PostgreSQL's reserve, and an idle door.
KEPT_BACK = 80
SETTINGS = {
    "MYRIAD_MAX_CONNECTIONS": "300",
    "MYRIAD_MAX_CLIENTS": "20000",
    "MYRIAD_LIMIT_CONNECTIONS": "0",
    "MYRIAD_LIMIT_CONCURRENT": "0",
    "MYRIAD_TLS": "off",
}
TABLE = """
    CREATE TABLE public.pgbench_accounts AS
        SELECT n AS aid, 1 AS bid, 0 AS abalance, repeat(' ', 84)::char(84) AS filler
        FROM generate_series(1, 100000) n;
    ALTER TABLE public.pgbench_accounts ADD PRIMARY KEY (aid);
    ANALYZE public.pgbench_accounts
"""
# Before the rules of the installation: PgBouncer runs as another user and logs in as everybody.
TRUST = "local all all trust\n"


@dataclass(frozen=True)
class Side:
    """Where load goes, and the processes whose memory and time are measured."""

    host: str
    port: int
    pids: Sequence[int] = ()
    administrator: bool = False


class Site:
    """An installation with ten thousand people who may read one table."""

    def __init__(self, folder: Path) -> None:
        self._installation = myriad.open(folder / "home")
        verifier = scram_sha_256(PASSWORD)
        self._verifiers = {f"user{number}": verifier for number in range(PEOPLE)}
        self._database = self._installation.settings.database

    def fill(self) -> None:
        """Make people, a table, and the grant."""
        with self._up():
            names = list(self._verifiers)
            self._installation.people.add_people(names, ["staff"])
            with self._installation.server().connect(self._database) as connection:
                connection.execute(TABLE)
            self._installation.people.grant("staff", "public")
            self._set_verifiers(names)

    def _set_verifiers(self, names: list[str]) -> None:
        verifier = self._verifiers[names[0]]
        with self._installation.server().connect() as connection:
            connection.execute(
                "UPDATE pg_authid SET rolpassword = %s WHERE rolname = ANY(%s)", [verifier, names]
            )

    @contextmanager
    def _up(self) -> Iterator[None]:
        self._installation.up_detached()
        try:
            yield
        finally:
            self._installation.down()

    @contextmanager
    def side(self, name: str) -> Iterator[Side]:
        """Start what is measured, from nothing; stop it at the end."""
        with ExitStack() as stack:
            stack.enter_context(self._up())
            if name == DOOR:
                yield self._door()
            elif name == DIRECT:
                yield Side(*self._socket(), administrator=True)
            else:
                port, pid = stack.enter_context(self._pgbouncer())
                yield Side(pgbouncer.HOST, port, [pid])

    def _door(self) -> Side:
        running = self._installation.home.running()
        children = psutil.Process(running.pid).children(recursive=True) if running else []
        doors = [child.pid for child in children if "myriad.door" in child.cmdline()]
        if not running or not doors:
            sys.exit("the installation runs no door.\nhint: measure --only pgbouncer.")
        return Side(running.host, running.port, doors)

    def _socket(self) -> tuple[str, int]:
        with closing(self._installation.server().connect()) as connection:
            return connection.info.host, connection.info.port

    @contextmanager
    def _pgbouncer(self) -> Iterator[tuple[int, int]]:
        self._trust()
        folder, port = self._socket()
        user = process.engine_user(self._installation.home.postgres)
        servers = self._installation.settings.max_connections - KEPT_BACK
        behind = pgbouncer.Server(Path(folder), port, self._database, servers, user)
        with pgbouncer.running(behind, self._verifiers) as started:
            yield started

    def _trust(self) -> None:
        path = self._installation.home.postgres / "pg_hba.conf"
        rules = path.read_text("utf-8")
        path.write_text(TRUST + rules.removeprefix(TRUST), "utf-8")
        before = self._ask("SELECT pg_conf_load_time()")
        self._ask("SELECT pg_reload_conf()")
        # PgBouncer would wait for 15 seconds after a refusal.
        if not process.wait_for(lambda: self._ask("SELECT pg_conf_load_time()") != before, 10):
            sys.exit(f"PostgreSQL does not take the rules in {path}")

    def _ask(self, question: LiteralString) -> object:
        with closing(self._installation.server().connect(autocommit=True)) as connection:
            return connection.execute(question).fetchone()


def load(side: Side, case: Case, database: str, *, quick: bool) -> dict[str, Any]:
    """Run the load generator once; return what it measured."""
    accounts, prefix = (0, "myriad") if side.administrator else (case.accounts, "user")
    where = {"host": side.host, "port": side.port, "database": database, "password": PASSWORD}
    who = {"user-prefix": prefix, "accounts": accounts, "connections": case.connections}
    options = {**where, **who, "deadline": DEADLINE}
    command = [sys.executable, "-m", "benchmarks.load"]
    command += [f"--{name}={value}" for name, value in options.items()]
    command += [f"--watch={pid}" for pid in side.pids]
    command += [*case.command, *(case.quick if quick else ())]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=DEADLINE + 60, check=False
    )
    if not done.stdout:
        sys.exit(f"the load generator failed: {' '.join(command)}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(site: Site, cases: Sequence[Case], sides: Sequence[str], options: Any) -> Results:  # noqa: ANN401 - argparse's
    """Measure all cases on all sides in turns."""
    results: Results = {}
    database = myriad.open().settings.database
    for case in cases:
        wanted = [name for name in case.sides if name in sides or name == DIRECT]
        for number in range(options.rounds):
            for name in wanted:
                with site.side(name) as side:
                    found = load(side, case, database, quick=options.quick)
                results.setdefault((case, name), []).append(found)
                print(f"{case.group}, {case.name}, {name}, round {number + 1}: {json.dumps(found)}")
                sys.stdout.flush()
    return results


def main() -> None:
    """Measure what is asked for; print it, and keep it in `results/` if it is everything."""
    options = _arguments().parse_args()
    sides = [options.only] if options.only else [DOOR, PGBOUNCER]
    cases = _chosen(options)
    about = [*measure.machine(), f"PgBouncer {pgbouncer.version()}"]
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    folder = Path(tempfile.mkdtemp(prefix="myriad-bench-"))
    folder.chmod(0o755)  # as root the engine runs as another user
    try:
        site = Site(folder)
        site.fill()
        results = run(site, cases, sides, options)
    finally:
        shutil.rmtree(folder)
    head = [f"{datetime.now(UTC):%Y-%m-%d}; medians of {options.rounds} rounds in turns.", ""]
    text = "\n".join(report.lines(head, about, results))
    print(text)
    if not (options.quick or options.only or options.case or options.protocol):
        RESULT.write_text(text, "utf-8")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The door beside PgBouncer.")
    add = parser.add_argument
    groups = list(dict.fromkeys(case.group for case in CASES))
    add("--case", action="append", choices=groups, help="only this one; may be repeated")
    add("--only", choices=(DOOR, PGBOUNCER), help="only this side")
    add("--rounds", type=int, default=0, help=f"default {ROUNDS}")
    add("--protocol", choices=("extended", "prepared"), help="instead of simple queries")
    add("--quick", action="store_true", help="one short round of fewer cases")
    return parser


def _chosen(options: argparse.Namespace) -> list[Case]:
    options.rounds = options.rounds or (1 if options.quick else ROUNDS)
    cases = [case for case in CASES if not options.case or case.group in options.case]
    if options.quick:
        cases = [case for case in cases if case.in_quick]
    if options.protocol:
        more = ("--protocol", options.protocol)
        cases = [replace(c, command=(*c.command, *more)) for c in cases if c.group in report.LOOPS]
    return cases


if __name__ == "__main__":
    main()
