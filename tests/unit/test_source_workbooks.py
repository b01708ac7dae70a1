import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from myriad.errors import SourceError
from myriad.sources.sheets import xlsx as xml
from tests import workbooks
from tests.apart import notes, stay_here, table, tables
from tests.workbooks import cell, line, ods, raw, rows_of, xlsx
from tests.workbooks_binary import xlsb


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def made(folder: Path, *rows: tuple[Any, ...]) -> tuple[dict[str, str], list[Any]]:
    return table(xlsx(folder / "book.xlsx", rows_of(*rows)), folder / "work")


def test_every_kind_of_cell_comes_back_as_it_is(tmp_path: Path) -> None:
    day, moment = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T13:14:15.250")
    kinds, values = made(
        tmp_path,
        ("whole", "decimal", "text", "flag", "day", "moment", "time", "code"),
        (1, 2.5, "Rose", True, day, moment, dt.time(12, 30), "007"),
        (-2, 0.1, "", False, day, day, dt.time(0, 0, 1), "12"),
        (None, None, None, None, None, None, None, None),
        (2**40, 3, " ü ", None, None, None, None, "x"),
    )
    assert kinds == {
        "whole": "bigint",
        "decimal": "numeric",
        "text": "text",
        "flag": "boolean",
        "day": "date",
        "moment": "timestamp",
        "time": "time",
        "code": "text",
    }
    midnight = dt.datetime.fromisoformat("2024-02-29T00:00:00")
    assert values == [
        (1, Decimal("2.5"), "Rose", True, day, moment, dt.time(12, 30), "007"),
        (-2, Decimal("0.1"), None, False, day, midnight, dt.time(0, 0, 1), "12"),
        (2**40, Decimal(3), " ü ", None, None, None, None, "x"),
    ]


def test_titles_empty_rows_and_columns_and_footnotes_are_no_part_of_the_table(
    tmp_path: Path,
) -> None:
    def fill(sheet: Any) -> None:
        sheet["C2"] = "Sales of the year"
        for at, row in enumerate([("id", "who", None, "total"), (1, "Rose", None, 2.5)]):
            for column, value in enumerate(row):
                sheet.cell(4 + at, 3 + column, value)
        sheet["C7"], sheet["D7"] = 2, "Bo"
        sheet["C9"] = "Source: the cellar"

    path = xlsx(tmp_path / "b.xlsx", fill)
    kinds, values = table(path, tmp_path / "work")
    assert list(kinds) == ["id", "who", "total"]
    assert values == [(1, "Rose", Decimal("2.5")), (2, "Bo", None)]
    told = notes(path, tmp_path / "work")
    assert "row 2 is no data, a title: 'Sales of the year'" in told
    assert "row 9 is no data, a footnote: 'Source: the cellar'" in told


