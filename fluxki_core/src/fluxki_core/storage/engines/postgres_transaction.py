"""A Piccolo transaction on PostgreSQL that survives cancelling, gathering and nesting."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
from piccolo.engine.exceptions import TransactionError
from piccolo.engine.postgres import PostgresTransaction

from fluxki_core.storage.engines.postgres_errors import DRIVER_ERRORS, is_lost, known_error
from fluxki_core.storage.engines.postgres_scripts import begin, undo
from fluxki_core.storage.statements import Row

if TYPE_CHECKING:
    from fluxki_core.storage.engines.postgres import Postgres


class Transaction(PostgresTransaction):
    """A transaction on one connection of the pool; inside another one, a savepoint.

    Piccolo's own leaks its connection when cancelled, joins the outer transaction instead of nesting, and fails when
    tasks use it at the same time.
    """

    engine: "Postgres"

    def __init__(self, engine: "Postgres", outer: "Transaction | None", *, allow_nested: bool) -> None:
        super().__init__(engine, allow_nested=True)
        if outer is not None and not allow_nested:
            raise TransactionError("a transaction is already active")
        self.closed = False
        self._outer = outer
        self._savepoint = ""
        self._one_at_a_time = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._token: Token[Any] | None = None
        self.connection: asyncpg.Connection

    async def __aenter__(self) -> "Transaction":  # noqa: PYI034 - the outer one, when nested
        if self._outer is not None:
            self._savepoint = f"nested_{self._outer.get_savepoint_id()}"
            await self._outer.fetch(f"SAVEPOINT {self._savepoint}")
            return self._outer
        self.connection = await self._stack.enter_async_context(self.engine.connection())
        try:
            await begin(self.connection)
        except BaseException:
            await self._give_back()
            raise
        self._token = self.engine.current_transaction.set(self)
        return self

    async def fetch(self, template: str, args: Sequence[Any] = ()) -> list[Row]:
        """Rows of a statement; tasks that share the transaction take turns."""
        async with self._one_at_a_time:
            try:
                return [dict(row) for row in await self.connection.fetch(template, *args)]
            except DRIVER_ERRORS as error:
                known = known_error(error, connection_lost=is_lost(self.connection))
                if known is None:
                    raise
                raise known from error

    async def commit(self) -> None:
        await self.fetch("COMMIT")
        self._committed = True

    async def rollback(self) -> None:
        await self.fetch("ROLLBACK")
        self._rolled_back = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._outer is not None:
            await self._end_savepoint(self._outer, failed=error is not None)
            return False
        try:
            if error is not None:
                await undo(self.connection)
            elif not self._committed and not self._rolled_back:
                await self.commit()
        finally:
            if self._token is not None:
                self.engine.current_transaction.reset(self._token)
            await self._give_back()
        return False

    async def _end_savepoint(self, outer: "Transaction", *, failed: bool) -> None:
        if failed and is_lost(outer.connection):
            return  # the error on its way out says so
        if failed:
            await outer.fetch(f"ROLLBACK TO SAVEPOINT {self._savepoint}")
        await outer.fetch(f"RELEASE SAVEPOINT {self._savepoint}")

    async def _give_back(self) -> None:
        self.closed = True
        await self._stack.aclose()
