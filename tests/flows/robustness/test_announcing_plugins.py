"""A plugin that raises or hangs in an announce hook delays its own retries alone, and is given up after many."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flows.robustness.test_parsing_plugins import Naughty, _stubborn
from fluxki_core.domain.events import Event
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import announcing
from fluxki_core.storage.statements import Row, sql
from house import House, opened_house
from paper import ListeningPlugin, PaperPlugin, letter


class OtherPlugin(ListeningPlugin):
    name = "other"


PLUGINS = {"paper": PaperPlugin, "listening": ListeningPlugin, "other": OtherPlugin}


@pytest.fixture
async def house(house_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(house_url, tmp_path, plugins=PLUGINS, announce_seconds=0.1) as house:
        yield house


async def owed(house: House) -> list[Row]:
    return await house.core.unit.read(sql("SELECT plugin, state, attempts, error FROM announcement ORDER BY id"))


def heard(house: House, plugin: str = "listening") -> list[str]:
    found: ListeningPlugin = house.plugins[plugin]
    return [str(each.what.__struct_config__.tag) for each in found.heard]


def failing(house: House, how: Any) -> None:
    async def fail(_: Event[Any]) -> None:
        if isinstance(how, BaseException):
            raise how
        await how()

    house.listening.failing = fail


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (ValueError("broken \x00\ud800"), "broken ?"),
        (SystemExit(1), "tried to end the process"),
        (asyncio.CancelledError(), "cancelled by the plugin itself"),
        (Naughty(), "no Exception"),
        (lambda: asyncio.sleep(60), "took longer than 0.1 s"),
        (_stubborn, "took longer than 0.1 s"),
    ],
)
async def test_a_hook_that_fails_holds_up_no_other_and_is_told_again(house: House, how: Any, reason: str) -> None:
    failing(house, how)
    await house.ticket_from(letter())
    began = time.monotonic()
    await house.announce()
    assert time.monotonic() - began < 4.0
    assert heard(house, "other") == ["ticket_opened", "message_received"]
    rows = await owed(house)
    assert [(row["plugin"], row["state"], row["attempts"]) for row in rows] == [("listening", "due", 1)] * 2
    assert reason in rows[0]["error"]
    assert reason in rows[1]["error"] or rows[1]["error"] == announcing.HELD_BACK
    house.listening.failing = None
    await house.announce()
    assert heard(house) == []  # not before the pause is over
    house.clock.pass_(seconds=10)
    await house.announce()
    assert sorted(heard(house)) == ["message_received", "ticket_opened"]
    assert heard(house, "other") == ["ticket_opened", "message_received"]
    assert await owed(house) == []


async def test_a_hook_that_hangs_costs_the_others_one_time_limit_and_not_one_an_event(house: House) -> None:
    failing(house, lambda: asyncio.sleep(60))
    for number in range(10):
        await house.ticket_from(letter(text=f"{number}"))
    began = time.monotonic()
    assert await announcing.announce_next(house.core)
    assert time.monotonic() - began < 1.0  # a batch of 20 announcements at 0.1 s each
    house.clock.pass_(seconds=10)
    began = time.monotonic()
    assert await announcing.announce_next(house.core)
    assert time.monotonic() - began < 1.0
    house.listening.failing = None
    house.clock.pass_(minutes=1)
    await house.announce()
    assert len(heard(house)) == len(heard(house, "other")) == 20
    assert await owed(house) == []


async def test_a_hook_that_never_works_is_buried_and_can_be_revived(house: House) -> None:
    failing(house, ValueError("broken"))
    await house.ticket_from(letter())
    for pause in (0, *announcing.PAUSES):
        house.clock.pass_(seconds=pause + 1)
        await house.announce()
    assert {row["state"] for row in await owed(house)} == {"buried"}
    house.clock.pass_(days=30)
    house.listening.failing = None
    await house.announce()
    assert heard(house) == []
    assert await announcing.revive(house.core, SYSTEM) == 2
    await house.announce()
    assert len(heard(house)) == 2


async def test_what_is_owed_to_a_vanished_plugin_waits_until_it_is_back(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=PLUGINS) as house:
        failing(house, ValueError("broken"))
        await house.ticket_from(letter())
        await house.announce()
    fewer = {"paper": PaperPlugin}
    async with opened_house(house_url, tmp_path, plugins=fewer, prepare=False) as house:
        house.clock.pass_(minutes=3)
        await house.announce()
        assert {row["error"] for row in await owed(house)} == {"The plugin is not enabled."}
    async with opened_house(house_url, tmp_path, plugins=PLUGINS, prepare=False) as house:
        house.clock.pass_(minutes=10)
        await house.announce()
        assert len(heard(house)) == 2
        assert await owed(house) == []


async def test_one_process_announces_at_a_time_and_another_goes_on_when_it_ends(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=PLUGINS) as house:
        await house.ticket_from(letter())
        assert await announcing.announce_next(house.core)
        await house.ticket_from(letter("outra@escola.example", text="outra"))
        async with opened_house(house_url, tmp_path, plugins=PLUGINS, prepare=False) as other:
            assert not await announcing.announce_next(other.core)
            await announcing.let_go(house.core)
            assert await announcing.announce_next(other.core)
            assert len(heard(other)) == 2
