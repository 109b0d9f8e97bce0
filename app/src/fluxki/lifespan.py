"""What runs beside the requests: the worker, and hearing what other processes committed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from fluxki_core.services.core import Core
from fluxki_core.services.supervisor import Supervisor
from litestar import Litestar

log = structlog.get_logger()

RESTART = 1.0  # seconds before work that failed is begun again


@contextlib.asynccontextmanager
async def background(core: Core, *, worker: bool) -> AsyncIterator[None]:
    """Keeps the work going, ends it on the way out."""
    works: dict[str, Callable[[], Awaitable[None]]] = {
        "listener": lambda: core.unit.engine.listen(lambda _: core.unit.wake())
    }
    if worker:
        works["worker"] = Supervisor(core).run
    tasks = [asyncio.create_task(_kept_going(name, work), name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_going(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A fence: pages must not be served by a process whose worker silently died."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("work failed and is begun again", work=name)
        await asyncio.sleep(RESTART)


def lifespan(core: Core, *, worker: bool) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    """The same for a web app: begins before its first request, and lets open streams end with the app."""

    @contextlib.asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with background(core, worker=worker):
            try:
                yield
            finally:
                stop(app)

    return running


def stop(app: Litestar) -> None:
    """Ends the open streams: they would keep the server from stopping."""
    app.state.stopping.set()
    app.state.core.unit.wake()
