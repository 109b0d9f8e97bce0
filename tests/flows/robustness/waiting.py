"""Waiting for something to become true, but not for ever."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 60.0) -> float:
    """How many seconds it took until the condition held; fails after `seconds`."""
    began = time.monotonic()
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"not within {seconds} seconds"
        await asyncio.sleep(0.005)
