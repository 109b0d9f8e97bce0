"""The way from a command of the console to this deployment's settings and core."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # both are imported when a command needs them: `--help` does not
    from fluxki_core.domain.ports import Desk
    from fluxki_core.services.core import Core

    from fluxki.settings import Settings

T = TypeVar("T")


class Console:
    """What commands, the plugins' too, find as `ctx.obj`: `domain.ports.Console`, and what the app's own need."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self._settings: Settings | None = None

    @property
    def settings(self) -> "Settings":
        """Read when first asked for, so that `--help` needs none."""
        if self._settings is None:
            from fluxki import logs
            from fluxki.settings import load

            self._settings = load(self._config)
            logs.configure(self._settings.log)
        return self._settings

    def run(self, main: Callable[["Desk"], Awaitable[T]]) -> T:
        """Opens the core without its worker, runs `main` for the machine itself, closes the core."""
        from fluxki_core.domain.people import SYSTEM
        from fluxki_core.services.desk import CoreDesk

        return self.with_core(lambda core: main(CoreDesk(core, SYSTEM)))

    def with_core(self, main: Callable[["Core"], Awaitable[T]]) -> T:
        """The same, for the app's own commands."""
        from fluxki.wiring import opened

        async def opened_for_it() -> T:
            async with opened(self.settings) as core:
                return await main(core)

        return asyncio.run(opened_for_it())
