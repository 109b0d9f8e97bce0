"""From settings to an opened core."""

import contextlib
from collections.abc import AsyncIterator

from fluxki_core.domain.errors import SettingsError
from fluxki_core.hooks import loader
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import Core, CoreSettings
from fluxki_core.storage.engines import Engine, engine_for

from fluxki.secret import secrets
from fluxki.settings import Settings


def engine_of(settings: Settings) -> Engine:
    """The database's engine, not started; a SQLite file's folder is made. Raises `SettingsError`."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"data_dir: {settings.data_dir} is no folder and cannot be made ({error.strerror});"
            " name another, or give this user the right to make it."
        ) from error
    return engine_for(settings.database_url, synchronous=settings.database.synchronous)


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, migrate: bool = True) -> AsyncIterator[Core]:
    """The core of this deployment, with its enabled plugins. Raises `SettingsError` or `Unavailable`."""
    keys = secrets(settings)
    host = loader.load(settings.plugins.enabled)
    core_settings = CoreSettings(
        data_dir=settings.data_dir,
        timezone=settings.locale.timezone,
        reopen_days=settings.tickets.reopen_days,
    )
    async with opened_core(engine_of(settings), host, core_settings, keys, migrate=migrate) as core:
        yield core
