from core.engines.notes_piccolo_app import Note
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

ID = "2026-01-02T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = ""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="notes", description=DESCRIPTION)

    async def index() -> None:
        await Note.raw("CREATE INDEX note_body ON note (body)")

    manager.add_raw(index)
    return manager
