"""The way in, first half: raw bytes stored under a key before anybody tries to understand them."""

import asyncio
from pathlib import Path

from fluxki_core.domain.errors import NotFound
from fluxki_core.domain.events import SettingsChanged
from fluxki_core.domain.ids import AccountId, RawId
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import require_admin
from fluxki_core.domain.traffic import RawItem
from fluxki_core.services.core import Core
from fluxki_core.storage.files import FileStore, Stored
from fluxki_core.storage.queries import events, raw
from fluxki_core.storage.statements import Row, Statement, Steps

IN_ROW = 64 * 1024


class AccountInbox:
    """The inbox that a channel gets for one of its accounts."""

    def __init__(self, core: Core, account: AccountId) -> None:
        self._core = core
        self._account = account

    async def put(self, *items: RawItem) -> None:
        await put(self._core, self._account, items)


async def put(core: Core, account: AccountId, items: tuple[RawItem, ...]) -> set[str]:
    """Stores raw messages in one commit; small ones in their row, larger ones in the file store, synced before.

    Gives the keys that were new.
    """
    now = core.unit.now()
    places = await _places(core.files, items)
    core.unit.step("put:stored")

    def script() -> Steps[set[str]]:
        fresh = set()
        for item, (body, stored, size) in zip(items, places, strict=True):
            if (yield raw.put(account, item.key, now, size, body, stored.sha256 if stored else None)):
                fresh.add(item.key)
        return fresh

    return await core.unit.run("put", script)


async def _places(files: FileStore, items: tuple[RawItem, ...]) -> list[tuple[bytes | None, Stored | None, int]]:
    small = [
        each.content if isinstance(each.content, bytes) and len(each.content) <= IN_ROW else None for each in items
    ]
    if None not in small:
        return [(body, None, len(body)) for body in small if body is not None]
    return await asyncio.to_thread(_place_all, files, items)


def _place_all(files: FileStore, items: tuple[RawItem, ...]) -> list[tuple[bytes | None, Stored | None, int]]:
    return [_place(files, each.content) for each in items]


def _place(files: FileStore, content: bytes | Path) -> tuple[bytes | None, Stored | None, int]:
    if isinstance(content, Path) and content.stat().st_size <= IN_ROW:
        content = content.read_bytes()
    if isinstance(content, bytes) and len(content) <= IN_ROW:
        return content, None, len(content)
    stored = files.put(content)
    return None, stored, stored.size


async def parked(core: Core, actor: Actor, after: RawId, limit: int) -> list[Row]:
    """What could not be understood or taken in, with the reason."""
    require_admin(actor)
    return await core.unit.read(raw.parked(after, limit))


async def replay(core: Core, actor: Actor, raws: list[RawId]) -> list[RawId]:
    """Puts parked messages (none named: all) on the way in again; gives the ids that were."""
    return await _set(core, actor, raws, "waiting", "replayed")


async def discard(core: Core, actor: Actor, raws: list[RawId]) -> list[RawId]:
    """Gives parked messages up; their bytes stay in the store. Raises `NotFound` where none is named or none fits."""
    if not raws:
        raise NotFound("Name the parked messages to discard.")
    return await _set(core, actor, raws, "discarded", "discarded")


async def _set(core: Core, actor: Actor, raws: list[RawId], state: str, action: str) -> list[RawId]:
    require_admin(actor)
    now = core.unit.now()

    def script() -> Steps[list[RawId]]:
        rows = yield raw.set_parked(raws, state)
        for row in rows:
            yield _noted(row["id"])
        return [RawId(row["id"]) for row in rows]

    def _noted(record: int) -> Statement:
        return events.append(now, actor, None, SettingsChanged(sort="raw", record=record, action=action))

    changed = await core.unit.run("parked", script)
    if raws and not changed:
        raise NotFound("None of these is parked, or their account was removed.")
    return changed
