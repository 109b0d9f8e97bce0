"""Tables of tickets, their messages and files, and the analyses made of them."""

from piccolo.columns import JSON, BigInt, BigSerial, Boolean, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.table import Table

from fluxki_core.storage.tables.judging import Classification, Stage
from fluxki_core.storage.tables.people import Agent, Contact, Customer, Department
from fluxki_core.storage.tables.transit import Account


class Ticket(Table, tablename="ticket"):
    """`id` is the ticket's number. `resume_stage_id` is the stage to go back to from a waiting one (SPEC D39).

    `analysis_id` names the analysis that counts, without a foreign key, since the two tables would need each other.
    """

    id = BigSerial(primary_key=True)
    subject = Varchar(length=250)
    kind = Varchar(length=20)
    state = Varchar(length=20)
    stage_id = ForeignKey(
        Stage, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=True
    )
    resume_stage_id = ForeignKey(
        Stage, on_delete=OnDelete.set_null, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    classification_id = ForeignKey(
        Classification, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    analysis_id = BigInt(null=True, default=None)
    requester_id = ForeignKey(
        Contact, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False
    )
    customer_id = ForeignKey(
        Customer, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False
    )
    department_id = ForeignKey(
        Department, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False
    )
    account_id = ForeignKey(
        Account, on_delete=OnDelete.set_null, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    priority = Varchar(length=20)
    created_at = Timestamptz(default=TimestamptzNow())
    last_activity_at = Timestamptz(default=TimestamptzNow())
    finished_at = Timestamptz(null=True, default=None)


class Participant(Table, tablename="participant"):
    """An agent taking part in a ticket; unique by both."""

    id = BigSerial(primary_key=True)
    ticket_id = ForeignKey(Ticket, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=False)
    agent_id = ForeignKey(Agent, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    level = Varchar(length=10)
    joined_at = Timestamptz(default=TimestamptzNow())


class TicketLink(Table, tablename="ticket_link"):
    """Two tickets that belong together; `reason` says why ("follows": the first goes on where the second ended)."""

    id = BigSerial(primary_key=True)
    ticket_id = ForeignKey(Ticket, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=False)
    other_id = ForeignKey(Ticket, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    reason = Varchar(length=20)


class Message(Table, tablename="message"):
    """Its place in the ticket is (`sent_at`, `id`). `inbound_key` is unique in its account.

    `notices` is a JSON list of codes: what was odd about the message, and what cleaning took out of its HTML.
    """

    id = BigSerial(primary_key=True)
    ticket_id = ForeignKey(Ticket, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False)
    author_kind = Varchar(length=10)
    author_name = Varchar(length=200)
    contact_id = ForeignKey(
        Contact, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    agent_id = ForeignKey(
        Agent, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    visibility = Varchar(length=10)
    body_html = Text()
    body_text = Text()
    sent_at = Timestamptz(default=TimestamptzNow())
    account_id = ForeignKey(
        Account, on_delete=OnDelete.set_null, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    inbound_key = Varchar(length=255, null=True, default=None)
    raw_id = BigInt(null=True, default=None)
    nature = Varchar(length=10)
    stranger = Boolean(default=False)
    notices = JSON(default="[]")


class MessageRef(Table, tablename="message_ref"):
    """An id under which the outside knows a message; answers name it."""

    id = BigSerial(primary_key=True)
    account_id = ForeignKey(Account, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=False)
    outside_id = Varchar(length=255)
    message_id = ForeignKey(Message, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)


class File(Table, tablename="file"):
    """A file of a message, or one uploaded and not yet used. The bytes stand in the file store under `sha256`."""

    id = BigSerial(primary_key=True)
    token = Varchar(length=32)
    message_id = ForeignKey(
        Message, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=True, default=None, index=True
    )
    agent_id = ForeignKey(
        Agent, on_delete=OnDelete.set_null, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    sha256 = Varchar(length=64)
    name = Varchar(length=255)
    media_type = Varchar(length=127)
    size = BigInt()
    inline = Boolean(default=False)
    created_at = Timestamptz(default=TimestamptzNow())


class Analysis(Table, tablename="analysis"):
    """One save of an analysis; the newest of a ticket counts. `keywords` and `answers` are JSON."""

    id = BigSerial(primary_key=True)
    ticket_id = ForeignKey(Ticket, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    classification_id = ForeignKey(
        Classification, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False
    )
    agent_id = ForeignKey(
        Agent, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    saved_at = Timestamptz(default=TimestamptzNow())
    keywords = JSON(default="[]")
    answers = JSON(default="{}")
