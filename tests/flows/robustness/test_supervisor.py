"""The worker: accounts that change under it, receivers that fail, two workers on one database, and its end."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from flows.robustness.waiting import until
from flows.robustness.worker import account_id, account_row, answered, count, states, working
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.traffic import Account, Inbox, Outgoing, Sent
from fluxki_core.hooks import hookimpl
from fluxki_core.services import accounts, delivering, supervisor
from fluxki_core.services.accounts import AccountChange, AccountDraft
from fluxki_core.storage.queries import accounts as queries
from fluxki_core.storage.statements import sql
from house import House, opened_house
from paper import ListeningPlugin, PaperAccount, PaperPlugin, letter


class Switchboard(PaperPlugin):
    """Notes who receives, with which settings; `how` may make it fail."""

    def __init__(self) -> None:
        super().__init__()
        self.receiving: list[tuple[str, str]] = []
        self.tries: list[float] = []
        self.how: Callable[[], Any] | None = None

    @hookimpl
    async def channel_receive(self, account: Account, inbox: Inbox) -> None:
        assert isinstance(account.settings, PaperAccount)
        entry = (account.name, account.settings.box)
        self.receiving.append(entry)
        self.tries.append(time.monotonic())
        try:
            if self.how is not None:
                answer = self.how()
                if asyncio.iscoroutine(answer):
                    await answer
                return
            while True:
                await inbox.put(await self.letters.get())
        finally:
            self.receiving.remove(entry)


PLUGINS = {"paper": Switchboard, "listening": ListeningPlugin}


@pytest.fixture
async def house(house_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(house_url, tmp_path, plugins=PLUGINS) as house:
        yield house


def board(house: House) -> Switchboard:
    found = house.plugins["paper"]
    assert isinstance(found, Switchboard)
    return found


async def test_a_letter_goes_all_the_way_in_and_a_reply_out_at_once(house: House) -> None:
    async with working(house.core):
        await until(lambda: len(board(house).receiving) == 1)
        latencies = []
        for number in range(5):
            board(house).letters.put_nowait(letter(f"maria{number}@escola.example", text=f"carta {number}"))
            latencies.append(await until(lambda number=number: _tickets(house, number + 1)))  # type: ignore[misc]
        assert sorted(latencies)[2] < 0.5  # nobody waited for the look of every two seconds
        (first, *_) = await house.all_tickets()
        await answered(house, first)
        assert await until(lambda: len(house.paper.pile) == 1) < 1.0
        await until(lambda: any(each.what.__struct_config__.tag == "message_sent" for each in house.listening.heard))


async def _tickets(house: House, wanted: int) -> bool:
    return await count(house, "ticket") == wanted


async def test_an_idle_worker_sleeps(house: House) -> None:
    looks = 0
    read = house.core.unit.engine.read

    async def counting(statement: Any) -> Any:
        nonlocal looks
        looks += 1
        return await read(statement)

    async with working(house.core):
        await until(lambda: len(board(house).receiving) == 1)
        vars(house.core.unit.engine)["read"] = counting
        with pytest.raises(AssertionError, match="not within"):
            await until(lambda: looks > 30, 2.5)
        del vars(house.core.unit.engine)["read"]


async def test_accounts_added_changed_and_removed_take_effect_within_seconds(house: House) -> None:
    receiving = board(house).receiving
    async with working(house.core):
        await until(lambda: receiving == [("Papel", "paper")])
        draft = AccountDraft(channel="paper", name="Segunda", settings={"box": "b"})
        second = await accounts.add(house.core, SYSTEM, draft)
        assert await until(lambda: sorted(receiving) == [("Papel", "paper"), ("Segunda", "b")]) < 3.0
        await accounts.change(house.core, SYSTEM, second.id, AccountChange(settings={"box": "c"}))
        assert await until(lambda: sorted(receiving) == [("Papel", "paper"), ("Segunda", "c")]) < 4.0
        await accounts.remove(house.core, SYSTEM, second.id)
        assert await until(lambda: receiving == [("Papel", "paper")]) < 3.0


def _raise() -> None:
    raise ValueError("no route to the paper mill \x00\ud800")


def _cancel() -> None:
    raise asyncio.CancelledError


def _exit() -> None:
    raise SystemExit(1)


def _return() -> None:
    return None


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (_raise, "no route to the paper mill ?"),
        (_cancel, "cancelled by the plugin itself"),
        (_exit, "tried to end the process"),
        (_return, supervisor.ENDED),
    ],
)
async def test_the_account_says_why_its_receiver_ended_until_it_is_well_again(
    house: House, monkeypatch: pytest.MonkeyPatch, how: Callable[[], None], reason: str
) -> None:
    monkeypatch.setattr(supervisor, "LEASE_SECONDS", 1.5)  # an account counts as well after a third of it
    board(house).how = how
    async with working(house.core):
        await until(lambda: _shows(house, reason))
        board(house).how = None
        await until(lambda: _shows(house, ""), 10)
        assert board(house).receiving == [("Papel", "paper")]


async def test_a_receiver_that_fails_is_started_again_after_growing_pauses(house: House) -> None:
    tries = board(house).tries
    board(house).how = _raise
    async with working(house.core):
        await until(lambda: len(tries) == 3, 12)
        assert 1.5 < tries[1] - tries[0] < 3.4
        assert 3.1 < tries[2] - tries[1] < 6.4


async def _shows(house: House, reason: str) -> bool:
    found: str = (await account_row(house))["receive_error"]
    return reason in found if reason else not found


async def test_an_account_that_cannot_be_opened_says_why_and_holds_up_no_other(house: House) -> None:
    def spoil() -> Any:
        yield sql("UPDATE account SET settings = {} WHERE name = {}", '{"unknown": 1}', "Segunda")

    await accounts.add(house.core, SYSTEM, AccountDraft(channel="paper", name="Segunda", settings={}))
    await house.core.unit.run("spoil", spoil)
    async with working(house.core):
        await until(lambda: board(house).receiving == [("Papel", "paper")])
        await until(lambda: _error_of(house, "Segunda"))
        assert "do not fit the plugin" in (await account_row(house, "Segunda"))["receive_error"]


async def _error_of(house: House, name: str) -> bool:
    return bool((await account_row(house, name))["receive_error"])


async def test_two_workers_share_one_database_without_repeats_and_one_takes_over(
    house_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LEASE_SECONDS", 3.0)
    async with (
        opened_house(house_url, tmp_path, plugins=PLUGINS) as first,
        opened_house(house_url, tmp_path, plugins=PLUGINS, prepare=False) as second,
    ):
        tickets = [await first.ticket_from(letter(f"m{each}@e.example", text=str(each))) for each in range(12)]
        await answered(first, *tickets)
        async with working(second.core):
            async with working(first.core):
                await until(lambda: len(board(first).receiving) + len(board(second).receiving) == 1)
                winner = first if board(first).receiving else second
                for each in range(40):
                    board(winner).letters.put_nowait(letter(f"n{each}@e.example", text=f"nova {each}"))
                await until(lambda: _tickets(first, 52))
                await until(lambda: _all_sent(first))
                assert len(board(first).receiving) + len(board(second).receiving) == 1
            await until(lambda: len(board(second).receiving) == 1, 10)  # given back at a regular end
        piles = Counter(each.delivery for house in (first, second) for each in house.paper.pile)
        assert len(piles) == 12
        assert set(piles.values()) == {1}
        heard = Counter(each.id for house in (first, second) for each in house.listening.heard)
        assert set(heard.values()) == {1}


async def _all_sent(house: House) -> bool:
    return set(await states(house)) == {"sent"}


async def test_the_account_of_a_worker_that_died_is_taken_over_when_its_lease_runs_out(house: House) -> None:
    account = await account_id(house)
    now = house.core.unit.now()
    name = f"receive:{account}"
    await house.core.unit.run("lease", lambda: queries.take_lease(name, "dead:1", now, 3.0), tell=False)
    async with working(house.core):
        assert 2.0 < await until(lambda: len(board(house).receiving) == 1, 8) < 6.0


async def test_a_worker_that_stops_finishes_what_it_is_sending(house: House) -> None:
    started, may_end = asyncio.Event(), asyncio.Event()

    async def slow(outgoing: Outgoing) -> Sent:
        started.set()
        await may_end.wait()
        return Sent()

    house.paper.sending = slow
    await answered(house, await house.ticket_from(letter()))
    async with working(house.core) as task:
        await started.wait()
        task.cancel()
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.3, may_end.set)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
    assert await states(house) == ["sent"]


async def test_a_worker_that_stops_leaves_a_channel_behind_that_will_not_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP", 0.3)
    started, forever = asyncio.Event(), [True]

    async def stubborn(outgoing: Outgoing) -> Sent:
        started.set()
        while forever[0]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
        return Sent()

    async def receive_stubbornly() -> None:
        while forever[0]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    house.paper.sending = stubborn
    board(house).how = receive_stubbornly
    await answered(house, await house.ticket_from(letter()))
    async with working(house.core) as task:
        await started.wait()
        await until(lambda: len(board(house).receiving) == 1)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert time.monotonic() - began < 8.0
    forever[0] = False
    await until(lambda: board(house).receiving == [])
    assert await states(house) == ["uncertain"]  # at once, not when the lease runs out
    assert await delivering.mark_lapsed(house.core) == 0
