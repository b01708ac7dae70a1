"""PostgreSQL's own programs through the door: psql, pgbench, pg_dump."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.connect import Target
from tests.door_clients import LONG, ROWS, Place, connect, environment, made_place
from tests.harness import wait_until

DESCRIBE = (r"\d", r"\dt", r"\l", r"\du", r"\dn+", r"\dp", r"\df", r"\d+ flight", r"\dv late")


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def psql(place: Place, who: Target, script: str, *options: str, good: bool = True) -> str:
    return place.run("psql", who, "-qAt", *options, told=script, good=good)


@pytest.mark.parametrize("who", ["reader", "writer", "owner"])
def test_describing_looks_as_it_does_past_the_door(place: Place, who: str) -> None:
    person: Target = getattr(place, who)
    arguments = [word for command in DESCRIBE for word in ("-c", command)]
    shown = place.run("psql", person, *arguments)
    assert shown == place.run("psql", place.past_the_door(person), *arguments)


def test_connection_info_names_the_person(place: Place) -> None:
    shown = place.run("psql", place.reader, "-c", r"\conninfo", "-c", r"\echo :USER @ :DBNAME")
    assert f"| {place.reader.user}" in shown
    assert f"{place.reader.user} @ {place.reader.database}" in shown
    prompt = psql(place, place.reader, "SELECT session_user, current_user, user, current_role;")
    assert prompt == "|".join([place.reader.user] * 4) + "\n"


def test_copy_out_and_in(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "flights.csv"
    out = psql(place, place.reader, f"\\copy flight TO '{file}' (FORMAT csv, HEADER)\n")
    assert out == ""
    assert len(file.read_text().splitlines()) == ROWS + 1
    script = f"""
        BEGIN;
        DELETE FROM flight;
        \\copy flight FROM '{file}' (FORMAT csv, HEADER MATCH)
        SELECT count(*), sum(delay) FROM flight;
        COMMIT;
    """
    sums = psql(place, place.writer, script, "-v", "ON_ERROR_STOP=1")
    assert sums == psql(place, place.reader, "SELECT count(*), sum(delay) FROM flight;")


def test_copy_in_line(place: Place) -> None:
    script = "COPY note (body) FROM STDIN;\none\n\\.\nCOPY (SELECT 'two') TO STDOUT;\n"
    assert psql(place, place.writer, script) == "two\n"


def test_a_bad_line_in_copy_leaves_the_session_usable(place: Place) -> None:
    script = "COPY note (flight) FROM STDIN;\n1\nnothing\n2\n\\.\nSELECT 'goes on';\n"
    shown = psql(place, place.writer, script)
    assert "invalid input syntax" in shown
    assert "goes on" in shown


def test_watch(place: Place) -> None:
    assert psql(place, place.reader, "SELECT 'again' \\watch i=0.01 c=3\n").count("again") == 3


def test_variables_pipelines_and_named_statements(place: Place) -> None:
    script = r"""
        SELECT 42 AS answer \gset
        \echo :answer
        SELECT format('SELECT %s', i) FROM generate_series(7, 9) i \gexec
        SELECT $1::int + 1 \bind 41 \g
        SELECT $1::int * 2 \parse twice
        \bind_named twice 5 \g
        \bind_named twice 6 \g
        \startpipeline
        SELECT 'a' || $1 \bind 1 \sendpipeline
        \bind_named twice 50 \sendpipeline
        \syncpipeline
        SELECT 'b' || $1 \bind 1 \sendpipeline
        \endpipeline
        \close_prepared twice
        \bind_named twice 7 \g
    """
    shown = psql(place, place.reader, script)
    assert " ".join(shown.split()[:10]) == "42 7 8 9 42 10 12 a1 100 b1"
    assert 'prepared statement "twice" does not exist' in shown


def test_transactions_as_psql_makes_them(place: Place) -> None:
    script = r"""
        \set ON_ERROR_ROLLBACK on
        BEGIN;
        SELECT 1/0;
        SELECT 'still here';
        COMMIT;
        \set AUTOCOMMIT off
        INSERT INTO note (body) VALUES ('never');
        ROLLBACK;
        SELECT count(*) FROM note WHERE body = 'never';
        COMMIT;
        \set FETCH_COUNT 100
        SELECT id FROM flight;
    """
    shown = psql(place, place.writer, script).splitlines()
    assert shown[:2] == ["still here", "0"]
    assert len([line for line in shown if line.isdigit()]) == ROWS + 1
    single = psql(
        place, place.writer, "SELECT 1; SELECT 1/0;", "-1", "-v", "ON_ERROR_STOP=1", good=False
    )
    assert "division by zero" in single


def test_encoding_of_the_client(place: Place) -> None:
    done = subprocess.run(
        [place.programs / "psql", "-qAt", "-c", r"\encoding", "-c", "SELECT 'é' || $$é$$"],
        env={**environment(place.reader), "PGCLIENTENCODING": "LATIN1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"LATIN1\n")
    script = "\\encoding LATIN1\nSELECT chr(233);\n"
    told = subprocess.run(
        [place.programs / "psql", "-qAt"],
        env=environment(place.reader),
        input=script.encode(),
        capture_output=True,
        check=True,
    )
    assert told.stdout == b"\xe9\n"


def test_interrupting_cancels_the_statement_only(place: Place) -> None:
    with terminal(place, place.reader) as (process, say, shown):
        for _ in range(3):
            say(f"{LONG};\n")
            wait_until(lambda: place.runs(place.reader, LONG))
            process.send_signal(signal.SIGINT)
            wait_until(lambda: not place.runs(place.reader, LONG))
        wait_until(lambda: shown().count("canceling statement due to user request") == 3)
        say("SELECT 'af' || 'ter';\n")
        wait_until(lambda: "after" in shown())


@contextmanager
def terminal(
    place: Place, who: Target
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], object], Callable[[], str]]]:
    """Run psql as in a terminal; give its process, how to type, and what it has shown."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    shown = bytearray()

    def show() -> str:
        with suppress(OSError):
            while part := os.read(master, 65536):
                shown.extend(part)
        return shown.decode()

    process = subprocess.Popen(
        [place.programs / "psql", "-nqAt"],
        env=environment(who),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        yield process, lambda text: os.write(master, text.encode()), show
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_large_result_whose_reader_leaves(place: Place) -> None:
    """`psql | head`: the statement must not go on in the server."""
    big = "SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"
    with subprocess.Popen(
        [place.programs / "psql", "-qAt", "-v", "FETCH_COUNT=100", "-c", big],
        env=environment(place.reader),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.readline()) == 1001
        process.stdout.close()
        process.wait(20)
    wait_until(lambda: not place.runs(place.reader, big))


BENCH_TABLES = ("-i", "-I", "dtgp", "-s", "1", "--quiet")


@pytest.fixture(scope="module")
def bench(place: Place, installation: Myriad) -> Place:
    """The tables of pgbench, made by the administrator."""
    administrator = replace(place.writer, user="myriad")
    place.run("pgbench", place.past_the_door(administrator), *BENCH_TABLES)
    installation.people.apply(place.writer.database, "public")
    return place


@pytest.mark.nightly(by_day=["-N-simple", "-b tpcb-like-extended", "-S-prepared"])
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("script", ["-S", "-N", "-b tpcb-like"])
def test_pgbench(bench: Place, mode: str, script: str) -> None:
    options = ("-n", "-M", mode, *script.split(), "-c", "6", "-j", "2", "-t", "40")
    shown = bench.run("pgbench", bench.writer, *options)
    assert "number of transactions actually processed: 240/240" in shown
    assert "number of failed transactions: 0" in shown


def test_pgbench_with_pipelines_and_new_connections(bench: Place, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.sql"
    script.write_text(
        "\\startpipeline\n"
        + "SELECT abalance FROM pgbench_accounts WHERE aid = :client_id + 1;\n" * 10
        + "\\syncpipeline\nSELECT 1;\n\\endpipeline\n"
    )
    for mode in ("extended", "prepared"):
        options = ("-n", "-M", mode, "-f", str(script), "-c", "4", "-t", "20")
        assert "processed: 80/80" in bench.run("pgbench", bench.reader, *options)
    assert "processed: 40/40" in bench.run("pgbench", bench.reader, "-nSC", "-c4", "-t10")


def test_tpc_b_adds_up(bench: Place) -> None:
    """More clients than one person may have server connections: each needs its own thread.

    pgbench waits for PREPARE in a way that stops all the clients of a thread, so those that wait
    for a server connection would keep those that have one from finishing.
    """
    sums = (
        "SELECT (SELECT sum(delta) FROM pgbench_history) = (SELECT sum(abalance) FROM"
        " pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance)"
        " FROM pgbench_tellers)"
    )
    bench.run("pgbench", bench.writer, "-n", "-Mprepared", "-c12", "-j12", "-t20")
    with connect(bench.writer) as connection:
        assert connection.execute(sums).fetchone() == (True, True)


@pytest.mark.parametrize("form", ["plain", "custom", "directory"])
def test_pg_dump_of_a_dataset_by_its_reader(place: Place, tmp_path: Path, form: str) -> None:
    """Then restored by an owner in their own database, through the door as well."""
    file = tmp_path / "dump"
    which = ("-n", "public", "-T", "note*", "-T", "pgbench*", "--no-owner", "--no-privileges")
    place.run("pg_dump", place.reader, f"--format={form}", "-f", str(file), *which)
    psql(place, place.owner, "DROP SCHEMA IF EXISTS public CASCADE;", "-v", "ON_ERROR_STOP=1")
    if form == "plain":
        psql(place, place.owner, file.read_text(), "-v", "ON_ERROR_STOP=1")
    else:
        to = ("-d", place.owner.database, "--no-owner", "-1")
        place.run("pg_restore", place.owner, *to, str(file))
    with connect(place.owner) as connection:
        found = connection.execute("SELECT count(*), max(carrier) FROM public.flight").fetchone()
    assert found == (ROWS, "carrier 6")
