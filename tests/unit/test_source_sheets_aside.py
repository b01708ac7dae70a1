"""What is none of a sheet's table is set aside and named: titles, totals, other tables."""

from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from tests.apart import opened, stay_here
from tests.source_harness import rows
from tests.workbooks import rows_of, xlsx


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def _aside(folder: Path, *rows_: tuple[Any, ...]) -> tuple[list[Any], list[tuple[int, str]], str]:
    """Return the rows of a sheet, what is none, and the notes."""
    path = xlsx(folder / "b.xlsx", rows_of(*rows_))
    (source,) = opened(path, folder / "w")
    found = [(reject.line, reject.reason.removeprefix("no data: ")) for reject in source.not_data]
    values = rows(source)
    source.close()
    return values, found, "\n".join(source.table.notes)


CREW = [("id", "who", "pay"), (1, "Rose", 2.5), (2, "Bo", 3.5), (3, "Cy", 4)]
GAP: tuple[Any, ...] = (None,)


def test_a_total_in_all_columns_of_a_sheet_is_a_record_and_is_told(tmp_path: Path) -> None:
    values, found, notes = _aside(tmp_path, ("m", "n"), ("May", 1), ("June", 2), ("Summe", 3))
    assert (len(values), found) == (3, [])
    assert "the last record begins with 'Summe'" in notes
    assert "the last record" not in _aside(tmp_path, *CREW)[2]


def test_what_is_no_record_of_a_sheet_is_kept_apart(tmp_path: Path) -> None:
    values, found, _ = _aside(
        tmp_path, ("Pay of May",), *CREW, ("Total", None, 10), GAP, ("Source: the office",)
    )
    assert [value[0] for value in values] == [1, 2, 3]
    assert found == [(1, "a title"), (6, "a total"), (8, "a footnote")]


BESIDE = {
    "as wide": [("town", "by", "km"), ("Rome", 1, 2), ("Oslo", 3, 4)],
    "wider": [("town", "by", "km", "kg"), ("Rome", 1, 2, 3)],
    "narrower, with a title": [("Trips",), ("town", "km"), ("Rome", 2)],
}


@pytest.mark.parametrize("other", BESIDE.values(), ids=BESIDE)
def test_another_table_below_on_a_sheet_is_set_aside_and_named(
    other: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    values, found, told = _aside(tmp_path, *CREW, GAP, *other, GAP, (4, "Di", 5))
    assert [value for *value, _ in values] == [[1, "Rose"], [2, "Bo"], [3, "Cy"], [4, "Di"]]
    assert {len(value) for value in values} == {3}
    assert found == [(6 + at, "of another table") for at in range(len(other))]
    assert "row 6 is no data, of another table" in told


def test_names_that_come_again_on_a_sheet_are_set_aside(tmp_path: Path) -> None:
    values, found, _ = _aside(tmp_path, *CREW, GAP, *CREW)
    assert ([value[0] for value in values], found) == ([1, 2, 3] * 2, [(6, "the names again")])


@pytest.mark.parametrize("more", [[(5, "Ed", 6)], [("new", "Ed", 6), (7, "Fa", 8)], [("x", "y")]])
def test_records_behind_an_empty_row_stay(more: list[tuple[Any, ...]], tmp_path: Path) -> None:
    values, found, _ = _aside(tmp_path, *CREW, GAP, *more)
    assert (len(values), found) == (3 + len(more), [])


def test_another_table_that_is_larger_is_not_left_out(tmp_path: Path) -> None:
    other = [("town", "by", "km"), *[("Rome", n, n) for n in range(9)]]
    with pytest.raises(SourceError, match="another table begins in row 6") as caught:
        _aside(tmp_path, *CREW, GAP, *other)
    assert caught.value.hint == "Put each table on a sheet of its own."


def test_columns_behind_an_empty_one_are_named(tmp_path: Path) -> None:
    pairs = [(*row, None, *row[1:]) for row in CREW]
    values, _, told = _aside(tmp_path, *pairs)
    assert len(values[0]) == 5
    assert "columns E to F stand behind an empty column" in told