def test_a_header_of_merged_cells_names_columns_in_two_rows(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        rows_of(
            ("land", 2023, None, 2024, None), (None, "in", "out", "in", "out"), ("CH", 1, 2, 3, 4)
        )(sheet)
        for cells in ("A1:A2", "B1:C1", "D1:E1"):
            sheet.merge_cells(cells)

    kinds, values = table(xlsx(tmp_path / "b.xlsx", fill), tmp_path / "work")
    assert list(kinds) == ["land", "2023 in", "2023 out", "2024 in", "2024 out"]
    assert values == [("CH", 1, 2, 3, 4)]


def test_a_sheet_may_have_more_columns_than_a_table_if_they_can_be_read(tmp_path: Path) -> None:
    names = tuple(f"c{number}" for number in range(1_700))
    kinds, rows = made(tmp_path, names, tuple(range(1_700)))
    assert (len(kinds), rows[0][-1]) == (1_700, 1_699)


def test_numbers_keep_the_zeros_that_their_format_shows(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        rows_of(("zip", "n"), (1234, 1), (98765, 2))(sheet)
        for row in (2, 3):
            sheet.cell(row, 1).number_format = "00000"

    kinds, values = table(xlsx(tmp_path / "b.xlsx", fill), tmp_path / "work")
    assert (kinds["zip"], values) == ("text", [("01234", 1), ("98765", 2)])


def test_a_cell_with_an_error_is_null_and_told(tmp_path: Path) -> None:
    text = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1" t="inlineStr"><is>'
        '<t>b</t></is></c></row><row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><v>#N/A</v></c>'
        '</row><row r="3"><c r="A3"><v>2</v></c><c r="B3"><v>5</v></c></row>'
    )
    path = raw(tmp_path / "b.xlsx", text)
    assert table(path, tmp_path / "work")[1] == [(1, None), (2, 5)]
    assert "1 cell with an error" in notes(path, tmp_path / "work")


def test_formulas_without_a_saved_value_are_null_and_told(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        rows_of(("a", "b"), (1, "=A2*2"), (2, "=A3*2"), (3, "=A4*2"))(sheet)

    path = xlsx(tmp_path / "b.xlsx", fill)
    assert table(path, tmp_path / "w")[1] == [(1, None), (2, None), (3, None)]
    assert "3 formulas have no saved value: they are null" in notes(path, tmp_path / "w")
    head = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    saved = (
        '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2" t="str"><f>""</f><v></v></c>'
        '<c r="C2"/><c r="D2" t="str"><f t="shared" si="0"/><v xml:space="preserve"> x</v></c>'
        "</row>"
    )
    assert "saved" not in notes(raw(tmp_path / "s.xlsx", head + saved), tmp_path / "w")
    one = '<row r="3"><c r="A3"><f>1+1</f><v/></c></row>'
    path = raw(tmp_path / "one.xlsx", head + saved + one)
    assert "1 formula has no saved value: it is null" in notes(path, tmp_path / "w")


@pytest.mark.parametrize(
    ("last", "left"),
    [
        ([("Total", 16.5)], ["row 4"]),
        ([(None, "Grand total", 3)], ["row 4"]),
        ([("Subtotal", 3), ("Total:", 16.5)], ["row 4", "row 5"]),
        ([(None,), ("Summe", 16.5)], ["row 5"]),
        ([("Total", 16.5, 7)], []),
        ([("Totally", 16.5)], []),
        ([("Total", 16.5), ("c", 3, 4)], []),
    ],
)
def test_totals_below_the_records_are_none(
    last: list[tuple[Any, ...]], left: list[str], tmp_path: Path
) -> None:
    records = [("who", "sum", "n"), ("a", 1.5, 1), ("b", 15, 2)]
    path = xlsx(tmp_path / "b.xlsx", rows_of(*records, *last))
    _, values = table(path, tmp_path / "w")
    assert len(values) == 2 + sum(any(row) for row in last) - len(left)
    told = notes(path, tmp_path / "w")
    assert [f"row {n}" for n in range(9) if f"row {n} is no data, a total" in told] == left


def test_a_table_of_totals_alone_stays_one(tmp_path: Path) -> None:
    _, values = made(tmp_path, ("who", "a", "b"), ("Total", 1, None), ("Total", None, 2))
    assert values == [("Total", 1, None), ("Total", None, 2)]


def test_each_sheet_is_a_table_and_one_can_be_chosen(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "In"
    rows_of(("a",), (1,))(book.active)
    rows_of(("b",), ("x",))(book.create_sheet("Out"))
    book.create_sheet("Empty")
    rows_of(("c",), (3,))(hidden := book.create_sheet("Secret"))
    hidden.sheet_state = "hidden"
    book.create_chartsheet("Chart")
    book.save(path := tmp_path / "b.xlsx")
    work = tmp_path / "work"
    assert {name: rows for name, (_, rows) in tables(path, work).items()} == {
        "b_In": [(1,)],
        "b_Out": [("x",)],
    }
    assert "not read: Secret (hidden), Chart (no table), Empty (empty)" in notes(path, work)
    assert tables(path, work, sheet="secret") == {"b": ({"c": "bigint"}, [(3,)])}
    with pytest.raises(SourceError, match="there is no sheet 'Nowhere'") as caught:
        tables(path, work, sheet="Nowhere")
    assert "In, Out, Empty" in caught.value.hint


@pytest.mark.parametrize(
    ("rows", "columns", "values"),
    [
        (((1, 2), (3, 4)), ["column_1", "column_2"], [(1, 2), (3, 4)]),
        ((("land", 2023, 2024), ("CH", 1, 2)), ["land", "2023", "2024"], [("CH", 1, 2)]),
        ((("a", "a", None), (1, 2, 3)), ["a", "a_2", "column_3"], [(1, 2, 3)]),
        ((("a", "b"),), ["column_1", "column_2"], [("a", "b")]),
        ((("a",), (1,), (None,), (2,)), ["a"], [(1,), (2,)]),
        ((("line\nbreak", " b "), (1, 2)), ["line break", "b"], [(1, 2)]),
        ((("a", "b"), (1, "x"), (2, 3)), ["a", "b"], [(1, "x"), (2, "3")]),
    ],
    ids=["no names", "years", "twice", "one row", "one column", "breaks", "mixed"],
)
def test_names_are_those_of_the_header(
    rows: Any, columns: list[str], values: list[Any], tmp_path: Path
) -> None:
    kinds, found = made(tmp_path, *rows)
    assert (list(kinds), found) == (columns, values)


def test_old_workbooks_and_opendocument_are_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "old.xls").write_bytes(workbooks.OLD)
    assert table(tmp_path / "old.xls", tmp_path / "w")[1][0][0] == Decimal("1.5")
    head = line(cell("id"), cell("day"), cell("ok"))
    row = line(
        cell("1", "float"),
        cell("2024-02-29", "date", name="date-value"),
        cell("true", "boolean", name="boolean-value"),
    )
    kinds, values = table(ods(tmp_path / "new.ods", head + row), tmp_path / "w")
    assert kinds == {"id": "bigint", "day": "date", "ok": "boolean"}
    assert values == [(1, dt.date(2024, 2, 29), True)]


def test_workbooks_in_records_of_bytes_are_read_as_well(tmp_path: Path) -> None:
    rows = (("id", "name", "amount", "ok"), (1, "Zoë 漢字 🎉", 0.1, True), (2, None, -1e300, False))
    kinds, values = table(xlsb(tmp_path / "new.xlsb", *rows), tmp_path / "w")
    assert kinds == {"id": "bigint", "name": "text", "amount": "double precision", "ok": "boolean"}
    assert values == [rows[1], rows[2]]
    assert table(xlsb(tmp_path / "t.csv", *rows), tmp_path / "w") == (kinds, values)
    path = tmp_path / "new.xlsb"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError):
        table(path, tmp_path / "w")


def test_workbooks_with_macros_are_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "macros.xlsm"
    xlsx(path, rows_of(("a", "code"), (1, "007"), (2, "x")))
    assert table(path, tmp_path / "w") == ({"a": "bigint", "code": "text"}, [(1, "007"), (2, "x")])


@pytest.mark.parametrize("name", ["book.csv", "book.xls", "book.ods", "book.dat", "book"])
def test_content_decides_over_the_ending(name: str, tmp_path: Path) -> None:
    path = xlsx(tmp_path / "b.xlsx", rows_of(("a",), (1,))).rename(tmp_path / name)
    assert table(path, tmp_path / "w") == ({"a": "bigint"}, [(1,)])
    assert "it is an Excel workbook" in notes(path, tmp_path / "w")


def test_text_that_is_called_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "export.xls"
    path.write_text("id\tname\n1\tRose\n2\tBo\n")
    assert table(path, tmp_path / "w")[1] == [(1, "Rose"), (2, "Bo")]
    assert "it is a CSV file" in notes(path, tmp_path / "w")


def cut(folder: Path) -> Path:
    path = xlsx(folder / "cut.xlsx", rows_of(*[(n, f"name {n}") for n in range(500)]))
    path.write_bytes(path.read_bytes()[:-200])
    return path


def torn(folder: Path) -> Path:
    path = raw(folder / "torn.xlsx", "<row><c><v>1</v>")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x", "y")
    return path


def scrambled(folder: Path) -> Path:
    path = xlsx(folder / "s.xlsx", rows_of(*[(n, f"name {n}") for n in range(500)]))
    data = bytearray(path.read_bytes())
    for at in range(400, len(data) - 1200, 7):
        data[at] ^= 0x5A
    path.write_bytes(data)
    return path


def _renamed(path: Path, part: bytes, at: int) -> Path:
    """Damage a letter of a part's name, where it stands for the `at`-th time."""
    data = bytearray(path.read_bytes())
    place = -1
    for _ in range(at):
        place = data.index(part, place + 1)
    data[place + 3] ^= 2
    path.write_bytes(data)
    return path


def no_styles(folder: Path) -> Path:
    path = xlsx(folder / "s.xlsx", rows_of(("day",), (dt.date(2024, 1, 1),)))
    return _renamed(_renamed(path, b"xl/styles.xml", 2), b"xl/styles.xml", 1)


def other_styles(folder: Path) -> Path:
    path = xlsx(folder / "o.xlsx", rows_of(("day",), (dt.date(2024, 1, 1),)))
    return _renamed(path, b"xl/styles.xml", 2)


def other_entry(folder: Path) -> Path:
    path = xlsx(folder / "e.xlsx", rows_of(("day",), (dt.date(2024, 1, 1),)))
    return _renamed(path, b"xl/styles.xml", 1)


def no_texts(folder: Path) -> Path:
    relations = {
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/'
        'package/2006/relationships"><Relationship Id="r1" Type="a/worksheet"'
        ' Target="worksheets/s.xml"/><Relationship Id="r2" Type="a/relationships/sharedStrings"'
        ' Target="sharedStrings.xml"/></Relationships>'
    }
    return raw(folder / "t.xlsx", '<row r="1"><c r="A1"><v>1</v></c></row>', more=relations)


def no_types(folder: Path) -> Path:
    path = xlsx(folder / "n.xlsx", rows_of(("day",), (dt.date(2024, 1, 1),)))
    return _renamed(_renamed(path, b"[Content_T", 2), b"[Content_T", 1)


def locked(folder: Path) -> Path:
    path = folder / "locked.xlsx"
    path.write_bytes(workbooks.OLD[:512] + b"\0" * 4096)
    return path


def nothing(folder: Path) -> Path:
    return xlsx(folder / "nothing.xlsx", rows_of())


def no_parts(folder: Path) -> Path:
    path = folder / "p.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return path


def wide(folder: Path) -> Path:
    row = tuple(range(5_001))
    return xlsx(folder / "wide.xlsx", rows_of(row, row))


@pytest.mark.parametrize(
    "damage",
    [
        *(cut, torn, scrambled, locked, nothing, no_parts, wide),
        *(no_styles, other_styles, other_entry, no_texts, no_types),
    ],
    ids=lambda f: f.__name__,
)
def test_a_damaged_or_strange_workbook_is_refused_in_words(damage: Any, tmp_path: Path) -> None:
    path = damage(tmp_path)
    with pytest.raises(SourceError) as caught:
        tables(path, tmp_path / "w")
    assert path.name in caught.value.message
    assert caught.value.hint


def test_a_part_that_no_value_depends_on_may_be_missing(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "b.xlsx", rows_of(("a",), (1,)))
    _renamed(_renamed(path, b"docProps/app.xml", 2), b"docProps/app.xml", 1)
    assert table(path, tmp_path / "w")[1] == [(1,)]


@pytest.mark.parametrize(
    "cell", ["XFE1", "XGA1", "YAA1", "AAAA1", "ZZZZZZZ4294967295", "A12345678"]
)
def test_a_cell_where_no_workbook_has_one_is_refused(cell: str, tmp_path: Path) -> None:
    path = raw(tmp_path / "b.xlsx", f'<row r="1"><c s="0" r="{cell}"><v>2</v></c></row>')
    with pytest.raises(SourceError, match="sheet S: a cell is beyond column XFD or the last row"):
        tables(path, tmp_path / "w")
    path = raw(
        tmp_path / "far.xlsx",
        '<row r="1"><c r="XFD1" t="inlineStr"><is><t>r="ZZZZ"</t></is></c></row>'
        '<row r="2"><c r="XFD2"><v>1</v></c></row>',
    )
    assert table(path, tmp_path / "w") == ({'r="ZZZZ"': "bigint"}, [(1,)])


def test_rows_that_calamine_loses_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml, "look", lambda _path, _sheet: xml.Look(least=4, most=4))
    with pytest.raises(SourceError, match="4 rows with something, 3 read"):
        made(tmp_path, ("a",), (1,), (2,))
