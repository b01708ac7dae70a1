"""Damaged and hostile files of every format: refused in words, or their rows are there."""

import random
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pytest

from myriad.errors import MyriadError
from myriad.model import Reject
from myriad.sources.apart import process
from myriad.sources.base import TableSource, TypeMismatch, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.apart import SECONDS, Nursery
from tests.every_format import MAKERS, made
from tests.traps import TRAPS, Maker
from tests.traps_records import RECORDS

MOST_MB = 600
KINDS = [kind for kind in MAKERS if kind not in {"csv", "tsv", "jsonl", "parquet", "sqlite"}]
KINDS += ["zip", "tar.gz"]
# Formats with a sum of each part: a value that was changed is noticed.
SUMMED = frozenset({"xlsx", "xlsm", "xlsb", "ods", "zip", "tar.gz"})
# Formats of text: where a piece stands twice, a record may be whole twice. A cell of .xls says in
# which row it is.
MAY_GROW = frozenset({"json", "document", "mongo", "xml", "xls"})
# Formats that say nowhere how many records there are: a file may end behind any of them. In .xls
# cells may stand beside the table then.
OPEN_ENDED = frozenset({"bson", "mongo", "avro", "arrows", "xls"})


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(autouse=True)
def _quick(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_run", nursery.run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    found = {kind: made(kind, folder) for kind in MAKERS}
    found["zip"], found["tar.gz"] = folder / "some.zip", folder / "some.tar.gz"
    with ZipFile(found["zip"], "w", ZIP_DEFLATED) as archive:
        archive.write(found["csv"], "a.csv")
    with tarfile.open(found["tar.gz"], "w:gz") as archive:
        archive.add(found["csv"], "a.csv")
    return found


def read(path: Path, folder: Path) -> tuple[list[pa.Table], str]:
    """Return the tables of a file and what is told of them. Raises MyriadError; for rejects too."""
    folder.mkdir(exist_ok=True)
    found, told = list[pa.Table](), ""
    for source in open_sources([path], lambda _: ReadOptions(), Workspace(folder, 150)):
        rejects = list[Reject]()
        try:
            batches = _batches(source, rejects)
        except TypeMismatch:
            source.prove()
            rejects.clear()
            batches = _batches(source, rejects)
        source.close()
        if rejects:
            raise MyriadError(f"{path.name}: {rejects[0].reason}", hint="--max-rejects")
        told += "\n".join((*source.table.notes, *source.notes))
        if batches:
            found.append(pa.Table.from_batches(batches))
    return found, told


def _batches(source: TableSource, rejects: list[Reject]) -> list[pa.RecordBatch]:
    return list(source.read([column.type for column in source.table.columns], rejects.append))


def wrong(path: Path, good: pa.Table, kind: str) -> str | None:
    """Return what is wrong with what came of a damaged file, if anything is."""
    try:
        tables, told = read(path, path.parent / "work")
    except MyriadError as error:
        clear = error.hint and path.name in error.message and "defect" not in str(error)
        return None if clear else f"not clear: {error} | {error.hint}"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {error}"
    rows = sum(table.num_rows for table in tables)
    same = len(tables) == 1 and tables[0].equals(good)
    changed = rows == good.num_rows and kind not in SUMMED
    fewer = rows < good.num_rows and (kind in OPEN_ENDED or "; not read: " in told)
    more = rows > good.num_rows and kind in MAY_GROW
    return None if same or changed or fewer or more else f"{rows} rows: {told}"


NAMED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda data: data[:1],
    "its first bytes": lambda data: data[:12],
    "half": lambda data: data[: len(data) // 2],
    "without its last byte": lambda data: data[:-1],
    "without its last twenty": lambda data: data[:-20],
    "without its first byte": lambda data: data[1:],
    "zeros at its end": lambda data: data + bytes(100),
    "more behind it": lambda data: data + b"more",
}


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Return a file with some bits or bytes changed, left out or twice."""
    made, at = bytearray(data), chance.randrange(len(data))
    size = chance.choice((1, 2, 4, 8, 32))
    match chance.randrange(8):
        case 0:
            del made[at : at + size]
        case 1:
            made[at:at] = made[at : at + size]
        case 2:
            made[at : at + size] = chance.choice((b"\0", b"\xff", b"\x80")) * size
        case 3:
            made[at : at + 4] = chance.choice((b"\xff\xff\xff\x7f", chance.randbytes(4)))
        case _:
            for _ in range(chance.choice((1, 1, 1, 2, 4))):
                made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def damages(data: bytes, cuts: int, changes: int) -> Iterator[tuple[str, bytes]]:
    """Yield a file cut in so many places, and changed so many times, by what was done."""
    for at in range(len(data) // cuts // 2, len(data), max(1, len(data) // cuts)):
        yield f"cut at {at}", data[:at]
    for seed in range(changes):
        yield f"changed by {seed}", _changed(data, random.Random(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_in_words_or_its_rows_are_all_there(
    kind: str,
    whole: dict[str, Path],
    nursery: Nursery,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    at_night = request.config.getoption("nightly")
    ((good,), _), data = read(whole[kind], tmp_path / "work"), whole[kind].read_bytes()
    path = tmp_path / whole[kind].name
    found = []
    cuts, changes = (250, 750) if at_night else (5, 10)
    for name, damaged in damages(data, cuts, changes):
        path.write_bytes(damaged)
        found += [(name, said)] if (said := wrong(path, good, kind)) else []
    for name, damage in NAMED.items() if at_night else ():
        path.write_bytes(damage(data))
        found += [(name, said)] if (said := wrong(path, good, kind)) else []
    assert found == []
    assert nursery.most_mb < MOST_MB


EVERY_TRAP = [
    pytest.param(name, make, id=f"{name}: {what}")
    for name, traps in {**TRAPS, **RECORDS}.items()
    for what, make in traps.items()
]


@pytest.mark.parametrize(("name", "make"), EVERY_TRAP)
def test_a_file_that_was_made_to_do_harm_is_refused_in_words(
    name: str, make: Maker, nursery: Nursery, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    began = time.process_time()
    with pytest.raises(MyriadError) as caught:
        read(path, tmp_path / "work")
    assert caught.value.hint
    assert path.name in caught.value.message
    assert "defect" not in caught.value.message
    assert time.process_time() - began < SECONDS
    assert nursery.most_mb < MOST_MB
