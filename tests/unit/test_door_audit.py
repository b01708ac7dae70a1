"""An audit that cannot be written, such as where a disk is full: what is lost is counted."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest

from myriad.door.ledger.audit import Audit
from myriad.door.ports import SUCCESS, Ended

ENDED: Ended = (0.0, b"rose\tmain\tlocal\tpostgres", 0.1, 1, 10, SUCCESS, None, b"SELECT 1")


def test_what_the_server_does_not_take_is_counted_as_dropped() -> None:
    async def table() -> str:
        return "audit_0"

    async def copy(*_: object) -> None:
        raise asyncpg.DiskFullError("no space left on device")

    control, rotation = SimpleNamespace(copy=copy), SimpleNamespace(table=table)
    statistics = SimpleNamespace(count=lambda _: None)
    audit = cast("Any", Audit)(control, rotation, statistics, on=True)
    for _ in range(3):
        audit.add(ENDED)
    with pytest.raises(asyncpg.DiskFullError):
        asyncio.run(audit.flush())
    assert (audit.dropped, audit.waiting_bytes) == (3, 0)
