"""Read an Arrow file or stream, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.arrow import stream

FILE_MAGIC = b"ARROW1"
_BEGIN = 8  # where a file's messages begin, behind its padded name


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
    """Raise Refused if the messages themselves have more or fewer batches than the footer lists."""
    with pa.memory_map(str(path), "r") as file:
        file.seek(_BEGIN)
        messages = pa.ipc.MessageReader.open_stream(file)
        found = sum(message.type == "record batch" for message in messages)
    if found != listed:
        raise Refused(f"its footer lists {listed:,} batches, and it has {found:,}", "")


def _of_file(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)
