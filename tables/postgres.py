"""Postgres: a pool that outlives the server, and the one place where its driver's errors become ours.

Postgres may go away and come back at any time; charts stay live meanwhile. So opening never needs the
server, every wait has a limit, and whoever asks while it is away gets `Unreachable` and may ask again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from charts.errors import Unreachable

#: A server that is up accepts within a second; three leave room for a loaded machine.
CONNECT_TIMEOUT_S = 3.0
#: A request queues this long for a free connection, then says 503 rather than hang.
ACQUIRE_TIMEOUT_S = 5.0
#: No question of ours takes longer; imports name their own limit.
COMMAND_TIMEOUT_S = 30.0
#: Closing waits this long for questions under way.
CLOSE_TIMEOUT_S = 5.0
#: Idle connections are given back after this long.
IDLE_LIFETIME_S = 300.0

log = logging.getLogger(__name__)

Connection = asyncpg.Connection | PoolConnectionProxy
Row = asyncpg.Record

#: The server says that it is not there (class 08), going or stopping a question (57), full (53), a standby
#: (25006), or that the transaction lost against another (40): all pass, and asking again is right.
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    ConnectionError,
    TimeoutError,
)
#: Whoever connects is told no in many ways (no such database, not you, not now), and may be let in later.
_REFUSED = (*_AWAY, OSError, asyncpg.InterfaceError, asyncpg.PostgresError)
_SESSION = {"application_name": "livecharts", "timezone": "UTC", "jit": "off"}


class Database:
    """The connections of one process to Postgres."""

    def __init__(self, url: str, connections: int = 8) -> None:
        self._url = url
        self._connections = connections
        self._pool: asyncpg.Pool | None = None
        #: Whether the last question was answered.
        self.reachable = False

    async def open(self) -> None:
        """Make the pool; it connects when first asked, so Postgres need not be there yet."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._connections,
            max_inactive_connection_lifetime=IDLE_LIFETIME_S,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=_SESSION,
        )

    async def close(self) -> None:
        """Let the questions under way finish, but not for long."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; leave no state on it."""
        pool = self._pool
        if pool is None:
            raise Unreachable("Postgres: the pool is closed")
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except _REFUSED as error:
            raise self._unreachable(error) from error
        try:
            async with self._translated(connection):
                yield connection
        finally:
            await _release(pool, connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection of the pool inside a transaction, committed when the block ends."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own, for what belongs to a session: locks held long, LISTEN."""
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings=_SESSION,
            )
        except _REFUSED as error:
            raise self._unreachable(error) from error
        try:
            async with self._translated(connection):
                yield connection
        finally:
            connection.terminate()

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """All rows."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: Any) -> Row | None:
        """The first row, if any."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """The first value of the first row, if any."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: Any) -> str:
        """Run one statement; the answer is Postgres's own (`UPDATE 3`)."""
        async with self.connection() as connection:
            return await connection.execute(sql, *values)

    @asynccontextmanager
    async def _translated(self, connection: Connection) -> AsyncIterator[None]:
        try:
            yield
        except _AWAY as error:
            raise self._unreachable(error) from error
        except asyncpg.InterfaceError as error:
            # The driver says so too when it was misused: then the connection still stands.
            if not _is_lost(connection):
                raise
            raise self._unreachable(error) from error
        except asyncpg.InternalClientError as error:
            # A goodbye that arrived while the connection was idle leaves the driver out of step.
            if not _is_lost(connection):
                connection.terminate()
            raise self._unreachable(error) from error
        except asyncpg.UndefinedTableError as error:
            raise Unreachable(f"Postgres wants `charts migrate`: {error}") from error
        self.reachable = True

    def _unreachable(self, error: BaseException) -> Unreachable:
        self.reachable = False
        reason = str(error) or type(error).__name__
        return Unreachable(f"Postgres does not answer: {reason.splitlines()[0]}")


def _is_lost(connection: Connection) -> bool:
    """Whether the connection is closed; of one that the pool has seen die, no more can be asked."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def _release(pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
    """Give a connection back; one that died meanwhile is dropped, and the answer it gave still holds."""
    try:
        await pool.release(connection, timeout=CONNECT_TIMEOUT_S)
    except (*_AWAY, OSError, asyncpg.InterfaceError) as error:
        log.warning("a connection to Postgres was dropped: %s", error or type(error).__name__)
