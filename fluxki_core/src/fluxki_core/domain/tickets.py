"""Tickets and messages as they are read, and the orders that change them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from fluxki_core.domain.ids import (
    AccountId,
    AgentId,
    AnalysisId,
    ClassificationId,
    ContactId,
    CustomerId,
    DeliveryId,
    DepartmentId,
    FileToken,
    KeywordId,
    MessageId,
    StageId,
    TicketId,
)
from fluxki_core.domain.kinds import Priority, TicketKind, TicketState, Visibility
from fluxki_core.domain.people import ActorKind
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.traffic import Nature

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """Some of a list, and the cursor that asks for what comes after; None at the end."""

    items: list[T]
    next: str | None


class Named(Struct, frozen=True):
    """A record that is named beside its id."""

    id: int
    name: str


class TakingPart(Struct, frozen=True, kw_only=True):
    agent: AgentId
    name: str
    level: PermissionLevel


class Summary(Struct, frozen=True, kw_only=True):
    """A ticket as a row of a list."""

    number: TicketId
    subject: str
    kind: TicketKind
    state: TicketState
    stage: Named | None
    classification: Named | None
    analyzed: bool
    requester: Named
    customer: Named
    department: Named
    priority: Priority
    channel: str | None
    created_at: datetime
    last_activity_at: datetime


class Ticket(Summary, frozen=True, kw_only=True):
    """A ticket in full. `level` is what the reader may do with it."""

    participants: tuple[TakingPart, ...]
    links: tuple["Link", ...]
    level: PermissionLevel


class Link(Struct, frozen=True, kw_only=True):
    """Another ticket that belongs to this one: "follows", "followed" or "maybe_related"."""

    ticket: TicketId
    reason: str


class Author(Struct, frozen=True, kw_only=True):
    kind: ActorKind
    name: str


class DeliveryState(StrEnum):
    QUEUED = "queued"
    STARTED = "started"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    DISCARDED = "discarded"


class DeliveryView(Struct, frozen=True, kw_only=True):
    """How one recipient's copy fares. `reason` says why it is not sent."""

    id: DeliveryId
    message: MessageId
    ticket: TicketId
    account: AccountId
    recipient: str
    state: DeliveryState
    attempts: int
    due_at: datetime
    reason: str


class FileView(Struct, frozen=True, kw_only=True):
    """A file. `size` in bytes; `inline` ones are shown by the body through `cid:TOKEN`."""

    id: FileToken
    name: str
    media_type: str
    size: int
    inline: bool


class Message(Struct, frozen=True, kw_only=True):
    """One message of a ticket, in the order of (`sent_at`, `id`)."""

    id: MessageId
    author: Author
    visibility: Visibility
    body_html: str
    body_text: str
    sent_at: datetime
    channel: str | None
    nature: Nature
    stranger: bool
    notices: tuple[str, ...]
    delivery: tuple[DeliveryView, ...]
    attachments: tuple[FileView, ...]


class Query(Struct, frozen=True, kw_only=True):
    """Which tickets to list; newest activity first. Nothing set: the open ones."""

    kind: TicketKind | None = None
    state: TicketState | None = None
    awaiting_analysis: bool = False
    mine: bool = False
    requester: ContactId | None = None
    customer: CustomerId | None = None
    department: DepartmentId | None = None
    limit: int = 50
    cursor: str | None = None


class Requester(Struct, frozen=True, kw_only=True):
    """Who a ticket is registered for: a known contact, or a name with an optional e-mail address."""

    contact: ContactId | None = None
    name: str | None = None
    email: str | None = None


class OpenTicket(Struct, frozen=True, kw_only=True):
    """Registers a ticket; `body` is the request as noted, which is not sent (SPEC D36)."""

    subject: str
    kind: TicketKind
    requester: Requester
    body: str
    department: DepartmentId | None = None
    priority: Priority = Priority.NORMAL


class Reply(Struct, frozen=True, kw_only=True):
    """A message of an agent: either `body_html` or `body_text`. `files` are tokens of uploaded files."""

    ticket: TicketId
    body_html: str | None = None
    body_text: str | None = None
    visibility: Visibility = Visibility.PUBLIC
    stage: StageId | None = None
    finish: bool = False
    files: tuple[FileToken, ...] = ()


class SaveAnalysis(Struct, frozen=True, kw_only=True):
    """`seen` is the analysis that the agent had before them; None: none but perhaps their own last one."""

    ticket: TicketId
    classification: ClassificationId
    keywords: tuple[KeywordId, ...] = ()
    answers: dict[str, Any] = {}
    seen: AnalysisId | None = None


class Analysis(Struct, frozen=True, kw_only=True):
    """The analysis that counts."""

    id: AnalysisId
    classification: ClassificationId
    keywords: tuple[KeywordId, ...]
    answers: dict[str, Any]
    agent: str
    saved_at: datetime


class NoAnalysisReason(StrEnum):
    """Why a ticket is finished without an analysis (SPEC D38)."""

    SPAM = "spam"
    DUPLICATE = "duplicate"
    OTHER = "other"


class FinishWithout(Struct, frozen=True, kw_only=True):
    reason: NoAnalysisReason
    block_sender: bool = False


class Change(Struct, frozen=True, kw_only=True):
    """Changes a ticket's own fields; None leaves one as it is."""

    ticket: TicketId
    subject: str | None = None
    department: DepartmentId | None = None
    priority: Priority | None = None
