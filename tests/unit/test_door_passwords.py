"""One's own password: a wait that ends before anything has begun is told as that."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never, cast

import pytest

from myriad.door.control import passwords
from myriad.door.control.control import Control
from myriad.door.control.passwords import Passwords
from myriad.pgwire.faults import Refused


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

    async def enter_own(self) -> Never:
        await asyncio.Event().wait()
        raise AssertionError


def test_who_waits_for_anothers_change_in_vain_hears_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "CHANGE_SECONDS", 0.3)
    kept = Passwords(cast("Control", Silent()), Free(), superuser=True)
    said: list[tuple[str, str]] = []

    async def change(name: str) -> None:
        with pytest.raises(Refused) as refused:
            await kept.change(name, 1, "a new password", lambda: True)
        said.append((refused.value.fault.code, refused.value.fault.hint))

    async def first_of_all() -> None:
        async with kept._one_at_a_time:
            await change("rose")
        await change("bob")

    asyncio.run(first_of_all())
    assert [code for code, _ in said] == ["55P03", "08006"]
    assert said[0][1].startswith("Nothing was changed")
