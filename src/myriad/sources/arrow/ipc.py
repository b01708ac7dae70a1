"""Read an Arrow file or stream, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.arrow import stream

FILE_MAGIC = b"ARROW1"
_BEGIN = 8  # where a file's messages begin, behind its padded name
_END = 4 + len(FILE_MAGIC)  # bytes at its end: the footer's length, and the name once more


def read(path: Path, folder: Folder, _: dict[str, Any]) -> dict[str, Any]:
    """Write its batches; see `stream`."""
    with path.open("rb") as file:
        whole = file.read(len(FILE_MAGIC)) == FILE_MAGIC
    with pa.OSFile(str(path), "r") as source:
        reader: Any = pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)
        if whole:
            _compare(path, reader.num_record_batches)
        batches = _of_file(reader) if whole else iter(reader)
        rows = stream.written(folder, reader.schema, batches)
    return {"file": stream.FILE, "records": rows}


def _compare(path: Path, listed: int) -> None:
    """Raise Refused if there are more batches among the messages than the footer lists."""
    with pa.memory_map(str(path), "r") as file:
        file.seek(file.size() - _END)
        footer = file.size() - _END - int.from_bytes(file.read(4), "little")
        file.seek(_BEGIN)
        # Up to the footer: writers may leave out the mark that ends the messages.
        messages = pa.BufferReader(file.read_buffer(max(0, footer - _BEGIN)))
        kinds = (message.type for message in pa.ipc.MessageReader.open_stream(messages))
        found = sum(kind == "record batch" for kind in kinds)
    if found > listed:
        raise Refused(f"its footer lists {listed:,} batches, and it has {found:,}", "")


def _of_file(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)
