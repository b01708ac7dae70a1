"""What a written form is: one way in which people write numbers, dates or flags."""

from abc import ABC, abstractmethod

from myriad.model import Kind, Type


class Form(ABC):
    """One form; its `name` is what is remembered of it, as `Type.format`.

    The SQL is DuckDB's, over a column of text; null fits.
    """

    name: str
    kinds: frozenset[Kind]

    @abstractmethod
    def shape(self, column: str) -> str:
        """Return the SQL that is true for text that is written so."""

    @abstractmethod
    def cast(self, column: str, kind: Type) -> str:
        """Return the SQL of the value as batches carry it; of no use where the shape is none."""

    @abstractmethod
    def fits(self, column: str, kind: Type, value: str) -> str:
        """Return the SQL that is true where `value`, the result of `cast`, is what was written."""
