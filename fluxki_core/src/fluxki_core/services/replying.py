"""What an agent writes: one transaction with the message, its deliveries and the events."""

from datetime import datetime

from msgspec import Struct

from fluxki_core.domain.cleaning import clean, from_text, shown_cids, to_text, with_targets
from fluxki_core.domain.errors import AnalysisRequired, Invalid, NoAddress, NoChannel
from fluxki_core.domain.events import MessageWritten
from fluxki_core.domain.ids import AccountId, FileToken, MessageId, TicketId
from fluxki_core.domain.kinds import TRAITS, BodyFormat, Visibility
from fluxki_core.domain.people import Actor, ActorKind
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.tickets import DeliveryState, Message, Reply
from fluxki_core.domain.traffic import Nature
from fluxki_core.services.core import Core
from fluxki_core.services.staging import choose_steps, finish_steps, held_ticket
from fluxki_core.services.understanding import storable
from fluxki_core.storage.queries import accounts, events, messages, people, tickets
from fluxki_core.storage.queries.base import add, insert
from fluxki_core.storage.queries.tickets import Locked
from fluxki_core.storage.statements import Row, Statement, Steps

MAX_BODY = 1_000_000


class Written(Struct, frozen=True, kw_only=True):
    """A body as it is stored; `shown` are the files that it shows inline."""

    html: str
    text: str
    rich: bool
    shown: frozenset[FileToken]


def written(order: Reply) -> Written:
    """The body of an order, cleaned. Raises `Invalid` for none, two or an empty one without files."""
    if (order.body_html is None) == (order.body_text is None):
        raise Invalid({"body_html": "Give either body_html or body_text."})
    if len(order.body_html or order.body_text or "") > MAX_BODY:
        raise Invalid({"body_html": f"A message has at most {MAX_BODY:,} characters; attach longer texts as files."})
    if order.body_text is not None:
        text = storable(order.body_text).strip()
        body = Written(html=from_text(text), text=text, rich=False, shown=frozenset())
    else:
        html = clean(storable(order.body_html or "")).html
        shown = frozenset(FileToken(each) for each in shown_cids(html))
        body = Written(html=html, text=to_text(with_targets(html)).strip(), rich=True, shown=shown)
    if not body.text and not body.shown and not order.files:
        raise Invalid({"body_html" if body.rich else "body_text": "Write something, or attach a file."})
    return body


async def reply(core: Core, actor: Actor, order: Reply) -> Message:
    """Writes a public message or a note. Whatever it raises, nothing is kept.

    Raises `AnalysisRequired`, `NoAddress`, `NoChannel`, `Invalid`, `Forbidden` or `NotFound`.
    """
    body = written(order)
    now = core.unit.now()
    channels = core.host.channels
    kinds = {key: each.address_kind for key, each in channels.items() if core.host.has(key, "channel_send")}

    def script() -> Steps[Message]:
        ticket = yield from held_ticket(order.ticket, actor, PermissionLevel.REPLY, "write")
        _check_kind(ticket, order, body)
        public = order.visibility is Visibility.PUBLIC
        route = (yield from _way_out(ticket, kinds)) if public else None
        files = yield from _files(actor, order, body)
        message = yield from _message(now, actor, order, body, ticket, route)
        shown = [row["id"] for row in files if row["token"] in body.shown]
        attached = [row["id"] for row in files if row["token"] not in body.shown]
        for ids, inline in ((shown, True), (attached, False)):
            if ids:
                yield messages.attach(ids, message, inline)
        if route is not None:
            yield _delivery(now, ticket, message, route)
        yield events.append(now, actor, ticket.id, MessageWritten(message=message, visibility=order.visibility))
        yield tickets.touch(ticket.id, now)
        yield from _stage(now, actor, order, ticket)
        return (yield from messages.read(message))

    return await core.unit.run("reply", script)


class WayOut(Struct, frozen=True, kw_only=True):
    """By which account, and to whom, a public message leaves."""

    account: AccountId
    address_kind: str
    address: str
    name: str


def _check_kind(ticket: Locked, order: Reply, body: Written) -> None:
    traits = TRAITS[ticket.kind]
    if traits.body is BodyFormat.PLAIN and body.rich:
        raise Invalid({"body_html": "A chat takes plain text only; give body_text."})
    unanalysed = traits.analysis_before_reply and ticket.analysis_id is None
    if unanalysed and order.visibility is Visibility.PUBLIC:
        raise AnalysisRequired("Analyse this ticket before answering it; until then only private notes can be written.")


def _way_out(ticket: Locked, kinds: dict[str, str]) -> Steps[WayOut]:
    leaves_by = TRAITS[ticket.kind].leaves_by
    fitting = tuple(channel for channel, kind in kinds.items() if leaves_by in (None, kind))
    account = yield from accounts.sending(ticket.account_id, ticket.department_id, fitting)
    if account is None:
        raise NoChannel(
            "No account can carry this message: add one for the ticket's department, or a default one, in the settings."
        )
    kind = kinds[account["channel"]]
    address = yield from people.address_of(ticket.requester_id, kind)
    if address is None:
        raise NoAddress(f"The contact has no address of the kind “{kind}”: add one to the contact, or write a note.")
    contacts = yield from people.contacts(0, 1, ticket.requester_id)
    return WayOut(account=AccountId(account["id"]), address_kind=kind, address=address, name=contacts[0].name)


def _files(actor: Actor, order: Reply, body: Written) -> Steps[list[Row]]:
    tokens = tuple(dict.fromkeys((*order.files, *body.shown)))
    rows = yield from messages.uploaded(actor.agent, tokens)
    missing = set(tokens) - {row["token"] for row in rows}
    if missing:
        path = "attachments" if missing & set(order.files) else "body_html"
        raise Invalid({path: f"Upload these files first, each for one message: {', '.join(sorted(missing))}."})
    return rows


def _message(
    now: datetime, actor: Actor, order: Reply, body: Written, ticket: Locked, route: WayOut | None
) -> Steps[MessageId]:
    message = yield from insert(
        "message",
        ticket_id=ticket.id,
        author_kind=actor.kind,
        author_name=actor.name,
        agent_id=actor.agent,
        visibility=order.visibility,
        body_html=body.html,
        body_text=body.text,
        sent_at=now,
        account_id=route.account if route else None,
        nature=Nature.PERSON if actor.kind is ActorKind.AGENT else Nature.AUTOMATIC,
        stranger=False,
        notices="[]",
    )
    return MessageId(message)


def _delivery(now: datetime, ticket: Locked, message: MessageId, route: WayOut) -> Statement:
    return add(
        "delivery",
        message_id=message,
        account_id=route.account,
        recipient_kind=route.address_kind,
        recipient=route.address,
        recipient_name=route.name,
        part=0,
        lane=lane(route.account, ticket.id),
        state=DeliveryState.QUEUED,
        due_at=now,
        attempts=0,
        reason="",
        changed_at=now,
    )


def lane(account: AccountId, ticket: TicketId) -> str:
    """Deliveries of one account and conversation leave in order."""
    return f"{account}:{ticket}"


def _stage(now: datetime, actor: Actor, order: Reply, ticket: Locked) -> Steps[None]:
    """The stage chosen with the reply; on a finished ticket none chosen leaves it finished (SPEC D40)."""
    if order.finish:
        yield from finish_steps(now, actor, ticket)
    elif order.stage is not None:
        yield from choose_steps(now, actor, ticket, order.stage)
