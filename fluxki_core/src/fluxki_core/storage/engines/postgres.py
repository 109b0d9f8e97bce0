"""PostgreSQL through one pool of connections, for Piccolo's queries and for scripts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import asyncpg  # type: ignore[import-untyped]
from piccolo.engine.postgres import PostgresEngine
from piccolo.query.base import Query
from piccolo.querystring import QueryString

from fluxki_core.domain.errors import SettingsError, Unavailable
from fluxki_core.storage.engines.compiling import bind, for_postgres
from fluxki_core.storage.engines.engine import INSIDE_TRANSACTION, NOT_STARTED
from fluxki_core.storage.engines.postgres_errors import DRIVER_ERRORS, RETRIED, is_lost, known_error
from fluxki_core.storage.engines.postgres_listening import listen
from fluxki_core.storage.engines.postgres_scripts import run_once
from fluxki_core.storage.engines.postgres_transaction import Transaction
from fluxki_core.storage.statements import Row, Statement, Steps, sql

T = TypeVar("T")

CHANNEL = "fluxki"
CONNECT_SECONDS = 10.0
ACQUIRE_SECONDS = 30.0
TRIES = 4
OLDEST = 15
_MIGRATIONS_LOCK = 0x666C75786B69  # "fluxki": advisory locks are known by number alone


async def _no_reset(connection: object) -> None:
    """We keep no state in a session, so the round trip of asyncpg's reset on each release is saved."""


class Postgres(PostgresEngine):
    """`fluxki_core.storage.engines.engine.Engine` on a PostgreSQL server.

    Never use session state on its connections (SET, session advisory locks, LISTEN): they are not reset between
    users. `SET LOCAL`, `pg_advisory_xact_lock` and `listen` are there instead. Unlike Piccolo's own engine it never
    connects for one query: a query before `start()` or from another event loop is a RuntimeError.
    """

    def __init__(self, url: str, *, pool_size: int = 10, statement_timeout: float = 30.0) -> None:
        super().__init__(config={"dsn": url, "timeout": CONNECT_SECONDS})
        self._pool_size = pool_size
        self._statement_timeout = statement_timeout
        self._started: asyncpg.Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        if self._started is not None:
            raise RuntimeError("the database engine is started already")
        settings = {
            "application_name": "fluxki",
            # A generic plan once turned a search of 1 ms into one of 85 s.
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": str(round(self._statement_timeout * 1000)),
            "idle_in_transaction_session_timeout": "60000",
        }
        # No connection is kept when idle: asyncpg would log each vain try to restore it while the server is down.
        self._started = await asyncpg.create_pool(
            **self.config, min_size=0, max_size=self._pool_size, reset=_no_reset, server_settings=settings
        )
        self._loop = asyncio.get_running_loop()
        try:
            async with self.connection() as connection:
                version = connection.get_server_version().major
        except BaseException:
            await self.close()
            raise
        if version < OLDEST:
            await self.close()
            raise SettingsError(f"PostgreSQL {version} is too old: use {OLDEST} or newer")

    async def close(self) -> None:
        pool, self._started = self._started, None
        if pool is not None:
            await pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool; one still inside a transaction at the end is thrown away. Raises Unavailable."""
        pool = self.open_pool
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                connection = await pool.acquire()
        except DRIVER_ERRORS as error:
            raise known_error(error, connection_lost=True) or error from error
        try:
            yield connection
        finally:
            if not is_lost(connection) and connection.is_in_transaction():
                connection.terminate()  # closing undoes the transaction, whatever state it is in
            await pool.release(connection)

    @property
    def open_pool(self) -> asyncpg.Pool:
        if self._started is None or self._loop is not asyncio.get_running_loop():
            raise RuntimeError(NOT_STARTED)
        return self._started

    async def read(self, statement: Statement) -> list[Row]:
        return await self._fetch(for_postgres(statement.template), bind(statement.args))

    async def run(self, script: Callable[[], Steps[T]], step: Callable[[str], None] | None = None, name: str = "") -> T:
        if self.transaction_exists():
            raise RuntimeError(INSIDE_TRANSACTION)
        for attempt in range(1, TRIES + 1):
            try:
                async with self.connection() as connection:
                    return await run_once(connection, script, step or _unheard, name)
            except RETRIED as error:
                if attempt == TRIES:
                    raise Unavailable("too many changes of the same rows at once: try again") from error
            await asyncio.sleep(0.01 * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def notify_statement(self, payload: str) -> Statement | None:
        return sql(f"SELECT pg_notify('{CHANNEL}', {{}})", payload)

    async def listen(self, on_message: Callable[[str], None]) -> None:
        await listen(self.config, CHANNEL, on_message)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[Transaction]:
        async with self.transaction() as transaction:
            await self.run_ddl("SET LOCAL statement_timeout = 0")
            await self.run_ddl(f"SELECT pg_advisory_xact_lock({_MIGRATIONS_LOCK})")
            yield transaction

    # What Piccolo calls.

    async def check_version(self) -> None:
        """Piccolo's own connects as soon as the engine is made; `start` looks at the version instead."""

    async def prep_database(self) -> None:
        """Piccolo's own creates extensions; we need none."""

    def live_transaction(self) -> Transaction | None:
        """The transaction of this task. A task started inside a transaction must not use it once that has ended."""
        current = self.current_transaction.get()
        return current if isinstance(current, Transaction) and not current.closed else None

    def transaction_exists(self) -> bool:
        return self.live_transaction() is not None

    def transaction(self, allow_nested: bool = True) -> Transaction:
        return Transaction(self, self.live_transaction(), allow_nested=allow_nested)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[Row]:
        template, args = querystring.compile_string(engine_type=self.engine_type)
        return await self._piccolo(template, args)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[Row]:
        return await self._piccolo(ddl, ())

    async def batch(self, query: Query[Any, Any], batch_size: int = 100, node: str | None = None) -> NoReturn:
        """Piccolo's own opens a connection outside the pool and hides the errors raised inside its block."""
        raise NotImplementedError("batch() is not offered: read page by page, by key")

    async def get_new_connection(self) -> NoReturn:
        raise RuntimeError("a connection of its own would stand outside the pool: use read(), run() or listen()")

    async def _piccolo(self, template: str, args: Sequence[Any]) -> list[Row]:
        if (current := self.live_transaction()) is not None:
            return await current.fetch(template, args)
        return await self._fetch(template, args)

    async def _fetch(self, template: str, args: Sequence[Any]) -> list[Row]:
        async with self.connection() as connection:
            try:
                return [dict(row) for row in await connection.fetch(template, *args)]
            except DRIVER_ERRORS as error:
                known = known_error(error, connection_lost=is_lost(connection))
                if known is None:
                    raise
                raise known from error


def _unheard(moment: str) -> None:
    """Nobody asked to hear the steps."""
