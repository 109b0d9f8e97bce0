"""Tickets: locking one, writing, reading one in full, and listing a page."""

import base64
import binascii
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from fluxki_core.domain.errors import Invalid, NotFound
from fluxki_core.domain.ids import (
    AccountId,
    AgentId,
    AnalysisId,
    ClassificationId,
    ContactId,
    CustomerId,
    DepartmentId,
    StageId,
    TicketId,
)
from fluxki_core.domain.kinds import Priority, TicketKind, TicketState
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import PermissionLevel, level
from fluxki_core.domain.stages import Stage
from fluxki_core.domain.tickets import Link, Named, Summary, TakingPart, Ticket
from fluxki_core.storage.queries.base import one
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_LOCKED = (
    "id, subject, kind, state, stage_id, resume_stage_id, classification_id, analysis_id, requester_id, customer_id,"
    " department_id, account_id, finished_at"
)
SUMMARY = (
    "t.id, t.subject, t.kind, t.state, t.analysis_id, t.priority, t.created_at, t.last_activity_at,"
    " t.stage_id, s.name AS stage_name, t.classification_id, k.name AS classification_name,"
    " t.requester_id, c.name AS requester_name, t.customer_id, u.name AS customer_name,"
    " t.department_id, d.name AS department_name, a.channel"
)
JOINS = (
    " JOIN contact c ON c.id = t.requester_id JOIN customer u ON u.id = t.customer_id"
    " JOIN department d ON d.id = t.department_id LEFT JOIN stage s ON s.id = t.stage_id"
    " LEFT JOIN classification k ON k.id = t.classification_id LEFT JOIN account a ON a.id = t.account_id"
)
MAX_PAGE = 200


class Locked(Struct, frozen=True, kw_only=True):
    """A ticket held by this transaction, as the rules need it."""

    id: TicketId
    subject: str
    kind: TicketKind
    state: TicketState
    stage_id: StageId | None
    resume_stage_id: StageId | None
    classification_id: ClassificationId | None
    analysis_id: AnalysisId | None
    requester_id: ContactId
    customer_id: CustomerId
    department_id: DepartmentId
    account_id: AccountId | None
    finished_at: datetime | None


def lock(ticket: TicketId) -> Steps[Locked]:
    row = yield from one(sql(f"SELECT {_LOCKED} FROM ticket WHERE id = {{}} FOR UPDATE", ticket))
    if row is None:
        raise NotFound("There is no such ticket, or it belongs to a department that you are not in.")
    return msgspec.convert(row, Locked)


def lock_several(tickets: tuple[TicketId, ...]) -> Steps[dict[TicketId, Locked]]:
    """Those of the tickets that exist, locked in the order of their ids: no two scripts wait in a ring."""
    if not tickets:
        return {}
    rows = yield sql(f"SELECT {_LOCKED} FROM ticket WHERE id IN ({marks(tickets)}) ORDER BY id FOR UPDATE", *tickets)
    return {row["id"]: msgspec.convert(row, Locked) for row in rows}


def joined_level(ticket: TicketId, actor: Actor) -> Steps[PermissionLevel | None]:
    """The level with which the actor takes part."""
    if actor.agent is None:
        return None
    row = yield from one(
        sql("SELECT level FROM participant WHERE ticket_id = {} AND agent_id = {}", ticket, actor.agent)
    )
    return PermissionLevel(row["level"]) if row else None


def follow_up(ticket: TicketId) -> Steps[TicketId | None]:
    """The newest ticket of the same requester that goes on where this one ended."""
    row = yield from one(
        sql(
            "SELECT n.id FROM ticket_link l JOIN ticket n ON n.id = l.ticket_id JOIN ticket o ON o.id = l.other_id"
            " WHERE l.other_id = {} AND l.reason = 'follows' AND n.requester_id = o.requester_id"
            " ORDER BY n.id DESC LIMIT 1",
            ticket,
        )
    )
    return TicketId(row["id"]) if row else None


def outside_list(classification: ClassificationId | None, stages: tuple[StageId, ...]) -> Statement:
    """Open standard tickets of a list of stages (None: the default one) that stand in none of these, held."""
    of_list = _DEFAULT_LIST if classification is None else "classification_id = {}"
    args = () if classification is None else (classification,)
    return sql(
        "SELECT id, stage_id FROM ticket WHERE state = 'open' AND kind = 'standard'"
        f" AND {of_list} AND stage_id NOT IN ({marks(stages)}) ORDER BY id FOR UPDATE",
        *args,
        *stages,
    )


