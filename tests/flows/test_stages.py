"""Stages: choosing one, finishing, reopening, and what happens to tickets when their list changes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fluxki_core.domain.errors import Forbidden, Invalid, NotFound
from fluxki_core.domain.events import SettingsChanged, StageChanged, TicketFinished, TicketReopened
from fluxki_core.domain.ids import ClassificationId, StageId, TicketId
from fluxki_core.domain.kinds import TicketKind, TicketState, Visibility
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.stages import StageDraft
from fluxki_core.domain.tickets import OpenTicket, Requester, Ticket
from fluxki_core.services import catalog
from house import House
from paper import letter


async def stands(house: House, number: TicketId) -> tuple[str, TicketState]:
    return await house.stage(number), (await house.ticket(number)).state


async def names(house: House, classification: str | None) -> list[str]:
    record = house.classifications[classification] if classification else None
    return [each.name for each in await catalog.stages(house.core, SYSTEM) if each.classification == record]


async def test_s27_the_stage_can_be_changed_while_replying(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await house.reply(ana, number, stage=house.stages["Em andamento"])
    assert await stands(house, number) == ("Em andamento", TicketState.OPEN)
    await house.reply(ana, number, "E mais", stage=house.stages["Em andamento"])
    assert len(await house.happened(StageChanged, number)) == 1


@pytest.mark.parametrize("way", ["set", "reply", "finish", "reply and finish"])
async def test_s54_choosing_finalizado_finishes_the_ticket(house: House, way: str) -> None:
    ana = await house.agent()
    number, last = await house.analyzed_ticket(ana), house.stages["Finalizado"]
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "set": lambda: ana.set_stage(number, last),
        "reply": lambda: house.reply(ana, number, stage=last),
        "finish": lambda: ana.finish(number),
        "reply and finish": lambda: house.reply(ana, number, finish=True),
    }
    await ways[way]()
    assert await stands(house, number) == ("Finalizado", TicketState.FINISHED)
    assert (await house.history(number))[-2:] == ["stage_changed", "ticket_finished"]
    assert await house.send() == ("reply" in way)


async def test_s55_the_last_stage_of_the_classification_finishes_the_ticket(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Dúvida", "Novo", "Finalizado", "Arquivado")
    number = await house.analyzed_ticket(ana)
    await ana.set_stage(number, stages["Finalizado"])
    assert await stands(house, number) == ("Finalizado", TicketState.OPEN)
    await ana.set_stage(number, stages["Arquivado"])
    assert await stands(house, number) == ("Arquivado", TicketState.FINISHED)
    other = await house.analyzed_ticket(ana)
    await ana.finish(other)
    assert await stands(house, other) == ("Arquivado", TicketState.FINISHED)


async def test_s54_what_is_finished_is_finished_once(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    for _ in range(2):
        await ana.finish(number)
    await ana.set_stage(number, house.stages["Finalizado"])
    assert len(await house.happened(TicketFinished, number)) == 1


async def test_s54_of_two_agents_who_finish_at_once_one_does(house: House) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    number = await house.analyzed_ticket(ana)
    await asyncio.gather(ana.finish(number), bia.finish(number))
    assert len(await house.happened(TicketFinished, number)) == 1
    assert len(await house.happened(StageChanged, number)) == 1


async def test_a_finished_ticket_is_reopened_by_hand_or_by_choosing_another_stage(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    await ana.reopen(number)
    assert await stands(house, number) == ("Aberto", TicketState.OPEN)
    await ana.reopen(number)
    assert len(await house.happened(TicketReopened, number)) == 1
    await ana.finish(number)
    await ana.set_stage(number, house.stages["Em andamento"])
    assert await stands(house, number) == ("Em andamento", TicketState.OPEN)
    assert len(await house.happened(TicketReopened, number)) == 2


async def test_d40_a_public_reply_on_a_finished_ticket_is_sent_and_it_stays_finished(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    await house.reply(ana, number, "Mais uma coisa")
    assert await house.send() == 1
    assert await stands(house, number) == ("Finalizado", TicketState.FINISHED)
    assert await house.happened(TicketReopened, number) == []


async def test_d40_a_reply_with_another_stage_opens_the_finished_ticket(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    await house.reply(ana, number, stage=house.stages["Em andamento"])
    assert await stands(house, number) == ("Em andamento", TicketState.OPEN)


async def test_d39_a_finished_ticket_set_to_wait_goes_on_at_the_first_stage_after_the_answer(house: House) -> None:
    ana = await house.agent()
    number = await house.ticket_from(letter(outside_id="um@escola"))
    await house.analyze(ana, number)
    await ana.finish(number)
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.take_in(letter(text="Aqui está", outside_ids=["um@escola"]))
    assert await stands(house, number) == ("Aberto", TicketState.OPEN)


async def test_a_note_may_change_the_stage_too(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await house.reply(ana, number, visibility=Visibility.PRIVATE, stage=house.stages["Em andamento"])
    assert await house.stage(number) == "Em andamento"


async def test_a_stage_of_another_list_is_refused_and_nothing_is_written(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Problema", "Novo", "Fim")
    number = await house.analyzed_ticket(ana)
    with pytest.raises(Invalid, match="Em andamento"):
        await house.reply(ana, number, stage=stages["Novo"])
    with pytest.raises(Invalid):
        await ana.set_stage(number, StageId(999))
    assert len(await house.messages(number)) == 1


async def test_a_chat_has_no_stage_and_is_finished_and_reopened_without_one(house: House) -> None:
    ana = await house.agent()
    order = OpenTicket(subject="Oi", kind=TicketKind.CHAT, requester=Requester(name="João"), body="Oi")
    chat = (await ana.open_ticket(order)).number
    with pytest.raises(Invalid, match="stage"):
        await ana.set_stage(chat, house.stages["Finalizado"])
    finished: Ticket = await ana.finish(chat)
    reopened: Ticket = await ana.reopen(chat)
    assert [(each.state, each.stage) for each in (finished, reopened)] == [
        (TicketState.FINISHED, None),
        (TicketState.OPEN, None),
    ]
    assert "stage_changed" not in await house.history(chat)


async def test_d8_without_a_list_of_its_own_a_classification_has_the_default_one(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana, "Problema")
    await ana.set_stage(number, house.stages["Em andamento"])
    assert await names(house, None) == ["Aberto", "Em andamento", "Aguardando cliente", "Finalizado"]
    assert await names(house, "Problema") == []


async def test_d8_a_new_classification_keeps_the_stage_of_the_same_name(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Problema", "Novo", "Em andamento", "Fim")
    number = await house.analyzed_ticket(ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await house.analyze(ana, number, "Problema")
    assert await stands(house, number) == ("Em andamento", TicketState.OPEN)
    changed = (await house.happened(StageChanged, number))[-1]
    assert (changed.before, changed.after) == (house.stages["Em andamento"], stages["Em andamento"])


async def test_d8_a_new_classification_without_that_stage_takes_the_first(house: House) -> None:
    ana = await house.agent()
    await house.list_of("Problema", "Novo", "Fim")
    number = await house.analyzed_ticket(ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await house.analyze(ana, number, "Problema")
    assert await stands(house, number) == ("Novo", TicketState.OPEN)
    await house.analyze(ana, number, "Dúvida")
    assert await stands(house, number) == ("Aberto", TicketState.OPEN)


async def test_d8_a_finished_ticket_stays_finished_under_a_new_classification(house: House) -> None:
    ana = await house.agent()
    await house.list_of("Problema", "Novo", "Fim")
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    await house.analyze(ana, number, "Problema")
    assert await stands(house, number) == ("Novo", TicketState.FINISHED)
    assert await house.happened(TicketReopened, number) == []


async def test_d8_an_open_ticket_stays_open_where_its_stage_is_the_last_of_the_new_list(house: House) -> None:
    ana = await house.agent()
    await house.list_of("Problema", "Novo", "Em andamento")
    number = await house.analyzed_ticket(ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await house.analyze(ana, number, "Problema")
    assert await stands(house, number) == ("Em andamento", TicketState.OPEN)
    await ana.finish(number)
    assert await stands(house, number) == ("Em andamento", TicketState.FINISHED)


async def test_d8_tickets_follow_when_their_classification_gets_a_list_of_its_own(house: House) -> None:
    ana = await house.agent()
    same, gone, other, done = [
        await house.analyzed_ticket(ana, name) for name in ("Dúvida", "Dúvida", "Problema", "Dúvida")
    ]
    await ana.set_stage(same, house.stages["Em andamento"])
    await ana.set_stage(gone, house.stages["Aguardando cliente"])
    await ana.set_stage(other, house.stages["Em andamento"])
    await ana.finish(done)
    stages = await house.list_of("Dúvida", "Novo", "Em andamento", "Fim")
    assert await stands(house, same) == ("Em andamento", TicketState.OPEN)
    assert await stands(house, gone) == ("Novo", TicketState.OPEN)
    assert await stands(house, other) == ("Em andamento", TicketState.OPEN)
    assert (await house.ticket(done)).state is TicketState.FINISHED
    assert [each.after for each in await house.happened(StageChanged, gone)][-1] == stages["Novo"]
    assert (await house.happened(StageChanged, other))[-1].after == house.stages["Em andamento"]


async def test_d8_an_empty_list_gives_a_classification_the_default_one_back(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Dúvida", "Novo", "Em andamento", "Fim")
    kept, first = await house.analyzed_ticket(ana), await house.analyzed_ticket(ana)
    await ana.set_stage(kept, stages["Em andamento"])
    await house.list_of("Dúvida")
    assert await names(house, "Dúvida") == []
    assert await stands(house, kept) == ("Em andamento", TicketState.OPEN)
    assert await stands(house, first) == ("Aberto", TicketState.OPEN)
    await ana.set_stage(kept, house.stages["Em andamento"])
    await ana.finish(kept)
    assert await stands(house, kept) == ("Finalizado", TicketState.FINISHED)


async def test_d8_a_renamed_and_reordered_stage_keeps_its_tickets(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Dúvida", "Novo", "Fazendo", "Fim")
    number = await house.analyzed_ticket(ana)
    await ana.set_stage(number, stages["Fazendo"])
    drafts = [
        StageDraft(name="Em curso", id=stages["Fazendo"]),
        StageDraft(name="Novo", id=stages["Novo"]),
        StageDraft(name="Fim", id=stages["Fim"]),
    ]
    await catalog.set_stages(house.core, SYSTEM, house.classifications["Dúvida"], drafts)
    assert await stands(house, number) == ("Em curso", TicketState.OPEN)
    assert await names(house, "Dúvida") == ["Em curso", "Novo", "Fim"]
    assert len(await house.happened(StageChanged, number)) == 2


async def test_d8_a_changed_default_list_moves_the_tickets_that_use_it_and_no_others(house: House) -> None:
    ana = await house.agent()
    own = await house.list_of("Problema", "Em andamento", "Fim")
    unanalysed, default = await house.ticket_from(letter()), await house.analyzed_ticket(ana)
    special = await house.analyzed_ticket(ana, "Problema")
    await ana.set_stage(default, house.stages["Em andamento"])
    await house.list_of(None, "Chegou", "Em andamento", "Pronto")
    assert await stands(house, unanalysed) == ("Chegou", TicketState.OPEN)
    assert await stands(house, default) == ("Em andamento", TicketState.OPEN)
    stage = (await house.ticket(special)).stage
    assert stage is not None
    assert stage.id == own["Em andamento"]
    assert await house.stage(await house.ticket_from(letter(text="Nova"))) == "Chegou"


async def test_d8_hundreds_of_tickets_follow_one_list(house: House) -> None:
    letters = [letter(key=str(each), text=str(each)) for each in range(230)]
    taken = await house.take_in(*letters)
    await house.list_of(None, "Chegou", "Pronto")
    changed = await house.happened(StageChanged)
    assert len(changed) == 230
    first, last = taken[0].ticket, taken[-1].ticket
    assert first is not None
    assert last is not None
    assert await house.stage(first) == await house.stage(last) == "Chegou"


async def test_d8_a_ticket_reopens_into_the_first_stage_of_its_own_list(house: House) -> None:
    ana = await house.agent()
    await house.list_of("Dúvida", "Novo", "Fim")
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    await house.list_of("Dúvida", "De volta", "Encerrado")
    assert (await house.ticket(number)).state is TicketState.FINISHED
    await ana.reopen(number)
    assert await stands(house, number) == ("De volta", TicketState.OPEN)


@pytest.mark.parametrize(
    "drafts",
    [
        [StageDraft(name="Só")],
        [StageDraft(name="A"), StageDraft(name="A")],
        [StageDraft(name="A"), StageDraft(name="x" * 121)],
        [StageDraft(name="A", waiting=True), StageDraft(name="B")],
        [StageDraft(name="A"), StageDraft(name="B", id=StageId(1))],
        [StageDraft(name="A"), StageDraft(name="B", id=StageId(999))],
    ],
    ids=["one", "same name", "long name", "waiting first", "of another list", "of none"],
)
async def test_d8_a_list_that_cannot_be_is_refused_and_the_old_one_stays(
    house: House, drafts: list[StageDraft]
) -> None:
    await house.list_of("Dúvida", "Novo", "Fim")
    with pytest.raises(Invalid):
        await catalog.set_stages(house.core, SYSTEM, house.classifications["Dúvida"], drafts)
    assert await names(house, "Dúvida") == ["Novo", "Fim"]


async def test_d8_there_is_always_a_default_list(house: House) -> None:
    with pytest.raises(Invalid):
        await catalog.set_stages(house.core, SYSTEM, None, [])


async def test_d8_only_admins_set_lists_and_only_of_what_exists(house: House) -> None:
    ana = await house.agent()
    drafts = [StageDraft(name="A"), StageDraft(name="B")]
    with pytest.raises(Forbidden):
        await catalog.set_stages(house.core, ana.actor, None, drafts)
    with pytest.raises(NotFound):
        await catalog.set_stages(house.core, SYSTEM, ClassificationId(999), drafts)
    await catalog.set_stages(house.core, SYSTEM, house.classifications["Dúvida"], drafts)
    changed = (await house.happened(SettingsChanged))[-1]
    assert (changed.sort, changed.record) == ("stages", house.classifications["Dúvida"])


async def test_d40_s27_a_finished_ticket_stays_so_with_the_stage_that_it_has_in_a_new_list(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await ana.finish(number)
    stages = await house.list_of("Dúvida", "Novo", "Fazendo", "Feito")
    await house.analyze(ana, number)
    assert await stands(house, number) == ("Novo", TicketState.FINISHED)

    await house.reply(ana, number, stage=stages["Novo"])
    assert await stands(house, number) == ("Novo", TicketState.FINISHED)

    await house.reply(ana, number, stage=stages["Fazendo"])
    assert await stands(house, number) == ("Fazendo", TicketState.OPEN)
