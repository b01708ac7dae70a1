"""Publish into a database of a test's own, and look at what came of it."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from myriad import Myriad
from myriad.publish.options import Options, Step
from myriad.publish.report import Report
from tests.harness import as_admin

Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Place:
    """One database of a running installation, and a folder for files to publish."""

    installation: Myriad
    database: str
    folder: Path

    def publish(
        self, *sources: str | Path, progress: Progress | None = None, **options: Any
    ) -> Report:
        """Publish into this database."""
        chosen = Options(**{"database": self.database, **options})
        return self.installation.publish(sources, chosen, progress)

    def within(self, **settings: Any) -> "Place":
        """Return the same place with other settings for commands."""
        own = replace(self.installation.settings, **settings)
        return replace(self, installation=Myriad(self.installation.home, own))

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file to publish."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection:
        """Connect as administrator."""
        connection = as_admin(self.installation.server(), self.database, autocommit=autocommit)
        connection.execute("SET search_path = public")  # not the one called as its user: the record
        if not autocommit:
            connection.commit()
        return connection

    def ask(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that `query` gives; none where it gives no rows."""
        with closing(self.connect()) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, values: Sequence[object] = ()) -> Any:
        """Return the one value that `query` gives."""
        ((value,),) = self.ask(query, values)
        return value

    def columns(self, table: str, dataset: str = "public") -> dict[str, str]:
        """Return the columns of a table with their types, in order."""
        return dict(
            self.ask(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relname = %s AND nspname = %s AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum",
                [table, dataset],
            )
        )

    def comments(self, table: str) -> dict[str, str | None]:
        """Return the comments on the columns of a table."""
        return dict(
            self.ask(
                "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute"
                " JOIN pg_class c ON c.oid = attrelid WHERE relname = %s AND attnum > 0",
                [table],
            )
        )

    def relations(self) -> set[str]:
        """Return every relation and schema that people's data lives in."""
        rows = self.ask(
            "SELECT nspname || '.' || relname FROM pg_class"
            " JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname !~ '^(pg_|information_schema$|myriad$)'"
        )
        return {row[0] for row in rows}

    def checksums(self, table: str, dataset: str = "public") -> dict[str, str]:
        """Return a checksum over each column's values as PostgreSQL writes them."""
        return {name: self._checksum(table, dataset, name) for name in self.columns(table, dataset)}

    def _checksum(self, table: str, dataset: str, column: str) -> str:
        query = sql.SQL("SELECT {}::text FROM {}").format(
            sql.Identifier(column), sql.Identifier(dataset, table)
        )
        with closing(self.connect()) as connection:
            return checksum(row[0] for row in connection.execute(query))


def checksum(values: Iterable[str | None]) -> str:
    """Return a checksum over values that does not depend on their order; null is no ''."""
    total = 0
    for value in values:
        text = b"\0" if value is None else value.encode()
        total += int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())
    return f"{total % 2**128:032x}"


def csv_checksums(path: Path, null: str = "") -> dict[str, str]:
    """Return each column's checksum of a CSV file, computed with Python's own reader."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = zip(*rows, strict=True)
    return {
        name: checksum(None if value == null else value for value in column)
        for name, column in zip(names, columns, strict=True)
    }
