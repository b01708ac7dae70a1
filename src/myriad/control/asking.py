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


def is_there(server: Server) -> bool:
    """Say whether a door is at work on this server."""
    with closing(server.connect(autocommit=True)) as connection:
        return _is_there(connection)


def ask(
    server: Server, what: str, who: Sequence[str] = (), *, within: float = ANSWERS_WITHIN
) -> Any:  # noqa: ANN401 - whatever JSON it answers
    """Return the door's answer.

    `what` is `activity`, `stop` or `end`; without names, of everybody. Raises NotRunning if
    there is no door or no answer within that many seconds, EngineError if it refuses.
    """
    with control_database(server, autocommit=True) as connection:
        if not _is_there(connection):
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
    if isinstance(answer, dict) and "error" in answer:
        raise EngineError(f"the door: {answer['error']}", hint="See `myriad status`.")
    return answer


def by_process(server: Server) -> dict[int, str]:
    """Return who uses which process of the server now; empty if the door does not say."""
    try:
        sessions = ask(server, "activity")
    except (MyriadError, psycopg.Error):
        return {}
    return {entry["process"]: entry["person"] for entry in sessions if entry["process"]}


def _is_there(connection: psycopg.Connection) -> bool:
    row = connection.execute(_SQL["door_is_there"]).fetchone()
    return bool(row and row[0])


def _put(connection: psycopg.Connection, what: str, who: Sequence[str]) -> int:
    connection.execute(_SQL["sweep_requests"])
    with connection.transaction():
        row = connection.execute(_SQL["ask"], {"what": what, "who": list(who)}).fetchone()
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        number = int(row[0])
        connection.execute(sql.SQL("NOTIFY myriad_door, {}").format(str(number)))
    return number


def _await(connection: psycopg.Connection, number: int, deadline: float) -> Any:  # noqa: ANN401
    """Return the answer once it is there, None if it is not by the deadline."""
    while True:
        row = connection.execute(_SQL["answer"], {"id": number}).fetchone()
        left = deadline - time.monotonic()
        if row or left <= 0:
            return row[0] if row else None
        for _ in connection.notifies(timeout=left, stop_after=1):
            pass  # perhaps somebody else's: look
