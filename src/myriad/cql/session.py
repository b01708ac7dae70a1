"""A session with a cluster: any of its nodes answers, the next one where one fails."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self, TypeVar

from myriad.cql.asked import Ask, Asked
from myriad.cql.connection import Connection, Consistency, Endpoint, Page
from myriad.errors import CqlError, EngineError, NotRunning

# May be run twice: what they do is done already then.
_IDEMPOTENT = re.compile(
    r"\s*(SELECT\b|CREATE\s+[A-Z ]+?\s+IF\s+NOT\s+EXISTS\b|DROP\s+[A-Z ]+?\s+IF\s+EXISTS\b)",
    re.IGNORECASE,
)
# The node took nothing on: another one may.
_NOT_BEGUN = (CqlError.UNAVAILABLE, CqlError.OVERLOADED, CqlError.BOOTSTRAPPING)
_SCHEMAS = "SELECT schema_version FROM system.local"
_SCHEMAS_OF_PEERS = "SELECT native_address, native_port, schema_version FROM system.peers_v2"
LOOK = 0.05  # seconds between looks at whether the nodes agree
# Seconds. A node that was down asks the others for what it missed after a minute, if nobody told it
# (`cassandra.migration_delay_ms`).
AGREE_WITHIN = 150.0

T = TypeVar("T")


class Session(Asked):
    """Runs statements on one node of a cluster. Not for several threads at once.

    Where a node fails, a statement goes to the next one if it cannot have been applied or may be
    applied twice. Others raise: only the caller knows. `raw`: see `Connection`.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 10.0, raw: bool = False) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._raw = raw
        self._next = 0  # position of the host to try
        self._connection: Connection | None = None
        self.connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connection(self) -> Connection:
        """Return a connection to some node; it stays the session's. Raises NotRunning."""
        if self._connection and self._connection.alive():
            return self._connection
        self.close()
        failures: list[EngineError] = []
        for _ in self._endpoint.hosts:
            host = self._endpoint.hosts[self._next % len(self._endpoint.hosts)]
            try:
                self._connection = Connection(
                    self._endpoint, host, timeout=self._timeout, raw=self._raw
                )
                return self._connection
            except CqlError as error:
                if not error.retryable:
                    raise
                failures.append(error)
            except EngineError as error:
                failures.append(error)
            self._next += 1
        raise _all_failed(failures)

    def page(self, ask: Ask, state: bytes | None = None) -> Page:
        """Run a statement on some node; return the page that begins at `state`."""
        again = bool(_IDEMPOTENT.match(ask.text))
        return self._somewhere(lambda connection: connection.page(ask, state), again=again)

    def run_all(
        self,
        statements: Sequence[str],
        *,
        consistency: Consistency = Consistency.LOCAL_ONE,
        timeout: float | None = None,
    ) -> None:
        """Run statements, many in flight; raises as `Connection.run_all` does."""

        def run(connection: Connection) -> None:
            connection.run_all(statements, consistency=consistency, timeout=timeout)

        again = all(map(_IDEMPOTENT.match, statements))
        self._somewhere(run, again=again)

    def in_step(self, first: str, then: str, *, timeout: float) -> None:
        """Run two statements on one node, once; see `Connection.in_step`."""

        def run(connection: Connection) -> None:
            connection.in_step(first, then, timeout=timeout)

        self._somewhere(run, again=False)

    def await_schema(self, timeout: float = AGREE_WITHIN) -> None:
        """Return when all nodes that are up have one version of the schema.

        Raises EngineError if they do not within `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while len(self._schemas()) > 1:
            if time.monotonic() > until:
                raise EngineError(
                    f"the nodes do not agree on one schema within {timeout:g} seconds",
                    hint="`myriad status` shows the nodes. Try again when all are up.",
                )
            time.sleep(LOOK)

    def close(self) -> None:
        """Close it; the next statement opens it again."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _schemas(self) -> set[object]:
        found = {version for (version,) in self.query(_SCHEMAS)}
        for address, port, version in self.query(_SCHEMAS_OF_PEERS):
            if version not in found and self._answers(str(address), int(port)):
                found.add(version)
        return found

    def _answers(self, host: str, port: int) -> bool:
        # A node that is down keeps its last schema in the others' tables; it is not waited for.
        endpoint = Endpoint((host,), port, *_login(self._endpoint))
        with suppress(EngineError):
            Connection(endpoint, host, timeout=self._timeout).close()
            return True
        return False

    def _somewhere(self, run: Callable[[Connection], T], *, again: bool) -> T:
        failures: list[EngineError] = []
        for _ in range(len(self._endpoint.hosts) + 1):  # one may have failed since it was used
            connection = self.connection()
            try:
                return run(connection)
            except CqlError as error:
                timed_out = error.code == CqlError.READ_TIMEOUT and again
                if error.code not in _NOT_BEGUN and not timed_out:
                    raise
                failures.append(error)
                self._leave()
            except EngineError as error:
                self._leave()
                if connection.sent and not again:
                    raise
                failures.append(error)
        raise _all_failed(failures)

    def _leave(self) -> None:
        self.close()
        self._next += 1


def _login(endpoint: Endpoint) -> tuple[str, str, str]:
    return endpoint.user, endpoint.password, endpoint.ca


def _all_failed(failures: Sequence[EngineError]) -> EngineError:
    """Return what is raised when no node is left: one error as it is, several in one."""
    if len({str(each) for each in failures}) == 1 or isinstance(failures[-1], CqlError):
        return failures[-1]
    return NotRunning(
        "no node of the cluster answers:\n" + "\n".join(f"  {each}" for each in failures),
        hint=failures[-1].hint,
    )
