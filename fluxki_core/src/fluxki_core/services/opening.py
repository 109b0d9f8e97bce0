"""Registering a ticket by hand, and changing a ticket's own fields."""

import re
from datetime import datetime

import msgspec

from fluxki_core.domain.cleaning import from_text
from fluxki_core.domain.errors import Forbidden, Invalid, NotFound
from fluxki_core.domain.events import MessageReceived, TicketChanged, TicketOpened
from fluxki_core.domain.ids import ContactId, CustomerId, DepartmentId, MessageId, StageId, TicketId
from fluxki_core.domain.kinds import TRAITS, TicketState, Visibility
from fluxki_core.domain.people import SYSTEM, Actor, ActorKind, Contact, company_domain, email_address
from fluxki_core.domain.permissions import PermissionLevel, require_agent, sees_all
from fluxki_core.domain.tickets import Change, OpenTicket, Requester, Ticket
from fluxki_core.domain.traffic import MAX_SUBJECT, Nature
from fluxki_core.services.core import Core
from fluxki_core.services.staging import held_ticket
from fluxki_core.services.understanding import MAX_NAME, one_line, storable
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.queries import events, judging, people, tickets
from fluxki_core.storage.queries.base import insert, one, update
from fluxki_core.storage.statements import Steps, sql

_EMAIL = re.compile(r"""[^\s@<>,;:"()\[\]\\]+@[^\s@<>,;:"()\[\]\\]+""")


async def open_ticket(core: Core, actor: Actor, order: OpenTicket) -> Ticket:
    """Registers a ticket with the request as noted for the contact; nothing is sent (SPEC D36)."""
    require_agent(actor)
    subject = one_line(order.subject)
    body = storable(order.body).strip()
    _check(subject, body)
    now = core.unit.now()

    def script() -> Steps[Ticket]:
        department = yield from _department(actor, order.department)
        requester = yield from _requester(now, order.requester)
        ticket = yield from _ticket(now, order, subject, requester, department)
        message = yield from insert(
            "message",
            ticket_id=ticket,
            author_kind=ActorKind.CONTACT,
            author_name=requester.name,
            contact_id=requester.id,
            agent_id=actor.agent,
            visibility=Visibility.PUBLIC,
            body_html=from_text(body),
            body_text=body,
            sent_at=now,
            nature=Nature.PERSON,
            stranger=False,
            notices="[]",
        )
        opened = TicketOpened(ticket_kind=order.kind, requester=requester.id, department=department)
        yield events.append(now, actor, ticket, opened)
        yield events.append(now, actor, ticket, MessageReceived(message=MessageId(message)))
        return (yield from tickets.read(ticket, actor))

    try:
        return await core.unit.run("open", script)
    except UniqueViolation:
        # Somebody else made a contact of this address between the look and the write; a second look finds it.
        return await core.unit.run("open", script)


def _check(subject: str, body: str) -> None:
    wrong = {}
    if not subject or len(subject) > MAX_SUBJECT:
        wrong["subject"] = f"Give a subject of 1 to {MAX_SUBJECT} characters."
    if not body:
        wrong["body"] = "Write down what the contact asks for."
    if wrong:
        raise Invalid(wrong)


def _department(actor: Actor, wanted: DepartmentId | None) -> Steps[DepartmentId]:
    """The one asked for, else the agent's, else the default one (SPEC D35)."""
    if wanted is None and actor.departments:
        return min(actor.departments)
    if wanted is None and not sees_all(actor):
        raise Forbidden("You are in no department; ask an admin to put you into one.")
    if wanted is None:
        return (yield from people.default_department())
    if wanted not in {each.id for each in (yield from people.departments())}:
        raise Invalid({"department": "Choose a department that exists."})
    if wanted not in actor.departments and not sees_all(actor):
        raise Forbidden("You can register tickets in your own departments only.")
    return wanted


def _requester(now: datetime, wanted: Requester) -> Steps[Contact]:
    if wanted.contact is not None:
        found = yield from people.contacts(0, 1, wanted.contact)
        if not found:
            raise Invalid({"requester.contact": "There is no such contact."})
        return found[0]
    if wanted.email:
        known = yield from people.known_contact(email_address(wanted.email))
        if known is not None:
            return (yield from people.contacts(0, 1, ContactId(known["id"])))[0]
    return (yield from _new_requester(now, wanted))


def _new_requester(now: datetime, wanted: Requester) -> Steps[Contact]:
    name = one_line(wanted.name or wanted.email or "")[:MAX_NAME]
    if not name:
        raise Invalid({"requester": "Give a contact, or at least a name."})
    if wanted.email is not None and not looks_like_email(wanted.email):
        raise Invalid({"requester.email": "Give an e-mail address, such as maria@exemplo.com.br."})
    addresses = (email_address(wanted.email),) if wanted.email else ()
    domain = company_domain(addresses[0]) if addresses else None
    customer: CustomerId | None = (yield from people.customer_of_domain(domain)) if domain else None
    if customer is None:
        customer = yield from people.add_customer(now, name)
    contact = yield from people.add_contact(now, name, customer, addresses)
    return Contact(id=contact, name=name, customer=customer, addresses=addresses)


def looks_like_email(value: str) -> bool:
    """Whether mail could be sent there at all: `local@domain` without blanks, controls and what needs quotes."""
    return bool(_EMAIL.fullmatch(value.strip())) and value.strip().isprintable() and len(value) <= 320


def _ticket(
    now: datetime, order: OpenTicket, subject: str, requester: Contact, department: DepartmentId
) -> Steps[TicketId]:
    stage: StageId | None = None
    if TRAITS[order.kind].stage_with_reply:
        stage = (yield from judging.stage_list(None)).first.id
    ticket = yield from insert(
        "ticket",
        subject=subject,
        kind=order.kind,
        state=TicketState.OPEN,
        stage_id=stage,
        requester_id=requester.id,
        customer_id=requester.customer,
        department_id=department,
        priority=order.priority,
        created_at=now,
        last_activity_at=now,
    )
    return TicketId(ticket)


async def change(core: Core, actor: Actor, order: Change) -> Ticket:
    """Changes subject, department or priority (SPEC D35)."""
    now = core.unit.now()
    subject = None if order.subject is None else one_line(order.subject)
    if subject is not None and not 0 < len(subject) <= MAX_SUBJECT:
        raise Invalid({"subject": f"Give a subject of 1 to {MAX_SUBJECT} characters."})
    values = {
        "subject": subject,
        "department_id": order.department,
        "priority": order.priority,
    }
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise Invalid({"": "Give subject, department or priority."})

    def script() -> Steps[Ticket]:
        ticket = yield from held_ticket(order.ticket, actor, PermissionLevel.REPLY, "change the ticket")
        if order.department is not None:
            row = yield from one(sql("SELECT id FROM department WHERE id = {}", order.department))
            if row is None:
                raise Invalid({"department": "Choose a department that exists."})
        yield update("ticket", ticket.id, **given)
        changed = TicketChanged(department=order.department, priority=order.priority, subject=subject)
        yield events.append(now, actor, ticket.id, changed)
        try:
            return (yield from tickets.read(ticket.id, actor))
        except NotFound:
            # Given to another department, the ticket left its agent's sight; this last time they see it.
            seen = yield from tickets.read(ticket.id, SYSTEM)
            return msgspec.structs.replace(seen, level=PermissionLevel.VIEW)

    return await core.unit.run("change", script)
