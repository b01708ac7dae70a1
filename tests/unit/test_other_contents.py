"""What people name by a wrong name, or in a wrong encoding, is told with what helps."""

import json
from pathlib import Path

import pytest

from myriad.errors import SourceError
from tests.apart import notes, opened, rejected, stay_here

PAGE = '<table border="1"><tr><th>Größe</th></tr><tr><td>1</td></tr></table>'


@pytest.mark.parametrize("name", ["a.xls", "a.xlsx", "a.csv"])
@pytest.mark.parametrize("begin", ["", "<!DOCTYPE html>", "<html><head>", "\r\n<HTML>\n<meta>"])
def test_a_page_that_is_called_a_workbook_is_told_as_a_page(
    name: str, begin: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes((begin + PAGE).encode("windows-1252"))
    with pytest.raises(SourceError, match="an HTML page") as error:
        opened(path, tmp_path / "w")
    assert "save it as .xlsx or CSV" in error.value.hint


@pytest.mark.parametrize("text", ['[{"a": "Größe"}]', '{"a": [{"b": "Größe"}]}'])
def test_json_of_another_encoding_is_told_how_it_becomes_utf_8(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match="not valid UTF-8") as error:
        [list(source.read([], None)) for source in opened(path, tmp_path / "w")]
    assert "iconv" in error.value.hint


def test_what_stands_beside_records_that_were_asked_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    (xml := tmp_path / "a.xml").write_text(
        '<?xml version="1.0"?><b><kopf><nr>1</nr></kopf><rechnung><p>1</p></rechnung>'
        "<rechnung><p>2</p></rechnung><summe>3</summe></b>"
    )
    told = notes(xml, tmp_path / "w", records="rechnung")
    assert "not read: b.kopf, b.summe" in told
    (tree := tmp_path / "a.json").write_text(json.dumps({"x": [{"n": 1}], "y": [{"n": 2}]}))
    assert "not read: y" in notes(tree, tmp_path / "w", records="x")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", 'a,b\n1,"a\n', "and never ends"),
        ("a.csv", 'a,b\n1,2\n3,"a\n4,5\n6,7\n', "and never ends"),
        ("a.csv", 'a,b\n1,"a"x\n', "text behind a closing quote"),
        ("a.jsonl", '{"a": "x"}\n{"a": "y\n', "a text that is not closed"),
        ("a.json", '[{"a": "x"},\n {"a": "y', "a text that is not closed"),
        ("a.json", '[{"a": "x"},\n {"a": "y"}', "the end of the file"),
    ],
)
def test_what_is_not_closed_is_told_so(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    try:
        told = [each.reason for each in rejected(path, tmp_path / "w")[1]]
    except SourceError as error:
        told = [error.message, error.hint]
    assert ("It may be cut off" in told[-1]) == (name == "a.json")
    assert said in "\n".join(told)
