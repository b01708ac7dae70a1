"""Files on the web: fetched into a private folder, within bounds of bytes, time and redirects."""

import base64
import contextlib
import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from myriad.errors import SourceError
from myriad.sources.base import FETCHING, Tell, nobody
from myriad.sources.places.addresses import shown

CHUNK = 1 << 18
MOST_BYTES = 100 << 30
MOST_SECONDS = 6 * 3600
SILENCE = 60.0  # seconds without a byte, and until an answer begins, however slowly it comes
CONNECTING = 15.0  # seconds, to each of a host's addresses
MOST_REDIRECTS = 5
ATTEMPTS = 5  # goes on where a connection broke off, so often
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK, _PARTIAL = 200, 206
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_UNICAST = ipaddress.ip_network("2000::/3")  # all that is routed of IPv6
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an address of IPv4 is its end


class _Broken(Exception):
    """The connection ended before the file did."""


class _Misled(Exception):
    """A server leads to where we do not go."""


class _Timed(io.RawIOBase):
    """What comes of a connection, until a moment: a byte from time to time keeps nobody waiting."""

    def __init__(self, connection: socket.socket, raw: io.RawIOBase) -> None:
        self._connection, self._raw = connection, raw
        self.until = time.monotonic() + SILENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - as its base has it
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it comes too slowly")
        self._connection.settimeout(min(SILENCE, left))
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that has begun within `SILENCE`, and ends at `timed.until`."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *arguments, **named)
        self.timed = _Timed(sock, self.fp.detach())
        self.fp = io.BufferedReader(self.timed)


def version(address: str, *, private: bool) -> str:
    """Return what a server says of which version it has; "" if it does not say. Raises SourceError.

    It is asked for the file, and the answer is not read: not all servers know other questions.
    """
    until = time.monotonic() + SILENCE
    with _explained(address), _answer(address, 0, "", until, private=private) as answer:
        return _version(answer) if answer.status == _OK else ""


def _version(answer: http.client.HTTPResponse) -> str:
    return answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", "")


def header(address: str, name: str) -> str | None:
    """Return a header of what a server answers at an address, whatever else it is; "" if none.

    None if nobody answers.
    """
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        parts = urlsplit(address)
        connection = _connection(parts, guarded=False)
        try:
            connection.request("HEAD", _path(parts), headers={"User-Agent": "myriad"})
            return connection.getresponse().headers.get(name, "")
        finally:
            connection.close()
    return None


