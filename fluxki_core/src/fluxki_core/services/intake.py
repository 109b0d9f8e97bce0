"""The way in, second half: one transaction that gives a request its contact, its ticket and its place there."""

from datetime import UTC, datetime

from msgspec import Struct

from fluxki_core.domain import routing
from fluxki_core.domain.events import MessageReceived, StageChanged, TicketOpened
from fluxki_core.domain.ids import AccountId, ContactId, CustomerId, DepartmentId, MessageId, RawId, StageId, TicketId
from fluxki_core.domain.kinds import TRAITS, Priority, TicketKind, TicketState, Visibility
from fluxki_core.domain.people import Actor, ActorKind, company_domain
from fluxki_core.domain.routing import Landing, Route
from fluxki_core.domain.stages import after_answer
from fluxki_core.domain.traffic import Account, Inbound, Nature
from fluxki_core.services.staging import reopen_steps
from fluxki_core.services.understanding import Understood
from fluxki_core.storage.queries import events, judging, messages, people, tickets
from fluxki_core.storage.queries.base import add, insert, to_json, update
from fluxki_core.storage.queries.tickets import Locked
from fluxki_core.storage.statements import Steps

SAME_ID = "same_message_id"


class Duplicate(Exception):
    """The request was taken in before, as this message."""

    def __init__(self, message: MessageId, ticket: TicketId) -> None:
        super().__init__(f"message {message}")
        self.message = message
        self.ticket = ticket


class Blocked(Exception):
    """The sender is blocked (SPEC D38); the request stays in the raw store."""


class Placed(Struct, frozen=True, kw_only=True):
    ticket: TicketId
    message: MessageId


class Sender(Struct, frozen=True, kw_only=True):
    contact: ContactId
    customer: CustomerId
    name: str


class Context(Struct, frozen=True, kw_only=True):
    """What every request of a batch shares. `kind` is what the channel opens."""

    now: datetime
    account: Account
    kind: TicketKind
    department: DepartmentId
    first_stage: StageId | None
    reopen_days: int


def context(now: datetime, account: Account, kind: TicketKind, reopen_days: int) -> Steps[Context]:
    stages = (yield from judging.stage_list(None)) if TRAITS[kind].stage_with_reply else None
    return Context(
        now=now,
        account=account,
        kind=kind,
        department=account.department or (yield from people.default_department()),
        first_stage=stages.first.id if stages else None,
        reopen_days=reopen_days,
    )


def take(at: Context, raw: RawId, request: Understood) -> Steps[Placed]:
    """Takes one request in. Raises `Duplicate` or `Blocked`, having written nothing that its savepoint keeps."""
    inbound = request.inbound
    key = messages.outside_key(inbound.key)
    known = yield from messages.with_key(at.account.id, key)
    if known is not None:
        raise Duplicate(known["id"], known["ticket_id"])
    contact = yield from people.known_contact(inbound.sender)
    if contact is not None and contact["blocked"]:
        raise Blocked(f"The sender {inbound.sender.value} is blocked.")
    sender_id = ContactId(contact["id"]) if contact else None
    route, seen_before, held = yield from _route(at, request, sender_id)
    sender = (
        Sender(contact=ContactId(contact["id"]), customer=CustomerId(contact["customer_id"]), name=contact["name"])
        if contact
        else (yield from _new_contact(at.now, request))
    )
    actor = Actor(kind=ActorKind.CONTACT, name=sender.name, contact=sender.contact)
    opens = route.landing in (Landing.NEW, Landing.FOLLOW)
    ticket = (yield from _open(at, request, sender, actor, route)) if opens else route.ticket
    assert ticket is not None, "a route that joins names its ticket"  # noqa: S101
    message = yield from _message(at, raw, request, sender, ticket, route, key, seen_before)
    received = MessageReceived(message=message, automatic=inbound.nature is not Nature.PERSON, stranger=route.stranger)
    yield events.append(at.now, actor, ticket, received)
    if not opens:
        yield tickets.touch(ticket, _moment(at, inbound.sent_at))
        yield from _answered(at, actor, held[ticket], route, inbound.nature, message)
    return Placed(ticket=ticket, message=message)


def _moment(at: Context, sent_at: datetime) -> datetime:
    return min(sent_at.astimezone(UTC), at.now)


def _route(
    at: Context, request: Understood, sender: ContactId | None
) -> Steps[tuple[Route, bool, dict[TicketId, Locked]]]:
    """Also says whether the account has met this outside id before, with other content."""
    inbound = request.inbound
    own = (inbound.outside_id,) if inbound.outside_id else ()
    by_outside = yield from messages.tickets_known_as(at.account.id, (*own, *inbound.refs.outside_ids))
    by_message = yield from messages.tickets_of(tuple(ref.message for ref in inbound.refs.tokens))
    named = routing.named_tickets(inbound.refs, by_message, by_outside)
    held = yield from tickets.lock_several(tuple(sorted({each.ticket for each in named})))
    route = routing.route(
        named,
        {key: _candidate(value) for key, value in held.items()},
        sender=sender,
        refs=inbound.refs,
        nature=inbound.nature,
        sent_at=_moment(at, inbound.sent_at),
        reopen_days=at.reopen_days,
    )
    route = yield from _followed(at, route, inbound, held)
    return route, inbound.outside_id in by_outside, held


