"""What can be asked statement by statement: a connection to one node, or a session with many."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from myriad.cql.messages import Consistency, Page

PAGE_ROWS = 5000  # the drivers' choice


class Ask(NamedTuple):
    """A statement, and how it is asked.

    Attributes:
        values: of its markers; a statement that has some is prepared.
        timeout: seconds for each page; None: the connection's.
        rows: of a page, at most.
    """

    text: str
    values: Sequence[object] = ()
    consistency: Consistency = Consistency.LOCAL_ONE
    timeout: float | None = None
    rows: int = PAGE_ROWS


class Asked(ABC):
    """Answers statements with rows, page by page."""

    def query(
        self,
        text: str,
        values: Sequence[object] = (),
        *,
        consistency: Consistency = Consistency.LOCAL_ONE,
        timeout: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run a statement; return all rows of all pages.

        `timeout` in seconds, for each page. Raises CqlError, NotRunning if no node answers,
        EngineError if one answers nonsense, UsageError for values that do not fit.
        """
        found = self.pages(text, values, consistency=consistency, timeout=timeout)
        return [row for page in found for row in page]

    def pages(
        self,
        text: str,
        values: Sequence[object] = (),
        *,
        consistency: Consistency = Consistency.LOCAL_ONE,
        timeout: float | None = None,
        rows: int = PAGE_ROWS,
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Run a statement; yield its pages of at most `rows` rows. Raises as `query` does."""
        ask = Ask(text, values, consistency, timeout, rows)
        page = self.page(ask)
        yield page.rows
        while page.state is not None:
            page = self.page(ask, page.state)
            yield page.rows

    @abstractmethod
    def page(self, ask: Ask, state: bytes | None = None) -> Page:
        """Run a statement; return the page that begins at `state`. Raises as `query` does."""
