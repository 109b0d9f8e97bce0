"""SQLite as one writer and a few readers on one file, for Piccolo's queries and for scripts."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from piccolo.engine.sqlite import SQLiteEngine, TransactionType
from piccolo.query.base import Query
from piccolo.querystring import QueryString

from fluxki_core.domain.errors import SettingsError
from fluxki_core.storage.engines.compiling import bind, for_sqlite
from fluxki_core.storage.engines.engine import INSIDE_TRANSACTION, NOT_STARTED
from fluxki_core.storage.engines.sqlite_connection import Connection, Options, Synchronous
from fluxki_core.storage.engines.sqlite_transaction import Transaction
from fluxki_core.storage.statements import Row, Statement, Steps

T = TypeVar("T")

OLDEST = (3, 35)  # RETURNING

_READ = re.compile(r"\s*(SELECT|EXPLAIN|VALUES|WITH)\b", re.IGNORECASE)
_WRITE_WORD = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


def is_read(sql: str) -> bool:
    """Whether a reader can run it. A `WITH` that mentions a writing word goes to the writer, right in any case."""
    match = _READ.match(sql)
    return match is not None and (match[1].upper() != "WITH" or not _WRITE_WORD.search(sql))


class Pool:
    """The open connections of one engine in one event loop."""

    def __init__(self, path: str, options: Options, readers: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.lock = asyncio.Lock()
        self.writer = Connection(path, options, read_only=False, name="sqlite-writer")
        self._readers = [
            Connection(path, options, read_only=True, name=f"sqlite-reader-{number}") for number in range(readers)
        ]
        # Last in, first out: the reader used last has the warmest cache.
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()

    async def open(self) -> None:
        try:
            for connection in (self.writer, *self._readers):  # the writer first: it makes the file and sets WAL
                await connection.open()
        except BaseException:
            for connection in (self.writer, *self._readers):
                await connection.close()
            raise
        for reader in self._readers:
            self._idle.put_nowait(reader)

    async def close(self) -> None:
        await self.lock.acquire()
        for _ in self._readers:
            await (await self._idle.get()).close()
        await self.writer.close()  # last: closing the last connection folds the WAL into the file

    async def write(self, call: Callable[[], T]) -> T:
        """One call in the writer's thread. The lock opens when the thread is done, even for a cancelled caller."""
        await self.lock.acquire()
        future = self.writer.submit(call)
        future.add_done_callback(lambda _: self.lock.release())
        return await asyncio.shield(future)

    async def read(self, sql: str, args: Sequence[Any]) -> list[Row]:
        reader = await self._idle.get()
        future = reader.submit(reader.rows, sql, args)
        future.add_done_callback(lambda _: self._idle.put_nowait(reader))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():  # again and again, since an interrupt before the statement began is lost
                reader.interrupt()
                await asyncio.wait([future], timeout=0.05)
            raise


class SQLite(SQLiteEngine):
    """`fluxki_core.storage.engines.engine.Engine` on one local file (never on a network file system).

    `synchronous`: FULL keeps every commit through a power loss; NORMAL is four times faster and may lose the last
    ones, but corrupts nothing. `busy_timeout`: seconds to wait while another process writes. Unlike Piccolo's own
    engine it never opens a connection for one query: a query before `start()` or from another event loop is a
    RuntimeError.

    Tasks gathered inside a transaction join it; nested transactions opened by two of them would interleave.
    """

    def __init__(
        self, path: str, *, synchronous: Synchronous = "FULL", readers: int = 3, busy_timeout: float = 10.0
    ) -> None:
        if sqlite3.sqlite_version_info < OLDEST:
            raise SettingsError(
                f"SQLite {sqlite3.sqlite_version} is too old: run on a Python with SQLite 3.35 or newer, or set "
                "the database's URL to a PostgreSQL"
            )
        super().__init__(path=path)
        self._options = Options(synchronous, busy_timeout)
        self._readers = readers
        self._pool: Pool | None = None

    async def start(self) -> None:
        if self._pool is not None:
            raise RuntimeError("the database engine is started already")
        pool = Pool(self.path, self._options, self._readers)
        await pool.open()
        self._pool = pool

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @property
    def pool(self) -> Pool:
        if self._pool is None or self._pool.loop is not asyncio.get_running_loop():
            raise RuntimeError(NOT_STARTED)
        return self._pool

    async def read(self, statement: Statement) -> list[Row]:
        return await self.pool.read(for_sqlite(statement.template), bind(statement.args))

    async def run(self, script: Callable[[], Steps[T]], step: Callable[[str], None] | None = None, name: str = "") -> T:
        if self.transaction_exists():
            raise RuntimeError(INSIDE_TRANSACTION)
        pool = self.pool
        return await pool.write(lambda: pool.writer.run(script, step or _unheard, name))

    def notify_statement(self, payload: str) -> Statement | None:
        return None

    async def listen(self, on_message: Callable[[str], None]) -> None:
        on_message("")
        await asyncio.Event().wait()

    def migrating(self) -> Transaction:
        return self.transaction()

    # What Piccolo calls.

    def live_transaction(self) -> Transaction | None:
        """The transaction of this task. A task started inside a transaction must not use it once that has ended."""
        current = self.current_transaction.get()
        return current if isinstance(current, Transaction) and not current.closed else None

    def transaction_exists(self) -> bool:
        return self.live_transaction() is not None

    def transaction(
        self, transaction_type: TransactionType = TransactionType.immediate, allow_nested: bool = True
    ) -> Transaction:
        """Always BEGIN IMMEDIATE, whatever type is asked for: a deferred one fails when it comes to write."""
        return Transaction(self, self.live_transaction(), allow_nested=allow_nested)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> list[Row]:
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        return await self._piccolo(sql, args)

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> list[Row]:
        return await self._piccolo(ddl, ())

    async def batch(self, query: Query[Any, Any], batch_size: int = 100, node: str | None = None) -> NoReturn:
        """Piccolo's own opens a connection outside the pool and hides the errors raised inside its block."""
        raise NotImplementedError("batch() is not offered: read page by page, by key")

    async def get_connection(self) -> NoReturn:
        raise RuntimeError("a connection of its own would stand outside the pool: use read() or run()")

    async def _piccolo(self, sql: str, args: Sequence[Any]) -> list[Row]:
        pool = self.pool
        if (current := self.live_transaction()) is not None:
            return await current.connection.execute(sql, args)
        if is_read(sql):
            return await pool.read(sql, args)
        return await pool.write(lambda: pool.writer.rows(sql, args))


def _unheard(moment: str) -> None:
    """Nobody asked to hear the steps."""
