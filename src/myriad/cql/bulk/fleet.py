"""The connections of a loader: a few for each node, made again when they are lost."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor

from myriad.cql import stream
from myriad.cql.bulk.batches import Batch
from myriad.cql.bulk.pipe import Answer, Pipe
from myriad.cql.frames import Malformed
from myriad.cql.stream import Endpoint
from myriad.errors import CqlError, EngineError, NotRunning

PATIENCE = 60.0  # seconds without any node until the load fails; a node's restart takes 5 to 20
LOGIN = 5.0  # seconds
AGAIN = 0.5  # seconds before a node that did not answer is tried again
LOOK = 0.5  # seconds between looks for answers that are overdue


class Fleet:
    """Connections to all nodes. Not for several threads."""

    def __init__(self, endpoint: Endpoint, hosts: Sequence[str], each: int) -> None:
        self._endpoint = endpoint
        self._pipes: dict[str, list[Pipe]] = {host: [] for host in hosts}
        self._each = each
        self._threads = ThreadPoolExecutor(len(hosts), thread_name_prefix="cassandra-login")
        self._coming: dict[str, Future[socket.socket]] = {}
        self._next_try = dict.fromkeys(hosts, 0.0)
        self._alone_since = time.monotonic()
        self._looked = 0.0
        self._last: EngineError = NotRunning(
            "no node of the cluster answers", hint=stream.LOOK_AT_STATUS
        )

    def __iter__(self) -> Iterator[Pipe]:
        return (pipe for pipes in self._pipes.values() for pipe in pipes)

    def choose(self, hosts: Sequence[str]) -> Pipe | None:
        """Return a connection that takes on a batch for the first of these hosts that is up.

        Returns None if that one is busy, or none is up.
        """
        for host in hosts:
            if pipes := self._pipes[host]:
                best = max(pipes, key=lambda pipe: pipe.room)
                return best if best.room > 0 else None
        return None

    def wait(self, seconds: float) -> tuple[list[Answer], list[Batch]]:
        """Wait until something comes; return answers, and batches lost with their connections.

        Raises NotRunning if no node could be reached for a minute, CqlError if the login is
        refused.
        """
        answers: list[Answer] = []
        lost: list[Batch] = []
        by_number = self._by_number()
        poll = select.poll()
        for number, pipe in by_number.items():
            poll.register(number, pipe.events())
        if self._coming and not by_number:  # the first thing that comes is a connection
            futures.wait(self._coming.values(), seconds, futures.FIRST_COMPLETED)
            seconds = 0.0
        for number, _ in poll.poll(seconds * 1000):
            pipe = by_number[number]
            with self._closing_on_failure(pipe, lost):
                pipe.flush()
                answers += pipe.receive()
        self._tend(lost)
        return answers, lost

    def send(self, pipe: Pipe, batch: Batch, tail: bytes) -> list[Batch]:
        """Send a batch; return the batches that were lost in the attempt."""
        lost: list[Batch] = []
        with self._closing_on_failure(pipe, lost):
            pipe.send(batch, tail)
        return lost

    def close(self) -> None:
        """Close all connections."""
        for pipe in self:
            pipe.close()
        for coming in self._coming.values():
            coming.add_done_callback(_close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _by_number(self) -> dict[int, Pipe]:
        return {pipe.fileno(): pipe for pipe in self}

    @contextlib.contextmanager
    def _closing_on_failure(self, pipe: Pipe, lost: list[Batch]) -> Iterator[None]:
        try:
            yield
        except (OSError, Malformed) as error:
            self._last = _told(stream.translated(error, f"{pipe.host}:{self._endpoint.port}"))
            lost += pipe.close()
            self._pipes[pipe.host].remove(pipe)
            self._next_try[pipe.host] = time.monotonic() + AGAIN

    def _tend(self, lost: list[Batch]) -> None:
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._looked = now
            for pipe in list(self):
                with self._closing_on_failure(pipe, lost):
                    pipe.check()
        for host in self._pipes:
            self._connect(host, now)
        if any(self._pipes.values()):
            self._alone_since = now
        elif now - self._alone_since > PATIENCE:
            raise self._last

    def _connect(self, host: str, now: float) -> None:
        """Go on with the connections that a host lacks; they are made one after the other."""
        coming = self._coming.get(host)
        if coming is None:
            if len(self._pipes[host]) < self._each and now >= self._next_try[host]:
                self._coming[host] = self._threads.submit(
                    stream.connect, self._endpoint, host, LOGIN
                )
        elif coming.done():
            del self._coming[host]
            try:
                self._pipes[host].append(Pipe(host, coming.result()))
            except EngineError as error:
                if isinstance(error, CqlError) and not error.retryable:
                    raise
                self._last = error
                self._next_try[host] = now + AGAIN


def _told(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    return NotRunning(str(error), hint="See `myriad status`, then publish again.")


def _close(coming: Future[socket.socket]) -> None:
    if not coming.cancelled() and not coming.exception():
        coming.result().close()
