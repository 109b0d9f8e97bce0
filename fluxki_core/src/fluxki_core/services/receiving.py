"""Works through an account's raw messages: claim some, understand each, take them in, settle them."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex

from fluxki_core.domain.errors import FluxkiError, Unavailable
from fluxki_core.domain.ids import AccountId, MessageId, RawId, TicketId
from fluxki_core.domain.traffic import Account, Outcome, RawItem, Taken
from fluxki_core.services import accounts, intake, raw
from fluxki_core.services.core import Core
from fluxki_core.services.understanding import Understood, Unreadable, described, understand_all
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.queries import raw as queries
from fluxki_core.storage.statements import Row, Steps, savepoint

BATCH = 50
LEASE_SECONDS = 30.0  # of raw messages being worked on; renewed while that lasts, so that a dead process blocks little


async def take_in(core: Core, name: str, items: Sequence[RawItem]) -> list[Taken]:
    """Stores raw messages for the named account and takes them in at once; one answer an item, in order."""
    account = await accounts.find(core, name)
    fresh = await raw.put(core, account.id, tuple(items))
    left = list(dict.fromkeys(each.key for each in items))
    taken: dict[str, Taken] = {}
    while left:
        now, token = core.unit.now(), token_hex(16)
        rows = await core.unit.run(
            "claim", partial(queries.claim_keys, account.id, left, now, token, _until(now)), tell=False
        )
        mine = [row for row in rows if row["mine"]]
        worked = await _work(core, account, mine, token)
        taken |= {row["key"]: outcome for row, outcome in zip(mine, worked, strict=True)}
        taken |= {row["key"]: _elsewhere(row, fresh) for row in rows if row["state"] != "waiting"}
        left = [row["key"] for row in rows if row["key"] not in taken]
        if left and not mine:
            await core.unit.changed(1.0)  # another process works on them, or ended while it did
    return [taken.pop(each.key, Taken(outcome=Outcome.DUPLICATE)) for each in items]


def _elsewhere(row: Row, fresh: set[str]) -> Taken:
    """The outcome of a message that another process worked on, or that was stored before this call."""
    if row["state"] == "parked":
        return Taken(outcome=Outcome.PARKED, detail=row["error"])
    accepted = row["key"] in fresh and row["state"] == "done"
    return Taken(outcome=Outcome.ACCEPTED if accepted else Outcome.DUPLICATE)


async def work(core: Core, account: Account) -> int:
    """Takes in the account's next raw messages; gives how many, 0 when nothing is left to do here."""
    token, now = token_hex(16), core.unit.now()
    claim = partial(queries.claim, account.id, now, token, _until(now), BATCH)
    rows = await core.unit.run("claim", claim, tell=False)
    await _work(core, account, rows, token)
    return len(rows)


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=LEASE_SECONDS)


async def _work(core: Core, account: Account, rows: list[Row], token: str) -> list[Taken]:
    """One answer a row. What cannot be worked on just now is given back, and `Unavailable` raised."""
    if not rows:
        return []
    renewal = asyncio.create_task(_renew(core, token))
    try:
        core.unit.step("receive:claimed")
        requests = await understand_all(core, account, rows)
        return await _taken_in(core, account, rows, requests, token)
    except BaseException:
        # Also when cancelled: the next process should not have to wait for the lease to run out.
        with contextlib.suppress(Unavailable):
            await core.unit.run("release", lambda: _released(token), tell=False)
        raise
    finally:
        renewal.cancel()


async def _renew(core: Core, token: str) -> None:
    def script() -> Steps[None]:
        yield queries.renew(token, _until(core.unit.now()))

    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        with contextlib.suppress(Unavailable):
            await core.unit.run("renew", script, tell=False)


async def _taken_in(
    core: Core, account: Account, rows: list[Row], requests: list[Understood | Unreadable], token: str
) -> list[Taken]:
    """All in one transaction. What the driver will not even bind costs that, so each then has one of its own."""
    try:
        return await _intake(core, account, rows, requests, token)
    except FluxkiError:
        raise
    except Exception as error:
        if len(rows) == 1:
            return await _intake(core, account, rows, [Unreadable(described(error))], token)
    return [
        (await _taken_in(core, account, [row], [request], token))[0]
        for row, request in zip(rows, requests, strict=True)
    ]


async def _intake(
    core: Core, account: Account, rows: list[Row], requests: list[Understood | Unreadable], token: str
) -> list[Taken]:
    kind, now = core.host.channel(account.channel).kind, core.unit.now()

    def script() -> Steps[list[Taken]]:
        at = yield from intake.context(now, account, kind, core.settings.reopen_days)
        taken = []
        for row, request in zip(rows, requests, strict=True):
            taken.append((yield from _settled(at, RawId(row["id"]), request, token)))
        return taken

    return await core.unit.run("intake", script)


def _released(token: str) -> Steps[None]:
    yield queries.release(token)


def _settled(at: intake.Context, row: RawId, request: Understood | Unreadable, token: str) -> Steps[Taken]:
    taken, state, message = yield from _taken(at, row, request)
    settled = yield queries.settle(row, token, state, message, taken.detail)
    if not settled:
        # The lease ran out and somebody else has it now: their result counts, so this one must not be kept.
        raise Unavailable("A raw message was worked on for longer than its lease; it is taken in again.")
    return taken


def _taken(
    at: intake.Context, row: RawId, request: Understood | Unreadable
) -> Steps[tuple[Taken, str, MessageId | None]]:
    if isinstance(request, Unreadable):
        return Taken(outcome=Outcome.PARKED, detail=request.reason), "parked", None
    nature = request.inbound.nature
    try:
        placed = yield from _twice(at, row, request)
    except intake.Duplicate as duplicate:
        return _told(Outcome.DUPLICATE, request, duplicate.ticket), "duplicate", duplicate.message
    except intake.Blocked as blocked:
        return Taken(outcome=Outcome.PARKED, nature=nature, detail=str(blocked)), "parked", None
    except Exception as error:
        # The fence of the way in: one message that the store refuses must not hold up the others.
        return Taken(outcome=Outcome.PARKED, nature=nature, detail=described(error)), "parked", None
    return _told(Outcome.ACCEPTED, request, placed.ticket), "done", placed.message


def _told(outcome: Outcome, request: Understood, ticket: TicketId) -> Taken:
    return Taken(outcome=outcome, nature=request.inbound.nature, ticket=ticket)


def _twice(at: intake.Context, row: RawId, request: Understood) -> Steps[intake.Placed]:
    """A second time sees what another process committed between the look and the write, its contact or message."""
    try:
        return (yield from savepoint(intake.take(at, row, request)))
    except UniqueViolation:
        return (yield from savepoint(intake.take(at, row, request)))


async def waiting(core: Core) -> list[AccountId]:
    """The accounts with raw messages that nobody works on."""
    rows = await core.unit.read(queries.accounts_waiting(core.unit.now()))
    return [AccountId(row["account_id"]) for row in rows]
