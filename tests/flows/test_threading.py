"""Where a contact's answer lands: by token, by outside id, by subject number, or in a new ticket."""

from datetime import timedelta

import pytest
from fluxki_core.domain.events import MessageReceived, StageChanged, TicketOpened, TicketReopened
from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.kinds import TicketState
from fluxki_core.domain.tickets import FinishWithout, Link, NoAnalysisReason
from fluxki_core.domain.traffic import RawItem, SignedRef
from fluxki_core.services.desk import CoreDesk
from house import House
from paper import letter


async def answered(house: House, ana: CoreDesk) -> tuple[TicketId, str]:
    """An analysed ticket of Maria's with one answer sent, and the answer's token."""
    number = await house.ticket_from(letter(outside_id="pedido@escola"))
    await house.analyze(ana, number)
    await house.reply(ana, number)
    await house.send()
    return number, house.paper.pile[-1].token


async def finished(house: House, ana: CoreDesk) -> tuple[TicketId, str]:
    number, token = await answered(house, ana)
    await ana.finish(number)
    return number, token


def answer(house: House, **more: object) -> RawItem:
    return letter(**{"text": "Obrigada", "sent_at": house.clock().isoformat(), **more})  # type: ignore[arg-type]


async def test_an_answer_finds_its_ticket_by_our_token(house: House) -> None:
    number, token = await answered(house, await house.agent())
    assert await house.ticket_from(answer(house, tokens=[token])) == number
    assert (await house.texts(number))[-1] == "Obrigada"


async def test_an_answer_finds_its_ticket_by_the_id_of_what_we_sent(house: House) -> None:
    number, token = await answered(house, await house.agent())
    assert await house.ticket_from(answer(house, outside_ids=["nada@x", f"{token}@paper"])) == number


async def test_an_answer_finds_its_ticket_by_the_id_of_an_earlier_letter(house: House) -> None:
    number, _ = await answered(house, await house.agent())
    assert await house.ticket_from(answer(house, outside_ids=["pedido@escola"])) == number


async def test_an_outside_id_longer_than_any_honest_one_threads_all_the_same(house: House) -> None:
    longest = "x" * 2000 + "@escola"
    number = await house.ticket_from(letter(outside_id=longest))
    assert await house.ticket_from(answer(house, outside_ids=[longest])) == number


async def test_an_outside_id_is_known_in_its_own_account_only(house: House) -> None:
    await house.account("Vendas", "paper")
    number = await house.ticket_from(letter(outside_id="pedido@escola"))
    assert await house.ticket_from(answer(house, outside_ids=["pedido@escola"]), "Vendas") != number


async def test_a_requesters_reply_finds_its_ticket_by_the_number_in_the_subject(house: House) -> None:
    number, _ = await answered(house, await house.agent())
    assert await house.ticket_from(answer(house, ticket=number, is_reply=True)) == number


@pytest.mark.parametrize(
    "differs", [{"is_reply": False}, {"sender": "outro@escola.example"}, {"sender": "x@y.example", "is_reply": False}]
)
async def test_a_number_that_anybody_could_guess_opens_a_ticket_that_may_be_related(
    house: House, differs: dict[str, object]
) -> None:
    number, _ = await answered(house, await house.agent())
    other = await house.ticket_from(answer(house, **{"ticket": number, "is_reply": True, **differs}))
    assert other != number
    assert (await house.ticket(other)).links == (Link(ticket=number, reason="maybe_related"),)
    assert (await house.ticket(number)).links == (Link(ticket=other, reason="maybe_related"),)
    assert len(await house.messages(number)) == 2


async def test_a_number_of_no_ticket_means_nothing(house: House) -> None:
    number = await house.ticket_from(answer(house, ticket=999, is_reply=True))
    assert (await house.ticket(number)).links == ()


async def test_a_token_counts_more_than_a_number(house: House) -> None:
    number, token = await answered(house, await house.agent())
    other = await house.ticket_from(letter(text="Outro pedido"))
    assert await house.ticket_from(answer(house, tokens=[token], ticket=other, is_reply=True)) == number


