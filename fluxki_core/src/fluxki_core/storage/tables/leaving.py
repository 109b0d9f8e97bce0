"""Tables of what leaves: deliveries, events and the announcements that are still owed."""

from piccolo.columns import JSON, BigInt, BigSerial, Boolean, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.table import Table

from fluxki_core.storage.tables.tickets import Message
from fluxki_core.storage.tables.transit import Account


class Delivery(Table, tablename="delivery"):
    """A message to one recipient, in one part; `state` as in the domain's DeliveryState.

    Rows of one `lane` leave in the order of their ids.
    """

    id = BigSerial(primary_key=True)
    message_id = ForeignKey(Message, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=True)
    account_id = ForeignKey(Account, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False)
    recipient_kind = Varchar(length=20)
    recipient = Varchar(length=320)
    recipient_name = Varchar(length=200)
    part = Integer(default=0)
    lane = Varchar(length=60)
    state = Varchar(length=10)
    due_at = Timestamptz(default=TimestamptzNow())
    attempts = Integer(default=0)
    lease_token = Varchar(length=32, null=True, default=None)
    lease_until = Timestamptz(null=True, default=None)
    outside_id = Varchar(length=255, null=True, default=None)
    reason = Text()
    changed_at = Timestamptz(default=TimestamptzNow())


class Event(Table, tablename="event"):
    """Append-only history. `data` is the event's body as JSON; `announced` says that the plugins were told."""

    id = BigSerial(primary_key=True)
    at = Timestamptz(default=TimestamptzNow())
    name = Varchar(length=40)
    ticket_id = BigInt(null=True, default=None)
    actor_kind = Varchar(length=10)
    actor_name = Varchar(length=200)
    agent_id = BigInt(null=True, default=None)
    contact_id = BigInt(null=True, default=None)
    data = JSON(default="{}")
    announced = Boolean(default=False)


class Announcement(Table, tablename="announcement"):
    """A hook of one plugin that failed for one event and is owed a retry. `state` is "due" or "buried"."""

    id = BigSerial(primary_key=True)
    event_id = ForeignKey(Event, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=False)
    plugin = Varchar(length=60)
    state = Varchar(length=10)
    attempts = Integer(default=0)
    due_at = Timestamptz(default=TimestamptzNow())
    error = Text()
