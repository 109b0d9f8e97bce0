"""What the rest of storage knows of a database: read a statement, run a script, hear of commits."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from fluxki_core.storage.statements import Row, Statement, Steps

T = TypeVar("T")

NOT_STARTED = (
    "the database engine is not started in this event loop: call `await engine.start()` there before the first query, "
    "and make a separate engine for another event loop"
)
INSIDE_TRANSACTION = "run() starts a transaction of its own: call it outside engine.transaction()"


class Engine(Protocol):
    """One database. Both implementations are Piccolo engines too, so that tables may query through them.

    Arguments of statements: None, bool, int, float, str, bytes, aware datetimes, and Enum members (their values are
    stored). JSON travels as text in both directions. A naive datetime is a ValueError, since SQLite would order it
    wrongly.
    Rows: dicts by column name; a name used twice keeps the last value. SQLite knows a value's type by its column,
    so an expression, and every column of `RETURNING`, comes back raw there: 0 or 1 for a boolean, text for a time.
    `msgspec.convert(rows, list[Struct], strict=False)` makes both databases' rows alike.

    Errors: `UniqueViolation`; `Unavailable` for a database or disk that cannot be used now; any other error is the
    driver's own and means a mistake in the statement.
    """

    engine_type: str  # "sqlite" or "postgres": Piccolo compares it literally

    async def start(self) -> None:
        """Opens the connections. Raises Unavailable, or SettingsError for a server that is too old."""

    async def close(self) -> None:
        """Waits for what is running, then closes the connections. Does nothing when not started."""

    async def read(self, statement: Statement) -> list[Row]:
        """Rows of one SELECT that sees what is committed. Cancelling it stops it in the database."""

    async def run(self, script: Callable[[], Steps[T]], step: Callable[[str], None] | None = None, name: str = "") -> T:
        """Runs what `script()` yields as one transaction, and gives its return value once that is committed.

        It is a factory because PostgreSQL may undo a deadlocked script and run a fresh one, up to three more times;
        so a script changes nothing but the database.

        An error of a statement is thrown into the script. To go on after catching it, the statement must have stood
        in a `savepoint`. What costs the whole transaction (Unavailable, a deadlock) is not thrown in: no script
        shall take it for a fault of its data. An uncaught error undoes everything and is raised.

        A connection lost during COMMIT raises Unavailable although the commit may have happened: callers repeat under
        a unique key. A cancelled caller leaves a SQLite script to its thread, which finishes it; PostgreSQL undoes it.

        `step` hears `name:begin`, `name:committing` and `name:committed` at those moments (in the writer's thread on
        SQLite), so that kill tests can strike there.
        """

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """A transaction for Piccolo queries; nested ones are savepoints. Nothing slow inside: SQLite has one."""

    def migrating(self) -> AbstractAsyncContextManager[object]:
        """A transaction that keeps other processes' migrations out and has no statement time limit."""

    def notify_statement(self, payload: str) -> Statement | None:
        """What a script yields to have `payload` (under 8000 bytes) heard by every `listen` once it commits.

        None on SQLite, which cannot tell other processes.
        """

    async def listen(self, on_message: Callable[[str], None]) -> None:
        """Gives each committed payload to `on_message` until cancelled.

        Reconnects after a loss, then calls `on_message("")`: payloads may have been missed, so look again. The same
        call comes once at the start. On SQLite nothing is ever heard.
        """
