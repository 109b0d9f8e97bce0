"""A throw-away Piccolo app, as a plugin would bring it."""

from pathlib import Path

from piccolo.columns import Text
from piccolo.conf.apps import AppConfig
from piccolo.table import Table


class Note(Table):
    body = Text()


APP_CONFIG = AppConfig(
    app_name="notes", migrations_folder_path=str(Path(__file__).parent / "migrations"), table_classes=[Note]
)
