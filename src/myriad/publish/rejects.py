"""Records that could not be loaded: kept with their place and reason, never dropped."""

import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from myriad.errors import TooManyRejects
from myriad.model import Reject

SHOWN = 10
KEEP_DAYS = 90
_ELSEWHERE = re.compile(r"\bin line \d+")  # a reason that lies in another line, for many records


class Rejects:
    """Collects the rejects of one publish; `save` keeps them in a file.

    Raises TooManyRejects, showing the first, once there are more than `limit` and enough to show.
    `known` are those that another engine has kept of the same records: each counts once.
    """

    def __init__(self, path: Path, limit: int, known: Collection[Reject] = ()) -> None:
        self.path, self.limit, self._known = path, limit, known
        self.kept: list[Reject] = []
        self.aside: dict[Reject, None] = {}  # what is no data, such as a title: it counts nowhere

    def __call__(self, reject: Reject) -> None:
        """Keep one; raises TooManyRejects."""
        self.kept.append(reject)
        if len(self.kept) >= self.limit + SHOWN:
            raise self.too_many(more=True)

    def set_aside(self, lines: Iterable[Reject]) -> None:
        """Keep lines that are no records."""
        self.aside |= dict.fromkeys(lines)

    def restart(self, count: int) -> None:
        """Forget all but the first `count`: a table is read again from its beginning."""
        del self.kept[count:]

    def check(self) -> None:
        """Raise TooManyRejects if there are more than allowed."""
        mine = set(self.kept) if self._known else set()
        more = [reject for reject in self._known if reject not in mine]
        if len(self.kept) + len(more) > self.limit:
            self.kept += more
            raise self.too_many(more=False)

    def save(self) -> str | None:
        """Write them as JSON Lines into the file, 0600; return its path, None without rejects."""
        self._forget_old()
        if not (self.kept or self.aside):
            return None
        self.path.touch(mode=0o600)
        with self.path.open("w", encoding="utf-8") as file:
            for reject in (*self.aside, *self.kept):
                file.write(json.dumps(asdict(reject), ensure_ascii=False) + "\n")
        return str(self.path)

    def _forget_old(self) -> None:
        """Remove the files of publishes that nobody remembers: they hold people's data."""
        oldest = time.time() - KEEP_DAYS * 86_400
        for file in self.path.parent.glob("*.jsonl"):
            with suppress(OSError):  # another publish removes them too
                if file.stat().st_mtime < oldest:
                    file.unlink()

    def too_many(self, *, more: bool) -> TooManyRejects:
        """Return the error that shows the first rejects."""
        shown = "\n".join(_lines(self.kept[:SHOWN]))
        count = f"{len(self.kept)}{' or more' if more else ''}"
        noun = "record does" if count == "1" else "records do"
        error = TooManyRejects(
            f"{count} {noun} not fit, {self.limit} are allowed; nothing was changed:\n{shown}",
            hint="Mend the source, or let them be left out and kept apart with --max-rejects N. "
            f"They are in {self.save()}.",
        )
        error.rejects = tuple(self.kept[:SHOWN])
        return error


def _lines(rejects: Sequence[Reject]) -> Iterator[str]:
    """Yield a line for each, or for all that one fault took with it, such as an open quote."""
    for (_, reason), group in groupby(rejects, lambda reject: (reject.source, reject.reason)):
        first, *rest = group
        if rest and _ELSEWHERE.search(reason):
            yield f"  {first}"
            yield "  … and the records after it, for the same reason"
        else:
            yield from (f"  {reject}" for reject in (first, *rest))
