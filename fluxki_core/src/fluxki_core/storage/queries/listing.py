"""Pages of the ticket list, at a cost that does not grow with history.

An agent sees their departments' tickets and those in which they take part. One condition for both would make a database
walk through everybody's tickets, so the page is put together from one short page of each.
"""

from typing import Any

from fluxki_core.domain.kinds import TicketState
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import sees_all
from fluxki_core.domain.tickets import Query, Summary
from fluxki_core.storage.queries.base import where
from fluxki_core.storage.queries.tickets import JOINS, MAX_PAGE, SUMMARY, read_cursor, summary, write_cursor
from fluxki_core.storage.statements import Steps, sql

Condition = tuple[str, tuple[Any, ...]]

_ORDER = "ORDER BY t.last_activity_at DESC, t.id DESC LIMIT {}"


def page(query: Query, actor: Actor) -> Steps[tuple[list[Summary], str | None]]:
    """A page of the tickets that the actor may see, newest activity first, and the cursor of the next."""
    limit = max(1, min(query.limit, MAX_PAGE))
    branches = [_branch(source, [*own, *_conditions(query)], limit) for source, own in _sources(query, actor)]
    # The page is cut out of the indexes first, so that no plan can begin with the names.
    rows = yield sql(
        f"SELECT {SUMMARY} FROM (SELECT * FROM ({' UNION '.join(text for text, _ in branches)}) t {_ORDER}) t{JOINS}"
        " ORDER BY t.last_activity_at DESC, t.id DESC",
        *(each for _, args in branches for each in args),
        limit + 1,
    )
    found = [summary(row) for row in rows[:limit]]
    following = write_cursor(found[-1].last_activity_at, found[-1].number) if len(rows) > limit else None
    return found, following


def _branch(source: str, conditions: list[Condition], limit: int) -> Condition:
    text, args = where(conditions)
    return f"SELECT * FROM (SELECT t.* FROM {source}{text} {_ORDER}) b", (*args, limit + 1)


def _sources(query: Query, actor: Actor) -> list[tuple[str, list[Condition]]]:
    """Where the actor's tickets are found: each a FROM and its conditions; what two of them hold counts once."""
    taking_part: tuple[str, list[Condition]] = (
        "participant p JOIN ticket t ON t.id = p.ticket_id",
        [("p.agent_id = {}", (actor.agent,))],
    )
    if query.mine:
        return [taking_part]
    if sees_all(actor):
        return [("ticket t", [])]
    own: list[tuple[str, list[Condition]]] = [
        ("ticket t", [("t.department_id = {}", (department,))])
        for department in sorted(actor.departments)
        if query.department in (None, department)
    ]
    return [*own, taking_part]


def _conditions(query: Query) -> list[Condition]:
    # States stand in the text, since SQLite uses a partial index only for a condition that it can read there.
    state = query.state or (TicketState.OPEN if query.requester is None and query.customer is None else None)
    conditions: list[Condition] = []
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
    if query.cursor:
        conditions.append(("(t.last_activity_at, t.id) < ({}, {})", read_cursor(query.cursor)))
    return conditions
