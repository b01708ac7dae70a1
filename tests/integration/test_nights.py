"""Ten tables, night after night: files drift, publishes are killed, people read and write on.

What each file is, and what must come of it: `tests/nights.py`. Who is at work meanwhile:
`tests/nights_watch.py`. The seed that everything follows from is said when a test fails.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.connect import Target
from myriad.errors import ContractRefused, MyriadError
from myriad.publish.contract import Change
from myriad.publish.postgres import runs
from tests import nights
from tests.harness import COMMAND, wait_until
from tests.nights import Night, State
from tests.nights_watch import READERS, THEIRS, Crowd, Timeline, Writer, as_text, at_work, seen
from tests.publishing import Place

TABLES = [f"t{number}" for number in range(10)]
WRITTEN = "t0"  # the one that people write
OLDER = 2  # versions that are kept of each table
BOUND = 1  # MB that they may take together, in some runs: about half of what they would
LONGEST = 0.6  # seconds that a publish takes, about: within these it is killed
THINGS = """
    SELECT c.relname, c.relkind::text, c.relacl::text, pg_get_indexdef(c.oid),
           pg_get_viewdef(c.oid), split_part(obj_description(c.oid, 'pg_class'), E'\\n', 1)
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname"""
IDENTITIES = """
    SELECT c.oid, a.attname, a.attacl::text, a.atttypid, col_description(c.oid, a.attnum),
           obj_description(c.oid, 'pg_class')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY 1, 2"""
VERSIONS = """
    SELECT relname FROM pg_class WHERE relnamespace = 'myriad'::regnamespace
      AND relkind = 'r' AND relname ~ '^version_' ORDER BY 1"""
SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(format('myriad.%I', relation)::regclass)), 0)::bigint
    FROM myriad.kept"""
NUMBERS = """
    SELECT number FROM myriad.version WHERE name = %s AND report IS NOT NULL ORDER BY turn DESC"""