def fetched(address: str, folder: Path, tell: Tell = nobody, *, private: bool) -> tuple[Path, str]:
    """Return a copy in `folder` of what is at an address, and which version it is.

    `tell` takes how much of it came.

    `private`: redirects may lead anywhere.

    Raises SourceError.
    """
    origin = shown(address)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="fetched-", delete=False) as target:
        download = _Download(address, cast("BinaryIO", target), private, tell)
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
    except (_Broken, _Misled, OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(
            f"{shown(address)}: it cannot be fetched: {_said(error)}",
            hint="Check the address, and whether this machine reaches it.",
        ) from None


def _said(error: Exception) -> str:
    """Say what went wrong; not in a server's words, nor with the address: both may have secrets."""
    if isinstance(error, http.client.InvalidURL):
        return "the address has characters that none may have"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    if not isinstance(error, (_Broken, _Misled, OSError)):
        return "the server does not answer as servers on the web do"
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
    tell: Tell
    mark: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        self._until = time.monotonic() + MOST_SECONDS

    def go_on(self) -> None:
        """Write the file, or what is missing of it."""
        begin = self.file.tell() if self.mark else 0
        if time.monotonic() > self._until:
            raise self._too_long()
        with _answer(self.address, begin, self.mark, self._until, private=self.private) as answer:
            if answer.status not in (_OK, _PARTIAL):
                said = http.client.responses.get(answer.status, "")
                raise SourceError(
                    f"{shown(self.address)}: the server answered {answer.status} {said}".rstrip(),
                    hint="Check the address, and whether it wants a password or a token.",
                )
            if answer.status == _PARTIAL:
                length = self._length(answer, begin)
            else:
                mark, length, begin = answer.headers.get("ETag", ""), 0, 0
                self.mark, self.version = "" if mark.startswith("W/") else mark, _version(answer)
            self.file.seek(begin)
            self.file.truncate()
            self._take(answer)
            if self.file.tell() < length:
                raise _Broken

    def _length(self, answer: http.client.HTTPResponse, begin: int) -> int:
        """Return how long the file is of which a part came; raises _Broken if it is not ours."""
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        same = answer.headers.get("ETag", self.mark) == self.mark
        if found is None or int(found[1]) != begin or not same:
            self.mark = ""  # begins anew
            raise _Broken("the server sent another part than it was asked for")
        return int(found[2])

    def _too_long(self) -> SourceError:
        return SourceError(
            f"{shown(self.address)}: it did not come within {MOST_SECONDS // 3600} hours",
            hint="Fetch it by another way, and publish the file.",
        )

    def _take(self, answer: http.client.HTTPResponse) -> None:
        whole = self.file.tell() + answer.length if answer.length else 0
        while data := answer.read1(CHUNK):  # `read` waits for all of it, however slowly it comes
            self.file.write(data)
            self.tell(FETCHING, shown(self.address), self.file.tell(), whole)
            if self.file.tell() > MOST_BYTES:
                raise SourceError(
                    f"{shown(self.address)}: it has more than {MOST_BYTES:,} bytes",
                    hint="Publish it in parts.",
                )
            if time.monotonic() > self._until:
                raise self._too_long()
        self.file.flush()
        if answer.length:
            raise _Broken


@contextlib.contextmanager
def _answer(
    address: str, begin: int, mark: str, until: float, *, private: bool
) -> Iterator[http.client.HTTPResponse]:
    """Ask for a file from a byte on, and follow where one is sent; it may be read until then."""
    first, guarded = urlsplit(address), False
    for _ in range(MOST_REDIRECTS + 1):
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _Misled("it leads to something that is no address")
        connection = _connection(parts, guarded=guarded and not private)
        try:
            same = (parts.scheme, parts.hostname, parts.port) == (
                *(first.scheme, first.hostname),
                first.port,
            )
            connection.request(
                "GET", _path(parts), headers=_headers(first, begin, mark, known=same)
            )
            answer = cast("_Response", connection.getresponse())
            answer.timed.until = until
            if answer.status not in _REDIRECTS or not answer.headers.get("Location"):
                yield answer
                return
            address, guarded = urljoin(address, answer.headers["Location"]), True
            if parts.scheme == "https" and not address.lower().startswith("https"):
                raise _Misled("it leads from an encrypted address to one that is not")
        finally:
            connection.close()
    raise _Misled(f"it leads on more than {MOST_REDIRECTS} times")


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
    addresses = _looked_up(host, port)
    if guarded and not all(is_public(address) for address in addresses):
        raise SourceError(
            f"the address leads to {host}, which is private to this machine or network",
            hint="If that is meant: --allow-private.",
        )
    plain = _connected(addresses, port)
    connection = http.client.HTTPConnection(host, port, timeout=SILENCE)
    connection.response_class = _Response
    connection.sock = (
        ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE")).wrap_socket(
            plain, server_hostname=host
        )
        if tls
        else plain
    )
    return connection


def _looked_up(host: str, port: int) -> list[str]:
    """Return a host's addresses.

    Another thread asks for them: who waits in the system's own function does not hear Ctrl-C.
    """
    found = Future[list[Any]]()

    def ask() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    wait([found], SILENCE)
    if not found.done():
        raise OSError("nobody says which address its name has")
    return list(dict.fromkeys(str(entry[4][0]) for entry in found.result()))


def _connected(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first of a host's addresses that answers: `localhost` has two."""
    until = time.monotonic() + SILENCE
    while True:
        address, *addresses = addresses
        left = min(CONNECTING, until - time.monotonic())
        try:
            made = socket.create_connection((address, port), timeout=max(left, 1))
        except OSError:
            if not addresses or left <= 0:
                raise
        else:
            made.settimeout(SILENCE)
            return made


def is_public(address: str) -> bool:
    """Say whether anybody can have an address: none of this machine, its network or a tunnel."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is None:
            return found in _UNICAST and found.is_global and not (found.sixtofour or found.teredo)
        found = inner
    return found.is_global and not found.is_multicast
