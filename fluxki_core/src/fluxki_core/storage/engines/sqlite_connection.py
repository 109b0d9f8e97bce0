"""One SQLite connection, driven by a thread of its own, and what its errors mean."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, ParamSpec, TypeAlias, TypeVar

# Piccolo's module registers its converters when imported; ours must replace them, so it comes first.
import piccolo.engine.sqlite  # noqa: F401

from fluxki_core.domain.errors import Unavailable
from fluxki_core.storage.engines.compiling import bind, for_sqlite
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.statements import Row, Steps

T = TypeVar("T")
P = ParamSpec("P")
Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

CACHE_KB = 8_000
MMAP_BYTES = 64 * 1024 * 1024
JOURNAL_BYTES = 64 * 1024 * 1024


class Options(NamedTuple):
    """`synchronous`: see `SQLite`. `busy_timeout`: seconds to wait for another process's write lock."""

    synchronous: Synchronous
    busy_timeout: float


_UNIQUE = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_CURES = {
    sqlite3.SQLITE_BUSY: "another process holds its write lock: end that process or try again",
    sqlite3.SQLITE_LOCKED: "another process holds its write lock: end that process or try again",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk refused to read or write: free some space and check the disk",
    sqlite3.SQLITE_READONLY: "this user may not write to it: fix the owner of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: create its folder, and let this user write there",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: correct the database's URL or restore a backup",
}


def _time(text: bytes) -> datetime:
    """SQLite's own CURRENT_TIMESTAMP carries no offset, and means UTC."""
    at = datetime.fromisoformat(text.decode())
    return at if at.tzinfo is UTC else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


# Converters belong to the process. Piccolo's own cost twice as much as the query: integers need none, since the
# column's affinity keeps them integers.
for _name in ("INTEGER", "BIGINT", "SMALLINT"):
    sqlite3.converters.pop(_name, None)
sqlite3.register_converter("BOOLEAN", lambda value: value == b"1")
sqlite3.register_converter("TIMESTAMPTZ", _time)


def known_error(error: sqlite3.Error, path: str) -> UniqueViolation | Unavailable | None:
    """What a driver's error means to callers; None for a mistake in the statement."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code in _UNIQUE:
        return UniqueViolation(str(error).removeprefix("UNIQUE constraint failed: "))
    cure = _CURES.get(code & 0xFF)
    return None if cure is None else Unavailable(f"the database {path} cannot be used: {cure} (SQLite: {error})")


class Connection:
    """A sqlite3 connection whose every use is one hop to its thread; statements never wait for the event loop."""

    def __init__(self, path: str, options: Options, *, read_only: bool, name: str) -> None:
        self.path = path
        self._pragmas = [
            f"busy_timeout = {round(options.busy_timeout * 1000)}",
            "journal_mode = WAL",
            f"synchronous = {options.synchronous}",
            "foreign_keys = ON",
            f"cache_size = -{CACHE_KB}",
            f"mmap_size = {MMAP_BYTES}",
            "temp_store = MEMORY",
            f"journal_size_limit = {JOURNAL_BYTES}",
            f"query_only = {'ON' if read_only else 'OFF'}",
        ]
        self._read_only = read_only
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._raw: sqlite3.Connection | None = None

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Starts a call in the thread, after those submitted before. Await it shielded: the thread cannot stop."""
        return asyncio.wrap_future(self._thread.submit(call, *args, **kwargs))

    async def open(self) -> None:
        await self.submit(self._open)

    async def execute(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        return await asyncio.shield(self.submit(self.rows, sql, args))

    def interrupt(self) -> None:
        """Stops the running statement, from any thread."""
        self.raw.interrupt()

    async def close(self) -> None:
        try:
            await self.submit(self._close)
        finally:
            self._thread.shutdown()

    @property
    def raw(self) -> sqlite3.Connection:
        if self._raw is None:
            raise RuntimeError("this SQLite connection is not open")
        return self._raw

    # What follows runs in the thread.

    def rows(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        try:
            cursor = self.raw.execute(sql, args)
            if cursor.description is None:
                return []
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except sqlite3.Error as error:
            known = known_error(error, self.path)
            if known is None:
                raise
            raise known from error

    def run(self, script: Callable[[], Steps[T]], step: Callable[[str], None], name: str) -> T:
        self.rows("BEGIN IMMEDIATE")
        try:
            step(f"{name}:begin")
            result = self._drive(script())
            step(f"{name}:committing")
            self.rows("COMMIT")
        finally:
            self.end("ROLLBACK")
        step(f"{name}:committed")
        return result

    def end(self, sql: str) -> None:
        """Ends the open transaction, if there is one, by COMMIT or ROLLBACK; a COMMIT that fails is rolled back."""
        if not self.raw.in_transaction:
            return
        try:
            self.rows(sql)
        finally:
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")

    def _drive(self, steps: Steps[T]) -> T:
        rows: list[Row] = []
        error: Exception | None = None
        try:
            statement = next(steps)
            while True:
                try:
                    rows, error = self.rows(for_sqlite(statement.template), bind(statement.args)), None
                except (sqlite3.Error, UniqueViolation) as refused:
                    error = refused
                statement = steps.send(rows) if error is None else steps.throw(error)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()

    def _open(self) -> None:
        try:
            self._raw = sqlite3.connect(
                self.path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
            )
        except sqlite3.Error as error:
            known = known_error(error, self.path)
            raise known or error from error
        for pragma in self._pragmas:
            self.rows(f"PRAGMA {pragma}")

    def _close(self) -> None:
        if self._raw is None:
            return
        if not self._read_only:
            with suppress(sqlite3.Error):  # statistics only; a full disk must not keep the engine open
                self._raw.execute("PRAGMA optimize").fetchall()
        self._raw.close()
