"""Keep workspaces within their limits, as long as `up` runs: a thread beside what it keeps."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.errors import MyriadError

log = logging.getLogger("myriad.engines")

# Seconds between two measures: by what is written meanwhile, a workspace may go over its limit.
PAUSE = 1.0
SHARE = 5  # a measure takes at most this part of the time
GIVES_UP_AFTER = "20s"  # a measure waits for nobody; this is for a machine that hardly works
# Those that were dropped meanwhile are nobody's concern.
_PLACES = """
    SELECT DISTINCT database FROM public.workspace JOIN pg_database ON datname = database
    WHERE datallowconn AND datconnlimit <> -2"""


class Workspaces(threading.Thread):
    """Measures each workspace every second, until `stop` is set."""

    def __init__(self, server: Callable[[], Server], stop: threading.Event) -> None:
        super().__init__(name="workspaces", daemon=True)
        self._server, self._stopping = server, stop
        self._open: dict[str, psycopg.Connection] = {}
        self._problem = ""

    def run(self) -> None:
        """Look again and again; what goes wrong is said once, and tried again."""
        pause = PAUSE
        while not self._stopping.wait(pause):
            began = time.monotonic()
            try:
                self._say("; ".join(self._look()))
            except (MyriadError, OSError, psycopg.Error) as error:
                self._say(str(error))
                self._close()
            except Exception as error:  # nobody else would measure them
                if repr(error) != self._problem:
                    log.exception("in measuring workspaces")
                self._problem = repr(error)
                self._close()
            pause = max(PAUSE, SHARE * (time.monotonic() - began))
        self._close()

    def _look(self) -> list[str]:
        """Measure where there are workspaces; nothing is loaded, nor asked twice, where not.

        Returns what went wrong: a database that fails keeps no other from being measured.
        """
        control = self._enter(CONTROL_DATABASE)
        places = {name for (name,) in control.execute(_PLACES).fetchall()}
        for database in self._open.keys() - places - {CONTROL_DATABASE}:
            self._open.pop(database).close()
        problems = []
        for database in sorted(places):
            try:
                self._keep(database)
            except (MyriadError, OSError, psycopg.Error) as error:
                problems.append(f"in database {database!r}: {error}")
                if database in self._open:
                    self._open.pop(database).close()
        return problems

    def _keep(self, database: str) -> None:
        from myriad.people.postgres import workspaces  # noqa: PLC0415 - where nobody has one

        is_new = database not in self._open
        connection = self._enter(database)
        if is_new:
            with connection.transaction():  # as this Myriad has it
                workspaces.install(connection)
        workspaces.keep(connection)

    def _enter(self, database: str) -> psycopg.Connection:
        if database not in self._open:
            connection = self._server().connect(database, autocommit=True)
            self._open[database] = connection
            connection.execute(f"SET statement_timeout = '{GIVES_UP_AFTER}'")
        return self._open[database]

    def _close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def _say(self, problem: str) -> None:
        if problem not in ("", self._problem) and not self._stopping.is_set():
            log.warning("workspaces are not measured: %s", problem)
        self._problem = problem
