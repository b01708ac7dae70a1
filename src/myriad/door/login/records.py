"""TLS as libpq can read it: in records that fit into what it has free for one read."""

from typing import Any

# What libpq has free at least before it reads (pqReadData, fe-misc.c). Of a longer record it takes
# a part and leaves the rest with OpenSSL; a program that waits for the socket, as psycopg does,
# then waits for ever. PostgreSQL itself sends 8 kB at a time (PqSendBufferSize, pqcomm.c).
MOST_BYTES = 8192


class Records:
    """A client's encrypted transport, to which nothing longer is written than a record may be."""

    __slots__ = (
        "_write",
        "_writelines",
        "abort",
        "close",
        "get_extra_info",
        "get_write_buffer_size",
        "is_closing",
        "pause_reading",
        "resume_reading",
    )

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's
        self._write, self._writelines = transport.write, transport.writelines
        self.close, self.abort = transport.close, transport.abort
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Send that, as soon as it can be."""
        if len(data) <= MOST_BYTES:
            self._write(data)
            return
        whole = memoryview(data)
        self._writelines([whole[at : at + MOST_BYTES] for at in range(0, len(data), MOST_BYTES)])
