# ruff: noqa: RUF001 - letters of other scripts are what is tested
"""What stands around tables in their files, and ways of writing that are none of RFC 4180."""

from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from tests.csv_source import Rejects, Rows, opened, texts

ROWS = [("1", "Ida", "x"), ("2", "Bo", "y"), ("3", "Cy", "z")]
TABLE = "id;name;note\n1;Ida;x\n2;Bo;y\n3;Cy;z\n"


def read(folder: Path, data: str | bytes, name: str = "t.csv", **options: Any) -> tuple[Any, Rows]:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    source = opened(path, folder, **options)
    rows = texts(source)
    source.close()
    return source, rows


AROUND: dict[str, tuple[str, dict[int, str]]] = {
    "nothing": (TABLE, {}),
    "a title": ("Prices as of May\n" + TABLE, {1: "a title"}),
    "a title and a blank line": ("Prices\n\n" + TABLE, {1: "a title"}),
    "a title in a padded row": ("Prices of May;;\n" + TABLE, {1: "a title"}),
    "named facts": ("Report: all\nDate: 2024-05-01\n\n" + TABLE, {1: "a title", 2: "a title"}),
    "named values": ("From:;2024\n\n" + TABLE, {1: "a title"}),
    "comments": ("# made by x\n# 2024\n" + TABLE, {1: "a comment", 2: "a comment"}),
    "sep=": ("sep=;\n" + TABLE, {1: "it says what separates fields"}),
    "sep= and a title": ("sep=;\nPrices of May\n" + TABLE, {1: "it says", 2: "a title"}),
    "a footnote": (TABLE + "\nSource: the office\n", {6: "a footnote"}),
    "a footnote at once": (TABLE + "* preliminary values\n", {5: "a footnote"}),
    "rows selected": (TABLE + "\n3 rows selected.\n", {6: "a footnote"}),
    "a total": (TABLE + "Total;;3\n", {5: "a total"}),
    "a short total": (TABLE + "Summe;6\n", {5: "a total"}),
    "both": ("Prices of May\n" + TABLE + "Total;;3\n", {1: "a title", 6: "a total"}),
    "with CRLF": (
        ("Prices of May\n" + TABLE + "\nSource: it\n").replace("\n", "\r\n"),
        {1: "", 7: ""},
    ),
}


@pytest.mark.parametrize(("data", "lines"), AROUND.values(), ids=AROUND)
def test_what_is_no_record_is_set_aside_and_named(
    tmp_path: Path, data: str, lines: dict[int, str]
) -> None:
    source, rows = read(tmp_path, data)
    assert sorted(rows) == ROWS
    assert [column.name for column in source.table.columns] == ["id", "name", "note"]
    assert {reject.line: reject.reason for reject in source.not_data}.keys() == lines.keys()
    by_line = {reject.line: reject for reject in source.not_data}
    for line, why in lines.items():
        assert why in by_line[line].reason
        assert by_line[line].raw == data.splitlines()[line - 1]
        assert any(f"line {line} is no data" in note for note in source.table.notes)


BROKEN: dict[str, tuple[str, int]] = {
    "a record cut short at the end": (TABLE + "4;Di", 5),
    "a record cut short before its name": (TABLE + "4", 5),
    "a short record": (TABLE + "4;Di\n5;Ed;x\n", 5),
    "a long record": (TABLE + "4;Di;x;y\n", 5),
    "a name cut short, of several words": (TABLE + "Ada Lovelace", 5),
}


