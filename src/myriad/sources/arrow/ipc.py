"""Read an Arrow file or stream, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.sources.apart.writing import Folder
from myriad.sources.arrow import stream

FILE_MAGIC = b"ARROW1"


def read(path: Path, folder: Folder, _: dict[str, Any]) -> dict[str, Any]:
    """Write its batches; see `stream`."""
    with path.open("rb") as file:
        whole = file.read(len(FILE_MAGIC)) == FILE_MAGIC
    with pa.OSFile(str(path), "r") as source:
        reader: Any = pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)
        batches = _of_file(reader) if whole else iter(reader)
        rows = stream.written(folder, reader.schema, batches)
    return {"file": stream.FILE, "records": rows}


def _of_file(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)
