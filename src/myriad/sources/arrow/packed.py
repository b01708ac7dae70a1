"""Blocks of Avro in the codecs for which fastavro wants more libraries; Arrow has them.

https://avro.apache.org/docs/1.12.0/specification/#required-codecs
https://github.com/google/snappy/blob/main/format_description.txt
"""

import zlib
from io import BytesIO
from typing import BinaryIO

import pyarrow as pa

_LONGEST = 10  # bytes of a number of 64 bits
_CHECKSUM = 4  # bytes behind a block of snappy
READ = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")


def snappy(file: BinaryIO) -> BytesIO:
    """Return what the next block holds; raises ValueError, ArrowException, EOFError."""
    block = _block(file)
    packed, checksum = block[:-_CHECKSUM], int.from_bytes(block[-_CHECKSUM:], "big")
    data = pa.Codec("snappy").decompress(packed, number(BytesIO(packed)), asbytes=True)
    if zlib.crc32(data) != checksum:
        raise ValueError("a block does not fit its checksum")
    return BytesIO(data)


def zstandard(file: BinaryIO) -> BytesIO:
    """Return what the next block holds; raises ArrowException, EOFError."""
    with pa.CompressedInputStream(pa.BufferReader(_block(file)), "zstd") as stream:
        return BytesIO(stream.read())


def _block(file: BinaryIO) -> bytes:
    size = signed(file)
    data = file.read(size) if size > 0 else b""
    if size <= 0 or len(data) < size:
        raise EOFError("a block is cut off")
    return data


def signed(file: BinaryIO) -> int:
    """Read a number as Avro writes it: zigzag."""
    found = number(file)
    return (found >> 1) ^ -(found & 1)


def number(file: BinaryIO) -> int:
    """Read a number: seven bits a byte, the lowest first."""
    found = 0
    for place in range(_LONGEST):
        (byte,) = file.read(1)
        found |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that there is more
            break
    return found
