"""Plays: what a client may do with the protocol, drawn at random.

A play is a list of steps. A step is sent in pieces, cut anywhere, and is over with the answers that
it names; then comes the next one. Each can be printed, and what was printed says all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

from myriad.pgwire import wire
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    close,
    copy_data,
    copy_fail,
    describe,
    execute,
    parse,
)

MOST = 4 << 20  # bytes of one value, text, or COPY
KB = 1 << 10
Sizes = st.SearchStrategy[int]
SMALL: Sizes = st.integers(1, 100)
# Around what buffers hold, and anything up to the most.
EDGES = [4 * KB, 8 * KB, 16 * KB, 32 * KB, 64 * KB, 128 * KB, 256 * KB, 512 * KB, MOST - 8]
SIZES: Sizes = st.one_of(
    SMALL,
    st.builds(int.__add__, st.sampled_from(EDGES), st.integers(-8, 8)),
    st.builds(int.__lshift__, st.integers(1, 15), st.integers(0, 18)),
)


@dataclass(frozen=True, repr=False)
class Step:
    """What a client sends before it looks at what is answered.

    Attributes:
        ends: the kinds of answers with which it is over, after `times` of them.
        flushed: in a unit that is not ended, so an error ends it, and answers nothing more.
        data: what is sent when the server asks for COPY data, answered up to ReadyForQuery.
        over: the unit is ended with it.
    """

    name: str
    sent: bytes
    ends: str = "Z"
    times: int = 1
    flushed: bool = False
    data: bytes = b""
    over: bool = True

    def __repr__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer: RepresentationPrinter, _cycle: bool) -> None:  # noqa: FBT001
        printer.text(self.name)  # Hypothesis would print all fields


@dataclass(frozen=True)
class Cuts:
    """Where a stream of bytes is cut into pieces; places beyond its end begin anew."""

    places: Sequence[int] = ()

    def of(self, data: bytes) -> list[bytes]:
        """Return the pieces."""
        places = sorted({place % len(data) for place in self.places} - {0}) if data else []
        return [
            data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)
        ]


def cut(most: int = MOST) -> st.SearchStrategy[Cuts]:
    """Return cuts, also close to each other."""
    near = st.integers(0, 40)
    anywhere = st.one_of(near, st.integers(0, max(1, most)))
    return st.lists(anywhere, max_size=6).map(lambda places: Cuts(tuple(places)))


BYTE_BY_BYTE = Cuts(range(3000))


# Messages of the extended protocol

# What only the door refuses, and what PostgreSQL refuses in its place, of the same length.
REFUSED, NO_SQL = "LISTEN c", "LISTEN ;"
# Never over by themselves: the one works on, the other answers on.
ENDLESS = "SELECT count(*) FROM generate_series(1, 10000000000)"
FLOOD = "SELECT repeat('x', 1000) FROM generate_series(1, 10000000000)"
# What answers the last of several messages, by its kind.
ANSWERS = {"P": "1", "B": "2", "D": "Tn", "E": "CsI", "C": "3"}
TEXTS = (
    "SELECT 1",
    "SELECT $1::text",
    "SELECT length($1)",
    "SELECT 1 / length($1)",
    "SELECT generate_series(1, 7)",
    "SELECT generate_series(1, 7), $1::text",
    "INSERT INTO t VALUES (1, 'x')",
    "INSERT INTO t VALUES (2, $1) RETURNING a, length(b)",
    "SELECT count(*), sum(length(b)) FROM t",
    "SELECT 1/0",
    "SELEC",
    "SELECT nothing",
    "",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "SET work_mem = '5MB'",
    "SET LOCAL work_mem = '6MB'",
    "SHOW work_mem",
    "SET DateStyle = 'German'",
    "SELECT '1.2.2024'::date",
    "SET search_path = nowhere",
    "RESET ALL",
    "DISCARD ALL",
    "DEALLOCATE n",
    "DEALLOCATE ALL",
    "PREPARE n AS SELECT 'by SQL'",
    "COPY (SELECT repeat('x', 9) FROM generate_series(1, 5)) TO STDOUT",
    REFUSED,
)
SIMPLE = (
    *TEXTS,
    "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3",
    "INSERT INTO t VALUES (3, 'y'); SELECT 1/0",
    "BEGIN; INSERT INTO t VALUES (4, 'y'); SAVEPOINT a",
    "COMMIT; SELECT 1/0; SELECT 2",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 9)",
    "FETCH 4 FROM c",
    "CLOSE c",
    "SET work_mem = '7MB'; SELECT 1/0",
    "EXECUTE n",
    "EXECUTE n('x')",
    f"SELECT 1; {REFUSED}; SELECT 2",
    f"BEGIN; {REFUSED}",
)
# These are never named n, which EXECUTE runs: PostgreSQL ends the connection at such an EXECUTE.
UNNAMED = frozenset(text for text in TEXTS if text.startswith(("BEGIN", "COMMIT", "ROLL", "SAVE")))
UNNAMED |= {"RELEASE a"}
# Nor are these: what EXECUTE changes in a session's settings does not last (docs/door.md).
UNNAMED |= {text for text in TEXTS if text.startswith(("SET", "RESET", "DISCARD"))}
STATEMENTS, PORTALS = st.sampled_from(["", "n", "m"]), st.sampled_from(["", "o"])


@dataclass(frozen=True, repr=False)
class Message:
    """One message of a unit; it can be printed."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        return chr(self.data[0])