@pytest.mark.parametrize(("data", "line"), BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_never_taken_for_a_footnote(
    tmp_path: Path, data: str, line: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(data)
    source = opened(path, tmp_path)
    rejects: Rejects = []
    texts(source, rejects)
    assert [reject.line for reject in rejects] == [line]
    assert not source.not_data


def test_a_header_of_fewer_names_than_fields_is_no_title(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="fields where 2 are"):
        read(tmp_path, "id;name\n1;Ida;x\n2;Bo;y\n")


def test_a_total_that_is_a_whole_record_stays_one(tmp_path: Path) -> None:
    source, rows = read(tmp_path, "k;n;m\na;1;2\nb;2;3\nTotal;3;5\n")
    assert len(rows) == 3
    assert "the last record begins with 'Total'" in "\n".join(source.table.notes)


@pytest.mark.parametrize("last", ["c;3", "Summer;3", "Total;"])
def test_another_last_record_is_not_taken_for_a_whole_total(tmp_path: Path, last: str) -> None:
    source, _ = read(tmp_path, f"Monat;Umsatz\na;1\nb;2\n{last}\n")
    assert "the last record begins" not in "\n".join(source.table.notes)


@pytest.mark.parametrize("last", ["Dee;;", "Dee Ann;;", ";Dee;"])
def test_a_record_of_one_value_stays_one(tmp_path: Path, last: str) -> None:
    source, rows = read(tmp_path, f"{TABLE}{last}\n")
    assert len(rows) == 4
    assert not source.not_data


def test_a_header_of_one_name_stays_one(tmp_path: Path) -> None:
    source, rows = read(tmp_path, "name;;\nIda;x;y\nBo;z;w\n")
    assert source.table.columns[0].name == "name"
    assert len(rows) == 2


def test_quoted_lines_at_the_end_are_no_footnotes(tmp_path: Path) -> None:
    _, rows = read(tmp_path, 'id;name;note\n1;a;b\n2;c;"one\n\nSource: two\nthree"\n')
    assert sorted(rows)[1][2] == "one\n\nSource: two\nthree"


def test_two_header_rows_become_names_of_both(tmp_path: Path) -> None:
    source, rows = read(tmp_path, "Town;2023;;2024;\n;kg;m;kg;m\nRome;1;2;3;4\nOslo;5;6;7;8\n")
    assert len(rows) == 2
    names = ["Town", "2023 kg", "2023 m", "2024 kg", "2024 m"]
    assert [c.name for c in source.table.columns] == names
    source, rows = read(tmp_path, "Town;Weight;Length\n;kg;m\nRome;1;2.5\nOslo;5;6.5\n")
    assert [c.name for c in source.table.columns] == ["Town", "Weight kg", "Length m"]
    assert sorted(rows) == [("Oslo", "5", "6.5"), ("Rome", "1", "2.5")]
    assert any("two header rows" in note for note in source.table.notes)


@pytest.mark.parametrize("delimiter", ["||", ", ", "; ", "::", "~~"])
def test_delimiters_of_two_characters_are_seen(tmp_path: Path, delimiter: str) -> None:
    data = TABLE.replace(";", delimiter).replace("Bo", f'"B{delimiter}o"')
    source, rows = read(tmp_path, data)
    assert sorted(rows)[1] == ("2", f"B{delimiter}o", "y")
    assert any(repr(delimiter) in note for note in source.table.notes)


def test_a_delimiter_of_several_characters_can_be_said(tmp_path: Path) -> None:
    _, rows = read(tmp_path, TABLE.replace(";", "|#|"), delimiter="|#|")
    assert sorted(rows) == ROWS


def test_backslashes_before_quotes_are_understood_where_nothing_else_fits(tmp_path: Path) -> None:
    data = 'id,name,note\n1,"say \\"hi\\", Bo",x\n2,"c:\\\\temp",y\n3,"two\nlines \\"x\\"",z\n'
    source, rows = read(tmp_path, data)
    assert sorted(rows) == [
        ("1", 'say "hi", Bo', "x"),
        ("2", "c:\\temp", "y"),
        ("3", 'two\nlines "x"', "z"),
    ]
    assert any("backslashes stand before quotes" in note for note in source.table.notes)
    _, rows = read(tmp_path, 'id,path\n1,"c:\\"\n2,"d:\\x"\n')
    assert sorted(rows) == [("1", "c:\\"), ("2", "d:\\x")]


def test_backslashes_that_no_dump_writes_stay(tmp_path: Path) -> None:
    _, rows = read(tmp_path, "id\tpath\n1\t\\N\n2\tC:\\Users\n", name="t.tsv")
    assert ("2", "C:\\Users") in rows


ENCODED = {
    "windows-1250": "jméno;město\nJiří;Plzeň\nÍřa;Žďár\n",
    "windows-1251": "номер;название\n1;Препарат\n2;москва\n",
    "koi8-r": "номер;название\n1;Препарат\n2;москва\n",
    "windows-1252": "nom;ville\nRenée;Besançon\nZoë;Orléans\n",
    "windows-1253": "όνομα;πόλη\nΓιώργος;Αθήνα\nΜαρία;Πάτρα\n",
    "windows-1254": "ad;şehir\nÇağrı;İstanbul\nGüneş;İzmir\n",
    "windows-1255": "שם;עיר\nדוד;ירושלים\nמשה;חיפה\n",
    "windows-1256": "الاسم;المدينة\nمحمد;القاهرة\nعلي;دمشق\n",
    "windows-1257": "vardas;miestas\nŽydrūnas;Šiauliai\nEglė;Panevėžys\n",
    "windows-1258": "tên;quê quán\nHươ\u0300ng;Đa\u0300 Nă\u0303ng\nThu\u0309y;Huê\u0301\n",
    "shift_jis": "番号,名前\n1,検査機構\n2,表\n3,ひらがな\n",
    "euc_jp": "番号,名前\n1,検査機構\n2,ひらがな\n3,東京都\n",
    "gb18030": "编号,城市\n1,北京市区\n2,上海浦东新区\n3,重庆\n",
    "big5": "編號,城市\n1,臺北\n2,高雄市\n",
    "euc_kr": "번호,도시\n1,서울특별시\n2,부산광역시\n",
    "utf-16-le": "名前,番号\n東京,1\n大阪,2\n",
    "utf-16-be": "名前,番号\n東京,1\n大阪,2\n",
}


@pytest.mark.parametrize(("encoding", "text"), ENCODED.items(), ids=ENCODED)
def test_old_encodings_are_told_apart_and_named(tmp_path: Path, encoding: str, text: str) -> None:
    source, rows = read(tmp_path, text.encode(encoding))
    lines = [tuple(line.replace(";", ",").split(",")) for line in text.splitlines()]
    assert [column.name for column in source.table.columns] == list(lines[0])
    assert sorted(rows) == sorted(lines[1:])
    if not encoding.startswith("utf"):
        assert any("not UTF-8: read as " in note for note in source.table.notes)


def test_a_file_that_fits_two_encodings_is_refused_with_a_sample_in_each(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"may be in .*(gb18030|euc_kr)"):
        read(tmp_path, "a,b\n1,가나\n2,다라\n".encode("euc_kr"))
    _, rows = read(tmp_path, "a,b\n1,가나\n2,다라\n".encode("euc_kr"), encoding="euc_kr")
    assert ("1", "가나") in rows


def test_windows_1252_is_taken_before_what_fits_as_well_and_the_other_is_named(
    tmp_path: Path,
) -> None:
    source, rows = read(tmp_path, "a;b\n1;crème\n2;près\n".encode("windows-1252"))
    assert ("1", "crème") in rows
    assert any("windows-1250 fits too" in note for note in source.table.notes)


@pytest.mark.parametrize("title", ["", "Towns\n"])
def test_a_second_table_below_is_named_line_by_line(tmp_path: Path, title: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{TABLE}\n{title}key;town\n10;Bonn\n11;Ulm\n")
    rejects: Rejects = []
    source = opened(path, tmp_path)
    assert (texts(source, rejects), rejects) == (ROWS, [])
    assert [reject.line for reject in source.not_data] == [6, 7, 8, 9][: 3 + bool(title)]
