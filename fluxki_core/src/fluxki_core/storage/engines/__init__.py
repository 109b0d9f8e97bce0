"""Database engines: one protocol, SQLite for one machine, PostgreSQL at scale."""

from urllib.parse import unquote, urlsplit

from fluxki_core.domain.errors import SettingsError
from fluxki_core.storage.engines.engine import Engine as Engine
from fluxki_core.storage.engines.sqlite_connection import Synchronous


def engine_for(
    url: str,
    *,
    synchronous: Synchronous = "FULL",
    readers: int = 3,
    pool_size: int = 10,
    statement_timeout: float = 30.0,
) -> Engine:
    """An engine that is not started yet; nothing is opened.

    `url`: `sqlite:////absolute/path`, `sqlite:///relative/path` or `postgresql://user:password@host:port/database`.
    `synchronous` and `readers` concern SQLite; `pool_size` (connections) and `statement_timeout` (seconds)
    PostgreSQL. Raises SettingsError for any other URL.
    """
    # Only the driver in use is loaded.
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path.removeprefix("/"))
        if parts.netloc or parts.query or parts.fragment or not path or ":memory:" in path:
            raise SettingsError(
                "a SQLite URL is sqlite:////absolute/path or sqlite:///relative/path, of a file on disk"
            )
        from fluxki_core.storage.engines.sqlite import SQLite

        return SQLite(path, synchronous=synchronous, readers=readers)
    if parts.scheme in {"postgresql", "postgres"}:
        from fluxki_core.storage.engines.postgres import Postgres

        return Postgres(url, pool_size=pool_size, statement_timeout=statement_timeout)
    raise SettingsError("the database's URL begins with sqlite:/// or postgresql://")
