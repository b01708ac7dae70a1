"""A file is looked at in pieces: little of it is in memory, and it may become shorter."""

import os
import random
from functools import partial
from pathlib import Path

import pytest

from myriad.sources.csv.source import open_csv
from myriad.sources.options import ReadOptions
from myriad.sources.places import pieces
from myriad.sources.places.pieces import PIECE, Pieces
from tests.source_harness import opened, rows

SOURCES = Path(__file__).parents[2] / "src" / "myriad" / "sources"


def test_marks_are_found_as_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 64)
    monkeypatch.setattr(pieces, "_NEAR", 4)
    dice = random.Random(5)
    content = b"".join(dice.choice((b"a", b"\n", b"\r\n", b"x" * 50)) for _ in range(100))
    path = tmp_path / "f"
    path.write_bytes(content)
    with path.open("rb") as file:
        data = Pieces(file)
        for _ in range(2_000):
            mark = dice.choice((b"\n", b"\r\n", b"aa", b"\n\n", b"x\na", b"none"))
            begin, end = sorted(dice.randrange(len(content) + 9) for _ in range(2))
            assert data.find(mark, begin) == content.find(mark, begin)
            assert data.find(mark, begin, end) == content.find(mark, begin, end)
            end = min(end, len(content))
            assert data.rfind(mark, begin, end) == content.rfind(mark, begin, end)
            assert data[begin : begin + 90] == content[begin : begin + 90]


def test_lines_are_passed_by_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\n" * (PIECE + 5) + b"a\nb")
    with path.open("rb") as file:
        data = Pieces(file)
        places = [
            data.behind(b"\n", times) for times in (0, 1, PIECE, PIECE + 5, PIECE + 6, 1 << 30)
        ]
    assert places == [0, 1, PIECE, PIECE + 5, PIECE + 7, PIECE + 8]


def test_blank_lines_above_a_table_are_not_looked_for_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    find = Pieces.find

    def counted(data: Pieces, mark: bytes, *place: int) -> int:
        asked.append(mark)
        return find(data, mark, *place)

    monkeypatch.setattr(Pieces, "find", counted)
    path = tmp_path / "f.csv"
    path.write_bytes(b"\n" * 5_000 + b"a,b\n1,2\n\n3,4\n")
    (source,) = opened(partial(open_csv, options=ReadOptions()), path)
    assert rows(source) == [(1, 2), (3, 4)]
    assert len(asked) < 500


def test_what_is_cut_off_meanwhile_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * 2 * PIECE + b"\n")
    with path.open("rb") as file:
        data = Pieces(file)
        os.truncate(path, 5)
        assert data.find(b"\n") == data.rfind(b"\n", 0, len(data)) == -1
        assert data[PIECE : PIECE + 9] == b""


def test_no_file_is_mapped_in_the_process_of_a_publish() -> None:
    # Who cuts a mapped file short would end it, and all that is looked at stays resident.
    assert [
        path for path in SOURCES.rglob("*.py") if "import mmap" in path.read_text("utf-8")
    ] == []