def _parse(name: str, text: str) -> Message:
    name = "m" if name == "n" and text in UNNAMED else name
    return Message(f"parse({text!r}, {name!r})", parse(text, name))


def _bind(portal: str, name: str, sizes: list[int], *, binary: bool = False) -> Message:
    data = bind(*("v" * size for size in sizes), portal=portal, name=name)
    if binary:
        data = wire.message(b"B", data[5:-2] + b"\0\1\0\1")
    return Message(f"bind({portal!r}, {name!r}, {sizes}, {binary=})", data)


def _describe(kind: str, name: str) -> Message:
    return Message(f"describe({kind!r}, {name!r})", describe(kind, name))


def _execute(portal: str, rows: int) -> Message:
    return Message(f"execute({portal!r}, {rows})", execute(portal, rows))


def _close(kind: str, name: str) -> Message:
    return Message(f"close({kind!r}, {name!r})", close(kind, name))


@st.composite
def _run(draw: st.DrawFn, sizes: Sizes) -> list[Message]:
    """Prepare a statement, or not, and run it, as drivers do."""
    text, name, portal = draw(st.sampled_from(TEXTS)), draw(STATEMENTS), draw(PORTALS)
    messages = [_parse(name, text)] if draw(st.integers(0, 3)) else []
    if draw(st.booleans()):
        messages.append(_describe("S", name))
    values = [draw(sizes) for _ in range(text.count("$1"))]
    messages.append(_bind(portal, name, values, binary=draw(st.booleans())))
    if draw(st.booleans()):
        messages.append(_describe("P", portal))
    portions = draw(st.lists(st.sampled_from([0, 0, 2, 3]), min_size=1, max_size=3))
    return [*messages, *(_execute(portal, rows) for rows in portions)]


# No Execute or Describe of the portal without a name but behind its Bind: after a simple query has
# failed in a transaction block, PostgreSQL 18 crashes by that.
ODD = st.one_of(
    st.builds(_parse, STATEMENTS, st.sampled_from(TEXTS)),
    st.builds(_bind, PORTALS, STATEMENTS, st.lists(SMALL, max_size=2)),
    st.builds(_describe, st.just("S"), STATEMENTS),
    st.builds(_describe, st.just("P"), st.just("o")),
    st.builds(_execute, st.just("o"), st.integers(0, 3)),
    st.builds(_close, st.sampled_from("SP"), st.sampled_from(["", "n", "m", "o"])),
).map(lambda message: [message])


def messages_of(sizes: Sizes, most: int = 4) -> st.SearchStrategy[list[Message]]:
    """Return messages of one unit."""
    parts = st.lists(st.one_of(_run(sizes), _run(sizes), ODD), min_size=1, max_size=most)
    return parts.map(lambda found: [message for part in found for message in part])


# Steps


def simple(text: str) -> Step:
    return Step(f"query({text!r})", wire.query(text))


def _result(size: int, rows: int) -> Step:
    return simple(f"SELECT repeat('x', {max(1, size // rows)}) FROM generate_series(1, {rows})")


def long_text(size: int) -> Step:
    return Step(f"long_text({size})", wire.query(f"SELECT {size} /*{'x' * size}*/"))


def _unit(messages: list[Message]) -> Step:
    return Step(f"{messages} + SYNC", _joined(messages) + SYNC)


def _joined(messages: Iterable[Message]) -> bytes:
    return b"".join(message.data for message in messages)


def _flushed(messages: list[Message]) -> Step:
    """Send them with Flush; it is over when the last one is answered."""
    kind = messages[-1].kind
    if kind == "D":  # of a statement and of a portal end alike
        times = sum(message.kind == "D" for message in messages)
    else:
        times = sum(message.kind == kind for message in messages)
    return Step(
        f"{messages} + FLUSH",
        _joined(messages) + FLUSH,
        ANSWERS[kind],
        times,
        flushed=True,
        over=False,
    )


def _pipeline(steps: list[Step]) -> Step:
    """Send several units before anything is read."""
    sent = b"".join(step.sent for step in steps)
    return Step(f"pipeline({steps})", sent, times=sum(step.times for step in steps))


