"""Read the sources of a target: with believed types, then proven ones, until they hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from myriad.errors import PublishError, SourceError
from myriad.model import Type
from myriad.publish.fingerprints import Fingerprints
from myriad.publish.options import Progress, Step
from myriad.publish.plan import Target
from myriad.publish.rejects import Rejects
from myriad.sources.base import Changed, TypeMismatch
from myriad.wording import number_of

# First guess, proven types, and once more for values that only the server refuses, per column.
ATTEMPTS = 8


class Again(Exception):
    """The target changed, such as a column that became text: read it once more."""


@dataclass
class Reading:
    """Reads one target for one engine, and counts.

    Attributes:
        phase: what the engine does with the rows, for progress.
        rows: yielded so far by this attempt.
        prints: takes the fingerprints of what is yielded, if anybody wants them.
    """

    target: Target
    rejects: Rejects
    progress: Progress
    phase: str
    rows: int = 0
    prints: Fingerprints | None = None
    _sink: Rejects | None = None

    def until_it_holds(self, attempt: Callable[[], int]) -> int:
        """Run `attempt`, which uses `batches`, until the types hold.

        A failed one must leave nothing behind. Raises PublishError, SourceError, and what
        `attempt` raises but for TypeMismatch and Again.
        """
        before = len(self.rejects.kept)
        for number in range(ATTEMPTS):
            self.rejects.restart(before)
            self._sink = self.rejects if number and not self.target.held else None
            try:
                rows = attempt()
                self._check(rows)
            except Again:
                pass
            except Changed:
                raise
            except (TypeMismatch, SourceError) as error:
                if self._sink is not None and isinstance(error, SourceError):
                    raise
                column = error.column if isinstance(error, TypeMismatch) else ""
                if not self.target.outgrow(column) or number > 1:
                    self.target.outgrown |= self.target.held
                self.progress(Step(self.target.name, "proving types"))
                for source in self.target.sources:
                    source.prove()
                self.target.proven = True
            else:
                for source in self.target.sources:
                    self.rejects.set_aside(source.not_data)
                return rows
            self.target.refresh()
        raise PublishError(
            f"{self.target.name}: the source does not hold still: its values keep changing their"
            " types",
            hint="Publish a copy that nobody writes to.",
        )

    def batches(self, types: Sequence[Type]) -> Iterator[pa.RecordBatch]:
        """Yield all records of all sources, the columns as `types`; raises TypeMismatch."""
        sources = self.target.sources
        size = sum(source.size for source in sources)
        self.rows = 0
        if self.prints is not None:
            self.prints.restart([column.name for column in self.target.table.columns])
        for number, source in enumerate(sources):
            picked = self.target.places(source)
            wanted = [column.type for column in source.table.columns]
            for place, kind in zip(picked, types, strict=True):
                wanted[place] = kind
            chosen = picked != list(range(len(wanted)))
            for batch in source.read(wanted, self._sink):
                self.rows += batch.num_rows
                taken = batch.select(picked) if chosen else batch
                if self.prints is not None:
                    self.prints.take(number, taken)
                yield taken
                share = (number + source.progress()) / len(sources)
                self.progress(Step(self.target.name, self.phase, self.rows, share, size))

    def _check(self, rows: int) -> None:
        """Raise PublishError unless the engine has every row; the sources count their records."""
        if rows != self.rows:
            raise PublishError(
                f"{self.target.name}: {number_of(self.rows, 'row')} sent, the server has {rows}",
                hint="The old table stays. Publish again; if it happens again, report it.",
            )
