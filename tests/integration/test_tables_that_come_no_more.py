"""A table that came from a source before and does not come now is never left to get old unsaid."""

import io
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from myriad.errors import ContractRefused
from myriad.publish.contract import Change
from myriad.publish.options import Options
from myriad.sources.options import ReadOptions
from tests.publishing import Place

NESTED = Options(read=ReadOptions(nested="tables"))
ORDERS = '[{"id": 1, "items": [{"sku": "a"}, {"sku": "b"}]}, {"id": 2, "items": [{"sku": "c"}]}]'
NONE = '[{"id": 1, "items": []}, {"id": 2, "items": []}]'
ROWS = "n\n1\n2\n"


def _nested(path: Path, *tables: str) -> None:
    path.write_text(ORDERS if tables else NONE)


def _book(path: Path, *tables: str) -> None:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name in tables:
        sheet = book.create_sheet(name)
        for row in (["n"], [1], [2]):
            sheet.append(row)
    book.save(path)


def _zip(path: Path, *tables: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in tables:
            archive.writestr(f"{name}.csv", ROWS)
    path.write_bytes(packed.getvalue())


def _sqlite(path: Path, *tables: str) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as con:
        for name in tables:
            con.execute(f"CREATE TABLE {name} (n INTEGER)")
            con.execute(f"INSERT INTO {name} VALUES (1), (2)")
        con.commit()


def _folder(path: Path, *tables: str) -> None:
    path.mkdir(exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    for name in tables:
        (path / f"{name}.csv").write_text(ROWS)


Write = Callable[..., None]
SOURCES: Mapping[str, tuple[Write, str, tuple[str, ...], tuple[str, ...], list[str]]] = {
    "a child without rows": (_nested, "ord.json", ("items",), (), ["ord_items"]),
    "a sheet that comes": (_book, "one.xlsx", ("a",), ("a", "b"), ["one"]),
    "a sheet that goes": (_book, "two.xlsx", ("a", "b"), ("a",), ["two_a", "two_b"]),
    "a sheet renamed": (_book, "new.xlsx", ("a", "b"), ("a", "c"), ["new_b"]),
    "a file of an archive": (_zip, "packed.zip", ("za", "zb", "zc"), ("za", "zb"), ["zc"]),
    "a table of SQLite": (_sqlite, "data.sqlite", ("sa", "sb"), ("sa", "sd"), ["sb"]),
    "a file of a folder": (_folder, "folder", ("fa", "fb", "fc"), ("fa", "fb"), ["fc"]),
}


@pytest.mark.nightly(by_day=["a file of a folder"])
@pytest.mark.parametrize("kind", SOURCES)
def test_what_comes_no_more_is_refused_or_said(place: Place, kind: str) -> None:
    write, name, first, second, gone = SOURCES[kind]
    path = place.folder / name
    said: dict[str, Any] = {"read": NESTED.read}
    write(path, *first)
    place.publish(path, **said)
    write(path, *second)
    before = place.relations()
    ways: list[dict[str, Any]] = [{}, {"dry_run": True}, {"check": True}]
    for way in ways:
        with pytest.raises(ContractRefused) as caught:
            place.publish(path, **said, **way)
        found = caught.value.details["differences"]
        assert isinstance(found, list)
        assert sorted(each["table"] for each in found) == gone
        assert {each["change"] for each in found} == {Change.TABLES}
    assert place.relations() == before
    ways = [{"allow": frozenset({Change.TABLES})}, {"contract": "free"}]
    for allowing in ways:
        report = place.publish(path, **said, **allowing)
        notes = [note for table in report.tables for note in table.as_data()["notes"]]  # type: ignore[attr-defined]
        for table in gone:
            assert any(f"{table}: it came from" in note for note in notes), notes
            assert place.one(f"SELECT count(*) FROM {table}") >= 2


def test_a_file_of_the_same_name_is_the_same_source_from_any_folder(place: Place) -> None:
    first, second = (place.folder / night / "sheets.xlsx" for night in ("monday", "tuesday"))
    for path, sheets in ((first, ["a"]), (second, ["a", "b"])):
        path.parent.mkdir()
        _book(path, *sheets)
    place.publish(first)
    with pytest.raises(ContractRefused, match="sheets: it came from"):
        place.publish(second)
    place.installation.unpublish("sheets", database=place.database)
    assert [table.table.name for table in place.publish(second).tables] == ["sheets_a", "sheets_b"]


def test_other_tables_of_one_source_are_left_in_peace(place: Place) -> None:
    path = place.write("orders.csv", "id,price\n1,2\n")
    for table in ("whole", "prices", "whole", "prices"):
        place.publish(path, table=table)
    place.publish(path)
    north, south = (place.folder / side / "export.zip" for side in ("north", "south"))
    for side in (north, south):
        side.parent.mkdir()
        _zip(side, f"{side.parent.name}_a", f"{side.parent.name}_b")
    for side in (north, south, north, south):
        place.publish(side)
    nested = place.write("ord.json", ORDERS)
    place.publish(nested, read=NESTED.read)
    place.publish(
        place.write("more.json", '[{"id": 3}]'), table="ord", append=True, read=NESTED.read
    )
    place.installation.rename("ord_items", "positions", database=place.database)
    assert len(place.publish(nested, read=NESTED.read).tables) == 2


def test_a_table_that_another_file_of_its_name_would_replace_or_leave_is_told_of(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.folder / "n").mkdir()
    (place.folder / "s").mkdir()
    north, south = (place.write(f"{side}/may.csv", "n\n1\n") for side in "ns")
    place.publish(north)
    assert not any("it came from" in note for note in place.publish(north).tables[0].table.notes)
    told = f"it came from {north} before, and from {south} now"
    assert any(told in note for note in place.publish(south).tables[0].table.notes)
    monkeypatch.chdir(place.folder / "n")
    place.publish("may.csv")
    monkeypatch.chdir(place.folder / "s")
    assert any(told in note for note in place.publish("may.csv").tables[0].table.notes)
    notes = place.publish(south).tables[0].table.notes
    assert not any("it came from" in note for note in notes)
    report = place.publish(north, table="may")  # as somebody says
    assert not any("it came from" in note for note in report.tables[0].table.notes)
    book = place.folder / "may.xlsx"
    _book(book, "a", "b")
    with pytest.raises(ContractRefused) as caught:
        place.publish(book)
    assert f"may: it came from {north} before and does not come from {book}" in caught.value.message
    assert "--table or --dataset" in caught.value.hint
