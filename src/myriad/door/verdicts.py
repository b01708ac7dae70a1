"""Verdicts by text: a text is parsed once, however many people send it."""

import asyncio
import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from myriad.door.verdict import Verdict, analyse

MOST_TEXTS = 10_000
MOST_BYTES = 32 << 20
# Longer ones are parsed in a process of their own: 1 MB takes 0.4 s, and everybody else would wait.
LONG_BYTES = 32 << 10
MOST_LONG = 200  # verdicts of long texts that are kept
LONGEST_SECONDS = 60.0


class Unknowable(Exception):
    """A long text could not be looked at."""


class Verdicts:
    """The verdicts of one database, where `harmless` functions are the same."""

    def __init__(self, harmless: frozenset[str], reader: "Reader") -> None:
        self.harmless = harmless
        self._reader = reader
        self._known: dict[bytes, Verdict] = {}
        self._long: dict[bytes, Verdict] = {}
        self._bytes = 0

    def of(self, text: bytes) -> Verdict | None:
        """Return the verdict of a text; None for a long one that must be studied first."""
        found = self._known.get(text)
        if found is None:
            if len(text) > LONG_BYTES:
                return self._long.get(_digest(text))
            found = analyse(decoded(text), self.harmless)
            self._keep(text, found)
        return found

    async def study(self, text: bytes) -> None:
        """Find the verdict of a long text, so that `of` has it; raises Unknowable."""
        found = await self._reader.read(decoded(text), self.harmless)
        while len(self._long) >= MOST_LONG:
            del self._long[next(iter(self._long))]
        self._long[_digest(text)] = found

    def _keep(self, text: bytes, verdict: Verdict) -> None:
        self._bytes += len(text)
        if len(self._known) >= MOST_TEXTS or self._bytes > MOST_BYTES:
            self._known.clear()  # one text in ten thousand is parsed again; no order to keep
            self._bytes = len(text)
        self._known[text] = verdict


class Reader:
    """Parses long texts in another process, which is started when the first one comes."""

    def __init__(self) -> None:
        self._process: ProcessPoolExecutor | None = None

    async def read(self, text: str, harmless: frozenset[str]) -> Verdict:
        """Return the verdict of a text; raises Unknowable if that fails or takes too long."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._process = ProcessPoolExecutor(1, mp_context=context)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await loop.run_in_executor(self._process, analyse, text, harmless)
        except (BrokenProcessPool, TimeoutError) as error:
            self.stop()
            raise Unknowable from error
        except asyncio.CancelledError as error:  # it waited for a text that took too long
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise Unknowable from error

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            for worker in list((process._processes or {}).values()):  # noqa: SLF001 - no other way
                worker.kill()
            process.shutdown(wait=False, cancel_futures=True)


def decoded(text: bytes) -> str:
    """Return a text to be parsed: in every encoding that is allowed, ASCII bytes mean ASCII."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
