"""Migrations: all or nothing, from any number of processes, under names that cannot collide."""

import asyncio
import sys
from pathlib import Path

import pytest
from core.engines.notes_piccolo_app import APP_CONFIG, Note
from core.engines.processes import child
from fluxki_core.domain.errors import PluginError
from fluxki_core.storage.engines import Engine, engine_for
from fluxki_core.storage.migrating import check_names, migrate, pending
from fluxki_core.storage.registry import install
from fluxki_core.storage.statements import Steps, sql
from piccolo.conf.apps import AppConfig

APP = "core.engines.notes_piccolo_app"
NAMES = ["notes 2026-01-01T00:00:00:000000", "notes 2026-01-02T00:00:00:000000"]


@pytest.fixture
def installed(engine: Engine) -> Engine:
    install(engine, [APP])
    return engine


async def test_migrations_run_once_and_in_order(installed: Engine) -> None:
    assert await pending(installed) == NAMES
    assert await migrate(installed) == NAMES
    assert await pending(installed) == []
    assert await migrate(installed) == []
    await Note.insert(Note(body="kept"))
    assert await installed.read(sql("SELECT body FROM note")) == [{"body": "kept"}]


async def test_four_processes_migrate_at_once_and_one_does_the_work(engine: Engine, database_url: str) -> None:
    done = await asyncio.gather(*(child("migrate", database_url, APP) for _ in range(4)))
    assert sorted(map(str, done)) == sorted([str(NAMES), "[]", "[]", "[]"])
    install(engine, [APP])
    assert await pending(engine) == []


async def test_a_migration_that_fails_undoes_all_of_them(installed: Engine) -> None:
    def taken() -> Steps[None]:
        yield sql("CREATE TABLE taken (id bigint)")
        yield sql("CREATE INDEX note_body ON taken (id)")  # the name that the second migration wants

    await installed.run(taken)
    with pytest.raises(Exception, match="note_body"):
        await migrate(installed)
    assert await pending(installed) == NAMES


async def test_nothing_is_printed_and_the_import_path_stays(
    installed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = list(sys.path)
    await migrate(installed)
    assert sys.path == path
    assert capsys.readouterr().out == ""


async def test_an_engine_that_is_not_installed_is_refused(engine: Engine, database_url: str) -> None:
    install(engine, [APP])
    with pytest.raises(RuntimeError, match="install"):
        await migrate(engine_for(database_url))


async def test_tables_follow_the_engine_installed_last(engine: Engine) -> None:
    install(engine, [APP])
    installed: object = Note._meta.db
    assert installed is engine


@pytest.mark.parametrize("name", ["email.py", "notes.py", "other_2026_01_01t00_00_00_000000.py", "notes_1.py"])
def test_migration_files_with_other_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "notes_2026_01_01t00_00_00_000000.py").touch()
    app = AppConfig(app_name="notes", migrations_folder_path=str(tmp_path))
    check_names(app)
    (tmp_path / name).touch()
    with pytest.raises(PluginError, match=name):
        check_names(app)


def test_the_files_of_the_throw_away_app_are_well_named() -> None:
    check_names(APP_CONFIG)
