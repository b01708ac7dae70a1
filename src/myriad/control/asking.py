"""Ask the running door: who does what, stop that, end sessions. By a table, and NOTIFY."""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql

from myriad import named_sql
from myriad.control.connection import control_database
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError, MyriadError, NotRunning

_SQL = named_sql.load("myriad.control", "asking.sql")
ANSWERS_WITHIN = 10.0  # seconds
LOOK_SECONDS = 0.5  # that a process of the door that ends is waited for


def is_there(server: Server) -> bool:
    """Say whether a door is at work on this server."""
    with closing(server.connect(autocommit=True)) as connection:
        return bool(_doors(connection))


def ask(
    server: Server, what: str, who: Sequence[str] = (), *, within: float = ANSWERS_WITHIN
) -> Any:  # noqa: ANN401 - whatever JSON it answers
    """Return the door's answer.

    `what` is `activity`, `stop`, `disconnect` or `end`; without names, of everybody. Raises
    NotRunning if there is no door or no answer within that many seconds, EngineError if it refuses.
    """
    with control_database(server, autocommit=True) as connection:
        if not _doors(connection):
            raise NotRunning(
                "the door is not up, so nobody is connected through it",
                hint="`myriad status` shows what is up.",
            )
        connection.execute("LISTEN myriad_answer")  # before it could answer
        number = _put(connection, what, who)
        try:
            answer = _await(connection, number, time.monotonic() + within)
        finally:
            connection.execute("DELETE FROM public.request WHERE id = %s", [number])
    if answer is None:
        raise NotRunning(
            f"the door did not answer within {within:g} seconds",
            hint="Try again. `myriad status` shows what is up, `myriad logs` what went wrong.",
        )
    return _together(list(answer.values()))


def _together(answers: list[Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the answers of the door's processes as one: lists in a row, and sums of numbers."""
    for each in answers:
        if isinstance(each, dict) and "error" in each:
            raise EngineError(f"the door: {each['error']}", hint="See `myriad status`.")
    if all(isinstance(each, dict) for each in answers):
        return {name: sum(each[name] for each in answers) for name in answers[0]}
    return [entry for each in answers for entry in each]


def by_process(server: Server) -> dict[int, str]:
    """Return who uses which process of the server now; empty if the door does not say."""
    try:
        sessions = ask(server, "activity")
    except (MyriadError, psycopg.Error):
        return {}
    return {entry["process"]: entry["person"] for entry in sessions if entry["process"]}


def _doors(connection: psycopg.Connection) -> set[str]:
    row = connection.execute(_SQL["doors"]).fetchone()
    return set(row[0]) if row else set()


def _put(connection: psycopg.Connection, what: str, who: Sequence[str]) -> int:
    connection.execute(_SQL["sweep_requests"])
    with connection.transaction():
        row = connection.execute(_SQL["ask"], {"what": what, "who": list(who)}).fetchone()
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        number = int(row[0])
        connection.execute(sql.SQL("NOTIFY myriad_door, {}").format(str(number)))
    return number


def _await(connection: psycopg.Connection, number: int, deadline: float) -> Any:  # noqa: ANN401
    """Return the answers once all are there, by the door's processes; None if not in time.

    One that has ended need not answer: its sessions have ended, too.
    """
    while True:
        row = connection.execute(_SQL["answer"], {"id": number}).fetchone()
        if row and row[0].keys() >= _doors(connection):
            return row[0]
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        for _ in connection.notifies(timeout=min(left, LOOK_SECONDS), stop_after=1):
            pass  # perhaps somebody else's: look
