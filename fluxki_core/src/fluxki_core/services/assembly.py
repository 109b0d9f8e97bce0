"""Puts the core together for one process, and takes it apart."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from secrets import token_hex

from fluxki_core.domain.people import Actor, ActorKind
from fluxki_core.hooks.host import Host
from fluxki_core.services.core import Core, CoreSettings
from fluxki_core.services.desk import CoreDesk
from fluxki_core.services.horizon import Horizon
from fluxki_core.services.secrets import Keys
from fluxki_core.services.starting import ensure_starting_set
from fluxki_core.services.unit import Step, Unit, no_step, utc_now
from fluxki_core.storage import migrating, registry
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.files import FileStore

CORE_APP = "fluxki_core.storage.piccolo_app"


def migration_apps(host: Host) -> list[str]:
    """The Piccolo apps of the core and of the plugins, in the order in which they may depend on each other."""
    own = [plugin.manifest.migrations for plugin in host.plugins.values()]
    return [CORE_APP, *(each for each in own if each)]


@contextlib.asynccontextmanager
async def opened_core(
    engine: Engine,
    host: Host,
    settings: CoreSettings,
    secrets: Sequence[str],
    *,
    migrate: bool = True,
    step: Step = no_step,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Core]:
    """The core, with its database open, migrated (unless told not to) and filled with the starting set."""
    keys = Keys(secrets)
    await engine.start()
    try:
        registry.install(engine, migration_apps(host))
        if migrate:
            await migrating.migrate(engine)
        core = Core(
            unit=Unit(engine, step=step, clock=clock),
            horizon=Horizon(engine),
            host=host,
            files=FileStore(settings.data_dir / "files"),
            keys=keys,
            settings=settings,
            holder=f"{socket.gethostname()[:30]}:{os.getpid()}:{token_hex(4)}",
        )
        if migrate:
            await ensure_starting_set(core)
        host.ready(lambda name: CoreDesk(core, Actor(kind=ActorKind.PLUGIN, name=name)))
        yield core
    finally:
        await engine.close()
