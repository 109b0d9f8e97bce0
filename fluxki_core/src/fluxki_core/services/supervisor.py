"""The worker: keeps every account receiving, takes in what arrived, sends what is due, announces what happened."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from fluxki_core.domain.errors import FluxkiError
from fluxki_core.domain.ids import AccountId
from fluxki_core.domain.traffic import Account
from fluxki_core.services import accounts, announcing, delivering, receiving
from fluxki_core.services.core import Core
from fluxki_core.services.raw import AccountInbox
from fluxki_core.services.tidying import tidy
from fluxki_core.services.understanding import MAX_REASON, storable
from fluxki_core.storage.queries import accounts as queries
from fluxki_core.storage.statements import Row, Steps

log = structlog.get_logger()

LOOK = 2.0  # seconds between looks where no commit is told of
LEASE_SECONDS = 15.0
LANES = 4  # deliveries of one account that may be under way at once
LONGEST_PAUSE = 60.0
ENDED = "The channel stopped receiving by itself; it is started again after a pause."
TIDY = timedelta(hours=1)
STOP = 10.0  # seconds that work under way has to end when the process stops


class Supervisor:
    """One process's worker. Any number of them share the work of one PostgreSQL database."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[AccountId, Account] = {}
        self._receivers: dict[AccountId, tuple[int, asyncio.Task[None]]] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._stopping = False
        self._tidied: datetime | None = None

    async def run(self) -> None:
        """Works until cancelled; then what is under way may end, and is cut off after `STOP` seconds."""
        try:
            with self._core.unit.watching() as woken:
                while True:
                    woken.clear()
                    await self._look()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK):
                            await woken.wait()
        finally:
            await self._stop()

    async def _look(self) -> None:
        try:
            await self._look_after_accounts()
            await self._hand_out()
        except FluxkiError as error:
            log.warning("the worker waits", reason=str(error))
            await asyncio.sleep(1.0)
        except Exception:
            # A fence: whatever is wrong, the worker is the last that may give up.
            log.exception("the worker waits")
            await asyncio.sleep(1.0)

    async def _stop(self) -> None:
        self._stopping = True
        receivers = [task for _, task in self._receivers.values()]
        for task in receivers:
            task.cancel()
        # A message that is just being sent would otherwise be uncertain after every restart.
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=STOP)
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*receivers, *self._busy.values(), return_exceptions=True)
        with contextlib.suppress(FluxkiError):
            await announcing.let_go(self._core)

    async def _look_after_accounts(self) -> None:
        """Starts a receiver for each account, and a new one for each whose settings changed."""
        rows = {AccountId(row["id"]): row for row in await self._core.unit.read(queries.accounts())}
        outdated = [
            account
            for account, (generation, task) in self._receivers.items()
            if account not in rows or rows[account]["generation"] != generation or task.done()
        ]
        ended = [self._receivers.pop(account)[1] for account in outdated]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        self._known = {key: known for key, known in self._known.items() if key in rows}
        for account, row in rows.items():
            await self._look_after(account, row)
        for account, known in self._known.items():
            if account not in self._receivers and self._core.host.has(known.channel, "channel_receive"):
                task = asyncio.create_task(self._receive(known))
                self._receivers[account] = (known.generation, task)

    async def _look_after(self, account: AccountId, row: Row) -> None:
        """Opens an account that is new or was changed; one that cannot be opened says why, and holds up no other."""
        known = self._known.get(account)
        if known is not None and known.generation == row["generation"]:
            return
        self._known.pop(account, None)
        try:
            known = accounts.opened(self._core, row)
        except Exception as error:
            if row["receive_error"] != _words(error):
                await self._note(account, _words(error))
            return
        self._known[account] = known
        if row["receive_error"] and not self._core.host.has(known.channel, "channel_receive"):
            await self._note(account, "")

    async def _note(self, account: AccountId, error: str) -> None:
        def script() -> Steps[None]:
            yield queries.set_receiving(account, error)

        await self._core.unit.run("receiving", script, tell=False)

    async def _receive(self, known: Account) -> None:
        """Runs the account's `channel_receive` while this process holds its lease, again and again."""
        name, pause = f"receive:{known.id}", 1.0
        while True:
            async with self._lease(name) as held:
                if held:
                    pause = await self._receive_once(known, pause)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, keeps no secret

    async def _receive_once(self, account: Account, pause: float) -> float:
        """Gives the pause before the next try."""
        core = self._core
        loop = asyncio.get_running_loop()
        began = loop.time()
        call = asyncio.create_task(
            core.host.address("channel_receive", account, type(None), None, inbox=AccountInbox(core, account.id))
        )
        renewal = asyncio.create_task(self._renew(account.id))
        done: set[asyncio.Task[None]] = set()
        try:
            done, _ = await asyncio.wait({call, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (call, renewal):
                task.cancel()
            ended, _ = await asyncio.gather(call, renewal, return_exceptions=True)
        if call in done:
            why = _words(ended) if isinstance(ended, BaseException) else ENDED
            log.warning("channel_receive failed", account=account.name, error=why)
            with contextlib.suppress(FluxkiError):
                await self._note(account.id, why)
        return 1.0 if loop.time() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)

    @contextlib.asynccontextmanager
    async def _lease(self, name: str) -> AsyncIterator[bool]:
        held = False
        try:
            held = await self._take(name)
        except FluxkiError as error:
            log.warning("no lease", name=name, reason=str(error))
        try:
            yield held
        finally:
            if held:
                with contextlib.suppress(FluxkiError):
                    await self._core.unit.run("lease", lambda: _dropped(name, self._core.holder), tell=False)

    async def _take(self, name: str) -> bool:
        core, now = self._core, self._core.unit.now()
        return await core.unit.run(
            "lease", lambda: queries.take_lease(name, core.holder, now, LEASE_SECONDS), tell=False
        )

    async def _renew(self, account: AccountId) -> None:
        """Ends when the lease is lost: the work under it must then stop. While it lasts, the account is well."""
        missed = 0
        while missed < 2:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                if not await self._take(f"receive:{account}"):
                    return
                await self._note(account, "")
                missed = 0
            except FluxkiError:
                missed += 1

    async def _hand_out(self) -> None:
        """Starts a task for each piece of work that none of this process is at already."""
        core = self._core
        for account in await receiving.waiting(core):
            if account in self._known:
                self._start(f"in:{account}", partial(self._drain_in, account))
        await delivering.mark_lapsed(core)
        for account in await delivering.due(core):
            if account in self._known:
                for slot in range(LANES):
                    self._start(f"out:{account}:{slot}", partial(self._drain_out, account))
        self._start("announce", self._drain_events)
        if self._tidied is None or core.unit.now() - self._tidied > TIDY:
            self._tidied = core.unit.now()
            self._start("tidy", partial(tidy, core))

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = self._busy.get(name)
        if task is None or task.done():
            self._busy[name] = asyncio.create_task(self._guarded(name, work))
        else:
            self._again.add(name)  # it may have looked for the last time just before this work came

    async def _guarded(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            while name in self._again and not self._stopping:
                self._again.discard(name)
                await work()
        except FluxkiError as error:
            log.warning("work is put off", work=name, reason=str(error))
        except Exception:
            log.exception("work failed", work=name)

    async def _drain_in(self, account: AccountId) -> None:
        while (known := self._open(account)) and await receiving.work(self._core, known):
            pass

    async def _drain_out(self, account: AccountId) -> None:
        while (known := self._open(account)) and await delivering.send_next(self._core, known):
            pass

    def _open(self, account: AccountId) -> Account | None:
        """The account as it is now: what is changed or removed while there is much to do counts at once."""
        return None if self._stopping else self._known.get(account)

    async def _drain_events(self) -> None:
        while not self._stopping and await announcing.announce_next(self._core):
            pass


def _words(error: BaseException) -> str:
    return storable(str(error) or repr(error))[:MAX_REASON]


def _dropped(name: str, holder: str) -> Steps[None]:
    yield queries.drop_lease(name, holder)
