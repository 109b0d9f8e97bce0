"""Hearing of other processes' commits on PostgreSQL, through a connection of its own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import structlog

from fluxki_core.storage.engines.postgres_errors import DRIVER_ERRORS

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
PROBE_SECONDS = 30.0
PROBE_ANSWER_SECONDS = 10.0

_log = structlog.get_logger(__name__)


async def listen(config: Mapping[str, Any], channel: str, on_message: Callable[[str], None]) -> None:
    """See `Engine.listen`. A connection that died without a word is noticed by a probe every 30 seconds."""
    wait = FIRST_WAIT
    while True:
        try:
            connection = await asyncpg.connect(**config)
            try:
                wait = FIRST_WAIT
                await _hear(connection, channel, on_message)
            finally:
                connection.terminate()
        except DRIVER_ERRORS as error:
            _log.warning("listening.lost", error=str(error), again_in=wait)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def _hear(connection: asyncpg.Connection, channel: str, on_message: Callable[[str], None]) -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: on_message(payload))
    on_message("")
    while not lost.is_set():
        try:
            await asyncio.wait_for(lost.wait(), PROBE_SECONDS)
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=PROBE_ANSWER_SECONDS)
