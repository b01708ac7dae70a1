"""What statements cost, as the door counts it and `myriad people statements` tells it."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.door.control.control import SQL, Control
from myriad.door.ledger.statistics import Statistics
from myriad.door.ports import SUCCESS, Ended
from myriad.people import Statements
from tests.door_clients import Place, connect, made_place
from tests.door_inner import Inner
from tests.door_script import SYNC, unit
from tests.harness import as_admin, run, wait_until
from tests.hostile import door_login


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


@pytest.fixture
def tag(place: Place) -> str:
    """The name of a table of its own: PostgreSQL's fingerprints know no other names."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with closing(as_admin(place.server, place.reader.database, autocommit=True)) as administrator:
        administrator.execute(f"CREATE TABLE public.{name} AS TABLE public.flight".encode())
        administrator.execute(f"GRANT SELECT ON public.{name} TO PUBLIC".encode())
    return name


def of(installation: Myriad, tag: str) -> list[Statements]:
    return [each for each in installation.people.statements(last=100_000) if tag in each.statement]


def test_a_statement_is_counted_once_whatever_its_values_are(
    place: Place, installation: Myriad, tag: str
) -> None:
    query = f"SELECT carrier FROM {tag} WHERE id <= %s"
    with connect(place.reader) as reader, connect(place.writer) as writer:
        for number in range(1, 4):
            reader.execute(query.replace("%s", str(number)).encode())
            writer.execute(query.encode(), [number], prepare=True)
        with pytest.raises(psycopg.errors.DivisionByZero):
            reader.execute(query.replace("%s", "1 / 0").encode())
        reader.execute(f"SELECT 'é', '{tag}'".encode())
        with pytest.raises(psycopg.errors.UndefinedColumn):
            reader.execute(f'SELECT 1 FROM flight WHERE carrier = "{tag}"'.encode())
    wait_until(lambda: sum(each.calls for each in of(installation, tag)) >= 6)
    [one] = [
        each
        for each in of(installation, tag)
        if "<= ?" in each.statement or "<= $" in each.statement
    ]
    assert one.statement in {query.replace("%s", "?"), query.replace("%s", "$1")}
    assert (one.calls, one.rows, one.people, one.errors) == (6, 12, 2, 0)
    assert 0 < one.p50 <= one.p99 <= 10
    assert one.seconds > 0
    assert len(of(installation, tag)) == 1


def test_the_first_query_of_a_transaction_is_known_by_itself(
    place: Place, installation: Myriad, tag: str
) -> None:
    """JDBC sends it behind BEGIN, in one unit."""
    with closing(Inner(installation).enter(place.reader.user, place.reader.database)) as session:
        session.send(unit("BEGIN"), unit(f"SELECT 1 FROM {tag} LIMIT 1"), SYNC)
        session.until()
        session.query("ROLLBACK")
    wait_until(lambda: of(installation, tag))
    assert [each.statement for each in of(installation, tag)] == [f"SELECT ? FROM {tag} LIMIT ?"]


def test_nothing_of_a_value_is_in_the_control_database(
    place: Place, installation: Myriad, tag: str
) -> None:
    """Neither in a text, nor in a number that depends on it."""
    texts = [
        f"SELECT count(*) FROM flight WHERE carrier = '{tag}' -- {tag}",
        f"SELECT set_config('application_name', '{tag}', false)",
        f"SET application_name = {tag}",
        f"COPY (SELECT '{tag}') TO STDOUT (FORMAT csv, NULL '{tag}')",
        f"PREPARE p AS SELECT '{tag}'",
        f"/* {tag} */ DO $$ BEGIN PERFORM '{tag}'; END $$",
        f"COMMENT ON TABLE mine IS '{tag}'",
    ]
    with connect(place.owner) as owner, closing(as_admin(place.server)) as administrator:
        owner.execute("CREATE TABLE mine (a int); CREATE TABLE flight (carrier text)")
        before = sum(each.calls for each in installation.people.statements(last=100_000))
        for text in texts:
            with owner.cursor() as cursor:
                if text.startswith("COPY"):
                    with cursor.copy(text.encode()) as copy:
                        assert list(copy)
                else:
                    cursor.execute(text.encode())
        wait_until(
            lambda: (
                sum(each.calls for each in installation.people.statements(last=100_000))
                >= before + len(texts)
            )
        )
        found = administrator.execute("SELECT s::text FROM public.statement s").fetchall()
    assert not [row for (row,) in found if tag in row]


