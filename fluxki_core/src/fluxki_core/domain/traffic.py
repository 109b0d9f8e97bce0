"""What crosses the border to the channels: requests that arrive, messages that leave, and how that ended."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

from fluxki_core.domain.ids import AccountId, DeliveryId, DepartmentId, FileToken, MessageId, RawId, TicketId
from fluxki_core.domain.people import Address

MAX_SUBJECT = 250


class Nature(StrEnum):
    """Who really wrote: a person, a machine (RFC 3834 and its kin), or a mail server reporting a failure."""

    PERSON = "person"
    AUTOMATIC = "automatic"
    BOUNCE = "bounce"


class Outcome(StrEnum):
    """How the intake of one raw message ended."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    PARKED = "parked"


class Taken(Struct, frozen=True, kw_only=True):
    """`nature` is None where the message could not be understood; `detail` says why it is parked."""

    outcome: Outcome
    nature: Nature | None = None
    ticket: TicketId | None = None
    detail: str = ""


class RawItem(Struct, frozen=True):
    """Raw bytes and the key that is unique to them in their account. A path is read in chunks and left in place."""

    key: str
    content: bytes | Path


class Account(Struct, frozen=True, kw_only=True):
    """One mailbox or bot of the deployment.

    `settings` is of the type that the channel's manifest names; `generation` grows with every change of the account.
    """

    id: AccountId
    channel: str
    name: str
    department: DepartmentId | None
    settings: Any
    generation: int = 1


class RawMessage(Protocol):
    """What a channel took in, as it stands in the store: bytes, not yet understood."""

    @property
    def id(self) -> RawId: ...

    @property
    def received_at(self) -> datetime:
        """When it was stored, aware UTC."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def folder(self) -> Path:
        """An empty folder of this attempt's own, for decoded files; removed after intake."""
        ...

    def open(self) -> BinaryIO:
        """The bytes from their start; the caller closes it."""
        ...


class InboundFile(Struct, frozen=True, kw_only=True):
    """A file that came with a request, decoded into `path` (inside the raw message's folder).

    `content_id` is what the body's `cid:` addresses name, without angle brackets; `inline` says that the body shows it.
    """

    name: str
    media_type: str
    path: Path
    content_id: str | None = None
    inline: bool = False


class SignedRef(Struct, frozen=True):
    """What a signed token of ours stands for."""

    ticket: TicketId
    message: MessageId


class Refs(Struct, frozen=True, kw_only=True):
    """What a request says about the conversation that it belongs to, strongest evidence first.

    `tokens` are verified (`Desk.verify`), newest first; `outside_ids` are ids that the sender's program gave
    (Message-ID), newest first; `ticket` is the number in a subject tag, trusted only with `is_reply` and a known
    sender.
    """

    tokens: tuple[SignedRef, ...] = ()
    outside_ids: tuple[str, ...] = ()
    ticket: TicketId | None = None
    is_reply: bool = False


class Inbound(Struct, frozen=True, kw_only=True):
    """A request, understood.

    `key` is unique in its account: a second one with the same key is the same request and is dropped as a duplicate.
    `body_html` is as received, the core cleans it; `body_text` is always the whole text.
    What no person wrote (`nature`) reopens nothing. `notices` are codes of oddities that agents are told of.
    `outside_id` is the sender's id for the message.
    """

    key: str
    sender: Address
    sender_name: str
    sent_at: datetime
    subject: str
    body_text: str
    body_html: str | None = None
    files: tuple[InboundFile, ...] = ()
    refs: Refs = Refs()
    outside_id: str | None = None
    nature: Nature = Nature.PERSON
    notices: tuple[str, ...] = ()


class OutgoingFile(Struct, frozen=True, kw_only=True):
    """A file to send. The body shows an `inline` one by `cid:TOKEN`."""

    token: FileToken
    name: str
    media_type: str
    size: int
    path: Path
    inline: bool


class Quoted(Struct, frozen=True, kw_only=True):
    """The message that is answered, as it may stand below the answer. Its inline images are not among it."""

    author: str
    sent_at: datetime
    body_html: str
    body_text: str


class Outgoing(Struct, frozen=True, kw_only=True):
    """One delivery: a message, a recipient, a part.

    `token` is the core's signed token for the message: an answer that carries it finds its way back. It contains only
    lower-case letters, digits and full stops. `answers` and `references` are outside ids, oldest first. `attempt`
    counts from 1. `written_at` is aware UTC.
    """

    delivery: DeliveryId
    message: MessageId
    ticket: TicketId
    subject: str
    recipient: Address
    recipient_name: str
    author: str
    written_at: datetime
    body_html: str
    body_text: str
    token: str
    files: tuple[OutgoingFile, ...] = ()
    answers: str | None = None
    references: tuple[str, ...] = ()
    quoted: Quoted | None = None
    attempt: int = 1


class Sent(Struct, frozen=True, kw_only=True):
    """The channel's far end accepted it. `outside_id` is the id under which answers will name it."""

    outside_id: str | None = None
    detail: str = ""


class SendLater(Exception):
    """Not now. `account_wide` pauses everything of the account until `until` (aware UTC), else only this lane.

    Unless this delivery itself was `tried`, the call does not count among its attempts; a fault of the whole account
    never does.
    """

    def __init__(self, until: datetime, reason: str, *, account_wide: bool = False, tried: bool = True) -> None:
        super().__init__(reason)
        self.until = until
        self.account_wide = account_wide
        self.tried = tried and not account_wide


class SendRejected(Exception):
    """Never like this: the far end refused it for good."""


class SendUncertain(Exception):
    """It may or may not have left; only a person may decide to send it again."""


class ChannelHealth(Struct, frozen=True, kw_only=True):
    """How an account is: one line a direction, each ok or with what is wrong and what to do about it."""

    ok: bool
    lines: tuple[str, ...]


class Inbox(Protocol):
    """Where a channel puts what it took in."""

    async def put(self, *items: RawItem) -> None:
        """Stores raw messages in one commit, and returns once that is done; a key that is there already is left.

        Only after it returned may the channel move its cursor.
        """
        ...
