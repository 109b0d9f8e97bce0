"""Deliveries: queueing, claiming the head of each lane, and how that ended."""

from datetime import datetime

from fluxki_core.domain.ids import AccountId, DeliveryId
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import sees_all
from fluxki_core.domain.tickets import DeliveryState
from fluxki_core.storage.queries.base import one, where
from fluxki_core.storage.queries.messages import _DELIVERY
from fluxki_core.storage.queries.tickets import seen_by
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_HEAD_OF_LANE = (
    "NOT EXISTS (SELECT 1 FROM delivery e WHERE e.lane = d.lane AND e.id < d.id AND e.state IN ('queued', 'started'))"
)


# The first half names the partial index, which SQLite would not take for the second alone.
_UNDER_WAY = "{0}state IN ('queued', 'started') AND {0}state = 'started'"
_TROUBLED = (
    "d.id IN (SELECT id FROM delivery WHERE state IN ('failed', 'uncertain')"
    " UNION ALL SELECT id FROM delivery WHERE state = 'queued' AND (attempts > 0 OR reason <> ''))"
)


def accounts_due(now: datetime, channels: tuple[str, ...]) -> Statement:
    """The accounts that have something to send now."""
    return sql(
        "SELECT DISTINCT d.account_id FROM delivery d JOIN account a ON a.id = d.account_id WHERE d.state = 'queued'"
        f" AND d.due_at <= {{}} AND a.active AND a.channel IN ({marks(channels)})"
        " AND (a.paused_until IS NULL OR a.paused_until <= {})",
        *(now, *channels, now),
    )


def claim(account: AccountId, generation: int, now: datetime, token: str, until: datetime) -> Steps[Row | None]:
    """The account's delivery that is due longest and first in its lane, started under a lease.

    None for an account that has changed since that generation: what its old settings say must not be tried.
    """
    row = yield from one(
        sql(
            "SELECT d.id, d.message_id, d.recipient_kind, d.recipient, d.recipient_name, d.part, d.attempts"
            " FROM delivery d JOIN account a ON a.id = d.account_id WHERE d.account_id = {} AND d.state = 'queued'"
            " AND d.due_at <= {} AND a.active AND a.generation = {}"
            f" AND (a.paused_until IS NULL OR a.paused_until <= {{}}) AND {_HEAD_OF_LANE}"
            " ORDER BY d.due_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED",
            *(account, now, generation, now),
        )
    )
    if row is not None:
        yield sql(
            "UPDATE delivery SET state = 'started', lease_token = {}, lease_until = {}, attempts = attempts + 1,"
            " changed_at = {} WHERE id = {}",
            *(token, until, now, row["id"]),
        )
    return row


def renew(delivery: DeliveryId, token: str, until: datetime) -> Statement:
    return sql("UPDATE delivery SET lease_until = {} WHERE id = {} AND lease_token = {}", until, delivery, token)


def settle(
    delivery: DeliveryId, token: str, now: datetime, state: DeliveryState, outside_id: str | None, reason: str
) -> Statement:
    """How it ended, counted only under the holder's lease token; gives back the id of the row that was changed."""
    return sql(
        "UPDATE delivery SET state = {}, outside_id = {}, reason = {}, lease_token = NULL, lease_until = NULL,"
        " changed_at = {} WHERE id = {} AND lease_token = {} AND state = 'started' RETURNING id",
        *(state, outside_id, reason, now, delivery, token),
    )


def postpone(
    delivery: DeliveryId, token: str, now: datetime, due_at: datetime, reason: str, *, tried: bool
) -> Statement:
    """Queues it again; unless it was `tried`, the attempt that its claim counted is taken back."""
    return sql(
        "UPDATE delivery SET state = 'queued', due_at = {}, reason = {}, lease_token = NULL, lease_until = NULL,"
        " attempts = attempts - {}, changed_at = {}"
        " WHERE id = {} AND lease_token = {} AND state = 'started' RETURNING id",
        *(due_at, reason, 0 if tried else 1, now, delivery, token),
    )


