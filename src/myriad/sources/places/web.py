"""Files on the web: fetched into a private folder, within bounds of bytes, time and redirects."""

import base64
import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from myriad.errors import SourceError
from myriad.sources.places.addresses import shown

CHUNK = 1 << 18
MOST_BYTES = 100 << 30
MOST_SECONDS = 6 * 3600
SILENCE = 60.0  # seconds without a byte
MOST_REDIRECTS = 5
ATTEMPTS = 5  # goes on where a connection broke off, so often
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK, _PARTIAL = 200, 206


class _Broken(Exception):
    """The connection ended before the file did."""


def version(address: str, *, private: bool) -> str:
    """Return what a server says of which version it has; "" if it does not say. Raises SourceError.

    It is asked for the file, and the answer is not read: not all servers know other questions.
    """
    with _explained(address), _answer(address, 0, "", private=private) as answer:
        return _version(answer) if answer.status == _OK else ""


def _version(answer: http.client.HTTPResponse) -> str:
    return answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", "")


def fetched(address: str, folder: Path, *, private: bool) -> tuple[Path, str]:
    """Return a copy in `folder` of what is at an address, and which version it is.

    `private`: redirects may lead anywhere.

    Raises SourceError.
    """
    origin = shown(address)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="fetched-", delete=False) as target:
        download = _Download(address, cast("BinaryIO", target), private)
        for _ in range(ATTEMPTS):
            try:
                with _explained(address, _PASSING):
                    download.go_on()
                return Path(target.name), download.version
            except _PASSING as error:
                last = error
    raise SourceError(
        f"{origin}: it cannot be fetched, {ATTEMPTS} times: {_said(last)}", hint="Try again later."
    )


_PASSING = (_Broken, ConnectionError, TimeoutError, http.client.IncompleteRead)


@contextlib.contextmanager
def _explained(address: str, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Let what goes wrong be a SourceError, without what is secret, `but` for these."""
    try:
        yield
    except but:
        raise
    except (_Broken, OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(
            f"{shown(address)}: it cannot be fetched: {_said(error)}",
            hint="Check the address, and whether this machine reaches it.",
        ) from None


def _said(error: Exception) -> str:
    if isinstance(error, http.client.InvalidURL):  # it says the address, with all that is in it
        return "the address has characters that none may have"
    return str(error)[:200] or "the connection broke off"


@dataclass
class _Download:
    """One file on its way; what came of it is asked for once only, if it is still the same.

    Attributes:
        mark: the file's ETag, by which the server knows it again.
        version: what it says of which version this is.
    """

    address: str
    file: BinaryIO
    private: bool
    mark: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        self._until = time.monotonic() + MOST_SECONDS

    def go_on(self) -> None:
        """Write the file, or what is missing of it."""
        begin = self.file.tell() if self.mark else 0
        with _answer(self.address, begin, self.mark, private=self.private) as answer:
            resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
            if answer.status not in (_OK, _PARTIAL) or (answer.status == _PARTIAL and not resumed):
                raise SourceError(
                    f"{shown(self.address)}: the server answered {answer.status} {answer.reason}",
                    hint="Check the address, and whether it wants a password or a token.",
                )
            if answer.status == _OK:
                self.file.seek(0)
                self.file.truncate()
            mark, self.version = answer.headers.get("ETag", ""), _version(answer)
            self.mark = "" if mark.startswith("W/") else mark
            self._take(answer)

    def _take(self, answer: http.client.HTTPResponse) -> None:
        while data := answer.read(CHUNK):
            self.file.write(data)
            if self.file.tell() > MOST_BYTES:
                raise SourceError(
                    f"{shown(self.address)}: it has more than {MOST_BYTES:,} bytes",
                    hint="Publish it in parts.",
                )
            if time.monotonic() > self._until:
                raise SourceError(
                    f"{shown(self.address)}: it did not come within {MOST_SECONDS // 3600} hours",
                    hint="Fetch it by another way, and publish the file.",
                )
        self.file.flush()
        if answer.length:
            raise _Broken


@contextlib.contextmanager
def _answer(
    address: str, begin: int, mark: str, *, private: bool
) -> Iterator[http.client.HTTPResponse]:
    """Ask for a file from a byte on, and follow where one is sent."""
    first, guarded = urlsplit(address), False
    for _ in range(MOST_REDIRECTS + 1):
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it leads to something that is no address")
        connection = _connection(parts, guarded=guarded and not private)
        try:
            same = (parts.scheme, parts.hostname, parts.port) == (
                *(first.scheme, first.hostname),
                first.port,
            )
            connection.request(
                "GET", _path(parts), headers=_headers(first, begin, mark, known=same)
            )
            answer = connection.getresponse()
            if answer.status not in _REDIRECTS or not answer.headers.get("Location"):
                yield answer
                return
            address, guarded = urljoin(address, answer.headers["Location"]), True
            if parts.scheme == "https" and not address.lower().startswith("https"):
                raise ValueError("it leads from an encrypted address to one that is not")
        finally:
            connection.close()
    raise ValueError(f"it leads on more than {MOST_REDIRECTS} times")


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _headers(first: SplitResult, begin: int, mark: str, *, known: bool) -> dict[str, str]:
    """Return what to say; the password goes to the server alone for which it was given."""
    said = {"User-Agent": "myriad", "Accept-Encoding": "identity"}
    if begin:
        said |= {"Range": f"bytes={begin}-", "If-Range": mark}
    if known and first.username is not None:
        pair = f"{unquote(first.username)}:{unquote(first.password or '')}"
        said["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return said


def _connection(parts: SplitResult, *, guarded: bool) -> http.client.HTTPConnection:
    """Connect to a host; where it is guarded, to a public address of its only.

    The address that was looked at is the one that is connected to: a name may have another a
    moment later.
    """
    host, tls = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if guarded and not all(_public(address) for address in addresses):
        raise SourceError(
            f"the address leads to {host}, which is private to this machine or network",
            hint="If that is meant: --allow-private.",
        )
    plain = socket.create_connection((addresses[0], port), timeout=SILENCE)
    connection = http.client.HTTPConnection(host, port, timeout=SILENCE)
    connection.sock = (
        ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE")).wrap_socket(
            plain, server_hostname=host
        )
        if tls
        else plain
    )
    return connection


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    return bool(mapped.is_global) and not mapped.is_multicast
