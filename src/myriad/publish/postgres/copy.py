"""Load Arrow batches into a PostgreSQL table over binary COPY."""

import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pgpq
import psycopg
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg import sql

from myriad.errors import PublishError
from myriad.model import Kind, Type
from myriad.publish.postgres.numeric import wire
from myriad.sources.base import arrow_type
from myriad.wording import number_of

# The context of a COPY's error: COPY name, line 3, column "a"...
_COLUMN = re.compile(r"^COPY .*, line \d+, column (.+?)(?:: \".*)?$", re.MULTILINE)
CHUNK = 1 << 17  # bytes
UNDOING = 1.0  # seconds in which the server may undo what Ctrl-C ended; it does without us, too
SEND_BUFFER = 1 << 20  # fewer, larger writes to the server's socket


def load(
    connection: psycopg.Connection,
    target: sql.Composable,
    columns: Sequence[str],
    types: Sequence[Type],
    batches: Iterator[pa.RecordBatch],
    *,
    freeze: bool,
) -> int:
    """Copy `batches` into `target`; return how many rows the server took.

    `freeze` needs a table made in this transaction; its rows are then visible to every snapshot,
    so that a reader whose transaction began before never finds the new table empty.
    Raises psycopg.Error; whatever `batches` raises ends the COPY and passes through.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
        target,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", FREEZE" if freeze else ""),
    )
    fields = [pa.field(f"f{number}", _sent_type(kind)) for number, kind in enumerate(types)]
    schema = pa.schema(fields)
    encoder = _encoder(schema, types)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy, _soon(connection):
            copy.write(encoder.write_header())
            for batch in batches:
                sent = [_sent(*pair) for pair in zip(batch.columns, types, strict=True)]
                copy.write(encoder.write_batch(pa.RecordBatch.from_arrays(sent, schema=schema)))
            copy.write(encoder.finish())
        return cursor.rowcount


@contextmanager
def _soon(connection: psycopg.Connection) -> Iterator[None]:
    """Leave a server that takes long to undo what Ctrl-C ended: it may have gigabytes to drop."""
    try:
        yield
    except KeyboardInterrupt:
        # What fails here, such as a connection that is gone, must not hide what ended it.
        with suppress(psycopg.Error, OSError, RuntimeError):
            channel = socket.socket(fileno=os.dup(connection.fileno()))
            timer = threading.Timer(UNDOING, _leave, [channel])
            timer.daemon = True
            timer.start()
        raise


def _leave(channel: socket.socket) -> None:
    with channel, suppress(OSError):  # it has ended by itself
        channel.shutdown(socket.SHUT_RDWR)


def _sent_type(kind: Type) -> pa.DataType:
    """Return the Arrow type that is encoded: of bytes, it is what they are."""
    return pa.binary() if kind.long else arrow_type(kind)


def _sent(column: "pa.Array[Any]", kind: Type) -> "pa.Array[Any]":
    if not kind.long:
        return column
    texts = (None if text is None else wire(text) for text in column.to_pylist())
    return pa.array(texts, pa.binary())


def _encoder(schema: pa.Schema, types: Sequence[Type]) -> pgpq.ArrowToPostgresBinaryEncoder:
    """Return what writes batches as COPY takes them; JSON, which is text, as jsonb."""
    builders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if kind.kind is Kind.JSONB
        else pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
        for field, kind in zip(schema, types, strict=True)
    }
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)


def pipe(
    reader: psycopg.Connection,
    query: sql.Composable,
    writer: psycopg.Connection,
    target: sql.Composable,
    columns: Sequence[str],
) -> int:
    """Copy the rows of `query` into a table that `writer` has just made; return how many.

    They are visible to every snapshot then, as with `freeze` of `load`, which rows that a statement
    inserts are not. Raises psycopg.Error.
    """
    give = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    take = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
        target, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with reader.cursor() as source, writer.cursor() as sink:
        with source.copy(give) as given, sink.copy(take) as taken:
            for some in _chunks(given):
                taken.write(some)
        if source.rowcount != sink.rowcount:
            raise PublishError(
                f"{number_of(source.rowcount, 'row')} read, the new table has {sink.rowcount}",
                hint="The old table stays. Publish again; if it happens again, report it.",
            )
        return sink.rowcount


def _chunks(rows: Iterable["bytes | bytearray | memoryview"]) -> Iterator[bytes]:
    """Put rows together: a write of its own for each would cost more than the row."""
    some, size = [], 0
    for row in rows:
        some.append(row)
        size += len(row)
        if size >= CHUNK:
            yield b"".join(some)
            some, size = [], 0
    yield b"".join(some)


def widen_socket(connection: psycopg.Connection) -> None:
    """Give the connection a larger send buffer where the system allows."""
    with socket.socket(fileno=connection.fileno()) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        channel.detach()


def refused_column(error: psycopg.Error) -> str | None:
    """Return the column whose value the server refused, None if the error does not say."""
    found = _COLUMN.search(error.diag.context or "")
    return found.group(1) if found else None
