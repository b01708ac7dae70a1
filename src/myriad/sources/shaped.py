"""A source's columns in another order, or with others that the place of the file says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from myriad.model import TEXT, Column, Table, Type
from myriad.sources.base import RejectSink, TableSource, TypeMismatch, Workspace


class Placed(TableSource):
    """A table with columns more, each of one value: those that names of folders say."""

    def __init__(
        self, inner: TableSource, values: Mapping[str, str | None], workspace: Workspace
    ) -> None:
        from myriad.sources.typing.values import encoder  # noqa: PLC0415 - it takes long to load

        self._inner, self._encoder = inner, encoder(workspace)
        taken = {column.name for column in inner.table.columns}
        self._values = {name: value for name, value in values.items() if name not in taken}
        self.origin, self.size, self.part = inner.origin, inner.size, inner.part
        self.guarded, self.watch, self.notes = inner.guarded, inner.watch, inner.notes
        self.not_data = inner.not_data

    @property
    def table(self) -> Table:  # type: ignore[override]  # worked out anew each time
        """The inner table, and the columns more."""
        why = "the name of the folder"
        more = (Column(name, name, TEXT, why) for name in self._values)
        return replace(self._inner.table, columns=(*self._inner.table.columns, *more))

    def prove(self) -> None:
        """Look at every value; see TableSource."""
        self._inner.prove()

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        own = len(types) - len(self._values)
        arrays = []
        for (name, value), kind in zip(self._values.items(), types[own:], strict=True):
            encoded = self._encoder.from_text(pa.array([value], pa.string()), kind)
            if encoded.misfits:
                raise TypeMismatch(name)
            arrays.append((pa.field(name, encoded.array.type), encoded.array[0]))
        for batch in self._inner.read(types[:own], reject):
            made = batch
            for field, value in arrays:
                made = made.append_column(field, pa.repeat(value, batch.num_rows))
            yield made
        # What was rejected is rejected here as well, and counted there.
        self.records = self._inner.records

    def progress(self) -> float:
        """Return the share read so far."""
        return self._inner.progress()

    def close(self) -> None:
        """Let go of files."""
        self._inner.close()
