"""Tables of what is on its way in: accounts, leases and raw messages."""

from piccolo.columns import JSON, BigInt, BigSerial, Boolean, Bytea, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.table import Table

from fluxki_core.storage.tables.people import Department


class Account(Table, tablename="account"):
    """A mailbox or bot. `settings` is JSON with its secrets encrypted; `generation` grows with every change of them.

    `receive_error` and `send_error` say what is wrong with the account; empty: nothing. `paused_until` holds back all
    deliveries.
    A removed account stays, not `active`, for the messages that name it.
    """

    id = BigSerial(primary_key=True)
    channel = Varchar(length=60)
    name = Varchar(length=120)
    department_id = ForeignKey(
        Department, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=True, default=None, index=False
    )
    settings = JSON(default="{}")
    is_default = Boolean(default=False)
    active = Boolean(default=True)
    generation = Integer(default=1)
    receive_error = Text()
    send_error = Text()
    paused_until = Timestamptz(null=True, default=None)


class Lease(Table, tablename="lease"):
    """A piece of work that one process does at a time."""

    id = BigSerial(primary_key=True)
    name = Varchar(length=120)
    holder = Varchar(length=60)
    until = Timestamptz(default=TimestamptzNow())


class Raw(Table, tablename="raw"):
    """What arrived, before it was understood: bytes up to 64 kB in `body`, larger ones in the file store (`sha256`).

    `state` is "waiting", "done", "duplicate", "parked" or "discarded".
    """

    id = BigSerial(primary_key=True)
    account_id = ForeignKey(Account, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=False)
    key = Varchar(length=255)
    received_at = Timestamptz(default=TimestamptzNow())
    size = BigInt()
    body = Bytea(null=True, default=None)
    sha256 = Varchar(length=64, null=True, default=None)
    state = Varchar(length=10)
    attempts = Integer(default=0)
    error = Text()
    message_id = BigInt(null=True, default=None)
    lease_token = Varchar(length=32, null=True, default=None)
    lease_until = Timestamptz(null=True, default=None)
