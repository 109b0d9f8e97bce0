"""The way out: a queued delivery is started in the store, given to its channel, and its end written down."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import structlog

from fluxki_core.domain.errors import FluxkiError, NoChannel, NotFound, PluginError, Unavailable
from fluxki_core.domain.events import (
    DeliveryDiscarded,
    DeliveryFailed,
    DeliveryRetried,
    DeliveryUncertain,
    MessageSent,
)
from fluxki_core.domain.ids import AccountId, DeliveryId, MessageId, TicketId
from fluxki_core.domain.people import SYSTEM, Actor
from fluxki_core.domain.permissions import PermissionLevel, level, require, require_agent
from fluxki_core.domain.tickets import DeliveryState, DeliveryView
from fluxki_core.domain.traffic import Account, Outgoing, SendLater, SendRejected, SendUncertain, Sent
from fluxki_core.services.core import Core
from fluxki_core.services.outgoing import compose
from fluxki_core.services.stranding import UNSENT
from fluxki_core.services.understanding import MAX_REASON, storable
from fluxki_core.storage.queries import accounts, deliveries, events, messages, tickets
from fluxki_core.storage.statements import Row, Steps

log = structlog.get_logger()

LEASE_SECONDS = 60.0  # of a delivery being sent; renewed while that lasts, so that a dead process is soon known
INSIST_SECONDS = 600.0  # for which the end of a delivery is tried to be written down
SHORTEST_PAUSE, UNTOLD_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=7)
LAPSED = "The process ended while sending; it may have been sent."


async def send_next(core: Core, account: Account) -> bool:
    """Sends the account's next delivery; False where none is due. Its end is always written down."""
    token, now = token_hex(16), core.unit.now()
    row = await core.unit.run("start", lambda: _claimed(account, now, token), tell=False)
    if row is None:
        return False
    core.unit.step("deliver:started")
    renewal = asyncio.create_task(_renew(core, DeliveryId(row["id"]), token))
    try:
        await _send(core, account, row, token)
    finally:
        renewal.cancel()
    return True


def _claimed(account: Account, now: datetime, token: str) -> Steps[Row | None]:
    return (yield from deliveries.claim(account.id, account.generation, now, token, _until(now)))


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=LEASE_SECONDS)


async def _renew(core: Core, delivery: DeliveryId, token: str) -> None:
    def script() -> Steps[None]:
        yield deliveries.renew(delivery, token, _until(core.unit.now()))

    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        with contextlib.suppress(Unavailable):
            await core.unit.run("renew", script, tell=False)


async def _send(core: Core, account: Account, row: Row, token: str) -> None:
    try:
        outgoing = await compose(core, account, row)
    except Exception as error:
        await _unprepared(core, row, token, error)
        return
    try:
        sent = _believed(
            await core.host.address("channel_send", account, Sent, core.settings.send_seconds, outgoing=outgoing)
        )
    except asyncio.CancelledError:
        # The process stops, and this did not end in the time it had: nobody need wait for the lease to know.
        with contextlib.suppress(FluxkiError):
            await core.unit.run("settle", _ended(core, account, outgoing, token, DeliveryState.UNCERTAIN, LAPSED))
        raise
    except SendLater as later:
        await _postpone(core, account, outgoing, token, later)
    except SendRejected as rejected:
        await _settle(core, account, outgoing, token, DeliveryState.FAILED, _reason(rejected))
    except SendUncertain as uncertain:
        await _settle(core, account, outgoing, token, DeliveryState.UNCERTAIN, _reason(uncertain))
    except Exception as error:
        # A plugin that raises anything else, or takes too long, may have sent it: only a person may repeat it.
        log.warning("channel_send failed", delivery=outgoing.delivery, error=repr(error))
        await _settle(core, account, outgoing, token, DeliveryState.UNCERTAIN, _reason(error))
    else:
        core.unit.step("deliver:sent")
        await _settle(core, account, outgoing, token, DeliveryState.SENT, sent.detail, sent.outside_id)


