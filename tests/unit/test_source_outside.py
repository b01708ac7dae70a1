"""What a file names elsewhere is never asked for: other workbooks, addresses, definitions."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apart import stay_here, table
from tests.workbooks import cell, line, ods, raw

_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)  # noqa: FBT003
        yield made


def _workbook(path: Path, address: str) -> None:
    def related(kind: str, target: str) -> str:
        return (
            f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r9" TargetMode="External"'
            f' Type="{_RELS}/{kind}" Target="{target}"/></Relationships>'
        )

    said = '<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="2"><c r="A2">'
    parts = {
        "xl/externalLinks/externalLink1.xml": "<externalLink/>",
        "xl/externalLinks/_rels/externalLink1.xml.rels": related("externalLinkPath", address),
        "xl/worksheets/_rels/s.xml.rels": related("image", address),
    }
    formula = f"<f>[1]S!A1+WEBSERVICE(&quot;{address}&quot;)</f><v>7</v></c></row>"
    raw(path, said + formula, more=parts)


def _sheet(path: Path, address: str) -> None:
    link = f'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{address}"'
    ods(path, f"<table:table-source {link}/>" + line(cell("a")) + line(cell("7", "float")))


def _xml(path: Path, address: str) -> None:
    path.write_text(
        f'<?xml version="1.0"?><?xml-stylesheet href="{address}"?><!DOCTYPE r SYSTEM "{address}">'
        '<r xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
        f' i:noNamespaceSchemaLocation="{address}"><b><a>7</a></b><b/></r>'
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [("b.xlsx", _workbook), ("b.ods", _sheet), ("b.xml", _xml)],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_a_file_names_elsewhere_is_never_asked_for(
    name: str,
    write: Callable[[Path, str], None],
    listening: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stay_here(monkeypatch)
    write(tmp_path / name, f"http://127.0.0.1:{listening.getsockname()[1]}/x")
    rows: list[Any] = table(tmp_path / name, tmp_path / "w")[1]
    assert (7,) in rows
    with pytest.raises(BlockingIOError):
        listening.accept()
