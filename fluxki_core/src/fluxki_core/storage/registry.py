"""Piccolo's configuration, made in memory: which engine all tables use, and which apps bring tables."""

import os
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, cast

from piccolo.conf.apps import AppRegistry
from piccolo.engine.base import Engine as PiccoloEngine
from piccolo.table import Table

from fluxki_core.storage.engines.engine import Engine

CONF = "fluxki_piccolo_conf"


def install(engine: Engine, apps: Sequence[str]) -> None:
    """Makes `engine` the engine of every table, and `apps` the Piccolo apps to migrate; replaces what was installed.

    `apps`: module names such as `fluxki_core.storage.piccolo_app`; each is imported. Raises ImportError for one that
    is missing and ValueError for two of one name.
    """
    conf = ModuleType(CONF)
    conf.__dict__.update(DB=engine, APP_REGISTRY=AppRegistry(apps=list(apps)))
    sys.modules[CONF] = conf
    os.environ["PICCOLO_CONF"] = CONF
    for table in _tables(Table):  # each keeps the engine that it found first
        table._meta.db = cast("PiccoloEngine[Any]", engine)  # noqa: SLF001 - Piccolo's documented name


def _tables(parent: type[Table]) -> Iterator[type[Table]]:
    for table in parent.__subclasses__():
        yield table
        yield from _tables(table)
