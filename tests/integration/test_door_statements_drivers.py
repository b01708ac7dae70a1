"""Prepared statements of every driver, as it comes, while tables, types and views are replaced.

A new session knows nothing of the past. An old one gets the rows of now, or is told once that it
must prepare again; it never takes the bytes of one type for those of another.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from myriad import Myriad
from myriad.connect import Target
from myriad.publish.options import Options
from tests.door_clients import Place, connect, made_place
from tests.driver_sessions import (
    JAVA,
    JAVASCRIPT,
    Answered,
    Asyncpg,
    Psycopg,
    Psycopg2,
    Rows,
    Session,
    jdbc,
    node,
)
from tests.drivers import Program, started

CHANGED = "0A000"  # feature_not_supported: "cached plan must not change result type"
WAYS = {  # of pgjdbc
    "jdbc": {},
    "jdbc from the first on, binary": {"prepareThreshold": "1", "binaryTransfer": "true"},
    "jdbc in transactions": {"autocommit": "off", "prepareThreshold": "1"},
    "jdbc with savepoints": {
        "autocommit": "off", "prepareThreshold": "1", "autosave": "conservative",
    },
}  # fmt: skip
HELD = (2, 0, 1)  # so a session runs on three server connections in turn
LATE = "jdbc"  # gives a statement a name only when it is asked for the fifth time
Drivers = dict[str, Callable[[Target], Session]]


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


@pytest.fixture(scope="module")
def drivers(jdbc_program: Program, node_program: Program) -> Drivers:
    numbers = iter(range(10_000))

    def of_jdbc(way: dict[str, str]) -> Callable[[Target], Session]:
        return lambda who: jdbc(jdbc_program, str(next(numbers)), who, **way)

    return {
        "psycopg": Psycopg,
        "psycopg without transactions, binary": lambda who: Psycopg(who, plain=False),
        "psycopg2": Psycopg2,
        "asyncpg": Asyncpg,
        "node": lambda who: node(node_program, str(next(numbers)), who),
        **{name: of_jdbc(way) for name, way in WAYS.items()},
    }


@pytest.fixture(scope="module")
def jdbc_program(jdbc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("asks")
    (folder / "Asks.java").write_text(JAVA, "utf-8")
    with started("java", "-cp", jdbc, "Asks.java", folder=folder) as program:
        yield program


@pytest.fixture(scope="module")
def node_program(node: Path) -> Iterator[Program]:
    (node / "asks.js").write_text(JAVASCRIPT, "utf-8")
    with started("node", "asks.js", folder=node) as program:
        yield program


@dataclass
class Change:
    """What is asked, and what comes of it before and after a change.

    Attributes:
        before, after: SQL of the owner's.
        executed: what PostgreSQL itself says to EXECUTE of a statement prepared by SQL.
        own: SQL of each session's own after that.
    """

    before: str
    after: str
    text: str
    value: str
    was: Rows
    now: Rows
    executed: str = CHANGED
    own: str = ""


TABLE = "CREATE TABLE {t} (id int, v int); INSERT INTO {t} VALUES (1, 7)"
CHANGES = {
    "another type of the same size": Change(
        TABLE, "ALTER TABLE {t} ALTER v TYPE real USING 1.5",
        "SELECT v FROM {t} WHERE id = $1", "1", [("7",)], [("1.5",)],
    ),
    "another type of a parameter and a column": Change(
        TABLE, "ALTER TABLE {t} ALTER id TYPE bigint, ALTER v TYPE bigint USING 5000000007",
        "SELECT id, v FROM {t} WHERE id = $1", "1", [("1", "7")], [("1", "5000000007")],
    ),
    "a column more": Change(
        TABLE, "ALTER TABLE {t} ADD w text DEFAULT 'x'",
        "SELECT * FROM {t} WHERE id = $1", "1", [("1", "7")], [("1", "7", "x")],
    ),
    "a column less": Change(
        TABLE, "ALTER TABLE {t} DROP v",
        "SELECT * FROM {t} WHERE id = $1", "1", [("1", "7")], [("1",)],
    ),
    "a table of another make": Change(
        TABLE, "DROP TABLE {t}; CREATE TABLE {t} (v text, id bigint);"
        " INSERT INTO {t} VALUES ('seven', 1)",
        "SELECT * FROM {t} WHERE id = $1", "1", [("1", "7")], [("seven", "1")],
    ),
    "a type of another make": Change(
        "CREATE TYPE {t}_mood AS ENUM ('calm', 'sad');"
        "CREATE TABLE {t} (id int, v {t}_mood); INSERT INTO {t} VALUES (1, 'sad')",
        "DROP TYPE {t}_mood CASCADE; CREATE TYPE {t}_mood AS ENUM ('sad', 'glad');"
        "ALTER TABLE {t} ADD v {t}_mood DEFAULT 'sad'",
        "SELECT v, 'sad'::{t}_mood AS more FROM {t} WHERE v = $1", "sad",
        [("sad", "sad")], [("sad", "sad")], executed="XX000",
    ),
    "a view of another make": Change(
        TABLE + "; CREATE VIEW {t}_view AS SELECT id, v FROM {t}",
        "DROP VIEW {t}_view; CREATE VIEW {t}_view AS SELECT id, v + 0.5 AS v FROM {t}",
        "SELECT v FROM {t}_view WHERE id = $1", "1", [("7",)], [("7.5",)],
    ),
    "a view with a column more": Change(
        TABLE + "; CREATE VIEW {t}_view AS SELECT id, v FROM {t}",
        "CREATE OR REPLACE VIEW {t}_view AS SELECT id, v, 8 AS w FROM {t}",
        "SELECT * FROM {t}_view WHERE id = $1", "1", [("1", "7")], [("1", "7", "8")],
    ),
    "another search path": Change(
        TABLE + "; CREATE SCHEMA {t}_other; CREATE TABLE {t}_other.{t} (id bigint, v text);"
        "INSERT INTO {t}_other.{t} VALUES (1, 'seven')",
        "SELECT", "SELECT v FROM {t} WHERE id = $1", "1", [("7",)], [("seven",)],
        own="SET search_path = {t}_other",
    ),
}  # fmt: skip


@dataclass
class Heard:
    """What one session got, and how often it was told that it must prepare again."""

    session: Session
    rows: list[Rows] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def ask(self, text: str, value: str) -> None:
        try:
            self.rows.append(self.session.ask(text, value))
        except Answered as answer:
            self.states.append(str(answer))

    def wrong(self, expected: Rows, *states: str) -> list[object]:
        """Return what else came than those rows, and each of those states once; forget it."""
        found = [rows for rows in self.rows if rows != expected]
        more = self.states if self.states not in ([], list(states)) else []
        self.rows, self.states = [], []
        return [*found, *more]


Group = dict[str, Heard]
Wrong = dict[str, list[object]]


@dataclass
class Scene:
    """Somebody's sessions with every driver, and two that hold server connections."""

    who: Target
    drivers: Drivers
    change: Change
    holders: list[psycopg.Connection]

    @contextmanager
    def sessions(self) -> Iterator[Group]:
        """Connect with every driver."""
        with ExitStack() as stack:
            yield {
                name: Heard(stack.enter_context(closing(make(self.who))))
                for name, make in self.drivers.items()
            }

    def ask(self, group: Group, *, late: int = 1) -> None:
        """Let each session ask on one server connection after the other."""
        for count in HELD:
            with self._held(count):
                for name, heard in group.items():
                    for _ in range(late if name == LATE else 1):
                        heard.ask(self.change.text, self.change.value)

    def turn(self, group: Group) -> None:
        """Let each session make the settings that belong to the change."""
        for heard in group.values() if self.change.own else ():
            heard.session.do(self.change.own)

    @contextmanager
    def _held(self, count: int) -> Iterator[None]:
        """Hold the server connections that were used last: who comes next has others."""
        for holder in self.holders[:count]:
            holder.execute("BEGIN")
        yield
        for holder in self.holders[:count]:
            holder.execute("COMMIT")


