"""Raw messages: storing them, claiming some to take in, and how that ended."""

from datetime import datetime
from itertools import takewhile

from fluxki_core.domain.ids import AccountId, MessageId, RawId
from fluxki_core.storage.queries.base import one
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_RAW = "id, account_id, key, received_at, size, body, sha256, state, attempts, error"


def put(
    account: AccountId, key: str, received_at: datetime, size: int, body: bytes | None, sha256: str | None
) -> Statement:
    return sql(
        "INSERT INTO raw (account_id, key, received_at, size, body, sha256, state, attempts, error)"
        " VALUES ({}, {}, {}, {}, {}, {}, 'waiting', 0, '') ON CONFLICT (account_id, key) DO NOTHING RETURNING id",
        *(account, key, received_at, size, body, sha256),
    )


def accounts_waiting(now: datetime) -> Statement:
    """The accounts that have raw messages which nobody is working on."""
    return sql(
        "SELECT a.id AS account_id FROM account a WHERE EXISTS (SELECT 1 FROM raw r WHERE r.account_id = a.id"
        " AND r.state = 'waiting' AND (r.lease_until IS NULL OR r.lease_until < {})) ORDER BY a.id",
        now,
    )


def claim(account: AccountId, now: datetime, token: str, until: datetime, limit: int) -> Steps[list[Row]]:
    """The account's oldest waiting messages, leased; none while another process works on one of them.

    One batch an account at a time keeps the order in which they came. A message whose process ended before comes
    alone: were it the cause, it must not take the whole batch with it again.
    """
    yield sql("SELECT id FROM account WHERE id = {} FOR UPDATE", account)
    # Under lock, since `claim_keys` may be at them: only the oldest are looked at, however many wait.
    rows = yield sql(
        f"SELECT {_RAW}, lease_until FROM raw WHERE state = 'waiting' AND account_id = {{}} ORDER BY id LIMIT {{}}"
        " FOR UPDATE",
        *(account, limit),
    )
    if any(row["lease_until"] is not None and row["lease_until"] >= now for row in rows):
        return []
    rows = _unsuspected(rows)
    yield from _lease(rows, token, until)
    return rows


def _unsuspected(rows: list[Row]) -> list[Row]:
    """The first rows that no process ended on, or the first one alone."""
    fresh = list(takewhile(lambda row: row["attempts"] == 0, rows))
    return fresh or rows[:1]


def claim_keys(account: AccountId, keys: list[str], now: datetime, token: str, until: datetime) -> Steps[list[Row]]:
    """The rows of these keys whatever their state; the next of those that wait for nobody else are leased (`mine`)."""
    rows = yield sql(
        f"SELECT {_RAW}, message_id, lease_until FROM raw WHERE account_id = {{}} AND key IN ({marks(keys)})"
        " ORDER BY id FOR UPDATE",
        account,
        *keys,
    )
    free = [
        row for row in rows if row["state"] == "waiting" and (row["lease_until"] is None or row["lease_until"] < now)
    ]
    mine = _unsuspected(free)
    yield from _lease(mine, token, until)
    ids = {row["id"] for row in mine}
    return [{**row, "mine": row["id"] in ids} for row in rows]


def _lease(rows: list[Row], token: str, until: datetime) -> Steps[None]:
    if rows:
        ids = [row["id"] for row in rows]
        yield sql(
            "UPDATE raw SET lease_token = {}, lease_until = {}, attempts = attempts + 1"
            f" WHERE id IN ({marks(ids)})",
            token,
            until,
            *ids,
        )


def renew(token: str, until: datetime) -> Statement:
    return sql("UPDATE raw SET lease_until = {} WHERE lease_token = {} AND state = 'waiting'", until, token)


def settle(raw: RawId, token: str, state: str, message: MessageId | None, error: str) -> Statement:
    """How it ended, counted only for the lease's holder; gives back the id of the row that was changed."""
    return sql(
        "UPDATE raw SET state = {}, message_id = {}, error = {}, lease_token = NULL, lease_until = NULL"
        " WHERE id = {} AND lease_token = {} RETURNING id",
        *(state, message, error, raw, token),
    )


def release(token: str) -> Statement:
    """Gives back what was claimed and could not be worked on, without counting the attempt."""
    return sql(
        "UPDATE raw SET lease_token = NULL, lease_until = NULL, attempts = attempts - 1"
        " WHERE lease_token = {} AND state = 'waiting'",
        token,
    )


def parked(after: RawId, limit: int) -> Statement:
    return sql(
        "SELECT r.id, r.received_at, r.size, r.error, a.name AS account FROM raw r JOIN account a"
        " ON a.id = r.account_id WHERE r.state = 'parked' AND r.id > {} ORDER BY r.id LIMIT {}",
        *(after, limit),
    )


def park_all(account: AccountId, now: datetime, error: str) -> Statement:
    """Parks what waits of an account and nobody works on."""
    return sql(
        "UPDATE raw SET state = 'parked', error = {}, lease_token = NULL, lease_until = NULL WHERE account_id = {}"
        " AND state = 'waiting' AND (lease_until IS NULL OR lease_until < {})",
        *(error, account, now),
    )


def set_parked(raws: list[RawId], state: str) -> Statement:
    """Replays ("waiting") or discards ("discarded") parked messages; all of them when none is named.

    Those of a removed account are not replayed: nobody would take them in.
    """
    some = f" AND id IN ({marks(raws)})" if raws else ""
    there = " AND EXISTS (SELECT 1 FROM account a WHERE a.id = raw.account_id AND a.active)"
    return sql(
        f"UPDATE raw SET state = {{}}, attempts = 0 WHERE state = 'parked'{some}{there if state == 'waiting' else ''}"
        " RETURNING id",
        *(state, *raws),
    )


def count_parked() -> Statement:
    return sql("SELECT count(*) AS n FROM raw WHERE state = 'parked'")


def place(raw: RawId) -> Steps[Row | None]:
    return (yield from one(sql(f"SELECT {_RAW} FROM raw WHERE id = {{}}", raw)))