async def test_a_token_that_is_not_ours_means_nothing(house: House) -> None:
    number, token = await answered(house, await house.agent())
    forged = token[:-1] + ("a" if token[-1] != "a" else "b")
    for each in (forged, "", "x" * 500, "1.1.abc"):
        assert await house.ticket_from(answer(house, text=f"Oi {each}", tokens=[each])) != number


async def test_a_token_leads_to_its_message_and_ticket(house: House) -> None:
    number, token = await answered(house, await house.agent())
    sent = (await house.messages(number))[-1]
    assert house.system.verify(token) == SignedRef(ticket=number, message=sent.id)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz0123456789.")
    assert len(token) <= 64


async def test_d9_an_answer_to_a_finished_ticket_reopens_it_into_the_first_stage(house: House) -> None:
    number, token = await finished(house, await house.agent())
    house.clock.pass_(days=13)
    assert await house.ticket_from(answer(house, tokens=[token])) == number
    ticket = await house.ticket(number)
    assert ticket.state is TicketState.OPEN
    assert await house.stage(number) == "Aberto"
    [reopened] = await house.happened(TicketReopened, number)
    assert reopened.message == (await house.messages(number))[-1].id
    assert (await house.history(number))[-3:] == ["message_received", "ticket_reopened", "stage_changed"]


async def test_d9_after_the_configured_days_an_answer_opens_a_new_linked_ticket(house: House) -> None:
    number, token = await finished(house, await house.agent())
    house.clock.pass_(days=14, minutes=1)
    later = await house.ticket_from(answer(house, tokens=[token]))
    assert later != number
    assert (await house.ticket(number)).state is TicketState.FINISHED
    assert (await house.ticket(later)).links == (Link(ticket=number, reason="follows"),)
    assert (await house.ticket(number)).links == (Link(ticket=later, reason="followed"),)
    [opened] = await house.happened(TicketOpened, later)
    assert opened.follows == number
    assert not (await house.ticket(later)).analyzed


async def test_d9_an_answer_by_subject_number_reopens_too(house: House) -> None:
    number, _ = await finished(house, await house.agent())
    await house.take_in(answer(house, ticket=number, is_reply=True))
    assert (await house.ticket(number)).state is TicketState.OPEN


@pytest.mark.parametrize(
    "who", [{"nature": "automatic"}, {"nature": "bounce"}, {"sender": "outro@escola.example", "name": "Outro"}]
)
async def test_d9_d39_automatic_mail_and_strangers_reopen_nothing(house: House, who: dict[str, object]) -> None:
    number, token = await finished(house, await house.agent())
    assert await house.ticket_from(answer(house, tokens=[token], **who)) == number
    assert (await house.ticket(number)).state is TicketState.FINISHED
    assert await house.stage(number) == "Finalizado"
    assert await house.happened(TicketReopened, number) == []


async def test_d9_automatic_mail_long_after_the_end_opens_nothing_new(house: House) -> None:
    number, token = await finished(house, await house.agent())
    house.clock.pass_(days=100)
    assert await house.ticket_from(answer(house, tokens=[token], nature="automatic")) == number


async def test_a_strangers_message_is_shown_and_marked(house: House) -> None:
    number, token = await answered(house, await house.agent())
    await house.take_in(answer(house, tokens=[token], sender="outro@escola.example", name="Outro"))
    message = (await house.messages(number))[-1]
    assert (message.stranger, message.author.name) == (True, "Outro")
    assert (await house.happened(MessageReceived, number))[-1].stranger
    assert (await house.ticket(number)).requester.name == "Maria Souza"


