"""What a publish needs of an engine: a store, of which nobody sees anything new before `show`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.options import Options, Progress
from myriad.publish.plan import Target
from myriad.publish.rejects import Rejects
from myriad.publish.report import Report
from myriad.settings import Settings
from myriad.sources.base import Workspace


@dataclass(frozen=True)
class Task:
    """One publish, as each engine's store gets it.

    Attributes:
        report: is told what came of it.
        history: what the history of each engine says of it.
        began: on the clock of `time.monotonic`.
    """

    settings: Settings
    options: Options
    progress: Progress
    report: Report
    history: Run
    keeping: Keeping
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it takes already."""
        return time.monotonic() - self.began


class Store(Protocol):
    """An engine during one publish. Use: `prepare`, `load`, `show`, in this order; then `close`.

    Attributes:
        rejects: the records that could not be loaded here.
    """

    rejects: Rejects

    def prepare(self, targets: Sequence[Target], workspace: Workspace) -> None:
        """Look at what is there, and refuse what must not be; a dry run ends here."""

    def load(self) -> None:
        """Load all targets where nobody sees them, and prove them; a check ends here."""

    def show(self) -> None:
        """Make all that was loaded visible, and write down that it is published."""

    def close(self, error: BaseException | None) -> None:
        """Remove whatever is not shown; `error` is what ended the publish, if anything did."""


Opened = TypeVar("Opened", bound=Store)


@contextmanager
def closed(store: Opened) -> Iterator[Opened]:
    """Have a store closed in the end, which hears why."""
    try:
        yield store
    except BaseException as error:
        store.close(error)
        raise
    store.close(None)
