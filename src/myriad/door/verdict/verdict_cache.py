"""Verdicts by text: a text is parsed once, however many people send it."""

import hashlib
import itertools

from myriad.door.cache import Cache
from myriad.door.verdict.long_texts import Reader, decoded
from myriad.door.verdict.shape import Sampler
from myriad.door.verdict.verdict import Verdict, analyse

MOST_BYTES = 32 << 20  # of texts and verdicts, in all databases together
# Longer ones are parsed in a process of their own: 1 MB takes 0.4 s, and everybody else would wait.
LONG_BYTES = 32 << 10
# Of a verdict in memory, measured: without sets; of each span; of each name in a set.
VERDICT_BYTES, SPAN_BYTES, NAME_BYTES = 400, 200, 150

Texts = Cache[tuple[int, bytes], Verdict]
_numbers = itertools.count()
_sampler = Sampler()


def texts() -> Texts:
    """Return a cache for the verdicts of all databases."""
    return Cache(MOST_BYTES, _weigh)


def _weigh(key: tuple[int, bytes], verdict: Verdict) -> int:
    processes = verdict.processes
    spans = len(verdict.identity) + len(verdict.activity)
    if processes is not None:
        spans += 1 + len(processes.asked) + len(processes.written)
    sets = (verdict.settings, verdict.local, verdict.restores)
    written = (*verdict.by_sql.executes, *verdict.by_sql.deallocates)
    names = NAME_BYTES * (sum(map(len, sets)) + len(written)) + len("".join(written))
    texts = sum(NAME_BYTES + len((value or "").encode()) for _, value in verdict.reported)
    shown = len(verdict.shape[1].encode()) if verdict.shape is not None else 0
    return len(key[1]) + shown + VERDICT_BYTES + SPAN_BYTES * spans + names + texts


class Verdicts:
    """The verdicts of databases where `harmless` functions are the same.

    Attributes:
        readers: those of the same texts in sessions that only read.
    """

    def __init__(
        self, harmless: frozenset[str], reader: Reader, known: Texts, *, reads: bool = False
    ) -> None:
        self.harmless = harmless
        self._reader = reader
        self._known = known
        self._number = next(_numbers)
        self._reads = reads
        self.readers = self if reads else Verdicts(harmless, reader, known, reads=True)

    def of(self, text: bytes) -> Verdict | None:
        """Return the verdict of a text; None for a long one that must be studied first."""
        if len(text) > LONG_BYTES:
            return self._known.get((self._number, _digest(text)))
        key = (self._number, text)
        found = self._known.get(key)
        if found is None or found.sampled:  # what comes again has a shape of its own
            weight = _sampler.weight() if found is None else 1
            found = analyse(decoded(text), self.harmless, reads=self._reads, weight=weight)
            if found.password is None:  # a password is kept nowhere
                self._known.put(key, found)
        return found

    async def study(self, text: bytes, person: str) -> None:
        """Find the verdict of a person's long text, so that `of` has it; raises Refused."""
        found = await self._reader.read(text, self.harmless, person, reads=self._reads)
        self._known.put((self._number, _digest(text)), found)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
