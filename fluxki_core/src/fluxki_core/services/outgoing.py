"""What a channel gets to send: the message with its files, its thread's ids and the message that it answers."""

from fluxki_core.domain.ids import DeliveryId, FileToken, MessageId, TicketId
from fluxki_core.domain.people import Address
from fluxki_core.domain.traffic import Account, Outgoing, OutgoingFile, Quoted, SignedRef
from fluxki_core.services.core import Core
from fluxki_core.storage.files import FileStore
from fluxki_core.storage.queries import messages
from fluxki_core.storage.queries.base import one
from fluxki_core.storage.statements import Row, Steps, sql


async def compose(core: Core, account: Account, delivery: Row) -> Outgoing:
    """The delivery, ready for `channel_send`. `delivery` is a row as `deliveries.claim` gives it.

    Raises `NotFound` where the store has lost a file, `Unavailable` where the database is away.
    """
    return await core.unit.look(lambda: _compose(core, account, delivery))


def _compose(core: Core, account: Account, delivery: Row) -> Steps[Outgoing]:
    message = MessageId(delivery["message_id"])
    row = yield from one(
        sql(
            "SELECT m.ticket_id, t.subject, m.author_name, m.sent_at, m.body_html, m.body_text FROM message m"
            " JOIN ticket t ON t.id = m.ticket_id WHERE m.id = {}",
            message,
        )
    )
    assert row is not None, "a delivery's message is never removed"  # noqa: S101
    ticket = TicketId(row["ticket_id"])
    files = yield sql(
        "SELECT token, name, media_type, size, inline, sha256 FROM file WHERE message_id = {} ORDER BY id", message
    )
    answered = yield from messages.last_from_contact(ticket, row["sent_at"], message)
    references, answers = yield from _thread(ticket, account, message, answered)
    return Outgoing(
        delivery=DeliveryId(delivery["id"]),
        message=message,
        ticket=ticket,
        subject=row["subject"],
        recipient=Address(delivery["recipient_kind"], delivery["recipient"]),
        recipient_name=delivery["recipient_name"],
        author=row["author_name"],
        written_at=row["sent_at"],
        body_html=row["body_html"],
        body_text=row["body_text"],
        token=core.keys.sign(SignedRef(ticket=ticket, message=message)),
        files=tuple(_file(core.files, each) for each in files),
        answers=answers,
        references=references,
        quoted=_quoted(answered),
        attempt=delivery["attempts"] + 1,
    )


def _thread(
    ticket: TicketId, account: Account, message: MessageId, answered: Row | None
) -> Steps[tuple[tuple[str, ...], str | None]]:
    known = yield from messages.refs_of_ticket(ticket, account.id)
    earlier = [each for each in known if each["id"] != message]
    own = [each["outside_id"] for each in earlier if answered and each["id"] == answered["id"]]
    answers = own[-1] if own else None
    return tuple(dict.fromkeys(each["outside_id"] for each in earlier)), answers


def _file(files: FileStore, row: Row) -> OutgoingFile:
    return OutgoingFile(
        token=FileToken(row["token"]),
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        path=files.existing(row["sha256"]),
        inline=row["inline"],
    )


def _quoted(answered: Row | None) -> Quoted | None:
    if answered is None:
        return None
    return Quoted(
        author=answered["author_name"],
        sent_at=answered["sent_at"],
        body_html=answered["body_html"],
        body_text=answered["body_text"],
    )