def _believed(sent: Sent) -> Sent:
    """A plugin's answer is believed only where it can be stored."""
    if not isinstance(sent.detail, str) or not isinstance(sent.outside_id, str | None):
        raise PluginError("channel_send gave a Sent with values of other types.")
    outside_id = sent.outside_id
    if outside_id is not None and storable(outside_id) != outside_id:
        raise PluginError("channel_send gave an outside id with characters that cannot be stored.")
    return Sent(outside_id=outside_id, detail=storable(sent.detail)[:MAX_REASON])


def _reason(error: Exception) -> str:
    return storable(str(error) or repr(error))[:MAX_REASON]


def _again_at(now: datetime, until: object) -> datetime:
    """When to try again: a plugin that names no time, or one long past, must not keep the worker spinning."""
    if not isinstance(until, datetime) or until.utcoffset() is None:
        return now + UNTOLD_PAUSE
    return min(max(until.astimezone(UTC), now + SHORTEST_PAUSE), now + LONGEST_PAUSE)


async def _postpone(core: Core, account: Account, outgoing: Outgoing, token: str, later: SendLater) -> None:
    now = core.unit.now()
    until, reason = _again_at(now, later.until), _reason(later)

    def script() -> Steps[None]:
        changed = yield deliveries.postpone(outgoing.delivery, token, now, until, reason, tried=later.tried)
        if not changed or not later.account_wide:
            return
        if not (yield accounts.pause(account.id, account.generation, until, reason)):
            yield deliveries.hurry(outgoing.delivery, now)  # the account was mended meanwhile

    await _insist(core, "postpone", script)


async def _unprepared(core: Core, row: Row, token: str, error: Exception) -> None:
    """What could not even be put together was certainly not sent."""
    log.warning("delivery cannot be composed", delivery=row["id"], error=repr(error))
    delivery, now = DeliveryId(row["id"]), core.unit.now()

    def script() -> Steps[None]:
        if isinstance(error, Unavailable):
            yield deliveries.postpone(delivery, token, now, now + timedelta(seconds=30), _reason(error), tried=False)
            return
        place = yield from deliveries.place(delivery)
        if place and (yield deliveries.settle(delivery, token, now, DeliveryState.FAILED, None, _reason(error))):
            ticket, message = TicketId(place["ticket_id"]), MessageId(place["message_id"])
            yield from _told(now, SYSTEM, ticket, message, delivery, DeliveryState.FAILED, _reason(error))

    await _insist(core, "unprepared", script)


async def _insist(core: Core, name: str, script: Callable[[], Steps[None]]) -> None:
    """Writes an end down also when the database is away for a while: it is known only here."""
    give_up = core.unit.now() + timedelta(seconds=INSIST_SECONDS)
    while True:
        try:
            return await core.unit.run(name, script)
        except Unavailable:
            if core.unit.now() > give_up:
                raise
            await asyncio.sleep(1.0)


async def _settle(
    core: Core,
    account: Account,
    outgoing: Outgoing,
    token: str,
    state: DeliveryState,
    reason: str,
    outside_id: str | None = None,
) -> None:
    await _insist(core, "settle", _ended(core, account, outgoing, token, state, reason, outside_id))


def _ended(
    core: Core,
    account: Account,
    outgoing: Outgoing,
    token: str,
    state: DeliveryState,
    reason: str,
    outside_id: str | None = None,
) -> Callable[[], Steps[None]]:
    now = core.unit.now()

    def script() -> Steps[None]:
        changed = yield deliveries.settle(
            outgoing.delivery, token, now, state, outside_id and messages.outside_key(outside_id), reason
        )
        if not changed:
            return
        if outside_id:
            yield messages.know_as(account.id, outside_id, outgoing.message)
        if state is DeliveryState.SENT:
            yield accounts.set_sending(account.id, "")
        yield from _told(now, SYSTEM, outgoing.ticket, outgoing.message, outgoing.delivery, state, reason)

    return script


