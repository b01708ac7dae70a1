"""What stands between the records, and evidence in the middle of a file: nothing goes silently."""

from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from tests.csv_source import Rejects, Rows, opened, texts

TABLE = "id;name;note\n1;Ida;x\n2;Bo;y\n3;Cy;z\n"
ROWS = [("1", "Ida", "x"), ("2", "Bo", "y"), ("3", "Cy", "z")]
MANY = 12_000  # records: more than is looked at first
LONG = "".join(f"{n};name {n};{'x' * 90}\n" for n in range(MANY))


def read(folder: Path, data: str, name: str = "t.csv", **options: Any) -> tuple[Any, Rows, Rejects]:
    path = folder / name
    path.write_bytes(data.encode())
    source = opened(path, folder, **options)
    rejects: Rejects = []
    rows = texts(source, rejects)
    source.close()
    return source, rows, rejects


# What stands behind the table, in which line it begins, lines above its names, after many records.
OTHERS = {
    "as wide": ("\nk;v;w\na;1;2\nb;3;4\n", 6, 0, False),
    "narrower": ("\nk;v\na;1\nb;3\n", 6, 0, True),
    "wider": ("\nk;v;w;u\na;1;2;3\n", 6, 0, True),
    "with a title": ("\nSecond part\nk;v\na;1\n", 6, 1, False),
    "of the same kinds, with a title": ("\nIn May\nno;town;by\n7;Rome;q\n", 6, 1, False),
    "behind three empty lines": ("\n\n\nk;v\na;1\n", 8, 0, False),
}


@pytest.mark.parametrize(("other", "line", "above", "long"), OTHERS.values(), ids=OTHERS)
def test_another_table_behind_an_empty_line_is_set_aside_and_named(
    *, other: str, line: int, above: int, long: bool, tmp_path: Path
) -> None:
    more = MANY if long else 0
    data = TABLE + LONG * long + other
    source, rows, rejects = read(tmp_path, data)
    assert (set(ROWS) <= set(rows), len(rows), rejects) == (True, 3 + more, [])
    lines = other.strip().splitlines()
    assert [(each.line, each.raw) for each in source.not_data] == [
        (line + more + at, text) for at, text in enumerate(lines)
    ]
    skip = line + more - 1 + above
    assert f"--skip {skip} reads it" in " ".join(source.table.notes)
    _, again, _ = read(tmp_path, data, skip=skip)
    assert sorted(again) == [tuple(each.split(";")) for each in lines[above + 1 :]]


def test_the_table_goes_on_behind_another_one(tmp_path: Path) -> None:
    _, rows, rejects = read(tmp_path, TABLE + "\nk;v\na;1\n\n4;Di;w\n")
    assert (sorted(rows), rejects) == ([*ROWS, ("4", "Di", "w")], [])


@pytest.mark.parametrize("empty", ["", "\n"], ids=["at once", "behind an empty line"])
def test_names_that_come_again_are_set_aside(empty: str, tmp_path: Path) -> None:
    data = TABLE + LONG + empty + TABLE.replace("1;", "9;")
    source, rows, rejects = read(tmp_path, data)
    assert (len(rows), rejects) == (MANY + 6, [])
    (aside,) = source.not_data
    assert (aside.raw, aside.reason) == ("id;name;note", "no data: the names again")
    assert str(source.table.columns[0].type) == "bigint"


STAY = {
    "records behind empty lines": ("\n4;Di;w\n\n5;Ed;v\n", 2),
    "a record with a word for a number": ("\nunknown;Berg;Rome\n5;Ed;v\n", 2),
    "one record of few words": ("\nk;v;w\n", 1),
    "an empty line within quotes": ('4;Di;"w\n\nk;v;w\na;1;2"\n', 1),
}


@pytest.mark.parametrize(("more", "count"), STAY.values(), ids=STAY)
def test_records_behind_an_empty_line_stay(more: str, count: int, tmp_path: Path) -> None:
    source, rows, _ = read(tmp_path, TABLE + more)
    assert (len(rows), source.not_data) == (3 + count, ())


def test_where_another_table_may_begin_is_said(tmp_path: Path) -> None:
    source, rows, _ = read(tmp_path, "a;b\nx;y\nz;w\n\nc;d\ne;f\n")
    assert len(rows) == 4
    assert any("line 4 is empty: what is behind" in note for note in source.table.notes)


def test_another_table_that_is_larger_is_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="another table begins in line 6") as caught:
        read(tmp_path, TABLE + "\nk;v\n" + "a;1\n" * 9)
    assert caught.value.hint.startswith("--skip 5 reads it alone")


def test_what_looks_like_a_dump_at_first_is_none_where_the_middle_says_so(tmp_path: Path) -> None:
    tabs = LONG.replace(";", "\t")
    data = "id\tname\tnote\n7\t\\N\tc\n" + tabs + '8\t"q\tr"\tC:\\Users\n'
    _, rows, rejects = read(tmp_path, data, "t.tsv")
    assert (("8", "q\tr", "C:\\Users") in rows, rejects) == (True, [])
    _, rows, _ = read(tmp_path, "id\tname\tnote\n" + tabs + "8\t\\N\tc\\td\n" + tabs, "t.tsv")
    assert ("8", None, "c\td") in rows


def test_a_single_quote_is_no_quote_where_the_middle_has_the_usual_one(tmp_path: Path) -> None:
    _, rows, rejects = read(tmp_path, "id;name;note\n7;'a';c\n" + LONG + '8;it\'s;"q"\n')
    assert (("8", "it's", "q") in rows, ("7", "'a'", "c") in rows, rejects) == (True, True, [])


@pytest.mark.parametrize(("delimiter", "value"), [("||", "a|b"), (", ", "Berg,Ida")])
def test_a_long_delimiter_is_no_short_one_in_the_middle(
    delimiter: str, value: str, tmp_path: Path
) -> None:
    short = f"8{delimiter}{value}\n"
    data = ("id;name;note\n" + LONG).replace(";", delimiter) + short[:-1] + f"{delimiter}c\n"
    _, rows, rejects = read(tmp_path, data + short)
    assert ("8", value, "c") in rows
    assert [(reject.line, reject.raw) for reject in rejects] == [(MANY + 3, short[:-1])]


def test_a_record_without_the_delimiter_that_ends_all_others_is_named(tmp_path: Path) -> None:
    _, rows, rejects = read(tmp_path, "a;b\n1;2;\n3;4;\n5;6\n")
    assert (len(rows), [reject.reason for reject in rejects]) == (
        2,
        ["no delimiter behind its last field, as all before have"],
    )
