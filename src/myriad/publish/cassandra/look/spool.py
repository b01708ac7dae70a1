"""The spool: all rows of one table in a DuckDB file, to be proven, counted and sorted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from myriad.model import Column, Kind, Table, Type
from myriad.publish.reading import Reading
from myriad.sources.base import Workspace, arrow_type
from myriad.sources.typing import duck
from myriad.sources.typing.sql import literal

# A row's `sum` of integers wraps in Cassandra without a word: a smallint's does at once.
WIDER = {Kind.SMALLINT: Type(Kind.INTEGER)}
BATCH_ROWS = 8192
ROWS = "spool.rows"
# DuckDB plans a statement in a time that grows with the square of its expressions.
EXPRESSIONS_AT_ONCE = 64


class Spool:
    """The rows of one target, in columns `c0`, `c1`, …; JSON is text there.

    Attributes:
        table: as believed when the rows were read.
        origins: what the person named.
        rows: how many there are.
    """

    table: Table
    origins: tuple[str, ...] = ()
    rows: int = 0

    def __init__(self, workspace: Workspace, number: int) -> None:
        self._workspace = workspace
        self._file = workspace.folder / f"spool-{number}.duckdb"
        self._opened: duckdb.DuckDBPyConnection | None = None

    @property
    def _con(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            self._opened = duck.connect(self._workspace)
            self._opened.execute(f"ATTACH {literal(str(self._file))} AS spool")
        return self._opened

    def rest(self) -> None:
        """Give back the memory until it is needed again."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def fill(
        self, reading: Reading, wanted: Callable[[Table], Mapping[str, Type]] = lambda _: {}
    ) -> None:
        """Take in all records of the target; raises what `Reading.until_it_holds` does.

        `wanted` says for the table as it is believed in which types some columns shall arrive.
        """
        self.origins = tuple(source.origin for source in reading.target.sources)

        def attempt() -> int:
            self.table = reading.target.table
            asked = wanted(self.table)
            columns = tuple(
                replace(c, type=asked.get(c.name, WIDER.get(c.type.kind, c.type)))
                for c in self.table.columns
            )
            self.table = replace(self.table, columns=columns)
            types = [column.type for column in columns]
            self._take(reading.batches(types), types)
            (self.rows,) = self.one("SELECT count(*)")
            return self.rows

        reading.until_it_holds(attempt)

    def _take(self, batches: Iterator[pa.RecordBatch], types: Sequence[Type]) -> None:
        names = [f"c{number}" for number in range(len(types))]
        pairs = zip(names, types, strict=True)
        schema = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in pairs])
        failed: list[BaseException] = []

        def renamed() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            except BaseException as error:
                failed.append(error)  # DuckDB would make an error of its own of it
                raise

        arriving = pa.RecordBatchReader.from_batches(schema, renamed())
        self._con.register("arriving", arriving)
        try:
            self._con.execute(f"CREATE OR REPLACE TABLE {ROWS} AS FROM arriving")
        except duckdb.Error:
            if failed:
                raise failed[0] from None
            raise
        finally:
            self._con.unregister("arriving")

    def place(self, name: str) -> str:
        """Return the spool's name for the column called `name`."""
        return f"c{[column.name for column in self.table.columns].index(name)}"

    def places(self) -> Iterator[tuple[str, Column]]:
        """Yield every column with the spool's name for it."""
        for number, column in enumerate(self.table.columns):
            yield f"c{number}", column

    def one(self, select: str, rest: str = "") -> tuple[Any, ...]:
        """Return the one row of `select` FROM all rows and `rest`."""
        return self.all(select, rest)[0]

    def all(self, select: str, rest: str = "") -> list[tuple[Any, ...]]:
        """Return all rows of `select` FROM all rows and `rest`: only for few."""
        return self._rows(f"{select} FROM {ROWS} {rest}")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        # Through Arrow: for timestamps with a zone DuckDB itself wants a package more.
        found = self._con.sql(query).to_arrow_table()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def sub(self, inner: str, rest: str, outer: str) -> list[tuple[Any, ...]]:
        """Return all rows of `outer` FROM (`inner` FROM all rows `rest`): only for few."""
        return self._rows(f"{outer} FROM ({inner} FROM {ROWS} {rest})")

    def fingerprint(self) -> str:
        """Return a number that another content does not have, in whatever order the rows are."""
        places = ", ".join(place for place, _ in self.places())
        return str(self.one(f"SELECT sum(hash({places})::HUGEINT)::VARCHAR")[0])

    def aggregates(self, expressions: Sequence[str]) -> list[Any]:
        """Return the value of each aggregate over all rows."""
        found: list[Any] = []
        for start in range(0, len(expressions), EXPRESSIONS_AT_ONCE):
            some = expressions[start : start + EXPRESSIONS_AT_ONCE]
            found += self.one(f"SELECT {', '.join(some)}")
        return found

    def values(self, place: str) -> Iterator[list[str | None]]:
        """Yield a column's values in chunks."""
        cursor = self._con.cursor()
        for batch in cursor.sql(f"SELECT {place} FROM {ROWS}").to_arrow_reader(BATCH_ROWS):
            yield batch.column(0).to_pylist()

    def take_out(self, where: str) -> None:
        """Remove the rows that `where` is true for."""
        self._con.execute(f"DELETE FROM {ROWS} WHERE {where}")
        (self.rows,) = self.one("SELECT count(*)")

    def among(self, places: Sequence[str], keys: Iterator[pa.RecordBatch]) -> int:
        """Return how many rows have, in `places`, one of `keys`, which come in that order."""
        self._con.execute(
            f"CREATE OR REPLACE TABLE spool.there AS SELECT {', '.join(places)} FROM {ROWS} LIMIT 0"
        )
        for batch in keys:
            self._con.register("arriving", pa.table(batch))
            self._con.execute("INSERT INTO spool.there SELECT * FROM arriving")
            self._con.unregister("arriving")
        (count,) = self.one("SELECT count(*)", f"SEMI JOIN spool.there USING ({', '.join(places)})")
        return int(count)

    def begin(self, table: str, columns: int) -> None:
        """Make an empty table of so many binary columns beside the rows."""
        made = ", ".join(f"k{number} BLOB" for number in range(columns))
        self._con.execute(f"CREATE OR REPLACE TABLE spool.{table} ({made})")

    def keep(self, table: str, columns: "Sequence[pa.Array[Any]]") -> None:
        """Add rows to such a table."""
        names = [f"k{number}" for number in range(len(columns))]
        self._con.register("arriving", pa.Table.from_arrays(list(columns), names=names))
        self._con.execute(f"INSERT INTO spool.{table} SELECT * FROM arriving")
        self._con.unregister("arriving")

    def missing(self, table: str, other: str, columns: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of such a table that another one lacks; none has nulls."""
        names = ", ".join(f"k{number}" for number in range(columns))
        query = f"SELECT {names} FROM spool.{table} ANTI JOIN spool.{other} USING ({names})"
        yield from self._con.cursor().sql(query).to_arrow_reader(BATCH_ROWS)

    def sorted(self, select: Sequence[str], order: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield all rows in the order of `order`."""
        query = f"SELECT {', '.join(select)} FROM {ROWS} ORDER BY {', '.join(order)}"
        yield from self._con.cursor().sql(query).to_arrow_reader(BATCH_ROWS)

    def close(self) -> None:
        """Let go of it and remove it."""
        self.rest()
        self._file.unlink(missing_ok=True)