def went_wrong(scene: Scene, act: Callable[[str], None]) -> Wrong:
    """Return what each driver got that it should not have got.

    Some old sessions ask before any new one does, and meet what is out of date in the server.
    psycopg2's keep a server connection, and a person has few: so the first leave early.
    """
    found: dict[str, Wrong] = {}
    change = scene.change

    def note(when: str, group: Group, rows: Rows, *states: str) -> None:
        found[when] = {name: heard.wrong(rows, *states) for name, heard in group.items()}

    def note_old(when: str, group: Group) -> None:
        by_sql = group.pop("psycopg2")  # what it prepares is the server's, and so is the answer
        note(when, group, change.now, CHANGED)
        found[when]["psycopg2"] = by_sql.wrong(change.now, change.executed)

    act(change.before)
    with scene.sessions() as later:
        with scene.sessions() as first:
            for when, group in (("the first, before", first), ("others, before", later)):
                scene.ask(group, late=2)
                note(when, group, change.was)
            act(change.after)
            scene.turn(first)
            scene.ask(first)
            note_old("the first", first)
        with scene.sessions() as new:
            scene.turn(new)
            scene.ask(new)
            note("new ones", new, change.now)
        scene.turn(later)
        scene.ask(later)
        note_old("others", later)
    wrong = {(name, when): each for when, all_ in found.items() for name, each in all_.items()}
    return {f"{name}: {when}": each for (name, when), each in wrong.items() if each}


@contextmanager
def holding(who: Target) -> Iterator[list[psycopg.Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(who))) for _ in range(max(HELD))]


@pytest.mark.nightly(by_day=["another type of the same size"])
@pytest.mark.parametrize("name", CHANGES)
def test_every_driver_gets_the_rows_of_now_after_an_owner_makes(
    place: Place, drivers: Drivers, name: str
) -> None:
    table = f"t{list(CHANGES).index(name)}"
    made = CHANGES[name]
    before, after, text, own = (
        each.format(t=table) for each in (made.before, made.after, made.text, made.own)
    )
    change = replace(made, before=before, after=after, text=text, own=own)
    with closing(connect(place.owner)) as owner, holding(place.owner) as holders:

        def act(text: str) -> None:
            owner.execute(text.encode())

        scene = Scene(place.owner, drivers, change, holders)
        assert went_wrong(scene, act) == {}


def test_every_driver_gets_the_rows_of_now_after_publishing_other_columns(
    place: Place, drivers: Drivers, installation: Myriad, tmp_path: Path
) -> None:
    source = tmp_path / "trip.csv"

    def publish(body: str) -> None:
        source.write_text(body)
        installation.publish([source], Options(database=place.reader.database, contract="free"))

    change = Change(
        "id,v\n1,7\n", "v,id,w\nseven,1,8\n",
        "SELECT * FROM trip WHERE id = $1", "1", [("1", "7")], [("seven", "1", "8")],
    )  # fmt: skip
    with holding(place.reader) as holders:
        scene = Scene(place.reader, drivers, change, holders)
        assert went_wrong(scene, publish) == {}
