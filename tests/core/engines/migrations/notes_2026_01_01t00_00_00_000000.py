from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Text

ID = "2026-01-01T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = ""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="notes", description=DESCRIPTION)
    manager.add_table("Note", tablename="note")
    manager.add_column(
        table_class_name="Note",
        tablename="note",
        column_name="body",
        column_class_name="Text",
        column_class=Text,
        params={"default": "", "null": False},
    )
    return manager
