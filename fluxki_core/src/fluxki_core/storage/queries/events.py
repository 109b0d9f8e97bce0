"""Events: appending them, reading them in order, and what is still to be announced."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from fluxki_core.domain.events import ActorRef, Body, Event, EventBody, event_name
from fluxki_core.domain.ids import EventId, TicketId
from fluxki_core.domain.people import Actor, ActorKind
from fluxki_core.domain.permissions import sees_all
from fluxki_core.storage.queries.base import add
from fluxki_core.storage.statements import Row, Statement, marks, sql

_COLUMNS = "e.id, e.at, e.name, e.ticket_id, e.actor_kind, e.actor_name, e.agent_id, e.contact_id, e.data"
_BODY: Any = reduce(or_, EventBody.__subclasses__())
_decode = msgspec.json.Decoder(_BODY).decode
_encode = msgspec.json.Encoder().encode


def append(now: datetime, actor: Actor, ticket: TicketId | None, what: Body) -> Statement:
    """Writes an event. It must not be the first thing that its script writes or locks (see `services.horizon`)."""
    return add(
        "event",
        at=now,
        name=event_name(what),
        ticket_id=ticket,
        actor_kind=actor.kind,
        actor_name=actor.name,
        agent_id=actor.agent,
        contact_id=actor.contact,
        data=_encode(what).decode(),
        announced=False,
    )


def append_all(now: datetime, actor: Actor, what: list[tuple[TicketId, Body]]) -> Statement:
    """Several events in one statement; at most a few hundred, for the limit of parameters."""
    each = "({}, {}, {}, {}, {}, {}, {}, {}, {})"
    args = [
        value
        for ticket, body in what
        for value in (
            *(now, event_name(body), ticket, actor.kind, actor.name, actor.agent, actor.contact),
            *(_encode(body).decode(), False),
        )
    ]
    return sql(
        "INSERT INTO event (at, name, ticket_id, actor_kind, actor_name, agent_id, contact_id, data, announced)"
        f" VALUES {', '.join([each] * len(what))}",
        *args,
    )


def event_of(row: Row) -> Event[Body]:
    actor = ActorRef(ActorKind(row["actor_kind"]), row["actor_name"], row["agent_id"], row["contact_id"])
    return Event(id=row["id"], at=row["at"], actor=actor, ticket=row["ticket_id"], what=_decode(row["data"]))


def after(actor: Actor, event: EventId, limit: int, settled: EventId) -> Statement:
    """Events after one, up to the settled one, as the actor may see them."""
    if sees_all(actor):
        return sql(
            f"SELECT {_COLUMNS} FROM event e WHERE e.id > {{}} AND e.id <= {{}} ORDER BY e.id LIMIT {{}}",
            *(event, settled, limit),
        )
    departments = tuple(sorted(actor.departments))
    inside = f"t.department_id IN ({marks(departments)}) OR " if departments else ""
    return sql(
        f"SELECT {_COLUMNS} FROM event e JOIN ticket t ON t.id = e.ticket_id WHERE e.id > {{}} AND e.id <= {{}}"
        f" AND ({inside}EXISTS (SELECT 1 FROM participant p WHERE p.ticket_id = t.id AND p.agent_id = {{}}))"
        " ORDER BY e.id LIMIT {}",
        event,
        settled,
        *departments,
        actor.agent,
        limit,
    )


def unannounced(limit: int) -> Statement:
    return sql(f"SELECT {_COLUMNS} FROM event e WHERE NOT e.announced ORDER BY e.id LIMIT {{}}", limit)


def mark_announced(events: list[EventId]) -> Statement:
    return sql(f"UPDATE event SET announced = {{}} WHERE id IN ({marks(events)})", True, *events)


def owe(event: EventId, plugin: str, due_at: datetime, error: str) -> Statement:
    """Notes that one plugin is owed a retry of one event; a second failure note changes nothing."""
    return sql(
        "INSERT INTO announcement (event_id, plugin, state, attempts, due_at, error) VALUES ({}, {}, 'due', 1, {}, {})"
        " ON CONFLICT (event_id, plugin) DO NOTHING",
        event,
        plugin,
        due_at,
        error,
    )


def owed(now: datetime, limit: int) -> Statement:
    return sql(
        f"SELECT a.id AS announcement, a.plugin, a.attempts, {_COLUMNS} FROM announcement a JOIN event e"
        " ON e.id = a.event_id WHERE a.state = 'due' AND a.due_at <= {} ORDER BY a.due_at, a.id LIMIT {}",
        now,
        limit,
    )


def owed_list(after: int, limit: int) -> Statement:
    return sql(
        "SELECT a.id, a.plugin, a.event_id, e.name, a.state, a.attempts, a.due_at, a.error FROM announcement a"
        " JOIN event e ON e.id = a.event_id WHERE a.id > {} ORDER BY a.id LIMIT {}",
        *(after, limit),
    )


def settle_announcement(announcement: int) -> Statement:
    return sql("DELETE FROM announcement WHERE id = {}", announcement)


def postpone_announcement(announcement: int, state: str, attempts: int, due_at: datetime, error: str) -> Statement:
    return sql(
        "UPDATE announcement SET state = {}, attempts = {}, due_at = {}, error = {} WHERE id = {}",
        state,
        attempts,
        due_at,
        error,
        announcement,
    )


def revive(now: datetime) -> Statement:
    """Buried announcements get another chance."""
    return sql(
        "UPDATE announcement SET state = 'due', attempts = 0, due_at = {} WHERE state = 'buried' RETURNING id", now
    )
