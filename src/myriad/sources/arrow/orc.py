"""Read an ORC file, in a process of its own, stripe by stripe."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc

from myriad.sources.apart.writing import Folder
from myriad.sources.arrow import stream


def read(path: Path, folder: Folder, _: dict[str, Any]) -> dict[str, Any]:
    """Write its stripes; the footer says how many rows there are."""
    with pa.OSFile(str(path), "r") as source:
        file = pa.orc.ORCFile(source)
        stream.written(folder, file.schema, _stripes(file))
        return {"file": stream.FILE, "records": file.nrows}


def _stripes(file: pa.orc.ORCFile) -> Iterator[pa.RecordBatch]:
    for number in range(file.nstripes):
        yield file.read_stripe(number)
