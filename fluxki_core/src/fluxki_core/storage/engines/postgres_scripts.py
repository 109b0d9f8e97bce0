"""One try of a script on one PostgreSQL connection."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg  # type: ignore[import-untyped]

from fluxki_core.storage.engines.compiling import bind, for_postgres
from fluxki_core.storage.engines.postgres_errors import DRIVER_ERRORS, RETRIED, is_lost, known_error
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.statements import Row, Statement, Steps

T = TypeVar("T")


async def run_once(
    connection: asyncpg.Connection, script: Callable[[], Steps[T]], step: Callable[[str], None], name: str
) -> T:
    """Runs and commits a script. Raises an error of RETRIED, with everything undone, where a fresh try may succeed."""
    await begin(connection)
    try:
        step(f"{name}:begin")
        result = await _drive(connection, script())
        step(f"{name}:committing")
        await _commit(connection)
    except BaseException:
        await undo(connection)
        raise
    step(f"{name}:committed")
    return result


async def begin(connection: asyncpg.Connection) -> None:
    """A cancelled BEGIN may have run without asyncpg's knowing, so its connection is closed."""
    try:
        await _command(connection, "BEGIN")
    except BaseException:
        if not is_lost(connection):
            connection.terminate()
        raise


async def _drive(connection: asyncpg.Connection, steps: Steps[T]) -> T:
    rows: list[Row] = []
    error: Exception | None = None
    try:
        statement = next(steps)
        while True:
            try:
                rows, error = await _rows(connection, statement), None
            except RETRIED:
                raise
            except (asyncpg.PostgresError, asyncpg.InterfaceError, UniqueViolation) as refused:
                error = refused
            statement = steps.send(rows) if error is None else steps.throw(error)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()


async def _rows(connection: asyncpg.Connection, statement: Statement) -> list[Row]:
    try:
        return [dict(row) for row in await connection.fetch(for_postgres(statement.template), *bind(statement.args))]
    except DRIVER_ERRORS as error:
        known = known_error(error, connection_lost=is_lost(connection))
        if known is None:
            raise
        raise known from error


async def _commit(connection: asyncpg.Connection) -> None:
    """COMMIT of a transaction in which a statement failed is answered with ROLLBACK, and no error."""
    if await _command(connection, "COMMIT") == "ROLLBACK":
        raise RuntimeError(
            "the script went on after a failed statement, so all its work is undone: put a statement that may fail "
            "into savepoint()"
        )


async def _command(connection: asyncpg.Connection, command: str) -> str:
    try:
        return str(await connection.execute(command))
    except DRIVER_ERRORS as error:
        known = known_error(error, connection_lost=is_lost(connection))
        if known is None:
            raise
        raise known from error


async def undo(connection: asyncpg.Connection) -> None:
    """Rolls back; where that fails, the pool closes the connection, which undoes as much."""
    if not is_lost(connection) and connection.is_in_transaction():
        with suppress(*DRIVER_ERRORS):
            await connection.execute("ROLLBACK")
