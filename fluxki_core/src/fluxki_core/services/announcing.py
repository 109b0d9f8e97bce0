"""Tells the plugins of each event, once; a hook that fails is owed a retry of its own, then buried."""

from datetime import datetime, timedelta
from functools import partial

import structlog

from fluxki_core.domain.events import Body, Event
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import require_admin
from fluxki_core.hooks.host import HookTimeout
from fluxki_core.services.core import Core
from fluxki_core.services.understanding import described
from fluxki_core.storage.queries import accounts, events
from fluxki_core.storage.statements import Row, Steps

log = structlog.get_logger()

LEASE = "announce"
LEASE_SECONDS = 120.0
BATCH = 20
HELD_BACK = "Held back, since the plugin was hanging just before."
PAUSES = (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)  # seconds before each retry; after the last one it is buried


async def announce_next(core: Core) -> bool:
    """Announces the next events and the retries that are due; False where there was nothing, or another process does.

    Events go in their order. What fails is written down together with the mark that the events were announced, so a
    process that ends in between repeats a batch and never leaves one out. A plugin that hangs is left out for the rest
    of a call, so that it costs the others one time limit and not one for each event.
    """
    unit = core.unit
    if not (await unit.read(events.unannounced(1)) or await unit.read(events.owed(unit.now(), 1))):
        return False  # nothing is written where nothing is to be done
    if not await _leased(core):
        return False
    fresh = [events.event_of(row) for row in await core.unit.read(events.unannounced(BATCH))]
    failed: list[tuple[Event[Body], str, str]] = []
    hanging: set[str] = set()
    for event in fresh:
        for plugin in core.host.subscribers(event):
            reason = HELD_BACK if plugin in hanging else await _tell(core, plugin, event, hanging)
            if reason is not None:
                failed.append((event, plugin, reason))
            await _leased(core)
    if fresh:
        await core.unit.run("announced", lambda: _announced(core.unit.now(), fresh, failed), tell=False)
    retried = await _retry(core, hanging)
    return bool(fresh) or retried


async def let_go(core: Core) -> None:
    """Leaves the announcing to other processes at once, for one that stops."""

    def script() -> Steps[None]:
        yield accounts.drop_lease(LEASE, core.holder)

    await core.unit.run("lease", script, tell=False)


async def _leased(core: Core) -> bool:
    now = core.unit.now()
    return await core.unit.run("lease", lambda: accounts.take_lease(LEASE, core.holder, now, LEASE_SECONDS), tell=False)


def _announced(now: datetime, fresh: list[Event[Body]], failed: list[tuple[Event[Body], str, str]]) -> Steps[None]:
    yield events.mark_announced([each.id for each in fresh])
    for event, plugin, reason in failed:
        yield events.owe(event.id, plugin, now + timedelta(seconds=PAUSES[0]), reason)


async def _tell(core: Core, plugin: str, event: Event[Body], hanging: set[str]) -> str | None:
    """Why it failed, if it did; one that took too long is added to those that hang."""
    try:
        await core.host.announce(plugin, event, core.settings.announce_seconds)
    except Exception as error:
        if isinstance(error, HookTimeout):
            hanging.add(plugin)
        log.warning("announce hook failed", plugin=plugin, event_id=event.id, error=repr(error))
        return described(error)
    return None


async def _retry(core: Core, hanging: set[str]) -> bool:
    tried = False
    for row in await core.unit.read(events.owed(core.unit.now(), BATCH)):
        if row["plugin"] in hanging:
            continue
        tried = True
        event = events.event_of(row)
        if row["plugin"] not in core.host.plugins:
            reason: str | None = core.host.off.get(row["plugin"], "The plugin is not enabled.")
        elif row["plugin"] in core.host.subscribers(event):
            reason = await _tell(core, row["plugin"], event, hanging)
        else:
            reason = None
        await core.unit.run("retried", partial(_retried, core, row, reason), tell=False)
        await _leased(core)
    return tried


def _retried(core: Core, row: Row, reason: str | None) -> Steps[None]:
    if reason is None:
        yield events.settle_announcement(row["announcement"])
        return
    attempts = row["attempts"] + 1
    buried = attempts > len(PAUSES)
    pause = PAUSES[min(attempts, len(PAUSES)) - 1]
    due_at = core.unit.now() + timedelta(seconds=pause)
    yield events.postpone_announcement(row["announcement"], "buried" if buried else "due", attempts, due_at, reason)


async def owed(core: Core, actor: Actor, after: int, limit: int) -> list[Row]:
    """What plugins failed to hear: id, plugin, event_id, name, state ("due" or "buried"), attempts, due_at, error."""
    require_admin(actor)
    return await core.unit.read(events.owed_list(after, limit))


async def revive(core: Core, actor: Actor) -> int:
    """Gives buried announcements another chance; gives how many."""
    require_admin(actor)
    now = core.unit.now()

    def script() -> Steps[int]:
        return len((yield events.revive(now)))

    return await core.unit.run("revive", script)
