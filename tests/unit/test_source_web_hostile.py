"""Servers that mean ill, or know no better: slow, endless, with parts of other files; and addresses
that are none.
"""

import contextlib
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from myriad.errors import SourceError
from myriad.sources.places import addresses, names, web

Says = Callable[[socket.socket, str], None]  # to a request
At = Callable[[Says], str]
DATA = b"n\n" + b"".join(b"%d\n" % n for n in range(1000))
HALF = len(DATA) // 2
SECRETS = ["t0psecret", "t0p"]


@pytest.fixture
def at() -> Iterator[At]:
    """Give an address, and answer there."""
    done = threading.Event()
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, says: Says) -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    says(connection, connection.recv(1 << 16).decode())

    def address(says: Says) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.1)
        listeners.append(listener)
        threads.append(threading.Thread(target=serve, args=(listener, says)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/a.csv"

    yield address
    done.set()
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


def fetched(address: str, folder: Path) -> bytes:
    return web.fetched(address, folder, private=False)[0].read_bytes()


def answer(status: str, *headers: str, data: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + data


def begin_of(request: str) -> int:
    found = re.search(r"Range: bytes=(\d+)-", request)
    return int(found[1]) if found else 0


def without_end(begin: bytes, again: bytes) -> Says:
    """Say something, and something more again and again, often enough not to seem silent."""

    def says(connection: socket.socket, _: str) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(again)
            time.sleep(0.02)

    return says


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (answer("200 OK", "Content-Length: 1000000"), b"x"),
        (answer("200 OK", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
        (answer("200 OK", "Transfer-Encoding: chunked", data=b"0\r\n"), b"X: x\r\n"),
        (answer("200 OK", "Transfer-Encoding: chunked", data=b"5;"), b"x"),
    ],
    ids=["continue", "header", "bytes", "chunks", "trailers", "extension"],
)
def test_who_says_a_little_for_ever_is_left_after_the_time_that_a_file_may_take(
    begin: bytes, again: bytes, at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_SECONDS", 0.4)
    monkeypatch.setattr(web, "SILENCE", 0.4)
    address, began = at(without_end(begin, again)), time.monotonic()
    with pytest.raises(SourceError, match=r"did not come within|cannot be fetched"):
        fetched(address, tmp_path)
    with contextlib.suppress(SourceError):  # its answer need not end
        web.version(address, private=False)
    assert time.monotonic() - began < 30


def test_a_part_that_ends_too_soon_is_not_the_whole_file(at: At, tmp_path: Path) -> None:
    """Servers may send less than they were asked for: the rest is asked for, too."""

    def says(connection: socket.socket, request: str) -> None:
        begin = begin_of(request)
        part = DATA[begin : begin + HALF // 2] if begin else DATA[:HALF]
        headers = ['ETag: "x"', f"Content-Length: {len(part) if begin else len(DATA)}"]
        if begin:
            headers.append(f"Content-Range: bytes {begin}-{begin + len(part) - 1}/{len(DATA)}")
        connection.sendall(answer("206 Part" if begin else "200 OK", *headers, data=part))

    assert fetched(at(says), tmp_path) == DATA


@pytest.mark.parametrize("what", ["another file", "another length", "of itself"])
def test_parts_of_different_files_are_never_put_together(what: str, at: At, tmp_path: Path) -> None:
    asked: list[int] = []

    def says(connection: socket.socket, request: str) -> None:
        begin = begin_of(request)
        asked.append(begin)
        mark = "" if what == "of itself" else f'ETag: "{len(asked)}"'
        if len(asked) == 1:  # breaks off
            head = answer("200 OK", mark or "X: x", f"Content-Length: {len(DATA)}")
            connection.sendall(head + b"x" * HALF)
        elif len(asked) == 2:
            first = 0 if what == "of itself" else begin
            whole = "*" if what == "another length" else len(DATA)
            span = f"Content-Range: bytes {first}-{len(DATA) - 1}/{whole}"
            size = f"Content-Length: {len(DATA) - first}"
            connection.sendall(answer("206 Part", mark or "X: x", span, size, data=DATA[first:]))
        else:
            connection.sendall(answer("200 OK", f"Content-Length: {len(DATA)}", data=DATA))

    assert fetched(at(says), tmp_path) == DATA


@pytest.mark.parametrize(
    "said",
    [
        answer("404 t0psecret\x1b[31m", "Content-Length: 0"),
        b"HTTP/9 t0psecret\r\n\r\n",
        b"t0psecret\r\n",
        answer("302 Found", "Location: http://user:t0psecret/x@h/"),
        answer("302 Found", "Location: gopher://t0psecret/"),
        answer("302 Found", "Location: http://[t0psecret/"),
    ],
)
def test_what_a_server_says_is_not_repeated(said: bytes, at: At, tmp_path: Path) -> None:
    """It may say the password that it was given."""
    address = at(lambda connection, _: connection.sendall(said))
    with pytest.raises(SourceError) as caught:
        fetched(address.replace("//", "//rose:t0psecret@"), tmp_path)
    assert "t0psecret" not in f"{caught.value.message} {caught.value.hint}"
    assert "\x1b" not in caught.value.message


def test_why_a_connection_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the machine that says it: such as that nobody vouches for a certificate."""

    def fails(*_: object, **__: object) -> None:
        raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", fails)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SourceError, match="certificate verify failed"):
            fetched(f"https://127.0.0.1:{port}/a.csv", tmp_path)


def test_a_host_is_reached_by_whichever_of_its_addresses_answers(
    at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(connection: socket.socket, _: str) -> None:
        connection.sendall(answer("200 OK", f"Content-Length: {len(DATA)}", data=DATA))

    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: int, **named: int) -> list[tuple[object, ...]]:
        places = ["127.9.9.9", "127.0.0.1"] if host == "twice" else [host]
        return [entry for place in places for entry in real(place, port, *rest, **named)]

    address = at(says)
    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert fetched(address.replace("127.0.0.1", "twice"), tmp_path) == DATA


def test_ctrl_c_is_heard_while_nobody_says_which_address_a_name_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def stuck(*_: object, **__: object) -> list[object]:
        until = time.monotonic() + 5
        while time.monotonic() < until and not done.is_set():
            with contextlib.suppress(KeyboardInterrupt):  # as the system's own function
                done.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    began = time.monotonic()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        fetched("http://name.example/a.csv", tmp_path)
    assert time.monotonic() - began < 2
    monkeypatch.setattr(web, "SILENCE", 0.05)
    with pytest.raises(SourceError, match="nobody says which address"):
        fetched("http://name.example/a.csv", tmp_path)
    done.set()


def test_a_name_that_has_a_private_address_too_is_private(
    at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(connection: socket.socket, _: str) -> None:
        connection.sendall(answer("302 Found", "Location: http://both/"))

    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: int, **named: int) -> list[tuple[object, ...]]:
        places = ["8.8.8.8", "127.0.0.1"] if host == "both" else [host]
        return [entry for place in places for entry in real(place, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(SourceError, match="private"):
        fetched(at(says), tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
        *("::1", "::", "fe80::1%1", "fd00::1", "fec0::1", "ff02::1", "5f00::1"),
        *("::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::127.0.0.1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_an_address_of_this_network_is_private_in_whatever_it_is_wrapped(address: str) -> None:
    assert not web.is_public(address)


def test_addresses_of_everybody_are_public() -> None:
    for address in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"):
        assert web.is_public(address)


@pytest.mark.parametrize(
    "name",
    [
        "http://rose:t0p/secret@h/x.csv",
        "http://rose:80/t0psecret@h/x.csv",
        "http://rose:t0p#secret@h/x.csv",
        "http://rose:t0p?secret@h/x.csv",
        "http://[::1/t0psecret",
        "http://h:99999/?t=t0psecret",
        "http:///x?t=t0psecret",
        "ftp://rose:t0psecret@h/x.csv",
        "mysql://rose:t0psecret@h/db",
        " http://rose:t0psecret@h/x.csv",
        "http:/rose:t0psecret@h/x.csv",
        "https:rose:t0psecret@h/x.csv",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secrets(name: str) -> None:
    with pytest.raises(SourceError, match=r"no address|are not read") as caught:
        list(names.expand(name))
    told = f"{caught.value.message} {caught.value.hint} {addresses.shown(name)}"
    assert not any(secret in told for secret in SECRETS)


def test_a_file_whose_name_looks_like_an_address_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s3:a@b.csv").write_bytes(DATA)
    assert list(names.expand("s3:a@b.csv")) == [Path("s3:a@b.csv")]
    assert addresses.shown("C:/data/x.csv") == "C:/data/x.csv"
    assert addresses.shown("http://h:8000/pkg/x.csv") == "http://h:8000/pkg/x.csv"
