"""What asyncpg's errors mean to callers."""

import asyncpg  # type: ignore[import-untyped]

from fluxki_core.domain.errors import Unavailable
from fluxki_core.storage.errors import UniqueViolation

RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
# An InternalClientError is what a query meets on a connection that the server has just ended, before it is closed.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# Classes of errors and their cures; the first that fits counts.
_CURES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (asyncpg.TooManyConnectionsError,),
        "it has no connection left: raise max_connections there or lower pool_size here",
    ),
    ((asyncpg.DiskFullError,), "its disk is full: free some space on the server"),
    ((asyncpg.InsufficientResourcesError,), "it is out of memory or files: look at the server"),
    ((asyncpg.QueryCanceledError,), "the statement took longer than its time limit: try again when it has less to do"),
    ((asyncpg.LockNotAvailableError,), "a lock was not to be had in time: try again"),
    ((asyncpg.ReadOnlySQLTransactionError,), "it takes no writes: connect to the primary server, not to a replica"),
    ((asyncpg.InvalidAuthorizationSpecificationError,), "it refused the user or password: correct the database's URL"),
    ((asyncpg.ClientConfigurationError,), "the database's URL cannot be read: correct it"),
    ((asyncpg.InvalidCatalogNameError,), "the database does not exist: create it or correct the database's URL"),
    ((asyncpg.OperatorInterventionError,), "it is starting or shutting down: try again soon"),
    (
        (asyncpg.PostgresConnectionError, asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.InternalClientError),
        "the connection was lost: see whether the server runs",
    ),
    ((TimeoutError,), "it did not answer in time: see whether the server runs and is not overloaded"),
    ((OSError,), "it cannot be reached: start the server or correct the database's URL"),
)


def is_lost(connection: asyncpg.Connection) -> bool:
    """Whether a connection of the pool is closed. Once closed it may be back in the pool, and then answers nothing."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def known_error(error: BaseException, *, connection_lost: bool = False) -> UniqueViolation | Unavailable | None:
    """What a driver's error means to callers; None for a mistake in the statement.

    `connection_lost`: the connection is closed, whatever the error says (asyncpg then raises an InterfaceError, which
    it also raises for wrong arguments).
    """
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(error.constraint_name or str(error))
    for kinds, cure in _CURES:
        if isinstance(error, kinds):
            return Unavailable(f"PostgreSQL cannot be used: {cure} ({type(error).__name__}: {error})")
    if connection_lost:
        return Unavailable(f"PostgreSQL cannot be used: the connection was lost, see whether the server runs ({error})")
    return None