def _followed(at: Context, route: Route, inbound: Inbound, held: dict[TicketId, Locked]) -> Steps[Route]:
    """A late answer goes on in the ticket that an earlier late answer opened, if that one still takes it."""
    while route.landing is Landing.FOLLOW and route.ticket is not None:
        later = yield from tickets.follow_up(route.ticket)
        if later is None:
            break
        held |= yield from tickets.lock_several((later,))
        candidate = _candidate(held[later])
        route = routing.land(
            candidate,
            own=candidate.requester == held[route.ticket].requester_id,
            nature=inbound.nature,
            sent_at=_moment(at, inbound.sent_at),
            reopen_days=at.reopen_days,
        )
    return route


def _candidate(ticket: Locked) -> routing.Candidate:
    return routing.Candidate(
        ticket=ticket.id,
        kind=ticket.kind,
        state=ticket.state,
        stage=ticket.stage_id,
        requester=ticket.requester_id,
        finished_at=ticket.finished_at,
    )


def _new_contact(now: datetime, request: Understood) -> Steps[Sender]:
    """An unknown sender becomes a contact of the customer that owns the domain, else of one of their own (SPEC D1)."""
    address = request.inbound.sender
    domain = company_domain(address)
    customer = (yield from people.customer_of_domain(domain)) if domain else None
    if customer is None:
        customer = yield from people.add_customer(now, request.sender_name)
    contact = yield from people.add_contact(now, request.sender_name, customer, (address,))
    return Sender(contact=contact, customer=customer, name=request.sender_name)


def _open(at: Context, request: Understood, sender: Sender, actor: Actor, route: Route) -> Steps[TicketId]:
    sent_at = _moment(at, request.inbound.sent_at)
    ticket = TicketId(
        (
            yield from insert(
                "ticket",
                subject=request.subject,
                kind=at.kind,
                state=TicketState.OPEN,
                stage_id=at.first_stage,
                requester_id=sender.contact,
                customer_id=sender.customer,
                department_id=at.department,
                account_id=at.account.id,
                priority=Priority.NORMAL,
                created_at=at.now,
                last_activity_at=sent_at,
            )
        )
    )
    follows = route.ticket if route.landing is Landing.FOLLOW else None
    opened = TicketOpened(
        ticket_kind=at.kind,
        requester=sender.contact,
        department=at.department,
        account=at.account.id,
        follows=follows,
    )
    yield events.append(at.now, actor, ticket, opened)
    if follows is not None:
        yield add("ticket_link", ticket_id=ticket, other_id=follows, reason="follows")
    if route.maybe_related is not None:
        yield add("ticket_link", ticket_id=ticket, other_id=route.maybe_related, reason="maybe_related")
    return ticket


def _message(
    at: Context,
    raw: RawId,
    request: Understood,
    sender: Sender,
    ticket: TicketId,
    route: Route,
    key: str,
    seen_before: bool,
) -> Steps[MessageId]:
    inbound = request.inbound
    notices = (*request.notices, SAME_ID) if seen_before else request.notices
    message = MessageId(
        (
            yield from insert(
                "message",
                ticket_id=ticket,
                author_kind=ActorKind.CONTACT,
                author_name=sender.name,
                contact_id=sender.contact,
                visibility=Visibility.PUBLIC,
                body_html=request.body_html,
                body_text=request.body_text,
                sent_at=_moment(at, inbound.sent_at),
                account_id=at.account.id,
                inbound_key=key,
                raw_id=raw,
                nature=inbound.nature,
                stranger=route.stranger,
                notices=to_json(notices),
            )
        )
    )
    if inbound.outside_id:
        yield messages.know_as(AccountId(at.account.id), inbound.outside_id, message)
    for each in request.files:
        yield add(
            "file",
            token=each.token,
            message_id=message,
            sha256=each.stored.sha256,
            name=each.name,
            media_type=each.media_type,
            size=each.stored.size,
            inline=each.inline,
            created_at=at.now,
        )
    return message


def _answered(
    at: Context, actor: Actor, ticket: Locked, route: Route, nature: Nature, message: MessageId
) -> Steps[None]:
    """What a contact's message does to the ticket it joins: reopens it, or takes it out of a waiting stage."""
    if route.landing is Landing.REOPEN:
        yield from reopen_steps(at.now, actor, ticket, message)
        return
    if route.stranger or nature is not Nature.PERSON or ticket.state is not TicketState.OPEN:
        return
    if not TRAITS[ticket.kind].stage_with_reply:
        return
    stages = yield from judging.stage_list(ticket.classification_id)
    before = yield from judging.stage_name(ticket.resume_stage_id)
    back = after_answer(stages, ticket.stage_id, before)
    if back is not None and ticket.stage_id is not None:
        yield update("ticket", ticket.id, stage_id=back.id, resume_stage_id=None)
        yield events.append(
            at.now, actor, ticket.id, StageChanged(before=ticket.stage_id, after=back.id, waiting=False)
        )
