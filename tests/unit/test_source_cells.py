"""A sheet's cells become what the same values are as JSON: typed columns change nothing."""

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pytest

from myriad.model import TEXT, Kind, Reject, Type
from tests.apart import opened, stay_here, tables
from tests.source_harness import read
from tests.workbooks import rows_of, xlsx

DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-03-01T13:14:15.250")
TIME, SPAN = dt.time(12, 30), dt.timedelta(days=2, hours=3)
COLUMNS: dict[str, list[Any]] = {
    "whole": [1, -2, 2**40, None, 0],
    "beyond doubles' exact whole numbers": [1e17, 5, 2.0**53],
    "negative zero": [-0.0, 1],
    "decimals": [0.1, -12.25, 3, None, 1234567.5],
    "nearly whole": [1e14 + 0.5, 1.5],
    "tiny": [0.00001, 1.5],
    "small, without an exponent": [0.0001, 2.5],
    "huge": [1e300, 5e-324],
    "many digits": [12345678.12345678, 0.1234567890123456],
    "flags": [True, None, False],
    "flags and numbers": [True, 1, 0.5],
    "text and numbers": ["a", 1, 2.5, None],
    "text and flags": ["a", True],
    "days": [DAY, None],
    "moments": [MOMENT, MOMENT],
    "days and moments": [DAY, MOMENT],
    "days and text": [DAY, "x"],
    "days and days as text": [DAY, "2023-01-31"],
    "days and numbers": [DAY, 5, 0.25],
    "times": [TIME, dt.time(0, 0, 1)],
    "times and more": [TIME, SPAN],
    "moments and text of ten": [DAY, MOMENT, "hello you!"],
    "uuids": ["0b34c8b4-7dd5-4ab1-9b2f-000000000001"],
    "days as text": ["2024-01-31", None],
    "nothing": [None],
    "text": ["", " a ", "ü", "007", "true", "NaN", "\\N", '{"a": 1}'],
}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def as_json(cells: list[Any]) -> list[Any]:
    """Return cells as a program that reads a sheet would write them: see decisions/0015."""
    stamps = {dt.date, dt.datetime} <= set(map(type, cells))

    def one(cell: Any) -> Any:
        if type(cell) is dt.date:
            return cell.isoformat() + ("T00:00:00" if stamps else "")
        if isinstance(cell, dt.timedelta):
            return "51:00:00"
        if isinstance(cell, (dt.datetime, dt.time)):
            return cell.isoformat()
        if type(cell) is float and cell.is_integer() and abs(cell) < 2**53:
            return int(cell)
        return None if cell == "" else cell

    return [one(cell) for cell in cells]


def test_every_column_has_the_type_and_the_values_that_json_of_it_has(tmp_path: Path) -> None:
    most = max(map(len, COLUMNS.values()))
    filled = {name: [*cells, *[None] * (most - len(cells))] for name, cells in COLUMNS.items()}
    filled = {"n": list(range(most)), **filled}
    names = list(filled)
    xlsx(tmp_path / "b.xlsx", rows_of(tuple(names), *zip(*filled.values(), strict=True)))
    plain = [as_json(cells) for cells in filled.values()]
    lines = [dict(zip(names, row, strict=True)) for row in zip(*plain, strict=True)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "b.jsonl").write_text(text, "utf-8")
    (sheet,) = tables(tmp_path / "b.xlsx", tmp_path / "w").values()
    (json_lines,) = tables(tmp_path / "b.jsonl", tmp_path / "w").values()
    times = {"times": "time"}  # which JSON has not
    assert sheet[0] == {name: times.get(name, kind) for name, kind in json_lines[0].items()}
    for name, ours, theirs in zip(
        names, zip(*sheet[1], strict=True), zip(*json_lines[1], strict=True), strict=True
    ):
        assert list(map(str, ours)) == list(map(str, theirs)), name


def test_random_doubles_come_back_exactly(tmp_path: Path) -> None:
    chance = random.Random(7)
    drawn = [chance.uniform(-1, 1) * 10 ** chance.randint(-6, 12) for _ in range(400)]
    drawn = [float(f"{n:.{chance.randint(1, 15)}g}") for n in drawn]  # openpyxl writes 16 digits
    path = xlsx(tmp_path / "b.xlsx", rows_of(("n",), *((n,) for n in drawn)))
    ((kinds, rows),) = tables(path, tmp_path / "w").values()
    assert [float(value) for (value,) in rows] == drawn, kinds


def test_what_comes_late_in_a_column_changes_its_type_not_its_cells(tmp_path: Path) -> None:
    late = [1.5] * 5000 + ["x"] + [DAY] * 3
    path = xlsx(tmp_path / "b.xlsx", rows_of(("n", "m"), *((n, 1) for n in late)))
    ((kinds, rows),) = tables(path, tmp_path / "w").values()
    assert kinds == {"n": "text", "m": "bigint"}
    assert [row[0] for row in rows] == ["1.5"] * 5000 + ["x"] + ["2024-02-29"] * 3


def test_a_type_that_is_said_takes_what_fits_and_names_the_rest(tmp_path: Path) -> None:
    rows = [("n", "d"), (1, DAY), (None, None), (2.5, DAY), (3, DAY)]
    (source,) = opened(xlsx(tmp_path / "b.xlsx", rows_of(*rows)), tmp_path / "w")
    rejects: list[Reject] = []
    assert read(source, [Type(Kind.BIGINT), TEXT], rejects) == [
        (1, "2024-02-29"),
        (3, "2024-02-29"),
    ]
    assert [(r.line, r.value, r.raw) for r in rejects] == [(4, "2.5", '{"n":2.5,"d":"2024-02-29"}')]
    assert source.records == 3
    source.close()
