"""How far events may be read so that none can still appear before what was read.

Ids are given out before they are committed, so a lower id may become visible after a higher one. SQLite has one writer,
whose ids appear in order. PostgreSQL tells for each snapshot which transactions were open: whoever holds an id below
the highest visible one had begun by then (see `events.append`), so once all those have ended, nothing is missing there.
"""

from collections import deque

from fluxki_core.domain.ids import EventId
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.statements import sql

_SNAPSHOT = sql(
    "SELECT (SELECT max(id) FROM event) AS newest, pg_snapshot_xmin(s)::text AS oldest_open,"
    " pg_snapshot_xmax(s)::text AS next_one FROM pg_current_snapshot() s"
)
_NEWEST = sql("SELECT max(id) AS newest FROM event")


class Horizon:
    """One process's view of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reached = EventId(0)
        self._waiting: deque[tuple[int, EventId]] = deque()

    async def settled(self) -> EventId:
        """The highest event id below which all events are there; it never goes back."""
        if self._engine.engine_type == "sqlite":
            rows = await self._engine.read(_NEWEST)
            return EventId(rows[0]["newest"] or 0)
        (row,) = await self._engine.read(_SNAPSHOT)
        self._waiting.append((int(row["next_one"]), EventId(row["newest"] or 0)))
        while self._waiting and self._waiting[0][0] <= int(row["oldest_open"]):
            self._reached = max(self._reached, self._waiting.popleft()[1])
        return self._reached
