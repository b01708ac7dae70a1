"""A store of objects for tests, which speaks as S3, as Google's and as Azure's do."""

import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from email.message import Message

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


class Store(ThreadingHTTPServer):
    """Holds objects by their keys; breaks off, keeps silent and leads astray as it is told.

    Attributes:
        said: what was asked: method, path, headers.
        breaks: so many answers more are cut in half.
        silent: an event that ends silence, while there is one.
        changes: every answer has another ETag.
        tells: which headers it gives.
        leads: where everything is to be found instead.
        region: where it is; what is signed for another is refused, and told this one, as S3 does.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.said: list[tuple[str, str, Message]] = []
        self.breaks = 0
        self.changes = False
        self.tells = {"ETag", "Last-Modified"}
        self.silent: threading.Event | None = None
        self.leads = ""
        self.region = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Clients go away."""


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.said.append((self.command, self.path, self.headers))
        if self.server.silent is not None:
            self.server.silent.wait(60)
            return
        parts = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        key = urllib.parse.unquote(parts.path).lstrip("/").removeprefix("account/")
        if self.server.region and f"/{self.server.region}/s3/" not in self.headers.get(
            "Authorization", ""
        ):
            told = {"x-amz-bucket-region": self.server.region}
            self._answer(400, b"<Error><Code>AuthorizationHeaderMalformed</Code></Error>", told)
        elif self.server.leads:
            self.send_response(302)
            self.send_header("Location", self.server.leads)
            self.end_headers()
        elif "list-type" in asked or asked.get("comp") == "list":
            self._list(key, asked.get("prefix", ""), azure="comp" in asked)
        else:
            self._object(key)

    def _list(self, bucket: str, prefix: str, *, azure: bool) -> None:
        found = []
        for key, data in sorted(self.server.objects.items()):
            name = key.removeprefix(f"{bucket}/")
            if not key.startswith(f"{bucket}/{prefix}"):
                continue
            if azure:
                found.append(
                    f"<Blob><Name>{escape(name)}</Name><Properties>"
                    f"<Last-Modified>{DATE}</Last-Modified><Content-Length>{len(data)}"
                    f"</Content-Length><Content-Type>a/b</Content-Type><Etag>{_mark(data)}</Etag>"
                    "</Properties></Blob>"
                )
            else:
                found.append(
                    f"<Contents><Key>{escape(name)}</Key><Size>{len(data)}</Size>"
                    "<LastModified>2015-10-21T07:28:00.000Z</LastModified>"
                    f"<ETag>&quot;{_mark(data)}&quot;</ETag></Contents>"
                )
        text = "".join(found)
        whole = (
            f"<EnumerationResults><Blobs>{text}</Blobs><NextMarker/></EnumerationResults>"
            if azure
            else f"<ListBucketResult>{text}</ListBucketResult>"
        )
        self._answer(200, whole.encode(), {"Content-Type": "application/xml"})

    def _object(self, key: str) -> None:
        if key not in self.server.objects:
            code = b"<Error><Code>NoSuchKey</Code></Error>"
            self._answer(404, code, {})
            return
        data = self.server.objects[key]
        ranged = self.headers.get("Range", "bytes=0-")[6:].partition("-")
        begin = int(ranged[0])
        mark = _mark(data) + (str(len(self.server.said)) if self.server.changes else "")
        headers = {"ETag": f'"{mark}"', "Last-Modified": DATE}
        headers = {name: headers[name] for name in self.server.tells}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        self._answer(206 if begin else 200, data[begin:], headers)

    def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.breaks:
            self.server.breaks -= 1
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)


def _mark(data: bytes) -> str:
    return f"{hash(data) & 0xFFFFFF:x}"


@contextmanager
def served() -> Iterator[Store]:
    """Have such a store."""
    store = Store()
    threading.Thread(target=store.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
