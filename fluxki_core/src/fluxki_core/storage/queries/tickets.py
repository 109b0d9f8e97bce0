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
from fluxki_core.domain.permissions import PermissionLevel, level, sees_all
from fluxki_core.domain.tickets import Link, Named, Query, Summary, TakingPart, Ticket
from fluxki_core.storage.queries.base import one, where
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_LOCKED = (
    "id, subject, kind, state, stage_id, resume_stage_id, classification_id, analysis_id, requester_id, customer_id,"
    " department_id, account_id, finished_at"
)
_SUMMARY = (
    "t.id, t.subject, t.kind, t.state, t.analysis_id, t.priority, t.created_at, t.last_activity_at,"
    " t.stage_id, s.name AS stage_name, t.classification_id, k.name AS classification_name,"
    " t.requester_id, c.name AS requester_name, t.customer_id, u.name AS customer_name,"
    " t.department_id, d.name AS department_name, a.channel"
)
_JOINS = (
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
    row = yield from one(sql(f"SELECT {_SUMMARY} FROM ticket t{_JOINS} WHERE t.id = {{}}", ticket))
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
        **msgspec.structs.asdict(_summary(row)),
        participants=tuple(
            TakingPart(agent=each["agent_id"], name=each["name"], level=PermissionLevel(each["level"]))
            for each in people
        ),
        links=tuple(Link(ticket=each["ticket"], reason=each["reason"]) for each in links),
        level=held,
    )


def page(query: Query, actor: Actor) -> Steps[tuple[list[Summary], str | None]]:
    """A page of the tickets that the actor may see, newest activity first, and the cursor of the next."""
    limit = max(1, min(query.limit, MAX_PAGE))
    text, args = where(_conditions(query, actor))
    rows = yield sql(
        # The page is cut out of the one index first, so that no plan can begin with the names.
        f"SELECT {_SUMMARY} FROM (SELECT * FROM ticket t{text} ORDER BY t.last_activity_at DESC, t.id DESC"
        f" LIMIT {{}}) t{_JOINS} ORDER BY t.last_activity_at DESC, t.id DESC",
        *args,
        limit + 1,
    )
    found = [_summary(row) for row in rows[:limit]]
    following = write_cursor(found[-1].last_activity_at, found[-1].number) if len(rows) > limit else None
    return found, following


def _conditions(query: Query, actor: Actor) -> list[tuple[str, tuple[Any, ...]]]:
    # States stand in the text, since SQLite uses a partial index only for a condition that it can read there.
    state = query.state or (TicketState.OPEN if query.requester is None and query.customer is None else None)
    conditions: list[tuple[str, tuple[Any, ...]]] = []
    if query.awaiting_analysis:
        conditions.append(("t.state = 'open' AND t.kind = 'standard' AND t.analysis_id IS NULL", ()))
    elif state is not None:
        conditions.append((f"t.state = '{state.value}'", ()))
    for column, value in (
        ("kind", query.kind),
        ("requester_id", query.requester),
        ("customer_id", query.customer),
        ("department_id", query.department),
    ):
        if value is not None:
            conditions.append((f"t.{column} = {{}}", (value,)))
    if query.mine:
        conditions.append((_TAKES_PART, (actor.agent,)))
    if not sees_all(actor):
        conditions.append(seen_by(actor))
    if query.cursor:
        conditions.append(("(t.last_activity_at, t.id) < ({}, {})", read_cursor(query.cursor)))
    return conditions


_TAKES_PART = "EXISTS (SELECT 1 FROM participant p WHERE p.ticket_id = t.id AND p.agent_id = {})"


def seen_by(actor: Actor) -> tuple[str, tuple[Any, ...]]:
    """The condition on a ticket `t` that limits what an agent sees to their departments and where they take part."""
    departments = tuple(sorted(actor.departments))
    if not departments:
        return _TAKES_PART, (actor.agent,)
    return f"(t.department_id IN ({marks(departments)}) OR {_TAKES_PART})", (*departments, actor.agent)


def _summary(row: Row) -> Summary:
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
