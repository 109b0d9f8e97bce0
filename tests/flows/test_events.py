"""The history: its pages, who sees what of it, and what the configuration's changes leave there."""

import asyncio

import asyncpg  # type: ignore[import-untyped]
import pytest
from fluxki_core.domain.events import SettingsChanged, event_name
from fluxki_core.domain.ids import EventId
from fluxki_core.domain.people import SYSTEM, Actor, ActorKind, Role
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.services import accounts, catalog, directory
from fluxki_core.services.accounts import AccountChange
from fluxki_core.services.desk import CoreDesk
from fluxki_core.services.directory import AgentChange, ContactDraft, CustomerDraft
from house import House
from paper import letter


async def all_pages(desk: CoreDesk, limit: int) -> list[EventId]:
    ids: list[EventId] = []
    while page := await desk.events(ids[-1] if ids else EventId(0), limit):
        assert len(page) <= limit
        ids += [each.id for each in page]
    return ids


async def test_pages_of_events_skip_and_repeat_nothing(house: House) -> None:
    await house.events()
    before = await house.system.newest_event()
    await house.take_in(*(letter(key=str(each), text=str(each)) for each in range(10)))
    whole = [each.id for each in await house.events()]
    assert await all_pages(house.system, 3) == whole
    assert whole == sorted(set(whole))
    assert len([each for each in whole if each > before]) == 20
    assert await house.system.newest_event() == whole[-1]


async def test_events_written_at_once_are_all_read(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await house.events()
    after = await house.system.newest_event()
    read: list[EventId] = []
    writing = asyncio.gather(*(house.reply(ana, number, str(each)) for each in range(12)))
    while not writing.done():
        page = await house.system.events(read[-1] if read else after, 5)
        read += [each.id for each in page]
        await asyncio.sleep(0)
    await writing
    read += [each.id for each in await house.events(read[-1] if read else after)]
    assert len(read) == len(set(read)) == 12


async def test_an_agent_sees_the_events_of_the_tickets_in_sight_only(house: House) -> None:
    finance = await house.department("Financeiro")
    ana, bia = await house.agent(), await house.agent("Bia", departments=(finance,))
    boss = await house.agent("Chefe", Role.ADMIN, departments=())
    number = await house.analyzed_ticket(ana)
    await house.events()
    seen = await ana.events(EventId(0), 1000)
    assert {each.ticket for each in seen} == {number}
    assert [event_name(each.what) for each in seen] == await house.history(number)
    assert await bia.events(EventId(0), 1000) == []
    await house.join(bia, number, PermissionLevel.VIEW)
    assert await bia.events(EventId(0), 1000) == seen
    assert len(await boss.events(EventId(0), 1000)) > len(seen)


async def test_a_contact_reads_no_history(house: House) -> None:
    ticket = await house.ticket(await house.ticket_from(letter()))
    maria = house.system.as_(Actor(kind=ActorKind.CONTACT, name="Maria", contact=None))
    assert ticket.requester.name == "Maria Souza"
    assert await maria.events(EventId(0), 1000) == []


async def test_every_change_of_the_configuration_is_on_record_with_who_made_it(house: House) -> None:
    boss = await house.agent("Chefe", Role.ADMIN)
    core, actor = house.core, boss.actor
    await house.events()
    after = await house.system.newest_event()
    ana = await house.agent()
    assert ana.actor.agent is not None
    paper = (await accounts.find(core, "Papel")).id
    await accounts.change(core, actor, paper, AccountChange(settings={"box": "outra"}))
    await directory.change_agent(core, actor, ana.actor.agent, AgentChange(name="Ana L."))
    await directory.put_department(core, actor, "Financeiro", is_default=False)
    await directory.put_customer(core, actor, CustomerDraft(name="Escola"))
    await directory.put_contact(core, actor, ContactDraft(name="João"))
    await directory.add_token(core, actor, ana.actor.agent, "CRM")
    await catalog.put_keyword(core, actor, "toner")
    await accounts.remove(core, actor, paper)
    events = [each for each in await house.events(after) if isinstance(each.what, SettingsChanged)]
    assert {each.ticket for each in events} == {None}
    assert [(each.what.sort, each.what.action) for each in events if isinstance(each.what, SettingsChanged)] == [
        ("agent", "added"),
        ("account", "changed"),
        ("agent", "changed"),
        ("department", "added"),
        ("customer", "added"),
        ("contact", "added"),
        ("api_token", "added"),
        ("keyword", "added"),
        ("account", "removed"),
    ]
    assert [each.actor.name for each in events] == [SYSTEM.name] + ["Chefe"] * 8
    assert {each.actor.agent for each in events} == {None, actor.agent}


INSERT_EVENT = (
    "INSERT INTO event (at, name, actor_kind, actor_name, data, announced) VALUES (now(), 'settings_changed', 'system',"
    """ 'x', '{"type": "settings_changed", "sort": "a", "record": 1, "action": "b"}', false) RETURNING id"""
)


@pytest.mark.postgres_only
async def test_no_event_is_skipped_whichever_of_two_transactions_commits_first(house: House, house_url: str) -> None:
    after = await house.system.newest_event()
    first, second = await asyncpg.connect(house_url), await asyncpg.connect(house_url)
    for connection in (first, second):
        await connection.execute("BEGIN")
        await connection.fetchval("SELECT pg_current_xact_id()")
    low = await second.fetchval(INSERT_EVENT)
    high = await first.fetchval(INSERT_EVENT)

    async def seen() -> list[int]:
        return [each.id for each in await house.system.events(after, 100) if each.id >= low]

    await first.execute("COMMIT")
    assert await seen() == []
    await second.execute("COMMIT")

    async with asyncio.timeout(10):
        while not await seen():
            await asyncio.sleep(0.01)
    assert await seen() == [low, high]
    await first.close()
    await second.close()


@pytest.mark.postgres_only
async def test_a_reader_begins_at_the_present_also_while_a_transaction_is_open(house: House, house_url: str) -> None:
    await house.take_in(letter())
    busy = await asyncpg.connect(house_url)
    await busy.execute("BEGIN")
    await busy.fetchval("SELECT pg_current_xact_id()")

    waiting = asyncio.create_task(house.system.newest_event())
    await asyncio.sleep(0.1)
    await busy.execute("COMMIT")
    await busy.close()

    begin = await waiting
    assert begin == await house.core.horizon.newest() > 0
    assert await house.system.events(begin) == []
