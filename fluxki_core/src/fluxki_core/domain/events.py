"""What happened: the append-only history that the announce hooks, the audit trail and the reports read."""

from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from fluxki_core.domain.ids import (
    AccountId,
    AgentId,
    AnalysisId,
    ClassificationId,
    ContactId,
    DeliveryId,
    DepartmentId,
    EventId,
    KeywordId,
    MessageId,
    StageId,
    TicketId,
)
from fluxki_core.domain.kinds import Priority, TicketKind, Visibility
from fluxki_core.domain.people import ActorKind


class ActorRef(Struct, frozen=True):
    """Who did it, as the history keeps it."""

    kind: ActorKind
    name: str
    agent: AgentId | None = None
    contact: ContactId | None = None


class EventBody(Struct, frozen=True, kw_only=True):
    """Base of all events; each names itself by its tag, which is also the name of its announce hook, if it has one."""


class TicketOpened(EventBody, frozen=True, kw_only=True, tag="ticket_opened"):
    ticket_kind: TicketKind
    requester: ContactId
    department: DepartmentId
    account: AccountId | None = None
    follows: TicketId | None = None


class MessageReceived(EventBody, frozen=True, kw_only=True, tag="message_received"):
    """A contact's message came in. `stranger`: its sender was neither requester nor in copy."""

    message: MessageId
    automatic: bool = False
    stranger: bool = False


class MessageWritten(EventBody, frozen=True, kw_only=True, tag="message_written"):
    """An agent's message was committed; notes too."""

    message: MessageId
    visibility: Visibility


class MessageSent(EventBody, frozen=True, kw_only=True, tag="message_sent"):
    """A channel accepted a delivery of a public message."""

    message: MessageId
    delivery: DeliveryId


class DeliveryFailed(EventBody, frozen=True, kw_only=True, tag="delivery_failed"):
    message: MessageId
    delivery: DeliveryId
    reason: str


class DeliveryUncertain(EventBody, frozen=True, kw_only=True, tag="delivery_uncertain"):
    message: MessageId
    delivery: DeliveryId
    reason: str


class DeliveryRetried(EventBody, frozen=True, kw_only=True, tag="delivery_retried"):
    message: MessageId
    delivery: DeliveryId


class DeliveryDiscarded(EventBody, frozen=True, kw_only=True, tag="delivery_discarded"):
    message: MessageId
    delivery: DeliveryId


class TicketAnalyzed(EventBody, frozen=True, kw_only=True, tag="ticket_analyzed"):
    """An analysis was saved; every save is one, with all that it held."""

    analysis: AnalysisId
    classification: ClassificationId
    keywords: tuple[KeywordId, ...]
    answers: dict[str, object]


class ParticipantsChanged(EventBody, frozen=True, kw_only=True, tag="participants_changed"):
    """`level` None: that agent left."""

    agent: AgentId
    level: str | None


class StageChanged(EventBody, frozen=True, kw_only=True, tag="stage_changed"):
    before: StageId
    after: StageId
    waiting: bool


class TicketFinished(EventBody, frozen=True, kw_only=True, tag="ticket_finished"):
    """`without_analysis` holds the reason given where a standard ticket was finished before any analysis."""

    without_analysis: str | None = None
    sender_blocked: bool = False


class TicketReopened(EventBody, frozen=True, kw_only=True, tag="ticket_reopened"):
    message: MessageId | None = None


class TicketChanged(EventBody, frozen=True, kw_only=True, tag="ticket_changed"):
    """Department, priority or subject; only what changed is set."""

    department: DepartmentId | None = None
    priority: Priority | None = None
    subject: str | None = None


class SettingsChanged(EventBody, frozen=True, kw_only=True, tag="settings_changed"):
    """The audit trail of the configuration: which record of what sort was added, changed or removed."""

    sort: str
    record: int
    action: str


Body = (
    TicketOpened
    | MessageReceived
    | MessageWritten
    | MessageSent
    | DeliveryFailed
    | DeliveryUncertain
    | DeliveryRetried
    | DeliveryDiscarded
    | TicketAnalyzed
    | ParticipantsChanged
    | StageChanged
    | TicketFinished
    | TicketReopened
    | TicketChanged
    | SettingsChanged
)

T = TypeVar("T", covariant=True)


class Event(Struct, Generic[T], frozen=True, kw_only=True):
    """One thing that happened. The id is unique and tells repeats apart; `at` is aware UTC."""

    id: EventId
    at: datetime
    actor: ActorRef
    ticket: TicketId | None
    what: T


def event_name(what: EventBody) -> str:
    """The tag under which an event is stored and announced."""
    return str(what.__struct_config__.tag)
