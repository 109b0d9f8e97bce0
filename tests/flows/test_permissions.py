"""Who sees a ticket and who may work on it: departments, roles, taking part, and agents who are gone."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fluxki_core.domain.errors import Forbidden, NotFound
from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.kinds import Priority, TicketKind, TicketState, Visibility
from fluxki_core.domain.people import SYSTEM, Actor, ActorKind, Role
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.tickets import Change, FinishWithout, NoAnalysisReason, OpenTicket, Query, Reply, Requester
from fluxki_core.services import directory
from fluxki_core.services.desk import CoreDesk
from fluxki_core.services.directory import AgentChange
from fluxki_core.storage.queries import people
from house import House
from paper import letter

Use = Callable[[House, CoreDesk, TicketId], Awaitable[Any]]

READS: dict[str, Use] = {
    "read": lambda house, desk, number: desk.ticket(number),
    "messages": lambda house, desk, number: desk.messages(number),
    "analysis window": lambda house, desk, number: desk.analysis_window(number),
}
WRITES: dict[str, Use] = {
    "reply": lambda house, desk, number: house.reply(desk, number),
    "note": lambda house, desk, number: house.reply(desk, number, visibility=Visibility.PRIVATE),
    "stage": lambda house, desk, number: desk.set_stage(number, house.stages["Em andamento"]),
    "finish": lambda house, desk, number: desk.finish(number),
    "finish without": lambda house, desk, number: desk.finish(number, FinishWithout(reason=NoAnalysisReason.OTHER)),
    "reopen": lambda house, desk, number: desk.reopen(number),
    "change": lambda house, desk, number: desk.change(Change(ticket=number, priority=Priority.HIGH)),
}
USES: dict[str, Use] = {
    **READS,
    **WRITES,
    "analyse": lambda house, desk, number: house.analyze(desk, number),
}


async def from_finance(house: House, role: Role = Role.AGENT) -> CoreDesk:
    return await house.agent("Bia", role, departments=(await house.department("Financeiro"),))


async def snapshot(house: House, number: TicketId) -> tuple[object, ...]:
    return (await house.ticket(number), await house.messages(number), await house.history(number))


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR])
async def test_an_agent_of_another_department_is_not_told_that_the_ticket_exists(house: House, role: Role) -> None:
    bia, number = await from_finance(house, role), await house.ticket_from(letter())
    before = await snapshot(house, number)
    for use in USES.values():
        for ticket in (number, TicketId(999)):
            with pytest.raises(NotFound) as refused:
                await use(house, bia, ticket)
            assert str(refused.value) == "There is no such ticket, or it belongs to a department that you are not in."
    assert await snapshot(house, number) == before


async def test_d21_a_participant_who_may_view_reads_and_writes_nothing(house: House) -> None:
    bia = await from_finance(house)
    number = await house.analyzed_ticket(await house.agent())
    await house.join(bia, number, PermissionLevel.VIEW)
    for read in READS.values():
        await read(house, bia, number)
    assert (await bia.ticket(number)).level is PermissionLevel.VIEW
    before = await snapshot(house, number)
    for write in WRITES.values():
        with pytest.raises(Forbidden, match="reply"):
            await write(house, bia, number)
    assert await snapshot(house, number) == before


async def test_d21_d7_who_may_view_may_analyse_and_by_that_manages(house: House) -> None:
    bia, number = await from_finance(house), await house.ticket_from(letter())
    await house.join(bia, number, PermissionLevel.VIEW)
    await house.analyze(bia, number)
    assert (await bia.ticket(number)).level is PermissionLevel.MANAGE
    await house.reply(bia, number)


async def test_d21_a_participant_of_another_department_works_on_the_ticket(house: House) -> None:
    bia, ana = await from_finance(house), await house.agent()
    number = await house.analyzed_ticket(ana)
    await house.join(bia, number, PermissionLevel.REPLY)
    await house.reply(bia, number)
    await bia.set_stage(number, house.stages["Em andamento"])
    assert (await bia.finish(number)).state is TicketState.FINISHED
    other = await house.ticket_from(letter(text="Outro"))
    with pytest.raises(NotFound):
        await bia.ticket(other)


@pytest.mark.parametrize(
    ("role", "level"),
    [
        (Role.AGENT, PermissionLevel.REPLY),
        (Role.SUPERVISOR, PermissionLevel.MANAGE),
        (Role.ADMIN, PermissionLevel.MANAGE),
    ],
)
async def test_d21_the_role_gives_a_floor_within_the_department(
    house: House, role: Role, level: PermissionLevel
) -> None:
    desk, number = await house.agent("Bia", role), await house.ticket_from(letter())
    assert (await desk.ticket(number)).level is level
    await house.join(desk, number, PermissionLevel.VIEW)
    assert (await desk.ticket(number)).level is level


async def test_an_admin_works_on_tickets_of_every_department(house: House) -> None:
    boss = await house.agent("Chefe", Role.ADMIN, departments=())
    number = await house.ticket_from(letter())
    await house.analyze(boss, number)
    await house.reply(boss, number)
    order = OpenTicket(subject="B", kind=TicketKind.STANDARD, requester=Requester(name="João"), body="B")
    assert (await boss.open_ticket(order)).department.name == "Atendimento"


async def test_lists_hold_what_the_agent_may_see(house: House) -> None:
    bia, ana = await from_finance(house), await house.agent()
    boss = await house.agent("Chefe", Role.ADMIN, departments=())
    nobody = await house.agent("Zé", departments=())
    number, shared = await house.ticket_from(letter()), await house.ticket_from(letter(text="Outro"))
    await house.join(bia, shared, PermissionLevel.VIEW)

    async def listed(desk: CoreDesk) -> set[TicketId]:
        return {each.number for each in (await desk.tickets(Query())).items}

    assert await listed(ana) == await listed(boss) == {number, shared}
    assert await listed(bia) == {shared}
    assert await listed(nobody) == set()


async def test_a_file_is_seen_by_who_sees_its_ticket(house: House) -> None:
    bia, ana = await from_finance(house), await house.agent()
    number = await house.ticket_from(letter(files=[{"name": "a.txt", "content": "a"}]))
    [message] = await house.messages(number)
    [file] = message.attachments
    await ana.file(file.id)
    with pytest.raises(NotFound):
        await bia.file(file.id)
    await house.join(bia, number, PermissionLevel.VIEW)
    await bia.file(file.id)


async def test_a_ticket_that_changes_departments_changes_hands(house: House) -> None:
    bia, ana = await from_finance(house), await house.agent()
    number = await house.ticket_from(letter())
    [finance] = bia.actor.departments
    await ana.change(Change(ticket=number, department=finance))
    await bia.ticket(number)
    with pytest.raises(NotFound):
        await ana.ticket(number)


async def test_an_agent_who_is_gone_acts_no_more(house: House) -> None:
    ana = await house.agent()
    agent = ana.actor.agent
    assert agent is not None
    token = await directory.add_token(house.core, SYSTEM, agent, "CRM")
    number = await house.analyzed_ticket(ana)
    assert await directory.actor_of_token(house.core, token) == ana.actor
    await directory.change_agent(house.core, SYSTEM, agent, AgentChange(active=False))
    assert await house.core.unit.look(lambda: people.actor_of(agent)) is None
    assert await directory.actor_of_token(house.core, token) is None
    assert [each.name for each in (await house.ticket(number)).participants] == ["Ana Lima"]
    await directory.change_agent(house.core, SYSTEM, agent, AgentChange(active=True))
    assert await directory.actor_of_token(house.core, token) == ana.actor


async def test_a_contact_uses_nothing_of_the_agents_desk(house: House) -> None:
    number = await house.ticket_from(letter())
    maria = house.system.as_(Actor(kind=ActorKind.CONTACT, name="Maria"))
    for read in READS.values():
        with pytest.raises(NotFound):
            await read(house, maria, number)
    with pytest.raises(NotFound):
        await maria.reply(Reply(ticket=number, body_text="Oi", visibility=Visibility.PRIVATE))
    for order in (
        maria.upload("a.txt", "text/plain", b"a"),
        maria.deliveries(0),  # type: ignore[arg-type]
        maria.open_ticket(OpenTicket(subject="a", kind=TicketKind.CHAT, requester=Requester(name="M"), body="a")),
        directory.contacts(house.core, maria.actor, 0, 10),
    ):
        with pytest.raises(Forbidden):
            await order


async def test_what_a_plugin_uploads_is_its_own_to_send_and_no_contacts_to_see(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    plugin = house.system.as_(Actor(kind=ActorKind.PLUGIN, name="robot"))
    file = await plugin.upload("a.txt", "text/plain", b"a")

    for kind in (ActorKind.CONTACT, ActorKind.AGENT):
        with pytest.raises(NotFound):
            await house.system.as_(Actor(kind=kind, name="Maria", agent=ana.actor.agent, contact=None)).file(file.id)
    with pytest.raises(NotFound):
        await house.system.as_(Actor(kind=ActorKind.CONTACT, name="Maria")).file(file.id)
    message = await plugin.reply(Reply(ticket=number, body_text="Segue", files=(file.id,)))
    assert [each.id for each in message.attachments] == [file.id]
