"""Bringing the schema up to date: all apps' migrations in one transaction, one process at a time."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.commands.base import BaseMigrationManager
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig, MigrationModule

from fluxki_core.domain.errors import PluginError
from fluxki_core.storage.engines.engine import Engine


async def migrate(engine: Engine) -> list[str]:
    """Applies what is pending in all installed apps, and names it as `pending` does, in order.

    Everything or nothing, safe from several processes at once: the later ones wait, then find nothing to do. So a
    migration must not ask for `CREATE INDEX CONCURRENTLY`, nor for `wrap_in_transaction=False`. `engine` is started
    and installed. Raises PluginError for a badly named file, Unavailable, or what the migration raises.
    """
    _check_installed(engine)
    with _quiet():
        async with engine.migrating():
            finder = BaseMigrationManager()
            await finder.create_migration_table()
            done = []
            for app, identity, module in await _missing(finder):
                manager = await module.forwards()
                if isinstance(manager, MigrationManager):
                    await manager.run()
                await Migration.insert(Migration(name=identity, app_name=app))
                done.append(f"{app} {identity}")
            return done


async def pending(engine: Engine) -> list[str]:
    """Migrations of the installed apps that have not run, each as `app identity`, in the order they will run in."""
    _check_installed(engine)
    with _quiet():
        return [f"{app} {identity}" for app, identity, _ in await _missing(BaseMigrationManager())]


def check_names(app: AppConfig) -> None:
    """Raises PluginError unless every file is named `<app>_<timestamp>.py`, as Piccolo names them.

    Piccolo imports migrations by their bare file names: of two apps with one file name, the second would run the
    first one's migration, and a file named like a library would stand in for it.
    """
    good = re.compile(rf"{re.escape(app.app_name)}_\d{{4}}_\d\d_\d\dt\d\d_\d\d_\d\d_\d{{6}}\.py")
    for file in sorted(Path(app.resolved_migrations_folder_path).glob("*.py")):
        if file.name != "__init__.py" and not good.fullmatch(file.name):
            raise PluginError(
                f"migration file {file} of the app {app.app_name!r} is badly named: name it "
                f"{app.app_name}_<year>_<month>_<day>t<hour>_<minute>_<second>_<microsecond>.py"
            )


def _check_installed(engine: Engine) -> None:
    installed: object = Migration._meta.db  # noqa: SLF001 - Piccolo's documented name
    if installed is not engine:
        raise RuntimeError("another engine is installed: call install(engine, apps) first")


async def _missing(finder: BaseMigrationManager) -> list[tuple[str, str, MigrationModule]]:
    ran = await _ran()
    missing = []
    for app in finder.get_app_configs(sort_by_migration_dependencies=True):
        check_names(app)
        modules = finder.get_migration_modules(app.resolved_migrations_folder_path)
        missing += [
            (app.app_name, identity, modules[identity])
            for identity in sorted(modules)
            if (app.app_name, identity) not in ran
        ]
    return missing


async def _ran() -> set[tuple[str, str]]:
    if not await Migration.table_exists():
        return set()
    return {(row["app_name"], row["name"]) for row in await Migration.select(Migration.app_name, Migration.name)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Piccolo prints as it goes and leaves each migrations folder first on the import path."""
    path = list(sys.path)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        sys.path[:] = path
