"""A database with three people in it, for tests with real clients through the door."""

import asyncio
import os
import subprocess
import threading
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from myriad import Myriad
from myriad.connect import Target
from myriad.engines.postgres import programs
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.databases import create_database
from tests.harness import as_admin, wait_until

Value = TypeVar("Value")

ROWS = 1000
LONG = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
TABLES = f"""
    CREATE TABLE flight (id int PRIMARY KEY, carrier text NOT NULL, delay numeric, at timestamptz);
    INSERT INTO flight SELECT i, 'carrier ' || i % 7, i / 8.0, '2026-01-01Z'::timestamptz
        + i * '1 hour'::interval FROM generate_series(1, {ROWS}) i;
    CREATE INDEX ON flight (carrier);
    CREATE VIEW late AS SELECT * FROM flight WHERE delay > 100;
    CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text,
        flight int REFERENCES flight);
"""


@dataclass(frozen=True)
class Place:
    """A database, and who may do what there.

    Attributes:
        reader, writer: share server connections with others of their group.
        owner: has a database of their own, and server connections in their own name.
    """

    server: Server
    reader: Target
    writer: Target
    owner: Target

    @cached_property
    def programs(self) -> Path:
        """The folder with psql, pgbench, pg_dump."""
        return programs.find("", Path("/nonexistent"), None).folder

    def run(
        self, program: str, who: Target, *arguments: str, told: str = "", good: bool = True
    ) -> str:
        """Run one of PostgreSQL's programs as somebody; return its output, errors behind it."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            input=told,
            env=environment(who),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout + done.stderr

    def past_the_door(self, who: Target) -> Target:
        """Return where somebody reaches the server itself, as the role of that name."""
        server = conninfo_to_dict(self.server.dsn)
        return replace(who, host=str(server["host"]), port=int(str(server["port"])))

    def runs(self, who: Target, statement: str) -> bool:
        """Say whether the server works on such a statement in somebody's database."""
        with closing(as_admin(self.server, autocommit=True)) as administrator:
            [(found,)] = administrator.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'active' AND datname = %s AND query LIKE %s",
                [who.database, f"%{statement}%"],
            ).fetchall()
        return bool(found)

    def direct(self, who: Target, **keywords: str) -> psycopg.Connection:
        """Connect past the door, as the role of that name: to compare with."""
        wanted = {"options": "", "user": who.user, "dbname": who.database, **keywords}
        dsn = make_conninfo(self.server.dsn, **wanted)
        return psycopg.connect(dsn, autocommit=True)


def environment(who: Target) -> dict[str, str]:
    """Return libpq's environment for a program that connects as somebody."""
    return {
        **os.environ,
        "PGHOST": who.host,
        "PGPORT": str(who.port),
        "PGDATABASE": who.database,
        "PGUSER": who.user,
        "PGPASSWORD": who.password,
        "PAGER": "cat",
        "PSQLRC": os.devnull,
        "PSQL_HISTORY": os.devnull,
    }


def keywords(who: Target, database: str = "dbname") -> dict[str, Any]:
    """Return what most Python drivers take."""
    return {
        "host": who.host,
        "port": who.port,
        database: who.database,
        "user": who.user,
        "password": who.password,
    }


def connect(who: Target, **more: Any) -> psycopg.Connection:
    """Connect psycopg 3 through the door, each statement for itself."""
    return psycopg.connect(**{"autocommit": True, **keywords(who), **more})


def in_own_loop(work: Coroutine[Any, Any, Value]) -> Value:
    """Run something asynchronous, with an end."""

    async def bounded() -> Value:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


@contextmanager
def cancelling(place: Place, connection: psycopg.Connection) -> Iterator[None]:
    """Cancel what a connection runs as soon as LONG has reached the server."""
    who = replace(place.reader, database=connection.info.dbname)

    def cancel() -> None:
        wait_until(lambda: place.runs(who, LONG))
        connection.cancel_safe(timeout=10)

    with in_thread(cancel):
        yield


@contextmanager
def in_thread(function: Any, *arguments: Any) -> Iterator[threading.Thread]:
    """Run something beside; it must have ended at the end."""
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def made_place(installation: Myriad) -> Iterator[Place]:
    """Make it all, and take it away again."""
    server, people, tag = installation.server(), installation.people, uuid.uuid4().hex[:8]
    main, own = f"clients {tag}", f"own_{tag}"
    create_database(server, main)
    with closing(as_admin(server, main, autocommit=True)) as connection:
        connection.execute("SET search_path = public")
        connection.execute(TABLES)
    people.add_groups([f"read_{tag}", f"write_{tag}"])
    people.grant(f"read_{tag}", "public", main)
    people.grant(f"write_{tag}", "public", main, write=True)
    known = dict(
        people.add_people([f"Réa der {tag}"], [f"read_{tag}"])
        + people.add_people([f"writer_{tag}"], [f"write_{tag}"])
        + people.add_people([f"owner_{tag}"], owner=True)
    )
    reader, writer, owner = (
        Target(server.host, server.port, database, name, password)
        for (name, password), database in zip(known.items(), (main, main, "main"), strict=True)
    )
    try:
        with connect(owner) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(own)))
        yield Place(server, reader, writer, Target(server.host, server.port, own, *_who(owner)))
    finally:
        with closing(as_admin(server, autocommit=True)) as administrator:
            for name in (main, own):
                drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                administrator.execute(drop.format(sql.Identifier(name)))
        people.remove(list(known))
        for group in (f"read_{tag}", f"write_{tag}"):
            people.remove_group(group)


def _who(target: Target) -> tuple[str, str]:
    return target.user, target.password
