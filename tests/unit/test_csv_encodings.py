"""The encoding of a text is decided first: all else is the same in each."""

from pathlib import Path

import pytest

from myriad.errors import SourceError
from myriad.sources.base import TableSource, TypeMismatch
from myriad.sources.places import text_files
from myriad.sources.places.files import CHUNK
from tests.csv_source import Rejects, opened, texts

RECORDS = "Kunde;Umsatz;Seit\nMüller;1;31.12.2024\nGroß;2;01.02.2024\nÉmile;3;28.02.2023\n"
EURO = "Kunde;Umsatz;Rabatt\nMüller;1.234,50 €;5,5 %\nGroß;12,00 €;10 %\nJörg;7,25 €;0 %\n"
TEXTS = {
    "records": RECORDS,
    "a word as a title": "Titel\n" + RECORDS,
    "a padded word as a title": "Titel;;\n" + RECORDS,
    "a padded word above two columns": "Übersicht;\nKunde;Umsatz\nMüller;1\nGroß;2\n",
    "two padded words": "Übersicht;;\nStand;;\n" + RECORDS,
    "a padded title": "Kundenlisten für 2025;;\n" + RECORDS,
    "a total": RECORDS + "Summe;6;\n",
    "a title and a total": "Kunden für 2025;;\n" + RECORDS + "Summe;6;\n",
    "euro": EURO,
    "euro, a title and a total": "Kunden für 2025;;\n" + EURO + "Summe;1.253,75 €;\n",
    "a footnote": RECORDS + "\nQuelle: das Büro.\n",
    "blank lines": "\n\n" + RECORDS,
    "text alone": "Titel;;\nName;Ort;Weg\nMüller;Köln;Am Ring\nGroß;Bonn;Allee\n",
}
Seen = tuple[list[tuple[str, str]], list[str], list[tuple[int, str, str]]]


def said(source: TableSource) -> Seen:
    """Return the columns, the notes but that on the encoding, and what is no data."""
    columns = [(column.name, str(column.type)) for column in source.table.columns]
    notes = [note for note in source.table.notes if not note.startswith("not UTF-8")]
    return columns, notes, [(line.line, line.raw, line.reason) for line in source.not_data]


def published(source: TableSource) -> list[tuple[object, ...]]:
    """Read the values as their types: as publish does, which reads again where that is needed."""
    rejects: Rejects = []
    for _ in range(3):
        rejects.clear()
        try:
            types = [column.type for column in source.table.columns]
            batches = list(source.read(types, rejects.append))
        except TypeMismatch:
            source.prove()
        else:
            assert not rejects
            return [row for each in batches for row in zip(*each.to_pydict().values(), strict=True)]
    raise AssertionError("it never could be read")


def seen(folder: Path, data: bytes) -> tuple[Seen, list[tuple[object, ...]]]:
    """Return what a dry run says of a file and what a publish reads, which says the same of it."""
    path = folder / "t.csv"
    path.write_bytes(data)
    source = opened(path, folder)
    before, encoding = said(source), [note for note in source.table.notes if "UTF-8" in note]
    rows = published(source)
    assert said(source) == before
    assert [note for note in source.table.notes if "UTF-8" in note] == encoding
    source.close()
    return before, rows


@pytest.mark.nightly(by_day=["records", "euro, a title and a total", "a footnote", "blank lines"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_the_same_table_in_each_encoding_in_a_dry_run_and_a_publish(
    tmp_path: Path, text: str
) -> None:
    written = text.replace("\n", "\r\n")
    expected = seen(tmp_path, written.encode())
    assert expected[1]
    assert seen(tmp_path, text.encode("cp1252"))[1] == expected[1]
    for encoding in ("utf-16", "cp1252", *(["latin-1"] if "€" not in text else [])):
        assert seen(tmp_path, written.encode(encoding)) == expected, encoding


@pytest.mark.parametrize("encoding", [None, "cp1252"])
def test_a_padded_word_above_names_is_a_title(tmp_path: Path, encoding: str | None) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("Titel;;\nKunde;Umsatz;x\nMüller;1;2\nGroß;2;3\n".encode("cp1252"))
    source = opened(path, tmp_path, encoding=encoding)
    columns, notes, lines = said(source)
    assert columns == [("Kunde", "text"), ("Umsatz", "bigint"), ("x", "bigint")]
    assert "line 1 is no data, a title: 'Titel;;'" in notes
    assert lines == [(1, "Titel;;", "no data: a title")]
    assert texts(source) == [("Müller", "1", "2"), ("Groß", "2", "3")]


@pytest.mark.parametrize(
    "text",
    ["Kunde;;\nMüller;1;2\nGroß;2;3\n", "Kunde;;\nMüller;n/a;x\nGroß;2;y\nBo;3;z\n"],
    ids=["numbers", "a word for nothing"],
)
def test_one_name_above_records_stays_the_header(tmp_path: Path, text: str) -> None:
    (columns, _, lines), _ = seen(tmp_path, text.encode("cp1252"))
    assert [name for name, _ in columns] == ["Kunde", "column_2", "column_3"]
    assert not lines


def test_lines_that_end_in_two_ways_have_the_same_types_in_a_dry_run_and_a_publish(
    tmp_path: Path,
) -> None:
    (columns, _, _), rows = seen(tmp_path, b"\n" + b"a;b\r\n1;2\r\n3;4\r\n")
    assert columns == [("a", "bigint"), ("b", "bigint")]
    assert rows == [(1, 2), (3, 4)]


def test_a_character_across_two_chunks_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a" * (CHUNK - 1) + "ü".encode() + b"b")
    assert text_files.is_utf8(path)
    assert text_files.legacy_encoding(path) is None
    path.write_bytes(b"a" * (CHUNK - 1) + b"\xc3" + b"b" * 9)
    assert not text_files.is_utf8(path)
    path.write_bytes(b"a" * (CHUNK - 1) + b"\xc3")
    assert not text_files.is_utf8(path)


def test_a_text_that_fits_two_encodings_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,가나\n2,다라\n".encode("euc_kr"))
    with pytest.raises(SourceError, match="may be in"):
        opened(path, tmp_path)