async def test_d39_an_answer_takes_a_ticket_out_of_waiting_to_the_stage_before(house: House) -> None:
    ana = await house.agent()
    number, token = await answered(house, ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.take_in(answer(house, tokens=[token]))
    assert await house.stage(number) == "Em andamento"
    changed = (await house.happened(StageChanged, number))[-1]
    assert (changed.before, changed.after, changed.waiting) == (
        house.stages["Aguardando cliente"],
        house.stages["Em andamento"],
        False,
    )
    await house.take_in(answer(house, text="E mais", tokens=[token]))
    assert await house.stage(number) == "Em andamento"
    assert len(await house.happened(StageChanged, number)) == 3


@pytest.mark.parametrize("who", [{"nature": "automatic"}, {"sender": "outro@escola.example"}])
async def test_d39_automatic_mail_and_strangers_leave_a_waiting_ticket_waiting(
    house: House, who: dict[str, object]
) -> None:
    ana = await house.agent()
    number, token = await answered(house, ana)
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.take_in(answer(house, tokens=[token], **who))
    assert await house.stage(number) == "Aguardando cliente"


async def test_d39_the_stage_before_is_kept_over_two_waiting_stages(house: House) -> None:
    ana = await house.agent()
    stages = await house.list_of("Dúvida", "Novo", "Fazendo", "Espera", "Fim", waiting="Espera")
    number, token = await answered(house, ana)
    await ana.set_stage(number, stages["Fazendo"])
    await ana.set_stage(number, stages["Espera"])
    await ana.set_stage(number, stages["Espera"])
    await house.take_in(answer(house, tokens=[token]))
    assert await house.stage(number) == "Fazendo"


async def test_d39_d8_the_stage_before_is_found_by_its_name_in_a_new_list(house: House) -> None:
    ana = await house.agent()
    number, token = await answered(house, ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.list_of("Dúvida", "Novo", "Em andamento", "Aguardando cliente", "Fim", waiting="Aguardando cliente")
    assert await house.stage(number) == "Aguardando cliente"
    await house.take_in(answer(house, tokens=[token]))
    assert await house.stage(number) == "Em andamento"


async def test_d39_d8_the_stage_before_is_found_by_its_name_after_a_new_classification(house: House) -> None:
    ana = await house.agent()
    names = ("Novo", "Em andamento", "Aguardando cliente", "Fim")
    await house.list_of("Problema", *names, waiting="Aguardando cliente")
    number, token = await answered(house, ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.analyze(ana, number, "Problema")
    await house.take_in(answer(house, tokens=[token]))
    assert await house.stage(number) == "Em andamento"


async def test_d39_a_ticket_whose_stage_before_is_gone_goes_to_the_first(house: House) -> None:
    ana = await house.agent()
    number, token = await answered(house, ana)
    await ana.set_stage(number, house.stages["Em andamento"])
    await ana.set_stage(number, house.stages["Aguardando cliente"])
    await house.list_of("Dúvida", "Novo", "Aguardando cliente", "Fim", waiting="Aguardando cliente")
    await house.take_in(answer(house, tokens=[token]))
    assert await house.stage(number) == "Novo"


async def test_an_answer_that_was_sent_before_the_end_and_came_after_it_reopens(house: House) -> None:
    ana = await house.agent()
    number, token = await answered(house, ana)
    sent_at = (house.clock() - timedelta(minutes=5)).isoformat()
    await ana.finish(number)
    await house.take_in(letter(text="Ainda não", tokens=[token], sent_at=sent_at))
    assert (await house.ticket(number)).state is TicketState.OPEN


async def test_d9_further_late_answers_go_on_in_the_ticket_that_the_first_one_opened(house: House) -> None:
    ana = await house.agent()
    old, token = await finished(house, ana)
    house.clock.pass_(days=14, minutes=1)

    new = await house.ticket_from(answer(house, text="voltou", tokens=[token]))
    again = await house.ticket_from(answer(house, text="e de novo", tokens=[token]))
    await ana.finish(new, FinishWithout(reason=NoAnalysisReason.OTHER))
    reopened = await house.ticket_from(answer(house, text="e outra vez", tokens=[token]))
    await ana.finish(new, FinishWithout(reason=NoAnalysisReason.OTHER))
    house.clock.pass_(days=15)
    third = await house.ticket_from(answer(house, text="um mês depois", tokens=[token]))

    assert new != old
    assert (again, reopened) == (new, new)
    assert third not in (old, new)
    assert (await house.ticket(third)).links == (Link(ticket=new, reason="follows"),)
