"""A Piccolo transaction on the one writer of a SQLite engine."""

import asyncio
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from piccolo.engine.exceptions import TransactionError
from piccolo.engine.sqlite import SQLiteTransaction, TransactionType

from fluxki_core.storage.engines.sqlite_connection import Connection

if TYPE_CHECKING:
    from fluxki_core.storage.engines.sqlite import SQLite


class Transaction(SQLiteTransaction):
    """BEGIN IMMEDIATE under the writer's lock; inside another one, a savepoint.

    Piccolo's own joins the outer transaction instead, so that a failed inner block keeps its work.
    """

    engine: "SQLite"
    connection: Connection

    def __init__(self, engine: "SQLite", outer: "Transaction | None", *, allow_nested: bool) -> None:
        super().__init__(engine, TransactionType.immediate, allow_nested=True)
        if outer is not None and not allow_nested:
            raise TransactionError("a transaction is already active")
        self.closed = False
        self._outer = outer
        self._savepoint = ""
        self._token: Token[Any] | None = None

    async def __aenter__(self) -> "Transaction":  # noqa: PYI034 - the outer one, when nested
        if self._outer is not None:
            self._savepoint = f"nested_{self._outer.get_savepoint_id()}"
            await self._outer.connection.execute(f"SAVEPOINT {self._savepoint}")
            return self._outer
        pool = self.engine.pool
        self._lock = pool.lock
        self.connection = pool.writer
        await self._lock.acquire()
        try:
            await self.connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            await self._finish("ROLLBACK")  # a cancelled BEGIN may have run
            raise
        self._token = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._outer is not None:
            await self._end_savepoint(self._outer.connection, failed=error is not None)
            return False
        try:
            await self._finish("COMMIT" if error is None else "ROLLBACK")
        finally:
            if self._token is not None:
                self.engine.current_transaction.reset(self._token)
        return False

    async def _end_savepoint(self, connection: Connection, *, failed: bool) -> None:
        if failed:
            await connection.execute(f"ROLLBACK TO SAVEPOINT {self._savepoint}")
        await connection.execute(f"RELEASE SAVEPOINT {self._savepoint}")

    async def _finish(self, sql: str) -> None:
        """Ends the transaction in the thread and frees the writer, however often the caller is cancelled meanwhile."""
        self.closed = True
        future = self.connection.submit(self.connection.end, sql)
        future.add_done_callback(lambda _: self._lock.release())
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        future.result()
        if cancelled is not None:
            raise cancelled