def lapsed(now: datetime, limit: int) -> Statement:
    """Started deliveries whose holder is gone, held by this transaction."""
    return sql(
        "SELECT d.id, d.message_id, m.ticket_id, d.lease_token FROM delivery d JOIN message m ON m.id = d.message_id"
        f" WHERE {_UNDER_WAY.format('d.')} AND d.lease_until < {{}} ORDER BY d.id LIMIT {{}}"
        " FOR UPDATE OF d SKIP LOCKED",
        *(now, limit),
    )


def any_lapsed(now: datetime) -> Statement:
    """A row if there is a started delivery whose holder is gone."""
    return sql(f"SELECT id FROM delivery WHERE {_UNDER_WAY.format('')} AND lease_until < {{}} LIMIT 1", now)


def hurry_all(account: AccountId, now: datetime) -> Statement:
    """Tries all that waits of an account now, since its settings were changed."""
    return sql(
        "UPDATE delivery SET due_at = {} WHERE account_id = {} AND state = 'queued' AND due_at > {}", now, account, now
    )


def fail_all(account: AccountId, now: datetime, reason: str) -> Statement:
    """Gives up all that waits of a removed account; gives back id, message_id and ticket_id of each."""
    return sql(
        "UPDATE delivery SET state = 'failed', reason = {}, changed_at = {} WHERE account_id = {} AND state = 'queued'"
        " RETURNING id, message_id, (SELECT m.ticket_id FROM message m WHERE m.id = delivery.message_id) AS ticket_id",
        *(reason, now, account),
    )


def requeue(delivery: DeliveryId, now: datetime) -> Statement:
    """Sends again, on a person's word, what failed or may have been sent; gives back the id of the row changed."""
    return sql(
        "UPDATE delivery SET state = 'queued', due_at = {}, attempts = 0, reason = '', changed_at = {} WHERE id = {}"
        " AND state IN ('failed', 'uncertain', 'discarded') RETURNING id",
        *(now, now, delivery),
    )


def hurry(delivery: DeliveryId, now: datetime) -> Statement:
    """Tries a waiting delivery now; gives back the id of the row changed."""
    return sql("UPDATE delivery SET due_at = {} WHERE id = {} AND state = 'queued' RETURNING id", now, delivery)


def discard(delivery: DeliveryId, now: datetime) -> Statement:
    return sql(
        "UPDATE delivery SET state = 'discarded', changed_at = {} WHERE id = {}"
        " AND state IN ('queued', 'failed', 'uncertain') RETURNING id",
        *(now, delivery),
    )


def place(delivery: DeliveryId) -> Steps[Row | None]:
    """The delivery as it is shown, its ticket's department, and whether its account is still there (`active`)."""
    return (
        yield from one(
            sql(
                f"SELECT {_DELIVERY}, t.department_id, a.active FROM delivery d JOIN message m ON m.id = d.message_id"
                " JOIN ticket t ON t.id = m.ticket_id JOIN account a ON a.id = d.account_id WHERE d.id = {}",
                delivery,
            )
        )
    )


def troubled(actor: Actor, after: DeliveryId, limit: int) -> Statement:
    """Deliveries that need a person, or are waiting for another try, of the tickets that the actor may see."""
    conditions = [
        ("d.id > {}", (after,)),
        (_TROUBLED, ()),
        *([] if sees_all(actor) else [seen_by(actor)]),
    ]
    text, args = where(conditions)
    return sql(
        f"SELECT {_DELIVERY} FROM delivery d JOIN message m ON m.id = d.message_id JOIN ticket t ON t.id = m.ticket_id"
        f"{text} ORDER BY d.id LIMIT {{}}",
        *(*args, limit),
    )


def counts() -> Statement:
    """How many deliveries are in each state that is not final."""
    return sql(
        "SELECT state, count(*) AS n FROM delivery WHERE state IN ('queued', 'started') GROUP BY state UNION ALL"
        " SELECT state, count(*) AS n FROM delivery WHERE state IN ('failed', 'uncertain') GROUP BY state"
    )
