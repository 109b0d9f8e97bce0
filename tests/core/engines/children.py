"""What the tests run in processes of their own: `python children.py <what> <url> ...`; each prints one JSON line."""

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections.abc import Awaitable, Callable

from core.engines.counting import Counter, added, incremented
from fluxki_core.domain.errors import Unavailable
from fluxki_core.storage.engines import Engine, engine_for
from fluxki_core.storage.migrating import migrate
from fluxki_core.storage.registry import install
from fluxki_core.storage.statements import Steps, sql


def padded() -> Steps[None]:
    yield sql("INSERT INTO sample (kind) VALUES ({})", "x" * 10_000)


async def one_transaction(engine: Engine) -> None:
    async with engine.transaction():
        await Counter.update({Counter.n: Counter.n + 1}).where(Counter.id == 1)


async def increment(engine: Engine, seconds: str) -> object:
    """Read-modify-writes for some seconds; how many."""
    end = time.monotonic() + float(seconds)
    done = 0
    while time.monotonic() < end:
        await engine.run(incremented)
        done += 1
    return done


async def migrate_all(engine: Engine, app: str) -> object:
    install(engine, [app])
    return await migrate(engine)


async def fill(engine: Engine, limit: str) -> object:
    """Writes until the disk is full, then frees it: the error's text, and whether the engine works again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    text = "no error"
    try:
        for _ in range(10_000):
            await engine.run(padded)
    except Unavailable as error:
        text = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await engine.run(lambda: added(2))
    return text


async def cancel(engine: Engine, times: str) -> object:
    """Cancels transactions at random; the process must end after that."""
    install(engine, [])
    chance = random.Random(int(times))
    for _ in range(int(times)):
        task = asyncio.create_task(one_transaction(engine))
        await asyncio.sleep(chance.random() * 0.003)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return "done"


async def die(engine: Engine, moment: str) -> object:
    """Ends the process, as a power cut would, at a step of a script."""

    def step(now: str) -> None:
        if now == f"count:{moment}":
            os._exit(9)

    return await engine.run(incremented, step, "count")


DEEDS: dict[str, Callable[[Engine, str], Awaitable[object]]] = {
    "increment": increment,
    "migrate": migrate_all,
    "fill": fill,
    "cancel": cancel,
    "die": die,
}


async def main(what: str, url: str, argument: str) -> None:
    engine = engine_for(url, synchronous="NORMAL")
    await engine.start()
    result = await DEEDS[what](engine, argument)
    if what != "cancel":  # that one leaves its engine open: threads must not keep the process
        await engine.close()
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
