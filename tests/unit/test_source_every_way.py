"""The same values come of every format by every way: a file, standard input, archives, a URL."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import zstandard

from myriad.sources.base import TableSource, Workspace
from myriad.sources.formats import FORMATS
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.apart import stay_here
from tests.every_format import MAKERS, made, names, wanted
from tests.source_harness import rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("every")
    for kind in MAKERS:
        made(kind, folder)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


Ways = dict[str, Callable[[Path, str, ExitStack], str | Path]]


def _stdin(path: Path, _: str, stack: ExitStack) -> str:
    file = stack.enter_context(path.open("rb"))
    stack.enter_context(pytest.MonkeyPatch.context()).setattr(
        sys, "stdin", SimpleNamespace(buffer=file, closed=False)
    )
    return "-"


def _member(path: Path, _: str, __: ExitStack) -> Path:
    archive = path.with_suffix(".zip")
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        file.write(path, path.name)
    return archive


def _squeezed(path: Path, _: str, __: ExitStack) -> Path:
    target = path.with_name(path.name + ".zst")
    target.write_bytes(zstandard.compress(path.read_bytes()))
    return target


WAYS: Ways = {
    "file": lambda path, _, __: path,
    "standard input": _stdin,
    "archive": _member,
    "compressed": _squeezed,
    "URL": lambda path, address, _: f"{address}/{path.name}",
}


def test_no_format_is_left_out() -> None:
    endings = {ending for _, ending in MAKERS.values()}
    assert not [each.name for each in FORMATS if not endings.intersection(each.endings)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MAKERS)
def test_every_value_comes_from_every_format_by_every_way(
    *, kind: str, way: str, folder: Path, address: str, tmp_path: Path
) -> None:
    (path,) = folder.glob(f"{kind}{MAKERS[kind][1]}")
    with ExitStack() as stack:
        stay_here(stack.enter_context(pytest.MonkeyPatch.context()))
        named = WAYS[way](path, address, stack)
        workspace = Workspace(tmp_path, 150, allow_private=True)
        (source,) = open_sources([named], lambda _: ReadOptions(), workspace)
        stack.callback(source.close)
        found = _rows(source, kind)
    assert found == wanted(kind)


def _rows(source: TableSource, kind: str) -> list[Any]:
    """Return all rows; the columns as the format names them, which for XML has attributes."""
    columns = [column.name.lstrip("@") for column in source.table.columns]
    places = [columns.index(name) for name in names(kind)]
    assert len(columns) == len(places)
    return sorted(tuple(row[at] for at in places) for row in rows(source))
