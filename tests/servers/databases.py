"""Fresh databases for tests, empty or copied from a template, on either engine."""

import shutil
from itertools import count
from pathlib import Path
from typing import Protocol

import asyncpg  # type: ignore[import-untyped]


class Databases(Protocol):
    """Where tests get databases from."""

    async def fresh(self, template: str | None = None) -> str:
        """The URL of a new database, empty or a copy of the one at URL `template`, whose engines are all closed."""

    async def drop(self, url: str) -> None:
        """Deletes a database that `fresh` gave, ending what still uses it."""


class SQLiteDatabases:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    async def fresh(self, template: str | None = None) -> str:
        file = self._folder / f"{next(self._numbers)}.sqlite"
        if template is not None:
            shutil.copyfile(self._file(template), file)
        return f"sqlite:///{file}"

    async def drop(self, url: str) -> None:
        file = self._file(url)
        for part in (file, *file.parent.glob(f"{file.name}-*")):
            part.unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        return Path(url.removeprefix("sqlite:///"))


class PostgresDatabases:
    """`admin_url` may create databases; `prefix` sets those of one test process apart."""

    def __init__(self, admin_url: str, prefix: str) -> None:
        self._admin_url = admin_url
        self._prefix = prefix
        self._numbers = count(1)

    async def fresh(self, template: str | None = None) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        source = "template0" if template is None else _name(template)
        # FILE_COPY takes 10 ms here, WAL_LOG 15: without fsync its checkpoints cost nothing.
        await self._admin(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
        return f"{self._admin_url.rpartition('/')[0]}/{name}"

    async def drop(self, url: str) -> None:
        await self._admin(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    async def _admin(self, command: str) -> None:
        connection = await asyncpg.connect(self._admin_url)
        try:
            await connection.execute(command)
        finally:
            await connection.close()


def _name(url: str) -> str:
    return url.rpartition("/")[2]
