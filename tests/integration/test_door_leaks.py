"""People who share server connections can tell nobody else's doings from their own.

Random people do random things to the state of their sessions, through a door with one or two
server connections for all of them, and the same straight to PostgreSQL, each on a connection of
their own and in a database of the same content. Every answer is the same, and after each step they
look round: at settings, who they are, temporary tables, cursors, statements, locks, random
numbers.

What may differ, and why:

- `pg_backend_pid()`, `inet_client_addr()`, `pg_settings.source` and `reset_val`: the server's
  connection is not the client's; the settings of a session are made by `set_config`.
- 42501 and 0A000 for what would act on all who share a connection: SET ROLE, LISTEN, NOTIFY, LOAD,
  pg_settings as a table to write in, values of settings that change how a text is read.
- 53300 for what ties a server connection to a session, where no more of them may be tied.
- A custom setting that was set for a transaction only is unknown after it, not empty.
- `pg_prepared_statements` shows statements of the protocol under names of the door's own.
- The schema of temporary tables, empty, may be left of earlier ones of the same person.
- 0A000 for currval and lastval outside of the transaction that used the sequence.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from myriad.pgwire import wire
from tests.door_acts import GROUPS, HALF, HALVED, LEAVE, SLEEP, VANISH, Act
from tests.door_script import (
    COPY_DONE,
    SYNC,
    Answer,
    Place,
    Wire,
    add_database,
    add_own_database,
    copy_data,
    up_with,
)
from tests.examples import examples
from tests.harness import wait_until

STEPS = 45
ACTS = st.one_of(*(st.sampled_from(some) for some in GROUPS))
TABLE = "CREATE TABLE t (a int, b text); CREATE SEQUENCE s; CREATE TABLE n (a serial, b text)"
FAIL = wire.query("SELECT 1/0")
SEEDED = 64  # how many of the random numbers after setseed(0.42) are known
# One text: each of these for itself would be most of the time that this test takes. The last two
# are denied to those who share.
VIEW = """
    SELECT string_agg(name || ' = ' || setting, E'\n' ORDER BY name) FROM pg_settings
        WHERE setting <> boot_val;
    SELECT current_user, session_user, current_setting('role'), current_setting('timezone'),
        array_remove(current_schemas(true)::text[], pg_my_temp_schema()::regnamespace::text);
    SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY 1;
    SELECT objid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
    SELECT pg_listening_channels();
    SELECT 'custom', current_setting('app.secret', true), current_setting('app.other', true);
    SELECT 'chance', random();
    SELECT name, statement FROM pg_prepared_statements WHERE from_sql ORDER BY 1;
    SELECT name, is_holdable FROM pg_cursors WHERE name <> '' ORDER BY 1"""

# Server connections are counted here, and each process of the door would have a part of them.
pytestmark = pytest.mark.usefixtures("one_process")


class Pair:
    """One session through the door, and its like on a connection of its own.

    Attributes:
        pool: whose server connections it uses; sessions with the same compete for them.
        left: what it began and did not end.
        tied: it may have a server connection for itself.
        seeded: it chose its own random numbers.
    """

    def __init__(self, place: Place, number: int) -> None:
        self.place, self.number = place, number
        self.person, self.pool, self.databases, self.startup = PEOPLE[number]
        self.left = ""
        self.tied = self.seeded = False
        self._connect()

    def __str__(self) -> str:
        return f"{self.number} ({self.person}, {self.direct.status}{self.left}):"

    def _connect(self) -> None:
        self.door = self.place.door(self.person, self.databases[0], **self.startup)
        compared = self.place.direct if self.databases is _OWN else self.place.alike
        self.direct = compared(self.person, self.databases[1], **self.startup)

    @property
    def holds(self) -> bool:
        """Whether it has a server connection, or may have."""
        return self.tied or bool(self.left) or self.door.status != "I"

    def run(self, act: Act) -> None:
        """Do one step on both, and compare the answers."""
        if act in {VANISH, SLEEP, LEAVE}:
            self._end(act)
            return
        if self.left:
            self._end_what_was_left()
            return
        key = str(9000 + self.number).encode()
        messages = act.messages.replace(b"pg_my_key", b"00000" + key)
        answer = self._run_on(self.door, act, messages)
        if self._refused(act, answer):
            self._run_on(self.direct, Act("", FAIL), FAIL)
        else:
            straight = self._run_on(self.direct, act, messages)
            assert answer == [self._renamed(each) for each in straight]
            self.tied = (self.tied or act.ties) and "DISCARD ALL" not in act.name
            self.seeded = self.seeded or "seed" in act.name
            self.left = act.leaves if answer[-1:] == [] or answer[-1][0] not in "ZE" else ""
            if act.leaves and answer and answer[-1][0] == "E" and act.leaves == "unit":
                self.left = "unit"
        assert self.door.status == self.direct.status

    @staticmethod
    def _run_on(session: Wire, act: Act, messages: bytes) -> list[Answer]:
        session.send(messages)
        answers = session.until(act.last, act.times)
        if not answers or answers[-1][0] == "Z":
            return answers
        if act.then and answers[-1][0] == "G":
            session.send(act.then)
            return answers + session.until()
        if answers[-1][0] == "E" and act.leaves != "unit":
            answers += session.until()
        return answers

    def _renamed(self, answer: Answer) -> Answer:
        """Return an answer with the name of the database that the door is in."""
        here, there = self.databases
        return tuple(part.replace(f'"{there}"', f'"{here}"') for part in answer)

    def _refused(self, act: Act, answer: list[Answer]) -> bool:
        errors = [each for each in answer if each[0] == "E"]
        if not errors or errors[0][2] not in act.may:
            return False
        return any(words in errors[0][3] for words in REFUSALS)

    def _end_what_was_left(self) -> None:
        rest = {
            "unit": SYNC,
            "copy": copy_data(b"2\tb\n") + COPY_DONE,
            "message": HALVED[HALF:],
        }[self.left]
        self.left = ""
        for session in (self.door, self.direct):
            session.send(rest)
        assert self.door.until() == self.direct.until()

    def _end(self, act: Act) -> None:
        for session in (self.door, self.direct):
            if act is SLEEP and not self.left:
                session.send(wire.query("SELECT count(*) FROM generate_series(1, 100000000)"))
            if act is LEAVE:
                session.close()
            else:
                session.vanish()
        self.left, self.tied, self.seeded = "", False, False
        self._connect()

    def look_round(self) -> None:
        """See what the session sees, on both."""
        assert self.door.parameters == self.direct.parameters
        if self.left or self.door.status == "E":
            return
        through, straight = ([*self._see(session)] for session in self._both)
        for here, there in zip(through, straight, strict=True):
            assert here == there or self._may_differ(here, there)

    def _may_differ(self, here: Answer, there: Answer) -> bool:
        if here[0] == there[0] == "'custom'":
            return all(h == t or (h, t) == ("None", "''") for h, t in zip(here, there, strict=True))
        return here[0] == "'chance'" and not self.seeded and here not in KNOWN_CHANCE

    @property
    def _both(self) -> tuple[Wire, Wire]:
        return self.door, self.direct

    @staticmethod
    def _see(session: Wire) -> list[Answer]:
        if session.status == "I":
            return session.rows(VIEW)
        session.query("SAVEPOINT view")
        found = session.rows(VIEW)
        session.query("ROLLBACK TO view; RELEASE view")
        return found

    def close(self) -> None:
        for session in self._both:
            session.vanish()


REFUSALS = (
    "is not available here",
    "must stay on",
    "cannot be written here",
    "only in the transaction that used the sequence",
    "hold a server connection for themselves",
)
KNOWN_CHANCE: list[Answer] = []
_SHARED, _OWN = ("leaks", "leaks_direct"), ("olgas", "olgas_direct")
TOKYO = {"TimeZone": "Asia/Tokyo", "options": "-c work_mem=23MB -c search_path=public"}
PEOPLE: list[tuple[str, str, tuple[str, str], dict[str, str]]] = [
    ("ann", "staff", _SHARED, {}),
    ("bob", "staff", _SHARED, TOKYO),
    ("cid", "staff", _SHARED, {"application_name": "cid's"}),
    ("dan", "more", _SHARED, {}),
    ("eve", "more", _SHARED, TOKYO),
    ("pete", "pete", _SHARED, {}),
    ("pete", "pete", _SHARED, TOKYO),
    ("olga", "olga", _OWN, {}),
    ("olga", "olga", _OWN, {"DateStyle": "German"}),
]


@contextmanager
def crowded(size: int) -> Iterator[Place]:
    """An installation where everybody waits for the same few server connections."""
    with up_with(pool_size=size) as place:
        people = place.installation.people
        place.passwords.update(people.add_people(["ann", "bob", "cid", "pete"], ["staff"]))
        place.passwords.update(people.add_people(["dan", "eve"], ["staff", "extra"]))
        place.passwords.update(people.add_people(["olga"], ["staff"], owner=True))
        for name in _SHARED:
            add_database(place, name, TABLE)
            people.grant("staff", "public", name, write=True)
            with closing(place.admin(name)) as connection:
                grant = sql.SQL("GRANT TEMPORARY ON DATABASE {} TO pete")
                connection.execute(grant.format(sql.Identifier(name)))
        for name in _OWN:
            add_own_database(place, "olga", name)
            with closing(place.direct("olga", name)) as session:
                session.query(TABLE)
        with closing(place.direct("olga", _OWN[1])) as session:
            session.query("SELECT setseed(0.42)")
            KNOWN_CHANCE[:] = session.rows(
                f"SELECT 'chance', random() FROM generate_series(1, {SEEDED})"
            )
        yield place


@pytest.fixture(scope="module", params=[1, 2])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with crowded(request.param) as found:
        yield found


def free(pairs: list[Pair], pool: str, size: int) -> bool:
    """Say whether a server connection of a pool is left for somebody."""
    return sum(pair.holds for pair in pairs if pair.pool == pool) < size


def play(place: Place, script: list[tuple[int, Act]]) -> None:
    """Let people do this, one step after the other, and all look round after each."""
    size = place.installation.settings.pool_size
    pairs = [Pair(place, number) for number in range(len(PEOPLE))]
    try:
        for step, (number, act) in enumerate(script):
            pair = pairs[number]
            if pair.holds or free(pairs, pair.pool, size):
                print(pair, act)  # noqa: T201 - pytest shows it when the test fails
                pair.run(act)
            for each in pairs[step % 2 :: 2]:  # half of them each time: it is most of the work
                if each.holds or free(pairs, each.pool, size):
                    each.look_round()
    finally:
        for pair in pairs:
            pair.close()
    wait_until(lambda: place.busy() == 0)


@examples(daily=1, nightly=8)  # for each size of pools: some 2 seconds each
@given(
    script=st.lists(
        st.tuples(st.integers(0, len(PEOPLE) - 1), ACTS), min_size=STEPS, max_size=STEPS
    )
)
def test_nobody_can_tell_what_others_did(place: Place, script: list[tuple[int, Act]]) -> None:
    play(place, script)
