"""Answers kept under an Idempotency-Key."""

from datetime import datetime, timedelta

from fluxki_core.domain.ids import AgentId
from fluxki_core.storage.queries.base import one
from fluxki_core.storage.statements import Row, Statement, Steps, sql

KEPT = timedelta(days=7)


def begin(agent: AgentId, key: str, digest: str, now: datetime) -> Steps[Row | None]:
    """Claims the key; where it was used before, gives the digest and body kept under it."""
    yield sql("DELETE FROM idempotency WHERE agent_id = {} AND key = {} AND created_at < {}", agent, key, now - KEPT)
    fresh = yield sql(
        "INSERT INTO idempotency (agent_id, key, digest, body, created_at) VALUES ({}, {}, {}, '', {})"
        " ON CONFLICT (agent_id, key) DO NOTHING RETURNING id",
        *(agent, key, digest, now),
    )
    if fresh:
        return None
    return (yield from one(sql("SELECT digest, body FROM idempotency WHERE agent_id = {} AND key = {}", agent, key)))


def keep(agent: AgentId, key: str, body: str) -> Statement:
    return sql("UPDATE idempotency SET body = {} WHERE agent_id = {} AND key = {}", body, agent, key)


def forget(now: datetime) -> Statement:
    return sql("DELETE FROM idempotency WHERE created_at < {}", now - KEPT)
