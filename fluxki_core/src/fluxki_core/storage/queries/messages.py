"""Messages, the ids under which the outside knows them, and their files."""

import hashlib
from datetime import datetime

from fluxki_core.domain.ids import AccountId, AgentId, FileToken, MessageId, TicketId
from fluxki_core.domain.kinds import Visibility
from fluxki_core.domain.people import ActorKind
from fluxki_core.domain.tickets import Author, DeliveryState, DeliveryView, FileView, Message
from fluxki_core.domain.traffic import Nature
from fluxki_core.storage.queries.base import by_id, from_json, one
from fluxki_core.storage.queries.tickets import MAX_PAGE, read_cursor, write_cursor
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_MESSAGE = (
    "m.id, m.ticket_id, m.author_kind, m.author_name, m.visibility, m.body_html, m.body_text, m.sent_at, m.nature,"
    " m.stranger, m.notices, a.channel"
)
_DELIVERY = "d.id, d.message_id, m.ticket_id, d.account_id, d.recipient, d.state, d.attempts, d.due_at, d.reason"
_FILE = "token, name, media_type, size, inline, sha256, message_id"


def outside_key(outside_id: str) -> str:
    """The form in which an outside id is stored: as it is, or its hash where it is longer than any honest one."""
    return outside_id if len(outside_id) <= 255 else hashlib.sha256(outside_id.encode()).hexdigest()


def with_key(account: AccountId, key: str) -> Steps[Row | None]:
    """id and ticket_id of the message that a request with this key became."""
    return (
        yield from one(
            sql("SELECT id, ticket_id FROM message WHERE account_id = {} AND inbound_key = {}", account, key)
        )
    )


def tickets_of(messages: tuple[MessageId, ...]) -> Steps[dict[MessageId, TicketId]]:
    """The present ticket of each of the messages that exist."""
    if not messages:
        return {}
    rows = yield sql(f"SELECT id, ticket_id FROM message WHERE id IN ({marks(messages)})", *messages)
    return {row["id"]: row["ticket_id"] for row in rows}


def tickets_known_as(account: AccountId, outside_ids: tuple[str, ...]) -> Steps[dict[str, TicketId]]:
    """The present ticket of each outside id that the account has met."""
    if not outside_ids:
        return {}
    keys = {outside_key(each): each for each in outside_ids}
    rows = yield sql(
        "SELECT r.outside_id, m.ticket_id FROM message_ref r JOIN message m ON m.id = r.message_id"
        f" WHERE r.account_id = {{}} AND r.outside_id IN ({marks(tuple(keys))}) ORDER BY r.id",
        account,
        *keys,
    )
    return {keys[row["outside_id"]]: row["ticket_id"] for row in rows}


def know_as(account: AccountId, outside_id: str, message: MessageId) -> Statement:
    return sql(
        "INSERT INTO message_ref (account_id, outside_id, message_id) VALUES ({}, {}, {})"
        " ON CONFLICT (account_id, outside_id, message_id) DO NOTHING",
        *(account, outside_key(outside_id), message),
    )


def refs_of_ticket(ticket: TicketId, account: AccountId) -> Steps[list[Row]]:
    """outside_id and author_kind of the ticket's public messages in this account, oldest first: the thread's ids."""
    return (
        yield sql(
            "SELECT r.outside_id, m.author_kind, m.id FROM message m JOIN message_ref r ON r.message_id = m.id"
            " WHERE m.ticket_id = {} AND r.account_id = {} AND m.visibility = 'public' ORDER BY m.sent_at, m.id, r.id",
            *(ticket, account),
        )
    )


def page(ticket: TicketId, limit: int, cursor: str | None) -> Steps[tuple[list[Message], str | None]]:
    """A ticket's messages, oldest first, and the cursor of the next page."""
    limit = max(1, min(limit, MAX_PAGE))
    after = " AND (m.sent_at, m.id) > ({}, {})" if cursor else ""
    rows = yield sql(
        f"SELECT {_MESSAGE} FROM message m LEFT JOIN account a ON a.id = m.account_id WHERE m.ticket_id = {{}}{after}"
        " ORDER BY m.sent_at, m.id LIMIT {}",
        *(ticket, *(read_cursor(cursor) if cursor else ()), limit + 1),
    )
    found = yield from _full(rows[:limit])
    following = write_cursor(found[-1].sent_at, found[-1].id) if len(rows) > limit else None
    return found, following


