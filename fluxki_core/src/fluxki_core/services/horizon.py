"""How far events may be read so that none can still appear before what was read.

Ids are given out before they are committed, so a lower id may become visible after a higher one. SQLite has one writer,
whose ids appear in order. On PostgreSQL, whoever holds an id below a visible one has had a transaction number since
before it was visible (see `events.append`). So a number taken after looking at the highest id is above all of theirs,
and once no transaction below that number is open any more, nothing is missing up to the id.
"""

import asyncio
from collections import deque

from fluxki_core.domain.ids import EventId
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.statements import Statement, sql

_NEWEST = sql("SELECT max(id) AS newest FROM event")
_NUMBER = sql("SELECT pg_current_xact_id()::text AS number")
_OLDEST_OPEN = sql("SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS number")
TRIES, PAUSE = 500, 0.01  # PAUSE in seconds


class Horizon:
    """One process's view of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen = EventId(0)
        self._reached = EventId(0)
        self._waiting: deque[tuple[int, EventId]] = deque()

    async def newest(self) -> EventId:
        """The highest event id that can be seen; lower ones may still appear."""
        return EventId((await self._engine.read(_NEWEST))[0]["newest"] or 0)

    async def now(self) -> EventId:
        """Where a reader of what is to come begins: the newest event, once nothing can appear before it.

        A transaction that stays open for longer than five seconds is not waited for: its events are then missed, which
        is better than to begin with the whole history.
        """
        newest = await self.newest()
        for _ in range(TRIES):
            if await self.settled() >= newest:
                break
            await asyncio.sleep(PAUSE)
        return newest

    async def settled(self) -> EventId:
        """The highest event id up to which all events are there; it never goes back."""
        newest = await self.newest()
        if self._engine.engine_type == "sqlite":
            return newest
        if newest > self._seen:
            self._seen = newest
            self._waiting.append((await self._number(_NUMBER), newest))
        if self._waiting:
            oldest_open = await self._number(_OLDEST_OPEN)
            while self._waiting and self._waiting[0][0] <= oldest_open:
                self._reached = max(self._reached, self._waiting.popleft()[1])
        return self._reached

    async def _number(self, statement: Statement) -> int:
        return int((await self._engine.read(statement))[0]["number"])
