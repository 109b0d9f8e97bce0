"""What the worker clears away from time to time, so that nothing grows without end."""

import asyncio

from fluxki_core.services.core import Core
from fluxki_core.services.stranding import give_up_all
from fluxki_core.storage.queries import idempotency
from fluxki_core.storage.statements import Steps


async def tidy(core: Core) -> None:
    """Forgets answers kept under an Idempotency-Key for long enough, and what killed processes left half done.

    What came to rest in a removed account is given up.
    """
    now = core.unit.now()

    def script() -> Steps[None]:
        yield idempotency.forget(now)
        yield from give_up_all(now)

    await core.unit.run("tidy", script, tell=False)
    await asyncio.to_thread(core.files.sweep)