def read(message: MessageId) -> Steps[Message]:
    rows = yield sql(
        f"SELECT {_MESSAGE} FROM message m LEFT JOIN account a ON a.id = m.account_id WHERE m.id = {{}}", message
    )
    return (yield from _full(rows))[0]


def _full(rows: list[Row]) -> Steps[list[Message]]:
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    deliveries = by_id(
        (
            yield sql(
                f"SELECT {_DELIVERY} FROM delivery d JOIN message m ON m.id = d.message_id"
                f" WHERE d.message_id IN ({marks(ids)}) ORDER BY d.id",
                *ids,
            )
        ),
        "message_id",
    )
    files = by_id(
        (yield sql(f"SELECT {_FILE} FROM file WHERE message_id IN ({marks(ids)}) ORDER BY id", *ids)), "message_id"
    )
    return [_message(row, deliveries.get(row["id"], []), files.get(row["id"], [])) for row in rows]


def _message(row: Row, deliveries: list[Row], files: list[Row]) -> Message:
    return Message(
        id=row["id"],
        author=Author(kind=ActorKind(row["author_kind"]), name=row["author_name"]),
        visibility=Visibility(row["visibility"]),
        body_html=row["body_html"],
        body_text=row["body_text"],
        sent_at=row["sent_at"],
        channel=row["channel"],
        nature=Nature(row["nature"]),
        stranger=row["stranger"],
        notices=tuple(from_json(row["notices"])),
        delivery=tuple(delivery_view(each) for each in deliveries),
        attachments=tuple(file_view(each) for each in files),
    )


def delivery_view(row: Row) -> DeliveryView:
    return DeliveryView(
        id=row["id"],
        message=row["message_id"],
        ticket=row["ticket_id"],
        account=row["account_id"],
        recipient=row["recipient"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        due_at=row["due_at"],
        reason=row["reason"],
    )


def file_view(row: Row) -> FileView:
    return FileView(
        id=FileToken(row["token"]),
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        inline=row["inline"],
    )


def file_place(token: FileToken) -> Steps[Row | None]:
    """token, name, media_type, size, inline, sha256, and the message, ticket, department and uploader that own it."""
    return (
        yield from one(
            sql(
                "SELECT f.token, f.name, f.media_type, f.size, f.inline, f.sha256, f.message_id, f.agent_id,"
                " m.ticket_id, t.department_id FROM file f LEFT JOIN message m ON m.id = f.message_id"
                " LEFT JOIN ticket t ON t.id = m.ticket_id WHERE f.token = {}",
                token,
            )
        )
    )


def uploaded(agent: AgentId | None, tokens: tuple[FileToken, ...]) -> Steps[list[Row]]:
    """The agent's own uploads among the tokens that no message holds yet, held by this transaction."""
    if not tokens:
        return []
    own = "agent_id IS NULL" if agent is None else "agent_id = {}"
    return (
        yield sql(
            f"SELECT id, {_FILE} FROM file WHERE token IN ({marks(tokens)}) AND {own} AND message_id IS NULL"
            " ORDER BY id FOR UPDATE",
            *tokens,
            *(() if agent is None else (agent,)),
        )
    )


def attach(file_ids: list[int], message: MessageId, inline: bool) -> Statement:
    return sql(
        f"UPDATE file SET message_id = {{}}, inline = {{}} WHERE id IN ({marks(file_ids)})", message, inline, *file_ids
    )


def last_from_contact(ticket: TicketId, before: datetime, message: MessageId) -> Steps[Row | None]:
    """The contact's message that one at this place answers: the newest public one before it, never a stranger's."""
    return (
        yield from one(
            sql(
                "SELECT id, author_name, sent_at, body_html, body_text FROM message WHERE ticket_id = {}"
                " AND author_kind = 'contact' AND visibility = 'public' AND NOT stranger AND (sent_at, id) < ({}, {})"
                " ORDER BY sent_at DESC, id DESC LIMIT 1",
                *(ticket, before, message),
            )
        )
    )