_DEFAULT_LIST = (
    "(classification_id IS NULL OR NOT EXISTS (SELECT 1 FROM stage o WHERE o.active"
    " AND o.classification_id = ticket.classification_id))"
)


def put_into(tickets: list[TicketId], stage: Stage) -> Statement:
    """Stands tickets in a stage. What still waits keeps the stage that it goes back to, found by its name then."""
    resume = "" if stage.waiting else ", resume_stage_id = NULL"
    return sql(f"UPDATE ticket SET stage_id = {{}}{resume} WHERE id IN ({marks(tickets)})", stage.id, *tickets)


def put_participant(ticket: TicketId, agent: AgentId, held: PermissionLevel, now: datetime) -> Statement:
    return sql(
        "INSERT INTO participant (ticket_id, agent_id, level, joined_at) VALUES ({}, {}, {}, {})"
        " ON CONFLICT (ticket_id, agent_id) DO UPDATE SET level = excluded.level",
        *(ticket, agent, held, now),
    )


def touch(ticket: TicketId, at: datetime) -> Statement:
    """Moves the last activity forward, never back (mail may arrive out of order)."""
    return sql("UPDATE ticket SET last_activity_at = {} WHERE id = {} AND last_activity_at < {}", at, ticket, at)


def read(ticket: TicketId, actor: Actor) -> Steps[Ticket]:
    """The ticket in full; raises `NotFound` for an actor who may not see it."""
    row = yield from one(sql(f"SELECT {SUMMARY} FROM ticket t{JOINS} WHERE t.id = {{}}", ticket))
    held = level(actor, row["department_id"], (yield from joined_level(ticket, actor))) if row else None
    if row is None or held is None:
        raise NotFound("There is no such ticket, or it belongs to a department that you are not in.")
    people = yield sql(
        "SELECT p.agent_id, g.name, p.level FROM participant p JOIN agent g ON g.id = p.agent_id"
        " WHERE p.ticket_id = {} ORDER BY p.id",
        ticket,
    )
    links = yield sql(
        "SELECT other_id AS ticket, reason, id FROM ticket_link WHERE ticket_id = {} UNION ALL"
        " SELECT ticket_id AS ticket, CASE reason WHEN 'follows' THEN 'followed' ELSE reason END, id"
        " FROM ticket_link WHERE other_id = {} ORDER BY id",
        *(ticket, ticket),
    )
    return Ticket(
        **msgspec.structs.asdict(summary(row)),
        participants=tuple(
            TakingPart(agent=each["agent_id"], name=each["name"], level=PermissionLevel(each["level"]))
            for each in people
        ),
        links=tuple(Link(ticket=each["ticket"], reason=each["reason"]) for each in links),
        level=held,
    )


TAKES_PART = "EXISTS (SELECT 1 FROM participant p WHERE p.ticket_id = t.id AND p.agent_id = {})"


def seen_by(actor: Actor) -> tuple[str, tuple[Any, ...]]:
    """The condition on a ticket `t` that limits what an agent sees to their departments and where they take part."""
    departments = tuple(sorted(actor.departments))
    if not departments:
        return TAKES_PART, (actor.agent,)
    return f"(t.department_id IN ({marks(departments)}) OR {TAKES_PART})", (*departments, actor.agent)


def summary(row: Row) -> Summary:
    return Summary(
        number=row["id"],
        subject=row["subject"],
        kind=TicketKind(row["kind"]),
        state=TicketState(row["state"]),
        stage=row["stage_id"] and Named(row["stage_id"], row["stage_name"]),
        classification=row["classification_id"] and Named(row["classification_id"], row["classification_name"]),
        analyzed=row["analysis_id"] is not None,
        requester=Named(row["requester_id"], row["requester_name"]),
        customer=Named(row["customer_id"], row["customer_name"]),
        department=Named(row["department_id"], row["department_name"]),
        priority=Priority(row["priority"]),
        channel=row["channel"],
        created_at=row["created_at"],
        last_activity_at=row["last_activity_at"],
    )


def write_cursor(at: datetime, record: int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((at, record))).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, int]:
    """Raises `Invalid` for a cursor that no page gave."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, record = msgspec.json.decode(raw, type=tuple[datetime, int])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise Invalid({"cursor": "Use the “next” of a page as it was given."}) from error
    if at.tzinfo is None or not 1970 <= at.year <= 9000 or abs(record) >= 1 << 63:
        raise Invalid({"cursor": "Use the “next” of a page as it was given."})
    return at, record