HALF_MADE = "SELECT relname FROM pg_class WHERE relname ~ '^(new|key|index)_[0-9a-f]{16}'"
PUBLISHING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'myriad' AND pid <> pg_backend_pid()"""


@dataclass
class Home:
    """The tables, what is known of them, and what may be seen of them."""

    place: Place
    random: Random
    look: psycopg.Connection
    environment: dict[str, str]
    drifts: Iterator[nights.Drift]
    timeline: Timeline = field(default_factory=Timeline)
    now: dict[str, State] = field(default_factory=dict)
    versions: dict[str, dict[int, State]] = field(default_factory=dict)
    told: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # the history, by heart
    writer: Writer | None = None
    theirs: set[int] = field(default_factory=set)  # rows of the writer that are shown
    looked: int = 0  # how many of its rows were looked for
    mark: int = 0
    said: list[str] = field(default_factory=list)

    def first(self, table: str) -> None:
        """Publish a table for the first time, and hang something on it."""
        state = nights.whole(self.random, nights.START, self.mark)
        path = self.place.write(f"{table}.csv", nights.written(state))
        self.place.publish(path, keys={"": ("id",)})
        self.place.ask(f"CREATE VIEW {table}_seen AS SELECT id, mark FROM {table}")
        # Its pages are nearly empty, so that few versions take as much room as there is.
        loose = "(id, qty, mark) WITH (fillfactor = 10)"
        self.place.ask(f"CREATE INDEX {table}_by_hand ON {table} {loose}")
        self.place.installation.say(table, f"What {table} is.", self.place.database)
        self.now[table], self.versions[table] = state, {1: state}
        self.told[table] = [("publish", "done")]
        self.timeline.may_come(table, state)

    def tonight(self, table: str, *, killed: bool) -> None:
        """Publish what comes tonight; hold what must come of it."""
        self.mark += 1
        night = next(self.drifts)(self.random, self.now[table], self.mark)
        if table == WRITTEN and night.options.get("delete_missing"):
            night = nights.other_rows(self.random, self.now[table], self.mark)
        self.said.append(f"{table}: {night.why}{', killed' if killed else ''}")
        packed = night.data.startswith(b"\x1f\x8b")
        path = self.place.write(f"{table}.csv{'.gz' if packed else ''}", night.data)
        if table == WRITTEN and night.after and not {"append", "merge"} & night.options.keys():
            night = self._over_what_people_wrote(path, night)
        if not (killed and self._killed(table, path, night)):
            self._published(table, path, night)

    def _over_what_people_wrote(self, path: Path, night: Night) -> Night:
        """Have it refused for what people wrote, first; return the night with leave for that."""
        wait_until(lambda: self._theirs(WRITTEN))
        self._published(WRITTEN, path, replace(night, after=None))
        allow = night.options.get("allow", frozenset()) | {Change.WRITES}
        return replace(night, options={**night.options, "allow": allow})

    def _published(self, table: str, path: Path, night: Night) -> None:
        before, rights = self._everything(table), self.look.execute(THINGS).fetchall()
        if night.after is None:
            with pytest.raises(MyriadError) as caught:
                self.place.publish(path, table=table, **night.options)
            no = isinstance(caught.value, ContractRefused)
            self._settled(table, "publish", "refused" if no else "failed")
            assert self._everything(table) == before
        else:
            self.timeline.may_come(table, night.after)
            self.place.publish(path, table=table, **night.options)
            self._came(table, night.after)
            self._settled(table, "publish", "done")
        assert self.look.execute(THINGS).fetchall() == rights

    def _killed(self, table: str, path: Path, night: Night) -> bool:
        """Publish in a process that is killed at some time; say whether it had done its work."""
        before, rights = self._everything(table), self.look.execute(THINGS).fetchall()
        if night.after:
            self.timeline.may_come(table, night.after)
        with self._start(table, path, night) as process:
            wait_until(lambda: self._publishing() or process.poll() is not None)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.random.uniform(0, LONGEST))
            process.kill()
        wait_until(lambda: not self._publishing())
        newer = len(self._history(table)) - len(self.told[table])
        outcomes = [run["outcome"] for run in self._history(table)[:newer]]
        assert outcomes in ([], ["killed"], ["done"], ["refused"], ["failed"])
        if outcomes == ["done"]:
            assert night.after
            self._came(table, night.after)
        for outcome in outcomes:
            self._settled(table, "publish", outcome)
        if outcomes != ["done"]:
            self.timeline.is_now(table, self.now[table])
            assert self._everything(table) == before
        assert self.look.execute(THINGS).fetchall() == rights
        return outcomes not in ([], ["killed"])

    def _start(self, table: str, path: Path, night: Night) -> "subprocess.Popen[bytes]":
        given = [name for name, said in night.options.items() if said is True]
        options = [f"--{name.replace('_', '-')}" for name in given]
        for change in night.options.get("allow", ()):
            options += ["--allow", change]
        home = ["--home", str(self.place.installation.home.folder)]
        where = ["--table", table, "--database", self.place.database, *home]
        return subprocess.Popen(
            [*COMMAND, "publish", str(path), *where, *options],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def undone(self, table: str) -> None:
        """Show each version that is kept, and at the end what was shown."""
        first, *kept = self._kept(table)
        for number in [*kept, first]:
            if number in self._kept(table)[1:]:  # the one before may have taken the room
                self._undo(table, number)

    def _undo(self, table: str, number: int) -> None:
        self.said.append(f"{table}: undo to version {number}")
        wanted = self.versions[table][number]
        self.timeline.may_come(table, wanted)
        rights = self.look.execute(THINGS).fetchall()
        self.place.installation.undo(table, number, self.place.database)
        self.now[table] = wanted
        self.timeline.is_now(table, wanted)
        self._settled(table, "undo", "done")
        assert self._kept(table)[0] == number
        assert self.look.execute(THINGS).fetchall() == rights

    def _came(self, table: str, state: State) -> None:
        """Note what a publish made: a version of a number that none had."""
        number = max(self.versions[table]) + 1
        self.now[table] = self.versions[table][number] = state
        self.timeline.is_now(table, state)
        assert self._kept(table)[0] == number

    def _settled(self, table: str, kind: str, outcome: str) -> None:
        """Hold what has to be so after each run."""
        self.told[table].insert(0, (kind, outcome))
        assert seen(self.look, table) == self.now[table]
        told = [(run["kind"], run["outcome"]) for run in self._history(table)]
        assert told == self.told[table]
        kept = self._kept(table)
        assert len(kept) <= OLDER + 1
        if self.environment:
            [(size,)] = self.look.execute(SIZE).fetchall()
            assert int(size) <= BOUND * 1_000_000
        else:
            assert len(kept) == min(OLDER + 1, told.count(("publish", "done")))
        assert self.look.execute(HALF_MADE).fetchall() == []
        known = self.look.execute("SELECT relation FROM myriad.kept ORDER BY 1").fetchall()
        assert self.look.execute(VERSIONS).fetchall() == known
        if self.writer:
            self._holds_what_people_wrote(self.writer)

    def _holds_what_people_wrote(self, writer: Writer) -> None:
        """Every row that they wrote since the last run is shown, or in a version."""
        written = writer.written[self.looked :]
        self.looked += len(written)
        kept = self.look.execute("SELECT relation FROM myriad.kept WHERE name = %s", [WRITTEN])
        shown = self._theirs(WRITTEN)
        there = set(shown)
        for (relation,) in kept.fetchall():
            there |= self._theirs(relation, "myriad")
        assert self.theirs.union(written) <= there
        self.theirs = shown

    def _theirs(self, table: str, schema: str = "public") -> set[int]:
        question = sql.SQL("SELECT id::bigint FROM {} WHERE id >= {}")
        name = sql.Identifier(schema, table)
        rows = self.look.execute(question.format(name, sql.Literal(THEIRS)))
        return {int(number) for (number,) in rows}

    def _everything(self, table: str) -> object:
        """Return what must be as before where nothing was done."""
        return (
            self.now[table],
            self.look.execute(IDENTITIES).fetchall(),
            self.look.execute(VERSIONS).fetchall(),
            self.look.execute("SELECT * FROM myriad.published ORDER BY name").fetchall(),
        )

    def over(self) -> None:
        """Hold at the end of a night that people are told all of it."""
        for table in TABLES:
            runs = self.place.installation.history(table, self.place.database, limit=1000)
            told = [(run["kind"], run["outcome"]) for run in runs]
            assert told == self.told[table], runs
            numbers = [run["versions"][table] for run in runs if table in (run["versions"] or ())]
            assert set(numbers) == set(self._kept(table))

    def left_out(self) -> int:
        """Return how many versions are not kept any more, for want of room."""
        wanted = (min(OLDER + 1, runs.count(("publish", "done"))) for runs in self.told.values())
        return sum(wanted) - sum(len(self._kept(table)) for table in TABLES)

    def _history(self, table: str) -> list[dict[str, Any]]:
        return runs.runs(self.look, "public", table, 1000)

    def _kept(self, table: str) -> list[int]:
        """Return the number of what is shown, and those of the versions that can be had."""
        return [number for (number,) in self.look.execute(NUMBERS, [table])]

    def _publishing(self) -> bool:
        return bool(self.look.execute(PUBLISHING).fetchall())


@dataclass(frozen=True)
class People:
    """The readers, and who may write; each with a way to log in through the door."""

    readers: list[str]
    writer: str


@pytest.fixture
def people(place: Place, tag: str) -> Iterator[People]:
    server, people = place.installation.server(), place.installation.people
    names = [f"r{number} {tag}" for number in range(READERS)]
    groups = [f"read {tag}", f"write {tag}"]
    added = people.add_people(names, groups[:1]) + people.add_people([f"w {tag}"], groups[1:])
    people.grant(groups[0], "public", place.database)
    people.grant(groups[1], "public", place.database, write=True)
    uris = [
        Target(server.host, server.port, place.database, name, password).uri(with_password=True)
        for name, password in added
    ]
    yield People(uris[:READERS], uris[READERS])
    people.remove([*names, f"w {tag}"])
    for group in groups:
        people.remove_group(group)


@contextmanager
def begun(place: Place, people: People, seed: int) -> Iterator[Home]:
    """Make the tables and have everybody at work; what fails tells how it came about."""
    bound = BOUND if seed % 2 else 0
    environment = {"MYRIAD_VERSIONS_MEGABYTES": str(bound)} if bound else {}
    settings = replace(place.installation.settings, versions_megabytes=bound)
    place = replace(place, installation=Myriad(place.installation.home, settings))
    with closing(as_text(place.connect())) as look:
        random = Random(seed)
        home = Home(place, random, look, environment, nights.drifts(random))
        for table in TABLES:
            home.first(table)
        crowd = Crowd(people.readers, TABLES, home.timeline)
        home.writer = Writer(people.writer, WRITTEN, crowd)
        try:
            with at_work(crowd, home.writer):
                yield home
                wait_until(lambda: min(crowd.reads) > len(TABLES) or crowd.failed())
        except Exception as error:
            error.add_note("\n".join([f"everything follows from seed {seed}", *home.said]))
            raise


def pass_by(home: Home, count: int, killed: int) -> None:
    """Let so many nights pass, in each of which so many publishes are killed."""
    for _ in range(count):
        ends = home.random.sample(TABLES, killed)
        for table in home.random.sample(TABLES, len(TABLES)):
            home.tonight(table, killed=table in ends)
        home.undone(home.random.choice(TABLES))
        home.over()


@pytest.mark.timeout(600)  # half a minute, where nobody else is at work
def test_six_nights_lose_nothing_and_show_everybody_whole_tables(
    place: Place, people: People
) -> None:
    with begun(place, people, seed=1) as home:
        pass_by(home, 6, 1)
        assert home.left_out() > 0
        home.undone(WRITTEN)


@pytest.mark.nightly(
    daily="tests/integration/test_nights.py"
    "::test_six_nights_lose_nothing_and_show_everybody_whole_tables"
)
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("parity", [0, 1])
def test_sixty_nights_lose_nothing_and_show_everybody_whole_tables(
    place: Place, people: People, parity: int
) -> None:
    """Others each time: to see one again, give its seed instead of a random one."""
    with begun(place, people, SystemRandom().randrange(1 << 20) * 2 + parity) as home:
        pass_by(home, 60, 2)
        for table in TABLES:
            home.undone(table)
        home.over()
