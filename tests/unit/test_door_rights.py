"""Looking up what people may, where a look fails or a session ends in between; no door around."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from myriad.door.control.accounts import Accounts, Entry
from myriad.door.session import rights as module
from myriad.door.session.rights import Rights
from myriad.limits import Limits
from myriad.settings import Settings

NEW, LONG = "the new pool", 5.0


class Session:
    """A session of rose's, as far as her rights matter."""

    def __init__(self) -> None:
        self.number, self.came, self.pin = 7, None, SimpleNamespace(reason="")
        self.account = SimpleNamespace(name="rose", limit=lambda _: None)
        self.pool: Any = SimpleNamespace(database="main", oid=1)
        self.moved: list[object] = []

    def move(self, pool: object) -> None:
        self.moved.append(pool)


def entry() -> Entry:
    known = ("rose", 16384, True, True, None, False, ("readers",), False, Limits(), False)
    return Entry(*known, database=1, may_connect=True, asked_at=0.0)


def rights(
    session: Session,
    look_up: Callable[[], Entry],
    new: object,
    meanwhile: Callable[[dict[int, Session]], object] = lambda _: None,
) -> Any:
    """The rights of one session, whose person is to be in the pool `new`."""
    sessions = {session.number: session}

    async def looked_up(*_: str) -> Entry:
        return look_up()

    async def pool_of(*_: object) -> object:
        meanwhile(sessions)
        return new

    def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.ensure_future(work)

    nothing = SimpleNamespace(have_changed=lambda: None, forget=lambda: None)
    accounts = SimpleNamespace(look_up=looked_up, have_changed=lambda: None)
    chooser = SimpleNamespace(pool_of=pool_of)
    return cast("Any", Rights)(sessions, accounts, nothing, nothing, chooser, spawn)


def test_rights_are_looked_up_again_where_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    session = Session()
    answers: list[Exception | Entry] = [RuntimeError("no answer"), entry()]

    def look_up() -> Entry:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def test() -> None:
        rights(session, look_up, NEW).have_changed()
        async with asyncio.timeout(LONG):
            while not session.moved:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    asyncio.run(test())
    assert session.moved == [NEW]
    assert answers == []


def test_a_session_that_ends_while_its_rights_are_looked_up_moves_nowhere() -> None:
    session = Session()
    looking = rights(session, entry, NEW, lambda sessions: sessions.clear())
    asyncio.run(looking.follow([cast("Any", session)]))
    assert session.moved == []


def test_who_asks_while_a_look_fails_is_answered_all_the_same() -> None:
    begun = asyncio.Event()

    async def fetch(_sql: str, numbers: list[int], *_: object) -> list[Any]:
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(0.05)
            raise RuntimeError("no answer")
        assert numbers == [0]
        return []

    async def test() -> None:
        control = SimpleNamespace(fetch=fetch)
        accounts = cast("Any", Accounts)(control, Settings(), None, None, superuser=True)
        first = asyncio.ensure_future(accounts.look_up("rose", "main"))
        await begun.wait()
        second = accounts.look_up("bruno", "main")
        assert await asyncio.wait_for(second, LONG) is None
        with pytest.raises(RuntimeError):
            await first

    asyncio.run(test())
