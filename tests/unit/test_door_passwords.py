"""One's own password: a wait that ends before anything has begun is told as that."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Never, cast

import pytest

from myriad.door.control import own_passwords
from myriad.door.control.own_passwords import Passwords
from myriad.pgwire.faults import Refused

if TYPE_CHECKING:
    from myriad.door.control.control import Control


class Free:
    """Slows down nobody."""

    heard: dict[str, Callable[..., None]] = {}  # noqa: RUF012 - none

    @contextmanager
    def attempt(self, name: str, address: str) -> Iterator[float]:
        del name, address
        yield 0.0

    def failed(self, name: str, address: str) -> None:
        pass


class Silent:
    """A server that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def enter_own(self) -> Never:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_who_waits_for_anothers_change_in_vain_hears_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def change() -> tuple[str, str]:
        server = Silent()
        kept = Passwords(cast("Control", server), Free(), superuser=True)
        first = asyncio.create_task(kept.change("rose", 1, "a new password", lambda: True))
        await server.asked.wait()
        monkeypatch.setattr(own_passwords, "CHANGE_SECONDS", 0.1)
        with pytest.raises(Refused) as refused:
            await kept.change("bob", 2, "a new password", lambda: True)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        return refused.value.fault.code, refused.value.fault.hint

    code, hint = asyncio.run(change())
    assert code == "55P03"
    assert hint.startswith("Nothing was changed")
