"""Long texts are parsed in another process: one after the other, people in turn.

Nobody's texts hold the door's loop, and their number and size are bounded: of texts that wait, of
what the process may use, of the time for one.
"""

import asyncio
import multiprocessing
import resource
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial

from myriad.door.verdict.verdict import Verdict, analyse, unknowable
from myriad.pgwire.faults import Fault, Refused

MOST_WAITING_BYTES = 512 << 20
MOST_OF_ONE_BYTES = 128 << 20  # of one person: two statements of the greatest size
LONGEST_SECONDS = 60.0  # to wait, and then to be parsed
# Of the process. Measured: an INSERT of 20 MB takes 750 MB and 4 s, `IN (2,2,…)` of 2 MB 350 MB.
MOST_MEMORY_BYTES = 2 << 30
FORGOTTEN_BYTES = 1 << 20  # after a longer text the process ends, and gives its memory back

BUSY = Fault(
    "53200",
    "too many long statements wait to be looked at",
    "Send them one after the other, or load data with COPY.",
)


class Reader:
    """Parses long texts in another process, which is started when the first one comes.

    Attributes:
        bytes: of the texts that wait, or are being parsed.
    """

    def __init__(
        self, *, most_bytes: int = MOST_WAITING_BYTES, most_memory_bytes: int = MOST_MEMORY_BYTES
    ) -> None:
        self.bytes = 0
        self.most_bytes = most_bytes
        self._most_memory_bytes = most_memory_bytes
        self._process: ProcessPoolExecutor | None = None
        self._waiting: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}
        self._turn = asyncio.Lock()

    async def read(
        self, text: bytes, harmless: frozenset[str], person: str, *, reads: bool = False
    ) -> Verdict:
        """Return the verdict of a person's text, see `analyse`; raises Refused."""
        size = len(text)
        if self._waiting[person] + size > MOST_OF_ONE_BYTES or self.bytes + size > self.most_bytes:
            raise Refused(BUSY)
        self.bytes += size
        self._waiting[person] += size
        try:
            return await self._in_turn(text, person, partial(_analyse, text, harmless, reads=reads))
        finally:
            self.bytes -= size
            self._waiting[person] -= size
            if not self._waiting[person]:
                del self._waiting[person]
                self._turns.pop(person, None)

    async def _in_turn(self, text: bytes, person: str, work: Callable[[], Verdict]) -> Verdict:
        """Wait for our turn among the person's own texts, then among people."""
        mine = self._turns.setdefault(person, asyncio.Lock())
        try:
            async with asyncio.timeout(LONGEST_SECONDS) as waiting, mine, self._turn:
                waiting.reschedule(None)
                return await self._parse(text, work)
        except TimeoutError as error:
            raise Refused(BUSY) from error

    async def _parse(self, text: bytes, work: Callable[[], Verdict]) -> Verdict:
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._process = ProcessPoolExecutor(
                1, context, initializer=_bound_memory, initargs=(self._most_memory_bytes,)
            )
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await loop.run_in_executor(self._process, work)
        except (BrokenProcessPool, TimeoutError, MemoryError):
            self.stop()
            return unknowable()
        finally:
            if len(text) > FORGOTTEN_BYTES:
                self.stop()

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            for worker in list((process._processes or {}).values()):  # noqa: SLF001 - no other way
                worker.kill()
            process.shutdown(wait=False, cancel_futures=True)


def _bound_memory(most_bytes: int) -> None:
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def _analyse(text: bytes, harmless: frozenset[str], *, reads: bool) -> Verdict:
    return analyse(decoded(text), harmless, reads=reads)


def decoded(text: bytes) -> str:
    """Return a text to be parsed: in every encoding that is allowed, ASCII bytes mean ASCII."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