END = Step("SYNC", SYNC)
# In the transaction the door prepares a statement anew, under the settings of its Parse.
PREPARED_ANEW = [
    simple("SET DateStyle = 'ISO'"),
    _unit([_close("S", "n"), _parse("n", "SELECT '1.2.2024'::date")]),
    simple("SET DateStyle = 'German'"),
    simple("BEGIN"),
    *[_unit([_bind("", "n", []), _execute("", 0)])] * 5,
    simple("ROLLBACK"),
]


def copy(size: int, width: int, cuts: Cuts, end: str, way: str) -> Step:
    """Return a COPY FROM STDIN of so many bytes in rows of a width, cut into messages anywhere.

    `end`: "done", "given up", or "wrong" if a row is. `way`: how messages are sent.
    """
    row = b"5\t" + b"x" * width + b"\n"
    rows = row * max(1, size // len(row)) + (b"wrong\n" + row if end == "wrong" else b"")
    data = b"".join(map(copy_data, cuts.of(rows)))
    data += copy_fail() if end == "given up" else COPY_DONE
    name = f"copy({size}, {width}, {cuts}, {end!r}, {way!r})"
    text = "COPY t FROM STDIN"
    extended = close("S", "c") + parse(text, "c") + bind(name="c") + execute()  # nobody else's
    return {
        "simple": Step(name, wire.query(text), "GZ", data=data),
        "more in its text": Step(name, wire.query(f"{text}; SELECT 1"), "GZ", data=data),
        "all at once": Step(name, wire.query(text) + data),
        "extended": Step(name, extended + SYNC, "GZ", data=data + SYNC),
        "a unit": Step(name, extended + data + SYNC),
        "flushed": Step(name, extended + FLUSH, "G", flushed=True, data=data + SYNC),
    }[way]


WAYS = ["simple", "more in its text", "all at once", "extended", "a unit", "flushed"]


@st.composite
def copies(draw: st.DrawFn, sizes: Sizes, ways: Sequence[str] = WAYS) -> Step:
    size, end = draw(sizes), draw(st.sampled_from(["done", "done", "wrong", "given up"]))
    width = draw(st.integers(0, min(size, 70 * KB)))
    return copy(size, width, draw(cut(size)), end, draw(st.sampled_from(ways)))


@st.composite
def units(draw: st.DrawFn, sizes: Sizes) -> list[Step]:
    """Return the steps of one unit, or of a pipeline of some."""
    whole = st.one_of(
        st.sampled_from(SIMPLE).map(simple),
        messages_of(sizes).map(_unit),
        st.builds(_result, sizes, st.sampled_from([1, 3, 1000])),
    )
    return draw(
        st.one_of(
            whole.map(lambda step: [step]),
            st.lists(whole, min_size=2, max_size=5).map(lambda steps: [_pipeline(steps)]),
            st.lists(messages_of(sizes, 2).map(_flushed), min_size=1, max_size=4).map(
                lambda steps: [*steps, END]
            ),
            copies(sizes).map(lambda step: [step]),
        )
    )


@st.composite
def independent(draw: st.DrawFn, texts: Sequence[str], sizes: Sizes) -> list[Step]:
    """Return a unit of any form for one of these texts: a transaction of its own."""
    text = draw(st.sampled_from(texts))
    values = [draw(sizes) for _ in range(text.count("$1"))]
    run = [_parse("", text), _bind("", "", values), _describe("P", ""), _execute("", 0)]
    portions = [*run[:3], _execute("", 40), _execute("", 40), _execute("", 0)]
    forms = [[_unit(run)], [_unit(portions)], [_flushed(run), END], [_flushed(portions), END]]
    if not values:
        out = text if text.startswith("COPY") else f"COPY ({text}) TO STDOUT"
        forms += [[simple(text)], [simple(out)], [_pipeline([_unit(run), simple(text)])]]
    return draw(st.sampled_from(forms))


@st.composite
def plays(draw: st.DrawFn, sizes: Sizes, most: int = 6) -> list[Step]:
    """Return the steps of some units."""
    return [
        step for steps in draw(st.lists(units(sizes), min_size=1, max_size=most)) for step in steps
    ]


def stream_of(steps: Iterable[Step]) -> bytes:
    """Return all that a play may send, at once."""
    return b"".join(step.sent + step.data for step in steps)


def instead(steps: Iterable[Step]) -> list[Step]:
    """Return the same for PostgreSQL itself: what only the door refuses is no SQL."""

    def no_sql(data: bytes) -> bytes:
        return data.replace(REFUSED.encode(), NO_SQL.encode())

    return [replace(step, sent=no_sql(step.sent), data=no_sql(step.data)) for step in steps]
