"""Accounts of the channels, and leases on work that one process does at a time."""

from datetime import datetime, timedelta

from fluxki_core.domain.ids import AccountId, DepartmentId
from fluxki_core.storage.queries.base import one
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_ACCOUNT = "id, channel, name, department_id, settings, is_default, generation, receive_error, send_error, paused_until"


def accounts() -> Statement:
    return sql(f"SELECT {_ACCOUNT} FROM account WHERE active ORDER BY id")


def removed() -> Statement:
    """Accounts that are gone while something of theirs is on its way."""
    return sql(
        "SELECT a.id FROM account a WHERE NOT a.active AND ("
        "EXISTS (SELECT 1 FROM delivery d WHERE d.account_id = a.id AND d.state = 'queued')"
        " OR EXISTS (SELECT 1 FROM raw r WHERE r.account_id = a.id AND r.state = 'waiting')) ORDER BY a.id"
    )


def by_id(account: AccountId) -> Steps[Row | None]:
    return (yield from one(sql(f"SELECT {_ACCOUNT} FROM account WHERE active AND id = {{}}", account)))


def by_name(name: str) -> Steps[Row | None]:
    return (yield from one(sql(f"SELECT {_ACCOUNT} FROM account WHERE active AND name = {{}}", name)))


def sending(own: AccountId | None, department: DepartmentId, channels: tuple[str, ...]) -> Steps[Row | None]:
    """The account by which a public message leaves: the ticket's, else the department's, else the default one."""
    if not channels:
        return None
    return (
        yield from one(
            sql(
                f"SELECT {_ACCOUNT}, CASE WHEN id = {{}} THEN 0 WHEN department_id = {{}} THEN 1 ELSE 2 END AS rank"
                f" FROM account WHERE active AND channel IN ({marks(channels)})"
                " AND (id = {} OR department_id = {} OR is_default) ORDER BY rank, id LIMIT 1",
                *(own or 0, department, *channels, own or 0, department),
            )
        )
    )


def set_receiving(account: AccountId, error: str) -> Statement:
    """What is wrong with taking in; an empty text: nothing."""
    return sql("UPDATE account SET receive_error = {} WHERE id = {} AND receive_error <> {}", error, account, error)


def set_sending(account: AccountId, error: str) -> Statement:
    """What is wrong with sending; an empty text: nothing."""
    return sql("UPDATE account SET send_error = {} WHERE id = {} AND send_error <> {}", error, account, error)


def pause(account: AccountId, generation: int, until: datetime, error: str) -> Statement:
    """Holds back all deliveries for a fault of the account, unless it was changed since; gives a row if it did."""
    return sql(
        "UPDATE account SET paused_until = {}, send_error = {} WHERE id = {} AND generation = {} RETURNING id",
        *(until, error, account, generation),
    )


def take_lease(name: str, holder: str, now: datetime, seconds: float) -> Steps[bool]:
    """Takes or renews a lease; False while another holder's is running."""
    until = now + timedelta(seconds=seconds)
    rows = yield sql(
        "INSERT INTO lease (name, holder, until) VALUES ({}, {}, {}) ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder, until = excluded.until WHERE lease.holder = {} OR lease.until < {}"
        " RETURNING id",
        *(name, holder, until, holder, now),
    )
    return bool(rows)


def drop_lease(name: str, holder: str) -> Statement:
    return sql("DELETE FROM lease WHERE name = {} AND holder = {}", name, holder)
