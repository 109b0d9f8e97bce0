"""Server-sent events: none missed, none too many, and an end when the server stops."""

import asyncio
from time import monotonic

import pytest
from app.clients import Office, opened_office
from app.streams import listening
from fluxki.api import events
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import directory
from fluxki_core.services.directory import AgentChange
from house import House
from paper import letter


async def test_events_come_as_they_happen(office: Office) -> None:
    ana = await office.caller()
    await office.house.ticket_from(letter(text="antes"))
    async with listening(ana) as stream:
        ticket = await office.house.ticket_from(letter("joao@casa.example", name="João"))
        opened, received = await stream.next(), await stream.next()
    assert set(opened) == {"id", "at", "name", "ticket", "actor", "data"}
    assert (opened["name"], opened["ticket"], opened["data"]["ticket_kind"]) == ("ticket_opened", ticket, "standard")
    assert (received["name"], received["actor"]["kind"]) == ("message_received", "contact")
    assert "type" not in received["data"]


async def test_a_stream_is_taken_up_where_it_broke_off(office: Office) -> None:
    ana = await office.caller()
    for number in range(130):
        await office.house.ticket_from(letter(f"p{number}@casa.example"))
    async with listening(ana, after=0) as stream:
        seen = [(await stream.next())["id"] for _ in range(200)]
    async with listening(ana, resumed=seen[99]) as stream:
        again = [(await stream.next())["id"] for _ in range(100)]
    assert again == seen[100:]
    assert seen == sorted(seen)
    for wrong in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}):
        assert await ana.problem("GET", "/events", headers=wrong) == (422, "invalid")
    assert await ana.problem("GET", f"/events?after={2**63}") == (422, "invalid")


async def test_configuration_is_told_to_admins_only(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    async with listening(ana) as plain, listening(bia) as full:
        await bia("POST", "/keywords", {"name": "rede"}, expect=201)
        ticket = await office.house.ticket_from(letter())
        told = await full.next()
        assert (told["name"], told["data"]["sort"]) == ("settings_changed", "keyword")
        assert (await plain.next())["ticket"] == ticket


async def test_a_stream_shows_that_it_lives_and_ends_with_its_agents_right(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.2)
    monkeypatch.setattr(events, "LOOK", 0.1)
    ana = await office.caller()
    async with listening(ana) as stream:
        async with asyncio.timeout(5):
            while stream.comments < 2:
                await asyncio.sleep(0.05)
        assert ana.desk.actor.agent is not None
        await directory.change_agent(office.house.core, SYSTEM, ana.desk.actor.agent, AgentChange(active=False))
        async with asyncio.timeout(5):
            await stream.ended.wait()


async def test_an_open_stream_does_not_hold_up_the_servers_end(house: House) -> None:
    async with opened_office(house) as office:
        ana = await office.caller()
        async with listening(ana) as stream:
            office.app.state.stopping.set()
            house.core.unit.wake()
            began = monotonic()
            async with asyncio.timeout(5):
                await stream.ended.wait()
            assert monotonic() - began < 1
