"""Folders, archives and compressions: what a person names becomes plain files, within bounds."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.sources.places import archives, files, folders, marks
from tests.apart import notes, opened, tables

FILES = {"a.csv": "n\n1\n2\n", "sub/b.csv": "n\n3\n"}


def zipped(path: Path, files: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def tarred(path: Path, files: Mapping[str, str | bytes], mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def rows(path: Path, folder: Path) -> dict[str, list[Any]]:
    return {name: values for name, (_, values) in tables(path, folder).items()}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.zip", zipped),
        ("x.tar", tarred),
        ("x.tar.gz", lambda path, files: tarred(path, files, "w:gz")),
        ("x.tgz", lambda path, files: tarred(path, files, "w:gz")),
        ("x.tar.bz2", lambda path, files: tarred(path, files, "w:bz2")),
        ("x.tar.xz", lambda path, files: tarred(path, files, "w:xz")),
        ("x.csv", zipped),
    ],
)
def test_each_file_of_an_archive_is_a_table(
    name: str, make: Callable[[Path, Mapping[str, str]], Path], tmp_path: Path
) -> None:
    path = make(tmp_path / name, FILES)
    assert rows(path, tmp_path / "w") == {"a": [(1,), (2,)], "b": [(3,)]}


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"]
)
@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz"])
def test_a_compressed_file_is_read_in_all_its_parts(
    pack: Callable[[bytes], bytes], ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"t.csv{ending}"
    path.write_bytes(pack(b"n\n1\n") + pack(b"2\n"))
    assert rows(path, tmp_path / "w") == {"t": [(1,), (2,)]}


def test_an_archive_of_one_file_is_called_as_it_is_itself(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bank.csv.zip", {"x.csv": "n\n1\n", "__MACOSX/._x.csv": "\0"})
    assert rows(path, tmp_path / "w") == {"bank": [(1,)]}
    assert "not read" not in notes(path, tmp_path / "w")


def test_files_within_an_archive_can_be_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {**FILES, "read.me": "hello"})
    work = tmp_path / "w"
    assert rows(path / "sub" / "b.csv", work) == {"b": [(3,)]}
    assert set(rows(path / "*.csv", work)) == {"a", "b"}
    assert "not read: " in notes(path, work)
    assert "read.me" in notes(path, work)
    with pytest.raises(SourceError, match="no such file") as caught:
        opened(path / "c.csv", work)
    assert "a.csv" in caught.value.hint


def test_archives_within_archives_are_opened(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "in.zip", FILES, zipfile.ZIP_STORED).read_bytes()
    path = zipped(tmp_path / "out.zip", {"in.zip": inner, "c.csv.gz": gzip.compress(b"n\n4\n")})
    assert set(rows(path, tmp_path / "w")) == {"a", "b", "c"}


def test_a_workbook_in_an_archive_is_a_workbook(tmp_path: Path) -> None:
    from tests.workbooks import rows_of, xlsx  # noqa: PLC0415

    book = xlsx(tmp_path / "b.xlsx", rows_of(("a",), (1,))).read_bytes()
    path = zipped(tmp_path / "x.zip", {"b.xlsx": book}, zipfile.ZIP_STORED)
    assert rows(path, tmp_path / "w") == {"x": [(1,)]}


def test_each_file_of_a_folder_is_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / ".hidden.csv").write_text("n\n9\n")
    (folder / "notes.odt").write_text("nothing")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert rows(folder, tmp_path / "w") == {"a": [(1,), (2,)], "b": [(3,)]}
    assert "notes.odt" in notes(folder, tmp_path / "w")


def test_what_is_no_file_of_a_folder_is_named_and_hinders_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("n\n1\n")
    (folder / "b.csv").symlink_to(tmp_path / "nowhere.csv")
    (folder / "c").symlink_to(folder)
    os.mkfifo(folder / "d.csv")
    assert rows(folder, tmp_path / "w") == {"a": [(1,)]}
    told = notes(folder, tmp_path / "w")
    assert f"{folder / 'b.csv'} (a link that leads nowhere)" in told
    assert f"{folder / 'c'} (a link to a folder)" in told
    assert f"{folder / 'd.csv'} (no file)" in told


@pytest.mark.parametrize("text", ["Hello all of you", "Hello,\nwith two, or three, commas\n"])
@pytest.mark.parametrize("packed", ["folder", "archive"])
def test_words_that_lie_beside_tables_are_named_and_hinder_nothing(
    text: str, packed: str, tmp_path: Path
) -> None:
    files = {"a.csv": "n\n1\n", "LIESMICH.txt": text, "letter.txt": "Dear all of you"}
    path = tmp_path / "x"
    if packed == "archive":
        zipped(path, files)
    else:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_text(content)
        (path / "~$a.xlsx").write_bytes(b"\x04Anna" + bytes(160))
    assert rows(path, tmp_path / "w") == {"a": [(1,)]}
    said = notes(path, tmp_path / "w")
    assert "LIESMICH.txt" in said
    assert f"{path}/letter.txt (words, and no table)" in said
    assert "~$" not in said
    with pytest.raises(SourceError, match="one line of text"):  # named, it is refused
        tables(path / "letter.txt", tmp_path / "w")


@pytest.mark.parametrize("content", ["", "<html><title>Not found</title></html>"])
def test_a_file_that_hinders_all_others_says_how_they_are_published(
    content: str, tmp_path: Path
) -> None:
    files = {"a.csv": "n\n1\n", "b.csv": content}
    path = zipped(tmp_path / "x.zip", files)
    with pytest.raises(SourceError) as packed:
        tables(path, tmp_path / "w")
    assert f"'{path}/*.csv'" in packed.value.hint
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(SourceError) as found:
        tables(folder, tmp_path / "w")
    assert "--keep-going" in found.value.hint
    with pytest.raises(SourceError) as alone:
        tables(folder / "b.csv", tmp_path / "w")
    assert "--keep-going" not in alone.value.hint


def test_a_file_that_is_named_within_an_archive_is_called_so_once(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", FILES)
    [source] = opened(path / "a.csv", tmp_path / "w")
    assert source.origin == f"{path}/a.csv"
    source.close()


def test_what_names_of_folders_say_becomes_columns(tmp_path: Path) -> None:
    folder = tmp_path / "sales"
    for month in ("01", "02", "__HIVE_DEFAULT_PARTITION__"):
        (folder / f"month={month}").mkdir(parents=True)
        (folder / f"month={month}" / "part-0.csv").write_text("n\n1\n2\n")
    found = [
        (source.table.name, source.group != "", sorted(values(source)))
        for source in opened(folder, tmp_path / "w")
    ]
    assert [name for name, _, _ in found] == ["sales"] * 3
    assert all(grouped for _, grouped, _ in found)
    assert [row for _, _, rows in found for row in rows] == [
        *((1, "01"), (2, "01"), (1, "02"), (2, "02"), (1, None), (2, None))
    ]


def values(source: Any) -> list[Any]:
    from tests.source_harness import rows as rows_of  # noqa: PLC0415

    return rows_of(source)


def climbing(path: Path) -> Path:
    return zipped(path / "up.zip", {"../../up.csv": "n\n1\n", "/etc/over.csv": "n\n2\n"})


def test_names_in_an_archive_never_become_paths(tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    assert set(rows(climbing(tmp_path), tmp_path / "w")) == {"up", "over"}
    assert set(tmp_path.parent.iterdir()) == before
    assert {"up.csv", "over.csv"}.isdisjoint(file.name for file in tmp_path.rglob("*"))


def test_links_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("s\n1\n")
    path = tarred(tmp_path / "x.tar", FILES)
    with tarfile.open(path, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"link{kind.decode()}.csv")
            info.type, info.linkname = kind, str(tmp_path / "secret.csv")
            archive.addfile(info)
    assert set(rows(path, tmp_path / "w")) == {"a", "b"}
    assert "a link, or no file" in notes(path, tmp_path / "w")


def bomb(folder: Path) -> Path:
    return zipped(folder / "bomb.zip", {"z.csv": bytes(30 << 20)})


def many(folder: Path) -> Path:
    return zipped(folder / "many.zip", {f"{n}.csv": "" for n in range(70)})


def deep(folder: Path) -> Path:
    data = zipped(folder / "in.zip", FILES).read_bytes()
    for _ in range(5):
        data = zipped(folder / "in.zip", {"in.zip": data}).read_bytes()
    return folder / "in.zip"


def quine(folder: Path) -> Path:
    return zipped(folder / "none.zip", {"read.me": "x"})


def cut(folder: Path) -> Path:
    path = tarred(folder / "cut.tar.gz", {"a.csv": os.urandom(100_000).hex()}, "w:gz")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def cut_zip(folder: Path) -> Path:
    path = zipped(folder / "cut.zip", FILES)
    path.write_bytes(path.read_bytes()[:-60])
    return path


def crc(folder: Path) -> Path:
    path = zipped(folder / "crc.zip", FILES, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"n\n1\n2\n", b"n\n1\n3\n"))
    return path


def locked(folder: Path) -> Path:
    path = zipped(folder / "locked.zip", {"a.csv": "n\n1\n"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


def long_name(folder: Path) -> Path:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 20 << 20
    path = folder / "long.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * (20 << 20) + bytes(1024))
    return path


def empty(folder: Path) -> Path:
    return zipped(folder / "empty.zip", {})


def cut_bz2(folder: Path) -> Path:
    path = folder / "c.csv.bz2"
    path.write_bytes(bz2.compress(os.urandom(10_000))[:-100])
    return path


def cut_xz(folder: Path) -> Path:
    path = folder / "c.csv.xz"
    path.write_bytes(lzma.compress(os.urandom(10_000))[:-100])
    return path


def greedy_xz(folder: Path) -> Path:
    path = folder / "greedy.csv.xz"
    filters = [
        {
            "id": lzma.FILTER_LZMA2,
            "dict_size": 1 << 29,
            "mode": lzma.MODE_FAST,
            "nice_len": 8,
            "mf": lzma.MF_HC3,
            "depth": 1,
        }
    ]
    path.write_bytes(lzma.compress(b"n\n1\n", filters=filters))
    return path


MADE = [bomb, many, deep, quine, cut, cut_zip, crc, locked, long_name, empty]
MADE += [cut_bz2, cut_xz, greedy_xz]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_an_archive_that_is_broken_or_means_harm_is_refused(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SAFE_BYTES", 1 << 20)
    monkeypatch.setattr(archives, "MOST_TIMES", 100)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    path = make(tmp_path)
    with pytest.raises(SourceError) as caught:
        opened(path, tmp_path / "w")
    assert path.name in caught.value.message
    assert caught.value.hint


def test_a_directory_without_end_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 20)
    monkeypatch.setattr(files, "MOST_ENTRIES", 20)
    with pytest.raises(SourceError, match="more than 20 files"):
        opened(many(tmp_path), tmp_path / "w")


def test_an_archive_may_be_written_for_more_than_four_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 9)
    path = zipped(tmp_path / "a.zip", {"a.csv": b"n\n1\n", "b.csv": b"n\n1\n2\n"})
    assert b"PK\6\6" in path.read_bytes()
    assert len(opened(path, tmp_path / "w")) == 2


def test_the_files_of_an_archive_are_those_of_its_list_whatever_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 20)
    monkeypatch.setattr(files, "MOST_ENTRIES", 20)
    data = zipped(tmp_path / "a.zip", {"a.csv": b"n\n1\n"}).read_bytes()
    begin, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    for times, said in ((21, "more than 20 files"), (2, "its list is not whole")):
        size = (end - begin) * times
        made = data[:begin] + data[begin:end] * times + data[end : end + 12]
        path = tmp_path / f"{times}.zip"  # which says that there is one
        path.write_bytes(made + struct.pack("<I", size) + data[end + 16 :])
        with pytest.raises(SourceError, match=said):
            opened(path, tmp_path / f"{times}")


def test_a_folder_has_another_mark_whichever_file_changes_and_none_if_it_has_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    inner = tmp_path / "in"
    inner.mkdir()
    paths = [inner / name for name in ("a.csv", "b.csv", "c.csv")]
    for path in paths:
        path.write_text("n\n1\n")
    seen = {marks.version(tmp_path, private=False)}
    for path in paths:
        path.write_text("n\n10\n")
        seen.add(marks.version(tmp_path, private=False))
    assert len(seen) == 4
    (inner / "d.csv").write_text("n\n1\n")
    with pytest.raises(SourceError, match="more than 3 files"):
        marks.version(tmp_path, private=False)
