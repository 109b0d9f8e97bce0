"""A plugin that raises, hangs or lies in `channel_parse`: its message is parked with the reason, all others come in."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fluxki_core.domain.errors import NotFound
from fluxki_core.domain.ids import AccountId, RawId, TicketId
from fluxki_core.domain.people import SYSTEM, Address
from fluxki_core.domain.traffic import Account, Inbound, InboundFile, Outcome, RawItem, RawMessage, Refs
from fluxki_core.services import accounts, raw, receiving
from fluxki_core.storage.queries import raw as raw_queries
from house import House, opened_house
from paper import letter

NAUGHTY = b"naughty"


class Naughty(BaseException):
    """What `except Exception` does not catch."""


@pytest.fixture
async def house(house_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(house_url, tmp_path, parse_seconds=0.1, send_seconds=0.2, announce_seconds=0.2) as house:
        yield house


async def account_of(house: House) -> Account:
    return await accounts.find(house.core, "Papel")


def misbehave(house: House, how: Callable[[RawMessage], Any]) -> None:
    """What the plugin does with a naughty letter; all others it reads."""

    async def reading(message: RawMessage) -> Any:
        with message.open() as file:
            if file.read() != NAUGHTY:
                return house.paper.read(message)
        answer = how(message)
        return await answer if asyncio.iscoroutine(answer) else answer

    house.paper.reading = reading


async def take_three(house: House) -> str:
    """A naughty letter between two others; gives the reason why it is parked."""
    letters = (letter("a@a.example"), RawItem("naughty", NAUGHTY), letter("b@b.example"))
    first, naughty, last = await house.take_in(*letters)
    assert (first.outcome, last.outcome) == (Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert naughty.outcome is Outcome.PARKED
    assert naughty.detail
    (row,) = await house.system.parked(RawId(0))
    assert row["error"] == naughty.detail
    return naughty.detail


def raising(error: BaseException) -> Callable[[RawMessage], Any]:
    def how(_: RawMessage) -> Any:
        raise error

    return how


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such charset"), "ValueError: no such charset"),
        (ValueError("NUL \x00 and \ud800"), "ValueError: NUL  and ?"),
        (RecursionError("deep"), "RecursionError: deep"),
        (SystemExit(3), "tried to end the process"),
        (KeyboardInterrupt(), "tried to end the process"),
        (asyncio.CancelledError(), "cancelled by the plugin itself"),
        (Naughty("base"), "no Exception"),
    ],
)
async def test_a_parser_that_raises_has_its_message_parked_with_the_reason(
    house: House, error: BaseException, reason: str
) -> None:
    misbehave(house, raising(error))
    assert reason in await take_three(house)


async def test_a_parser_that_raises_in_passing_is_tried_again(house: House) -> None:
    tries = []

    def how(message: RawMessage) -> Any:
        tries.append(message)
        (message.folder / "part").open("x").close()  # each attempt has an empty folder of its own
        if len(tries) < 3:
            raise OSError("a passing fault")
        return msgspec.structs.replace(_inbound(house), key="third")

    misbehave(house, how)
    (taken,) = await house.take_in(RawItem("naughty", NAUGHTY))
    assert taken.outcome is Outcome.ACCEPTED
    assert len(tries) == 3


async def _stubborn() -> None:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            await asyncio.sleep(end - time.monotonic())
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("hang", [lambda _: asyncio.sleep(60), lambda _: _stubborn()], ids=["obeys", "stubborn"])
async def test_a_parser_that_hangs_is_left_behind_after_its_time(house: House, hang: Callable[..., Any]) -> None:
    misbehave(house, hang)
    began = time.monotonic()
    assert "took longer than 0.1 s" in await take_three(house)
    assert time.monotonic() - began < 2.5


def _inbound(house: House, **changes: Any) -> Any:
    base = Inbound(
        key="k",
        sender=Address("email", "maria@escola.example"),
        sender_name="Maria",
        sent_at=datetime.now(UTC),
        subject="S",
        body_text="T",
    )
    return msgspec.structs.replace(base, **changes)


def outside_file(message: RawMessage) -> tuple[InboundFile, ...]:
    return (InboundFile(name="passwd", media_type="text/plain", path=Path("/etc/passwd")),)


def linked_file(message: RawMessage) -> tuple[InboundFile, ...]:
    (message.folder / "link").symlink_to("/etc/passwd")
    return (InboundFile(name="passwd", media_type="text/plain", path=message.folder / "link"),)


def missing_file(message: RawMessage) -> tuple[InboundFile, ...]:
    return (InboundFile(name="gone", media_type="text/plain", path=message.folder / "gone"),)


LIES: dict[str, dict[str, Any]] = {
    "no key": {"key": ""},
    "a key of another type": {"key": 3},
    "a key with NUL": {"key": "a\x00b"},
    "an outside id with a lone surrogate": {"outside_id": "a\ud800"},
    "an outside id of another type": {"outside_id": 5},
    "no sender": {"sender": None},
    "a sender without address": {"sender": Address("email", "")},
    "a giant address": {"sender": Address("email", "a" * 1_000_000)},
    "an address with NUL": {"sender": Address("email", "a\x00@b.example")},
    "no body": {"body_text": None},
    "a naive time": {"sent_at": datetime(2026, 11, 22)},  # noqa: DTZ001 - the lie
    "a time as text": {"sent_at": "2026-11-22"},
    "another nature": {"nature": "robot"},
    "no refs": {"refs": None},
    "refs with a ticket beyond any number": {"refs": Refs(ticket=TicketId(10**30), is_reply=True)},
    "refs with ids of another type": {"refs": Refs(outside_ids=(3,))},  # type: ignore[arg-type]
    "notices that are no texts": {"notices": (object(),)},
    "a file outside its folder": {"files": outside_file},
    "a link to a file outside": {"files": linked_file},
    "a file that is not there": {"files": missing_file},
    "files that are none": {"files": ("a.txt",)},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
async def test_a_parser_that_lies_has_its_message_parked(house: House, lie: dict[str, Any]) -> None:
    def how(message: RawMessage) -> Any:
        return _inbound(house, **{key: value(message) if callable(value) else value for key, value in lie.items()})

    misbehave(house, how)
    await take_three(house)


@pytest.mark.parametrize("answer", [None, "text", {}, 3])
async def test_a_parser_that_answers_with_something_else_has_its_message_parked(house: House, answer: Any) -> None:
    misbehave(house, lambda _: answer)
    assert "instead of Inbound" in await take_three(house)


async def test_texts_that_no_database_takes_are_mended_and_giant_ones_kept(house: House) -> None:
    text = "a\x00b\ud800" + "x" * 3_000_000
    misbehave(house, lambda _: _inbound(house, subject="S\x00\ud800" * 500, sender_name="M\x00" * 500, body_text=text))
    (taken,) = await house.take_in(RawItem("naughty", NAUGHTY))
    assert taken.ticket is not None, taken
    (message,) = await house.messages(taken.ticket)
    assert message.body_text == "ab?" + "x" * 3_000_000
    assert len((await house.ticket(taken.ticket)).subject) == 250


async def test_parked_messages_are_listed_replayed_once_the_plugin_is_mended_and_discarded(house: House) -> None:
    misbehave(house, raising(ValueError("broken")))
    await take_three(house)
    (row,) = await house.system.parked(RawId(0))
    assert (row["account"], row["error"], row["size"]) == ("Papel", "ValueError: broken", len(NAUGHTY))
    misbehave(house, lambda _: _inbound(house))
    assert await house.system.replay([row["id"]]) == [row["id"]]
    assert await receiving.work(house.core, await account_of(house)) == 1
    assert len(await house.all_tickets()) == 3
    assert await house.system.parked(RawId(0)) == []
    misbehave(house, raising(ValueError("broken")))
    await house.take_in(RawItem("another", NAUGHTY))
    (row,) = await house.system.parked(RawId(0))
    assert await house.system.discard_parked([row["id"]]) == [row["id"]]
    with pytest.raises(NotFound):
        await house.system.discard_parked([row["id"]])
    assert await receiving.work(house.core, await account_of(house)) == 0


async def claimed_by_the_dead(house: House, account: AccountId) -> int:
    """Claims as a process does that is killed right then."""
    now = house.core.unit.now()
    rows = await house.core.unit.run(
        "claim", lambda: raw_queries.claim(account, now, "dead", now, receiving.BATCH), tell=False
    )
    house.clock.pass_(minutes=1)
    return len(rows)


async def test_a_message_that_kills_its_process_three_times_is_parked_and_takes_no_other_with_it(house: House) -> None:
    account = await account_of(house)
    letters = [letter(f"maria{number}@escola.example", key=str(number)) for number in range(5)]
    await raw.put(house.core, account.id, tuple(letters))
    assert await claimed_by_the_dead(house, account.id) == 5
    for _ in range(2):  # from now on the suspects come alone, and the first of them is the culprit
        assert await claimed_by_the_dead(house, account.id) == 1
    while await receiving.work(house.core, account):
        pass
    (row,) = await house.system.parked(RawId(0))
    assert "ended three times" in row["error"]
    assert len(await house.all_tickets()) == 4
    await house.system.replay([])
    assert await receiving.work(house.core, account) == 1
    assert len(await house.all_tickets()) == 5


async def test_what_a_dead_process_had_claimed_waits_half_a_minute_at_most(house: House) -> None:
    account = await account_of(house)
    await raw.put(house.core, account.id, (letter(key="2", text="outra"),))
    now = house.core.unit.now()
    until = receiving._until(now)
    await house.core.unit.run("claim", lambda: raw_queries.claim(account.id, now, "dead", until, 50), tell=False)
    assert await receiving.work(house.core, account) == 0
    waiting = asyncio.create_task(receiving.take_in(house.core, "Papel", [letter(key="2", text="outra")]))
    house.clock.pass_(seconds=receiving.LEASE_SECONDS + 1)
    assert (await asyncio.wait_for(waiting, 5))[0].outcome is Outcome.ACCEPTED


async def test_an_admin_sees_what_is_parked_in_pages(house: House) -> None:
    misbehave(house, raising(ValueError("broken")))
    await house.take_in(*(RawItem(str(number), NAUGHTY) for number in range(3)))
    first = await raw.parked(house.core, SYSTEM, RawId(0), 2)
    assert len(await raw.parked(house.core, SYSTEM, first[-1]["id"], 2)) == 1
