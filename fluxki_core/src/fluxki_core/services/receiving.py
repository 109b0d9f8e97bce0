"""Works through an account's raw messages: claim some, understand each, take them in, settle them."""

from collections.abc import Sequence
from datetime import timedelta
from secrets import token_hex

from fluxki_core.domain.errors import Conflict, Unavailable
from fluxki_core.domain.ids import AccountId, MessageId, RawId, TicketId
from fluxki_core.domain.traffic import Account, Outcome, RawItem, Taken
from fluxki_core.services import accounts, intake, raw
from fluxki_core.services.core import Core
from fluxki_core.services.understanding import TRIES, Understood, Unreadable, understand
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.queries import raw as queries
from fluxki_core.storage.statements import Row, Steps, savepoint

BATCH = 50


async def take_in(core: Core, name: str, items: Sequence[RawItem]) -> list[Taken]:
    """Stores raw messages for the named account and takes them in at once; one answer an item, in order."""
    account = (await accounts.find(core, name)).account
    fresh = await raw.put(core, account.id, tuple(items))
    token, now = token_hex(16), core.unit.now()
    keys = list(dict.fromkeys(each.key for each in items))
    until = now + timedelta(seconds=core.settings.parse_seconds * TRIES * max(1, len(keys)))
    rows = await core.unit.run("claim", lambda: queries.claim_keys(account.id, keys, now, token, until), tell=False)
    mine = [row for row in rows if row["mine"]]
    worked = await _work(core, account, mine, token)
    taken = {row["key"]: outcome for row, outcome in zip(mine, worked, strict=True)}
    for row in rows:
        if not row["mine"]:
            taken[row["key"]] = await _elsewhere(core, row, fresh=row["key"] in fresh)
    return [taken.pop(each.key, Taken(outcome=Outcome.DUPLICATE)) for each in items]


async def _elsewhere(core: Core, row: Row, *, fresh: bool) -> Taken:
    """The outcome of a message that another process works on, or that was stored before this call."""
    place = RawId(row["id"])
    while row["state"] == "waiting":
        await core.unit.changed(1.0)
        row = await _again(core, place)
    if row["state"] == "parked":
        return Taken(outcome=Outcome.PARKED, detail=row["error"])
    return Taken(outcome=Outcome.ACCEPTED if fresh and row["state"] == "done" else Outcome.DUPLICATE)


async def _again(core: Core, place: RawId) -> Row:
    row = await core.unit.look(lambda: queries.place(place))
    if row is None:
        raise Conflict("A raw message vanished from the store while it was taken in.")
    return row


async def work(core: Core, account: Account) -> int:
    """Takes in the account's next raw messages; gives how many, 0 when nothing is left to do here."""
    token, now = token_hex(16), core.unit.now()
    until = now + timedelta(seconds=core.settings.parse_seconds * TRIES * BATCH)
    rows = await core.unit.run("claim", lambda: queries.claim(account.id, now, token, until, BATCH), tell=False)
    if rows:
        await _work(core, account, rows, token)
    return len(rows)


async def _work(core: Core, account: Account, rows: list[Row], token: str) -> list[Taken]:
    """One answer a row. What cannot be worked on just now is given back, and `Unavailable` raised."""
    if not rows:
        return []
    try:
        core.unit.step("receive:claimed")
        requests = [await understand(core, account, row) for row in rows]
        kind = core.host.channel(account.channel).kind
        now = core.unit.now()

        def script() -> Steps[list[Taken]]:
            at = yield from intake.context(now, account, kind, core.settings.reopen_days)
            taken = []
            for row, request in zip(rows, requests, strict=True):
                taken.append((yield from _settled(at, RawId(row["id"]), request, token)))
            return taken

        return await core.unit.run("intake", script)
    except BaseException:
        # Also when cancelled: the next process should not have to wait for the lease to run out.
        await core.unit.run("release", lambda: _released(token), tell=False)
        raise


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
        detail = f"{type(error).__name__}: {error}"
        return Taken(outcome=Outcome.PARKED, nature=nature, detail=detail), "parked", None
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
