"""What the plugins are told of: each event once and in order, retries for the one that failed, burial and revival."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fluxki_core.domain.errors import Forbidden
from fluxki_core.domain.events import Event, event_name
from fluxki_core.domain.ids import EventId
from fluxki_core.domain.kinds import Visibility
from fluxki_core.domain.people import ActorKind
from fluxki_core.services import announcing
from fluxki_core.services.announcing import PAUSES
from house import House, opened_house
from paper import ListeningPlugin, PaperPlugin, letter


class AlsoListening(ListeningPlugin):
    name = "also"


TWO = {"paper": PaperPlugin, "listening": ListeningPlugin, "also": AlsoListening}


def fail(plugin: ListeningPlugin, name: str, times: int = 1000) -> list[EventId]:
    """Has the plugin fail for events of a name, so many times, after it took note of them; gives its notes."""
    noted: list[EventId] = []

    async def failing(event: Event[Any]) -> None:
        if event_name(event.what) == name:
            noted.append(event.id)
            if len(noted) <= times:
                raise RuntimeError("estou rouco")

    plugin.failing = failing
    return noted


def heard(plugin: ListeningPlugin) -> list[str]:
    return [event_name(each.what) for each in plugin.heard]


async def test_plugins_hear_of_each_event_once_and_in_order(house: House) -> None:
    ana = await house.agent()
    number = await house.ticket_from(letter())
    await house.analyze(ana, number)
    await house.reply(ana, number, stage=house.stages["Em andamento"])
    await house.reply(ana, number, "Nota", visibility=Visibility.PRIVATE)
    await house.send()
    await ana.finish(number)
    for _ in range(2):
        await house.announce()
    assert heard(house.listening) == [
        "ticket_opened",
        "message_received",
        "ticket_analyzed",
        "message_written",
        "stage_changed",
        "message_written",
        "message_sent",
        "stage_changed",
        "ticket_finished",
    ]
    ids = [each.id for each in house.listening.heard]
    assert ids == sorted(set(ids))
    opened = house.listening.heard[0]
    assert (opened.ticket, opened.actor.kind, opened.actor.name) == (number, ActorKind.CONTACT, "Maria Souza")
    assert opened.at <= house.clock()


async def test_s29_a_private_note_is_never_told_as_sent(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await house.reply(ana, number, visibility=Visibility.PRIVATE)
    await house.send()
    await house.announce()
    assert "message_sent" not in heard(house.listening)


async def test_many_events_are_told_in_order_over_many_batches(house: House) -> None:
    await house.take_in(*(letter(key=str(each), text=str(each)) for each in range(60)))
    await house.announce()
    ids = [each.id for each in house.listening.heard]
    assert len(ids) == 120
    assert ids == sorted(set(ids))


async def test_a_plugin_that_fails_is_told_again_and_no_other_is(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=TWO) as house:
        also: ListeningPlugin = house.plugins["also"]
        noted = fail(house.listening, "ticket_opened", times=1)
        await house.ticket_from(letter())
        await house.announce()
        assert heard(also) == ["ticket_opened", "message_received"]
        assert heard(house.listening) == ["message_received"]
        house.clock.pass_(seconds=PAUSES[0] + 1)
        await house.announce()
        assert heard(house.listening) == ["message_received", "ticket_opened"]
        assert len(also.heard) == 2
        assert noted == [also.heard[0].id] * 2


async def test_a_retry_waits_for_its_pause(house: House) -> None:
    noted = fail(house.listening, "ticket_opened")
    await house.ticket_from(letter())
    await house.announce()
    house.clock.pass_(seconds=PAUSES[0] - 1)
    await house.announce()
    assert len(noted) == 1
    house.clock.pass_(seconds=2)
    await house.announce()
    assert len(noted) == 2


async def test_after_the_last_pause_what_fails_is_buried_and_can_be_revived(house: House) -> None:
    noted = fail(house.listening, "ticket_opened")
    await house.ticket_from(letter())
    await house.announce()
    for pause in PAUSES:
        house.clock.pass_(seconds=pause + 1)
        await house.announce()
    assert len(noted) == len(PAUSES) + 1
    house.clock.pass_(days=365)
    await house.announce()
    assert len(noted) == len(PAUSES) + 1
    assert len(set(noted)) == 1
    house.listening.failing = None
    ana = await house.agent()
    with pytest.raises(Forbidden):
        await ana.revive_announcements()
    assert await house.system.revive_announcements() == 1
    await house.announce()
    assert heard(house.listening) == ["message_received", "ticket_opened"]
    assert house.listening.heard[-1].id == noted[0]
    assert await house.system.revive_announcements() == 0


async def test_what_is_revived_and_fails_again_is_tried_with_every_pause_again(house: House) -> None:
    noted = fail(house.listening, "ticket_opened")
    await house.ticket_from(letter())
    await house.announce()
    for _ in range(2):
        for pause in PAUSES:
            house.clock.pass_(seconds=pause + 1)
            await house.announce()
        tried = len(noted)
        house.clock.pass_(days=2)
        await house.announce()
        assert len(noted) == tried
        await house.system.revive_announcements()
        await house.announce()
    assert len(noted) == 2 * (len(PAUSES) + 1) + 1


async def test_what_is_owed_to_a_plugin_waits_until_the_plugin_is_there_again(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path) as house:
        noted = fail(house.listening, "ticket_opened")
        await house.ticket_from(letter())
        await house.announce()
    async with opened_house(house_url, tmp_path, plugins={"paper": PaperPlugin}, prepare=False) as house:
        house.clock.pass_(seconds=PAUSES[0] + 1)
        await house.announce()
    async with opened_house(house_url, tmp_path, prepare=False) as house:
        house.clock.pass_(minutes=10)
        await house.announce()
        assert [each.id for each in house.listening.heard] == noted


async def test_one_process_announces_at_a_time_and_another_takes_over(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path) as house:
        await house.ticket_from(letter())
        await announcing.announce_next(house.core)
        async with opened_house(house_url, tmp_path, prepare=False) as other:
            await house.ticket_from(letter(text="Outra"))
            assert not await announcing.announce_next(other.core)
            assert other.listening.heard == []
            other.clock.added = timedelta(seconds=announcing.LEASE_SECONDS + 1)
            await other.announce()
            assert heard(other.listening) == ["ticket_opened", "message_received"]
            assert not await announcing.announce_next(house.core)
