"""The door's own connection to the control database: it asks, and hears of changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from myriad import administrator, named_sql
from myriad.door.server.address import Address

SQL = named_sql.load("myriad.door.control", "catalog.sql")
APPLICATION = "myriad door"
RETRY_SECONDS = 0.25
ASK_SECONDS = 30.0  # after which the connection, and not the question, is taken to be the problem
# What asyncpg raises when the connection, and not the question, is the problem.
GONE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    TimeoutError,
)

log = logging.getLogger("myriad.door")
Notified = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who the door itself is in the server, in which database, and the server's version."""

    user: str
    password: str = field(repr=False)
    database: str
    version: int


class Control:
    """An administrator's connection that comes back by itself; `name` is what the server calls it.

    Attributes:
        role: the oid of the administrator's role.
    """

    def __init__(self, address: Address, login: Administrator, process: int = 0) -> None:
        self.role = 0
        self.name = f"{APPLICATION} {process}" if process else APPLICATION
        self._address = address
        self._login = login
        self._channels: dict[str, Notified] = {}
        self._after_gap: Callable[[], object] | None = None
        self._connection: asyncpg.Connection | None = None
        self._ready = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def listen(self, channels: dict[str, Notified], after_gap: Callable[[], object]) -> None:
        """Hear notifications from now on; `after_gap` is called when some may have been missed."""
        self._channels, self._after_gap = channels, after_gap
        await self._do(self._add_listeners)

    async def _add_listeners(self, connection: asyncpg.Connection) -> None:
        for channel, notified in self._channels.items():
            await connection.add_listener(channel, _listener(notified))

    async def keep(self) -> None:
        """Connect, and connect again whenever the connection is lost; runs until cancelled."""
        while True:
            ended = asyncio.Event()
            with suppress(*GONE):
                await self._begin(ended)
                await ended.wait()
            self._ready.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _begin(self, ended: asyncio.Event) -> None:
        connection = await self.enter_own()
        connection.add_termination_listener(lambda _: ended.set())
        await self._add_listeners(connection)
        self.role = await connection.fetchval(SQL["role"])
        self._connection = connection
        self._ready.set()
        if self._after_gap:
            self._after_gap()

    @property
    def is_ready(self) -> bool:
        """Whether the server answered of late."""
        return self._ready.is_set()

    async def ready(self) -> None:
        """Return when the server answers."""
        await self._ready.wait()

    async def enter_own(self) -> asyncpg.Connection:
        """As `enter`, the control database."""
        return await self.enter(self._login.database)

    async def enter(self, database: str) -> asyncpg.Connection:
        """Open an administrator's connection to a database; the caller closes it.

        Whatever its owner made or set there: see `administrator`.
        """
        settings = administrator.settings(self._login.version)
        connection = await asyncpg.connect(
            host=self._address.host,
            port=self._address.port,
            user=self._login.user,
            password=self._login.password or None,
            database=database,
            timeout=ASK_SECONDS,
            ssl=self._address.for_asyncpg(),
            server_settings={"application_name": self.name, **settings},
            statement_cache_size=20,
        )
        try:
            await connection.execute(administrator.TAKE_BACK)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:  # noqa: ANN401
        """Ask and return the rows; while the server is away, wait for it."""
        rows: list[asyncpg.Record] = await self._do(
            lambda connection: connection.fetch(sql, *values)
        )
        return rows

    async def execute(self, sql: str, *values: Any) -> None:  # noqa: ANN401
        """Run a statement; while the server is away, wait for it."""
        await self._do(lambda connection: connection.execute(sql, *values))

    async def _do(self, ask: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:  # noqa: ANN401
        while True:
            await self._ready.wait()
            async with self._one_at_a_time:
                connection = self._connection
                if connection is None or connection.is_closed():
                    self._ready.clear()
                    continue
                try:
                    async with asyncio.timeout(ASK_SECONDS):
                        return await ask(connection)
                except GONE:
                    if not connection.is_closed():
                        connection.terminate()
            await asyncio.sleep(RETRY_SECONDS)

    async def copy(self, table: str, columns: list[str], lines: bytes) -> None:
        """Append rows in COPY's text format to a table of the control database."""
        await self._do(
            lambda connection: connection.copy_to_table(
                table, schema_name="public", columns=columns, source=memoryview(lines)
            )
        )


def _listener(notified: Notified) -> Callable[..., None]:
    def listener(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        notified(str(payload))

    return listener
