"""Tables of typed columns, as another process turned them into Arrow's stream."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from myriad.errors import SourceEmpty
from myriad.sources.apart.process import Reader
from myriad.sources.base import TableSource, Workspace
from myriad.sources.parquet.columns import ColumnsSource, explained

_IPC = Reader("myriad.sources.arrow.ipc", "an Arrow file")
_ORC = Reader("myriad.sources.arrow.orc", "an ORC file")
AVRO = Reader("myriad.sources.arrow.avro", "an Avro file", "fastavro", "avro")


def open_ipc(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open an Arrow file or stream, or a Feather file; raises SourceError."""
    return [ArrowSource(_IPC, path, origin, workspace, name)]


def open_orc(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open an ORC file; raises SourceError."""
    return [ArrowSource(_ORC, path, origin, workspace, name)]


def open_avro(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open an Avro file; raises SourceError."""
    return [ArrowSource(AVRO, path, origin, workspace, name)]


class ArrowSource(ColumnsSource):
    """One file; what is read is the stream that was made of it."""

    def __init__(
        self, reader: Reader, path: Path, origin: str, workspace: Workspace, name: str
    ) -> None:
        self.origin, self.what = origin, reader.what
        self.size = path.stat().st_size
        if self.size == 0:
            raise SourceEmpty(origin)
        answer, folder = reader.read(path, origin, workspace, {})
        self._stream = folder / answer["file"]
        self.records = answer["records"]
        with explained(origin, self.what), pa.OSFile(str(self._stream), "r") as file:
            schema = pa.ipc.open_stream(file).schema
        self.take(schema, name, workspace)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self._stream), "r") as file:
            with explained(self.origin, self.what):
                reader = pa.ipc.open_stream(file)
            while True:
                with explained(self.origin, self.what):
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield batch
