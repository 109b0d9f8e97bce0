"""What was still on its way when its account was removed: given up where people see it, never left waiting unseen."""

from datetime import datetime

from fluxki_core.domain.events import DeliveryFailed
from fluxki_core.domain.ids import AccountId, DeliveryId, MessageId, TicketId
from fluxki_core.domain.people import SYSTEM
from fluxki_core.storage.queries import accounts, deliveries, events, raw
from fluxki_core.storage.statements import Steps

UNSENT = "The account by which this was to leave was removed; write the message again to send it by another one."
UNREAD = "The account that took this in was removed; its bytes are kept here."
CHUNK = 200


def give_up(now: datetime, account: AccountId) -> Steps[None]:
    """Queued deliveries of a removed account fail, raw messages that nobody works on are parked."""
    yield raw.park_all(account, now, UNREAD)
    rows = yield deliveries.fail_all(account, now, UNSENT)
    failed = [
        (
            TicketId(row["ticket_id"]),
            DeliveryFailed(message=MessageId(row["message_id"]), delivery=DeliveryId(row["id"]), reason=UNSENT),
        )
        for row in rows
    ]
    for start in range(0, len(failed), CHUNK):
        yield events.append_all(now, SYSTEM, list(failed[start : start + CHUNK]))


def give_up_all(now: datetime) -> Steps[None]:
    """The same for every removed account, for what came to rest only after the removal."""
    for row in (yield accounts.removed()):
        yield from give_up(now, AccountId(row["id"]))
