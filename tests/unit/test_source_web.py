"""Files at an address, from a server that does what servers do, and what they should not."""

import base64
import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from myriad.sources.places import addresses, web
from tests.source_harness import rows

DATA = b"n\n" + b"".join(b"%d\n" % n for n in range(50_000))


class Server(ThreadingHTTPServer):
    """Counts, and breaks off as often as it is told."""

    daemon_threads = True
    breaks = 0
    ranges: list[str]
    said: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.ranges.append(self.headers.get("Range", ""))
        self.server.said.append(self.headers.get("Authorization", ""))
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", path.removeprefix("/to/"))
            self.end_headers()
        elif path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif path == "/none.csv":
            self.send_error(404)
        else:
            self._file(gzip.compress(DATA) if path.endswith(".gz") else DATA, path)

    def _file(self, data: bytes, path: str) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        mark = '"x"' if "changed" not in path else f'"{len(self.server.ranges)}"'
        if begin and self.headers.get("If-Range") != mark:
            begin = 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if "plain" not in path:
            self.send_header("ETag", mark)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        data = data[begin:]
        while "slow" in path and data:
            self.wfile.write(data[:1])
            data = data[1:]
            threading.Event().wait(0.02)
        if self.server.breaks:
            self.server.breaks -= 1
            data = data[: len(data) // 2]
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.ranges, made.said = [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def at(server: Server, path: str, *, who: str = "") -> str:
    return f"http://{who}127.0.0.1:{server.server_port}/{path}"


def read(address: str, folder: Path, *, private: bool = False) -> dict[str, int]:
    workspace = Workspace(folder, 150, private)
    found = open_sources([address], lambda _: ReadOptions(), workspace)
    return {source.table.name: len(rows(source)) for source in found}


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales.csv?token=s", "sales"])
def test_a_file_is_fetched_and_its_table_called_like_it(
    name: str, server: Server, tmp_path: Path
) -> None:
    assert read(at(server, name), tmp_path) == {"sales": 50_000}


@pytest.mark.parametrize("name", ["a.csv", "changed.csv", "plain.csv"])
def test_what_broke_off_goes_on_if_it_is_the_same_file(
    name: str, server: Server, tmp_path: Path
) -> None:
    server.breaks = 2
    assert list(read(at(server, name), tmp_path).values()) == [50_000]
    assert len(server.ranges) == 3
    assert ("" in server.ranges[1:]) == (name == "plain.csv")


def test_what_comes_byte_by_byte_has_a_bound_of_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(SourceError, match="did not come within"):
        read(at(server, "slow.csv"), tmp_path)
    assert time.monotonic() - began < 60  # whole it would take hours


def test_how_far_a_fetch_is_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, str, int, int]] = []
    workspace = Workspace(tmp_path, 150, tell=lambda *said: told.append(said))
    open_sources([at(server, "a.csv?token=SECRET")], lambda _: ReadOptions(), workspace)
    came = [came for *_, came, _ in told]
    assert came == sorted(came)
    assert {whole for *_, whole in told} == {came[-1]}
    assert "SECRET" not in str(told)


def test_a_connection_that_always_breaks_off_is_an_error(server: Server, tmp_path: Path) -> None:
    server.breaks = 100
    with pytest.raises(SourceError, match="cannot be fetched, 5 times"):
        read(at(server, "plain.csv"), tmp_path)


def test_a_redirect_leads_to_nothing_private_unless_that_is_allowed(
    server: Server, tmp_path: Path
) -> None:
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"):
        target = f"to/http://{host}:{server.server_port}/a.csv"
        with pytest.raises(SourceError, match="private") as caught:
            read(at(server, target), tmp_path)
        assert "--allow-private" in caught.value.hint
    inside = at(server, f"to/http://127.0.0.1:{server.server_port}/a.csv")
    assert list(read(inside, tmp_path, private=True).values()) == [50_000]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("loop", "more than 5 times|private"),
        ("none.csv", "404"),
        ("to/file:///etc/passwd", "no address"),
        ("to/ftp://127.0.0.1/x", "no address"),
        ("a%00b c.csv\n", "characters that none may have"),
    ],
)
def test_what_cannot_be_fetched_is_said(
    path: str, said: str, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(at(server, path), tmp_path, private=True)
    assert caught.value.hint


def test_too_much_or_too_long_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 1000)
    with pytest.raises(SourceError, match="more than 1,000 bytes"):
        read(at(server, "a.csv"), tmp_path)
    monkeypatch.setattr(web, "MOST_BYTES", 1 << 30)
    monkeypatch.setattr(web, "MOST_SECONDS", -1)
    with pytest.raises(SourceError, match="did not come within"):
        read(at(server, "a.csv"), tmp_path)


def test_a_password_goes_to_its_server_alone_and_is_shown_to_nobody(
    server: Server, tmp_path: Path
) -> None:
    address = at(server, "a.csv?key=SECRET", who="rose:SECRET@")
    assert "SECRET" not in addresses.shown(address)
    read(address, tmp_path)
    assert base64.b64decode(server.said[0].removeprefix("Basic ")) == b"rose:SECRET"
    other = Server(("127.0.0.1", 0), Handler)
    other.ranges, other.said = [], []
    threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
    led = at(server, f"to/{at(other, 'a.csv')}", who="rose:SECRET@")
    read(led, tmp_path, private=True)
    other.shutdown()
    other.server_close()
    assert other.said == [""]
    for path in ("none.csv?key=SECRET", "a b?key=SECRET"):
        with pytest.raises(SourceError) as caught:
            read(at(server, path, who="rose:SECRET@"), tmp_path)
        assert "SECRET" not in caught.value.message + caught.value.hint


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be fetched"):
        read("http://127.0.0.1:9/a.csv", tmp_path)
