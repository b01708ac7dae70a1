"""Long texts are looked at beside the door: bounded in number, size and memory, people in turn."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from myriad.door.verdict.long_texts import MOST_OF_ONE_BYTES, Reader
from myriad.door.verdict.verdict_cache import LONG_BYTES, VERDICT_BYTES, Verdicts, texts
from myriad.pgwire.faults import Refused

NO_NAMES: frozenset[str] = frozenset()
MANY_NUMBERS = b"SELECT 1 WHERE 1 IN (" + b"2," * 500_000 + b"1)"
SLOW = b"SELECT 1" + b", user" * 4000


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


@asynccontextmanager
async def _reader(**bounds: int) -> AsyncIterator[Reader]:
    reader = Reader(**bounds)
    try:
        yield reader
    finally:
        reader.stop()


def test_a_text_that_needs_too_much_memory_may_do_anything_and_the_next_is_read() -> None:
    async def work() -> None:
        async with _reader(most_memory_bytes=200 << 20) as reader:
            found = await reader.read(MANY_NUMBERS, NO_NAMES, "eve")
            assert found.refusal is not None
            assert found.refusal.sqlstate == "54000"
            assert found.opaque
            assert (await reader.read(b"SELECT 1", NO_NAMES, "rose")).plain

    _run(work())


def test_people_take_turns_however_many_texts_one_of_them_sends() -> None:
    async def work() -> None:
        async with _reader() as reader:
            done: list[str] = []

            async def send(person: str) -> None:
                await reader.read(SLOW, NO_NAMES, person)
                done.append(person)

            async with asyncio.TaskGroup() as group:
                for person in ["eve"] * 4 + ["rose"]:
                    group.create_task(send(person))
            assert done.index("rose") <= 1
            assert reader.bytes == 0

    _run(work())


def test_texts_that_wait_have_a_bound_together_and_for_each_person() -> None:
    async def work() -> None:
        async with _reader(most_bytes=MOST_OF_ONE_BYTES + len(SLOW)) as reader:
            first = asyncio.ensure_future(reader.read(SLOW, NO_NAMES, "eve"))
            await asyncio.sleep(0)
            assert reader.bytes == len(SLOW)
            with pytest.raises(Refused):
                await reader.read(bytes(MOST_OF_ONE_BYTES), NO_NAMES, "eve")
            with pytest.raises(Refused):
                await reader.read(bytes(MOST_OF_ONE_BYTES + 1), NO_NAMES, "rose")
            await first
            assert reader.bytes == 0

    _run(work())


def test_verdicts_of_all_databases_have_one_bound_in_bytes() -> None:
    known, reader = texts(), Reader()
    known.most_bytes = 1 << 20
    some = [Verdicts(NO_NAMES, reader, known) for _ in range(3)]
    for number in range(50):
        for verdicts in some:
            found = verdicts.of(b"SELECT %d --" % number + b"x" * (LONG_BYTES - 20))
            assert found is not None
            assert found.plain
    assert 0 < known.bytes <= known.most_bytes


def test_what_a_verdict_holds_is_weighed() -> None:
    known = texts()
    verdicts = Verdicts(NO_NAMES, Reader(), known)
    sizes = []
    for text in (b"SELECT 1", b"SELECT user, user, user", b"SET a = 1; SET b = 2; SET c = 3"):
        verdicts.of(text)
        sizes.append(known.bytes - len(text))
        known.clear()
    assert VERDICT_BYTES < sizes[0] < sizes[2] < sizes[1]


@pytest.mark.nightly(by_day=["text0", "text3", "text5"])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + ", ".join(["user"] * 1000),
        "SELECT " + ", ".join(["pg_backend_pid()"] * 100),
        "SELECT pg_backend_pid(), " + ", ".join(map(str, range(1 << 30, (1 << 30) + 100))),
        "".join(f"SET a{number} = 1;" for number in range(1000)),
        "".join(f"SET LOCAL a{number} = 1;" for number in range(1000)),
        "".join(f"RESET a{number};" for number in range(1000)),
        "".join(f"EXECUTE a{number};" for number in range(1000)),
    ],
)
def test_a_verdict_takes_no_more_memory_than_is_weighed(text: str) -> None:
    known = texts()
    verdicts = Verdicts(NO_NAMES, Reader(), known)
    verdicts.of(text.encode())  # what is kept once for all
    known.clear()
    gc.collect()
    tracemalloc.start()
    verdicts.of(text.encode())
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2 * known.bytes


def test_long_texts_are_kept_by_their_digest() -> None:
    async def work() -> None:
        known = texts()
        async with _reader() as reader:
            verdicts = Verdicts(NO_NAMES, reader, known)
            text = b"SELECT '" + b"x" * (1 << 20) + b"'"
            assert verdicts.of(text) is None
            await verdicts.study(text, "eve")
            found = verdicts.of(text)
            assert found is not None
            assert found.plain
            assert known.bytes < 1000 + VERDICT_BYTES

    _run(work())