def test_the_command_tells_what_cost_most(place: Place, installation: Myriad, tag: str) -> None:
    with connect(place.reader) as reader:
        reader.execute(f"SELECT count(*) FROM {tag}".encode())
    wait_until(lambda: of(installation, tag))
    told = run(installation.home, "people", "statements", "--last", "1000000", "--json")
    assert told.returncode == 0
    assert f"SELECT count(*) FROM {tag}" in told.stdout
    shown = run(installation.home, "people", "statements", "--last", "3").stdout.splitlines()
    assert shown[0].split() == [
        *("seconds", "calls", "errors", "rows", "p50", "p99", "people", "statement"),
    ]
    found = installation.people.statements(last=50)
    assert [each.seconds for each in found] == sorted((e.seconds for e in found), reverse=True)
    tomorrow = run(installation.home, "people", "statements", "--since", "2999-01-01", "--json")
    assert json.loads(tomorrow.stdout) == []


def test_days_are_added_up_and_what_is_old_or_too_much_goes(installation: Myriad, tag: str) -> None:
    """The day of the database's clock; 90 of them are kept, and 2,000 shapes of each new one."""
    with closing(as_admin(installation.server(), autocommit=True)) as administrator:
        put = (
            "INSERT INTO public.statement"
            " SELECT %s + n, (now() AT TIME ZONE 'UTC')::date - %s::int, %s, 1, 0, 5, %s,"
            " array_fill(0::bigint, ARRAY[50]) || 1::bigint ||"
            " array_fill(0::bigint, ARRAY[69]), ARRAY[%s::bigint] FROM generate_series(1, %s) n"
        )
        first = uuid.uuid4().int >> 66
        administrator.execute(put, [first, 0, f"SELECT {tag}", 2.0, 7, 1])
        administrator.execute(put, [first, 1, f"SELECT {tag}", 3.0, 9, 1])
        administrator.execute(put, [first, 91, f"SELECT {tag}", 9.0, 11, 1])
        administrator.execute(put, [first + 1, 1, f"SELECT much_{tag}", 0.0, 1, 2100])
        administrator.execute(SQL["forget_statements"].encode())
        [one] = [each for each in of(installation, tag) if "much" not in each.statement]
        assert (one.calls, one.rows, one.seconds, one.people) == (2, 10, 5.0, 2)
        assert one.p50 == pytest.approx(10e-6 * 1.2**49.5)
        [(left,)] = administrator.execute(
            "SELECT count(*) FROM public.statement WHERE day = (now() AT TIME ZONE 'UTC')::date - 1"
        ).fetchall()
        assert left == 2000
        administrator.execute("DELETE FROM public.statement WHERE text LIKE %s", [f"%{tag}%"])


def test_processes_of_the_door_add_to_the_same_shapes_at_once(
    installation: Myriad, tag: str
) -> None:
    """While each forgets what is too much, too: neither waits for the other, nor loses a call."""
    rounds, some, first = 8, 300, uuid.uuid4().int >> 66
    address, login = door_login(installation.server())
    much = (
        "INSERT INTO public.statement SELECT n, (now() AT TIME ZONE 'UTC')::date,"
        f" 'SELECT much_{tag}', 1, 0, 0, 1, '{{}}', '{{}}' FROM generate_series(1, 2100) n"
    )

    async def add(process: int) -> None:
        control = Control(address, login, process)
        keeping = asyncio.create_task(control.keep())
        statistics = Statistics(control)
        try:
            for _ in range(rounds):
                statistics.count([_ended(first + n, tag, 9.0) for n in range(some)])
                # These cost least: the other one forgets them meanwhile.
                statistics.count([_ended(9000 + n, f"cheap_{tag}", 0.0) for n in range(some)])
                await statistics.write()
        finally:
            keeping.cancel()

    async def both() -> None:
        await asyncio.gather(add(1), add(2))

    with closing(as_admin(installation.server(), autocommit=True)) as administrator:
        administrator.execute(much.encode())
        try:
            asyncio.run(both())
            counted = administrator.execute(
                "SELECT calls, rows, array_length(people, 1), count(*)"
                " FROM public.statement WHERE text = %s GROUP BY 1, 2, 3",
                [tag],
            ).fetchall()
        finally:
            administrator.execute("DELETE FROM public.statement WHERE text ~ %s", [tag])
    assert counted == [(2 * rounds, 2 * rounds, 1, some)]


def _ended(number: int, text: str, seconds: float) -> Ended:
    return (0.0, b"rose", seconds, 1, 1, SUCCESS, (number, text, 1), b"")
