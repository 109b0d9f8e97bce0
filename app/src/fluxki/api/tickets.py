"""`/api/v1/tickets`: listing, registering, reading and changing tickets."""

from typing import Annotated

from fluxki_core.domain.ids import ContactId, CustomerId, DepartmentId, StageId, TicketId
from fluxki_core.domain.kinds import Priority, TicketKind, TicketState
from fluxki_core.domain.tickets import (
    Change,
    FinishWithout,
    NoAnalysisReason,
    OpenTicket,
    Page,
    Query,
    Requester,
    Summary,
    Ticket,
)
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, Cursor, Email, Limit, PathId, PersonName, QueryId
from fluxki.errors import READS, WRITES


class For(Body, frozen=True, kw_only=True):
    """Who a ticket is registered for: a known `contact`, or a `name` with an optional `email`."""

    contact: BodyId[ContactId] | None = None
    name: PersonName | None = None
    email: Email | None = None


class NewTicket(Body, frozen=True, kw_only=True):
    """`body` is the request as noted for the contact; it is not sent."""

    subject: Annotated[str, Meta(min_length=1, max_length=250)]
    requester: For
    body: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    kind: TicketKind = TicketKind.STANDARD
    department: BodyId[DepartmentId] | None = None
    priority: Priority = Priority.NORMAL


class TicketChange(Body, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    subject: Annotated[str, Meta(min_length=1, max_length=250)] | None = None
    department: BodyId[DepartmentId] | None = None
    priority: Priority | None = None


class ChosenStage(Body, frozen=True, kw_only=True):
    stage: BodyId[StageId]


class Finish(Body, frozen=True, kw_only=True):
    """`without_analysis`: why a standard ticket is finished before any analysis; then its sender can be blocked."""

    without_analysis: NoAnalysisReason | None = None
    block_sender: bool = False


class Tickets(Controller):
    path = "/tickets"
    tags = ("Tickets",)

    @get(responses=READS)
    async def list_tickets(
        self,
        reader: NamedDependency[CoreDesk],
        kind: FromQuery[TicketKind | None] = None,
        ticket_state: Annotated[TicketState | None, QueryParameter(name="state")] = None,
        awaiting_analysis: FromQuery[bool] = False,
        mine: FromQuery[bool] = False,
        requester: QueryId[ContactId] = None,
        customer: QueryId[CustomerId] = None,
        department: QueryId[DepartmentId] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[Summary]:
        """Newest activity first; without any condition the open ones."""
        query = Query(
            kind=kind,
            state=ticket_state,
            awaiting_analysis=awaiting_analysis,
            mine=mine,
            requester=requester,
            customer=customer,
            department=department,
            limit=limit,
            cursor=cursor,
        )
        return await reader.tickets(query)

    @post(responses=WRITES)
    async def open_ticket(self, desk: NamedDependency[CoreDesk], data: JSONBody[NewTicket]) -> Ticket:
        """Registers a ticket for a contact."""
        requester = Requester(contact=data.requester.contact, name=data.requester.name, email=data.requester.email)
        order = OpenTicket(
            subject=data.subject,
            kind=data.kind,
            requester=requester,
            body=data.body,
            department=data.department,
            priority=data.priority,
        )
        return await desk.open_ticket(order)

    @get("/{number:int}", responses=READS)
    async def read_ticket(self, reader: NamedDependency[CoreDesk], number: PathId[TicketId]) -> Ticket:
        return await reader.ticket(number)

    @patch("/{number:int}", responses=WRITES)
    async def change_ticket(
        self, desk: NamedDependency[CoreDesk], number: PathId[TicketId], data: JSONBody[TicketChange]
    ) -> Ticket:
        order = Change(ticket=number, subject=data.subject, department=data.department, priority=data.priority)
        return await desk.change(order)

    @post("/{number:int}/stage", responses=WRITES, status_code=200)
    async def set_stage(
        self, desk: NamedDependency[CoreDesk], number: PathId[TicketId], data: JSONBody[ChosenStage]
    ) -> Ticket:
        """Puts the ticket into a stage; the last one finishes it."""
        return await desk.set_stage(number, data.stage)

    @post("/{number:int}/finish", responses=WRITES, status_code=200)
    async def finish(
        self, desk: NamedDependency[CoreDesk], number: PathId[TicketId], data: JSONBody[Finish | None] = None
    ) -> Ticket:
        reason = data.without_analysis if data else None
        without = FinishWithout(reason=reason, block_sender=data.block_sender) if data and reason else None
        return await desk.finish(number, without)

    @post("/{number:int}/reopen", responses=WRITES, status_code=200)
    async def reopen(self, desk: NamedDependency[CoreDesk], number: PathId[TicketId]) -> Ticket:
        return await desk.reopen(number)