def _told(
    now: datetime,
    actor: Actor,
    ticket: TicketId,
    message: MessageId,
    delivery: DeliveryId,
    state: DeliveryState,
    reason: str,
) -> Steps[None]:
    match state:
        case DeliveryState.SENT:
            yield events.append(now, actor, ticket, MessageSent(message=message, delivery=delivery))
        case DeliveryState.FAILED:
            yield events.append(now, actor, ticket, DeliveryFailed(message=message, delivery=delivery, reason=reason))
        case DeliveryState.UNCERTAIN:
            yield events.append(
                now, actor, ticket, DeliveryUncertain(message=message, delivery=delivery, reason=reason)
            )


async def mark_lapsed(core: Core) -> int:
    """Deliveries whose process vanished while sending become uncertain; gives how many."""
    now = core.unit.now()
    if not await core.unit.read(deliveries.any_lapsed(now)):
        return 0  # a transaction would tell every process to look again, and this is asked at every look

    def script() -> Steps[int]:
        rows = yield deliveries.lapsed(now, 100)
        for row in rows:
            delivery = DeliveryId(row["id"])
            state = DeliveryState.UNCERTAIN
            yield deliveries.settle(delivery, row["lease_token"], now, state, None, LAPSED)
            yield from _told(now, SYSTEM, row["ticket_id"], row["message_id"], delivery, state, LAPSED)
        return len(rows)

    return await core.unit.run("lapsed", script)


async def due(core: Core) -> list[AccountId]:
    """The accounts that have something to send now, by a channel that this process has."""
    channels = tuple(each for each in core.host.channels if core.host.has(each, "channel_send"))
    if not channels:
        return []
    return [
        AccountId(row["account_id"]) for row in await core.unit.read(deliveries.accounts_due(core.unit.now(), channels))
    ]


async def troubled(core: Core, actor: Actor, after: DeliveryId, limit: int) -> list[DeliveryView]:
    """Deliveries that failed, are uncertain, or wait for another try, of the tickets that the actor may see."""
    require_agent(actor)
    rows = await core.unit.read(deliveries.troubled(actor, after, limit))
    return [messages.delivery_view(row) for row in rows]


async def retry(core: Core, actor: Actor, delivery: DeliveryId) -> DeliveryView:
    """“Reenviar”: sends again what failed or may have been sent, on this actor's word; hurries what waits."""
    now = core.unit.now()

    def script() -> Steps[DeliveryView]:
        row = yield from _held(actor, delivery, "send it again")
        if not row["active"]:
            raise NoChannel(UNSENT)
        if not (yield deliveries.hurry(delivery, now)) and not (yield deliveries.requeue(delivery, now)):
            raise NotFound("This delivery is not waiting, failed or uncertain; there is nothing to send again.")
        retried = DeliveryRetried(message=row["message_id"], delivery=delivery)
        yield events.append(now, actor, row["ticket_id"], retried)
        return (yield from _view(delivery))

    return await core.unit.run("retry", script)


async def discard(core: Core, actor: Actor, delivery: DeliveryId) -> DeliveryView:
    """Gives a delivery up; the message stays, shown as not sent."""
    now = core.unit.now()

    def script() -> Steps[DeliveryView]:
        row = yield from _held(actor, delivery, "discard it")
        if not (yield deliveries.discard(delivery, now)):
            raise NotFound("This delivery is not waiting, failed or uncertain; there is nothing to discard.")
        discarded = DeliveryDiscarded(message=row["message_id"], delivery=delivery)
        yield events.append(now, actor, row["ticket_id"], discarded)
        return (yield from _view(delivery))

    return await core.unit.run("discard", script)


def _view(delivery: DeliveryId) -> Steps[DeliveryView]:
    row = yield from deliveries.place(delivery)
    if row is None:
        raise NotFound("There is no such delivery.")
    return messages.delivery_view(row)


def _held(actor: Actor, delivery: DeliveryId, what: str) -> Steps[Row]:
    row = yield from deliveries.place(delivery)
    if row is None:
        raise NotFound("There is no such delivery.")
    joined = yield from tickets.joined_level(row["ticket_id"], actor)
    require(level(actor, row["department_id"], joined), PermissionLevel.REPLY, what)
    return row
