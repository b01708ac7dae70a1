"""Workbooks as programs other than Excel pack them, and such that nobody can read."""

import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from myriad.errors import SourceError
from tests import workbooks
from tests.apart import opened, stay_here, table
from tests.workbooks import cell, line, ods, raw, rows_of, xlsx

DAY = date(2024, 2, 29)
SHEET = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    '<row r="2"><c r="A2"><v>1</v></c></row>'
)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def packed_anew(path: Path, changed: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """Write each part of a package as `changed` says; None leaves it out."""
    with zipfile.ZipFile(path) as archive:
        parts = [changed(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in filter(None, parts):
            archive.writestr(*part)
    return path


def test_names_of_parts_may_have_the_separators_of_windows(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "b.dat", rows_of(("a", "day"), (1, "2024-02-29")))
    packed_anew(path, lambda name, data: (name.replace("/", "\\"), data))
    assert table(path, tmp_path / "w") == ({"a": "bigint", "day": "date"}, [(1, DAY)])


def test_the_parts_of_a_workbook_may_stand_in_no_folder(tmp_path: Path) -> None:
    def flat(name: str, data: bytes) -> tuple[str, bytes]:
        return name.replace("xl/", "").replace("worksheets/", ""), data.replace(
            b"xl/", b""
        ).replace(b"worksheets/", b"")

    path = packed_anew(raw(tmp_path / "b.dat", SHEET), flat)
    assert table(path, tmp_path / "w") == ({"a": "bigint"}, [(1,)])


@pytest.mark.parametrize("text", ["x", "x<text:tab/>y"], ids=["plain", "tab"])
def test_an_opendocument_sheet_need_not_say_its_media_type(text: str, tmp_path: Path) -> None:
    path = ods(tmp_path / "b.ods", line(cell("a")) + line(cell(text)))
    packed_anew(path, lambda name, data: None if name == "mimetype" else (name, data))
    wanted = text.replace("<text:tab/>", "\t")
    assert table(path, tmp_path / "w") == ({"a": "text"}, [(wanted,)])


def test_an_old_workbook_may_hold_an_archive(tmp_path: Path) -> None:
    (path := tmp_path / "b.xls").write_bytes(workbooks.OLD)
    with zipfile.ZipFile(path, "a") as theme:
        theme.writestr("theme/theme.xml", "<theme/>")
    assert table(path, tmp_path / "w")[1][0][0] == Decimal("1.5")


def test_a_sheet_of_names_and_a_footnote_has_no_rows(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "b.xlsx", rows_of(("a", "b", "c"), (), ("nothing was found",)))
    assert table(path, tmp_path / "w") == (dict.fromkeys("abc", "text"), [])


def locked(folder: Path) -> Path:
    """A new workbook with a password is a stream in an old one's file."""
    data = bytearray(workbooks.OLD)
    at = data.index("Workbook".encode("utf-16-le"))
    name = "EncryptedPackage".encode("utf-16-le")
    data[at : at + 66] = name.ljust(64, b"\0") + bytes([len(name) + 2, 0])
    (path := folder / "locked.xlsx").write_bytes(data)
    return path


def locked_ods(folder: Path) -> Path:
    path = ods(folder / "locked.ods", line(cell("a")))

    def hidden(name: str, data: bytes) -> tuple[str, bytes]:
        said = data.replace(b"/>", b"><manifest:encryption-data/></manifest:file-entry>")
        return name, said if "manifest" in name else b"\x01\x02\x03"

    return packed_anew(path, hidden)


@pytest.mark.parametrize("make", [locked, locked_ods], ids=lambda make: make.__name__)
def test_a_workbook_with_a_password_is_named_as_such(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="the workbook has a password") as caught:
        opened(make(tmp_path), tmp_path / "w")
    assert "without" in caught.value.hint
