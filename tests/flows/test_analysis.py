"""The analysis: what it asks, what it proposes, what saving needs and does, and finishing without one."""

import asyncio
from typing import Any

import pytest
from fluxki_core.domain.analysis import QuestionType
from fluxki_core.domain.errors import AnalysisRequired, Conflict, Invalid, StaleAnalysis
from fluxki_core.domain.events import ParticipantsChanged, TicketAnalyzed, TicketFinished
from fluxki_core.domain.ids import ClassificationId, KeywordId, QuestionId
from fluxki_core.domain.kinds import TicketKind, TicketState, Visibility
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.tickets import (
    FinishWithout,
    NoAnalysisReason,
    OpenTicket,
    Query,
    Reply,
    Requester,
    SaveAnalysis,
    TakingPart,
)
from fluxki_core.services import catalog
from fluxki_core.services.catalog import QuestionDraft
from house import House
from paper import letter


async def no_questions(house: House) -> None:
    for each in await catalog.questions(house.core, SYSTEM):
        await catalog.remove(house.core, SYSTEM, "question", each.id)


async def ask(house: House, type_: QuestionType, **more: Any) -> QuestionId:
    draft = QuestionDraft(text=f"Qual {type_}?", type=type_, **more)
    return (await catalog.put_question(house.core, SYSTEM, draft)).id


async def proposed(house: House, **what: str) -> list[str]:
    """Names of the keywords proposed for a letter."""
    ana = await house.agent()
    names = {each.id: each.name for each in await catalog.keywords(house.core, SYSTEM)}
    window = await ana.analysis_window(await house.ticket_from(letter(**what)))
    return [names[each] for each in window.proposed]


async def test_s8_s9_a_public_reply_before_the_analysis_is_refused(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    with pytest.raises(AnalysisRequired) as refused:
        await house.reply(ana, number)
    assert refused.value.code == "analysis_required"
    assert len(await house.messages(number)) == 1
    assert await house.send() == 0
    await house.analyze(ana, number)
    await house.reply(ana, number)
    assert await house.send() == 1


async def test_s9_not_even_the_machine_replies_before_the_analysis(house: House) -> None:
    with pytest.raises(AnalysisRequired):
        await house.reply(house.system, await house.ticket_from(letter()))


async def test_s8_a_chat_is_answered_without_an_analysis(house: House) -> None:
    ana = await house.agent()
    who = Requester(name="João", email="joao@escola.example")
    chat = await ana.open_ticket(OpenTicket(subject="Oi", kind=TicketKind.CHAT, requester=who, body="Oi"))
    message = await ana.reply(Reply(ticket=chat.number, body_text="Olá!"))
    assert message.visibility is Visibility.PUBLIC


async def test_s11_s13_the_analysis_shows_the_request_and_takes_a_classification(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter(text="A impressora parou"))
    window = await ana.analysis_window(number)
    assert window.request == "A impressora parou"
    assert window.current is None
    await house.analyze(ana, number, "Problema")
    ticket = await house.ticket(number)
    assert ticket.analyzed
    assert ticket.classification is not None
    assert ticket.classification.name == "Problema"
    current = (await ana.analysis_window(number)).current
    assert current is not None
    assert (current.agent, current.classification) == ("Ana Lima", house.classifications["Problema"])


async def test_s13_d5_saving_needs_a_classification_that_is_in_use(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await catalog.remove(house.core, SYSTEM, "classification", house.classifications["Sugestão"])
    for wrong in (ClassificationId(999), house.classifications["Sugestão"]):
        with pytest.raises(Invalid) as refused:
            await ana.analyze(SaveAnalysis(ticket=number, classification=wrong))
        assert list(refused.value.fields) == ["classification"]
    assert not (await house.ticket(number)).analyzed


async def test_s14_d4_the_questions_of_the_classification_and_those_of_all_are_asked(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    of_all = await ask(house, QuestionType.TEXT)
    own = await ask(house, QuestionType.NUMBER, classification=house.classifications["Problema"])
    await ask(house, QuestionType.DATE, classification=house.classifications["Dúvida"])
    window = await ana.analysis_window(number, house.classifications["Problema"])
    assert [each.id for each in window.questions] == [of_all, own]
    assert [each.id for each in (await ana.analysis_window(number)).questions] == [of_all]


async def test_s14_the_questions_of_the_saved_classification_are_shown_again(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    own = await ask(house, QuestionType.NUMBER, classification=house.classifications["Problema"])
    await house.analyze(ana, number, "Problema")
    assert [each.id for each in (await ana.analysis_window(number)).questions] == [own]


async def test_s15_with_no_question_configured_none_is_asked(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    assert (await ana.analysis_window(number, house.classifications["Dúvida"])).questions == ()
    await house.analyze(ana, number)
    assert (await house.ticket(number)).analyzed


async def test_d3_keywords_in_the_request_are_proposed_whatever_case_and_accents(house: House) -> None:
    assert await proposed(house, subject="LENTIDAO", text="Perdi a Senha.") == ["senha", "lentidão"]


async def test_d3_keywords_of_several_words_are_proposed_where_the_words_stand_together(house: House) -> None:
    assert await proposed(house, subject="Oi", text="Cadê a Nota\n Fiscal?") == ["nota fiscal"]


async def test_d3_no_keyword_is_proposed_for_a_part_of_a_word_or_words_apart(house: House) -> None:
    assert await proposed(house, subject="Oi", text="As senhas e a nota da loja fiscal") == []


async def test_d3_the_agent_confirms_removes_and_adds_keywords(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter(text="Perdi a senha e o acesso"))
    ids = {each.name: each.id for each in await catalog.keywords(house.core, SYSTEM)}
    chosen = (ids["senha"], ids["boleto"])
    saved = await ana.analyze(
        SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], keywords=chosen)
    )
    assert saved.keywords == chosen
    assert (await ana.analysis_window(number)).proposed == (ids["senha"], ids["acesso"], ids["impressora"])


async def test_d3_a_keyword_counts_once_and_must_be_in_use(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    ids = {each.name: each.id for each in await catalog.keywords(house.core, SYSTEM)}
    twice = SaveAnalysis(
        ticket=number, classification=house.classifications["Dúvida"], keywords=(ids["senha"], ids["senha"])
    )
    assert (await ana.analyze(twice)).keywords == (ids["senha"],)
    await catalog.remove(house.core, SYSTEM, "keyword", ids["boleto"])
    for wrong in (ids["boleto"], KeywordId(999)):
        with pytest.raises(Invalid, match="keywords"):
            await ana.analyze(
                SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], keywords=(wrong,))
            )


async def test_d4_d5_answers_of_every_type_are_kept(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    options = ("Baixo", "Alto")
    answers: dict[str, Any] = {
        str(await ask(house, QuestionType.TEXT)): "Três “pavilhões”",
        str(await ask(house, QuestionType.NUMBER)): 2.5,
        str(await ask(house, QuestionType.YES_NO)): False,
        str(await ask(house, QuestionType.CHOICE, options=options)): "Alto",
        str(await ask(house, QuestionType.CHOICES, options=options)): ["Alto", "Baixo"],
        str(await ask(house, QuestionType.DATE)): "2026-11-22",
    }
    order = SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], answers=answers)
    assert (await ana.analyze(order)).answers == answers
    current = (await ana.analysis_window(number)).current
    assert current is not None
    assert current.answers == answers


async def test_d5_saving_needs_the_required_answers(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    needed = await ask(house, QuestionType.YES_NO, required=True)
    await ask(house, QuestionType.TEXT, required=True, classification=house.classifications["Problema"])
    with pytest.raises(Invalid) as refused:
        await house.analyze(ana, number)
    assert list(refused.value.fields) == [f"answers.{needed}"]
    assert not (await house.ticket(number)).analyzed
    answers = {str(needed): False}
    await ana.analyze(SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], answers=answers))
    with pytest.raises(Invalid):
        await ana.analyze(
            SaveAnalysis(ticket=number, classification=house.classifications["Problema"], answers=answers)
        )


async def test_d4_an_answer_to_no_question_asked_is_refused(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await no_questions(house)
    elsewhere = await ask(house, QuestionType.TEXT, classification=house.classifications["Problema"])
    for key in (str(elsewhere), "999", "x"):
        with pytest.raises(Invalid) as refused:
            await ana.analyze(
                SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], answers={key: "a"})
            )
        assert list(refused.value.fields) == [f"answers.{key}"]


async def test_d6_the_last_save_counts_and_every_save_stays_in_the_history(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await house.analyze(ana, number, "Dúvida")
    await house.analyze(ana, number, "Problema")
    saved = await house.happened(TicketAnalyzed, number)
    names = ("Dúvida", "Problema")
    assert [each.classification for each in saved] == [house.classifications[each] for each in names]
    ticket = await house.ticket(number)
    assert ticket.classification is not None
    assert ticket.classification.name == "Problema"


async def test_d6_a_save_over_one_that_the_agent_has_not_seen_is_refused_until_seen(house: House) -> None:
    ana, bia, number = await house.agent(), await house.agent("Bia"), await house.ticket_from(letter())
    await house.analyze(ana, number)
    with pytest.raises(StaleAnalysis, match="Ana Lima") as refused:
        await house.analyze(bia, number, "Problema")
    assert refused.value.code == "stale_analysis"
    current = (await bia.analysis_window(number)).current
    assert current is not None
    over = SaveAnalysis(ticket=number, classification=house.classifications["Problema"], seen=current.id)
    saved = await bia.analyze(over)
    assert saved.agent == "Bia"
    with pytest.raises(StaleAnalysis, match="Bia"):
        await house.analyze(ana, number)
    with pytest.raises(StaleAnalysis):
        await ana.analyze(over)


async def test_d6_of_two_agents_who_analyse_at_once_one_is_asked_to_look(house: House) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    for text in "abcde":
        number = await house.ticket_from(letter(text=text))
        results = await asyncio.gather(
            house.analyze(ana, number, "Dúvida"), house.analyze(bia, number, "Problema"), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in results) == ["NoneType", "StaleAnalysis"]
        assert len(await house.happened(TicketAnalyzed, number)) == 1


@pytest.mark.parametrize("kind", TicketKind)
async def test_d7_by_the_first_analysis_its_agent_joins_with_manage(house: House, kind: TicketKind) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    order = OpenTicket(subject="Oi", kind=kind, requester=Requester(name="João"), body="Oi")
    number = (await ana.open_ticket(order)).number
    assert (await house.ticket(number)).participants == ()
    await house.analyze(ana, number)
    assert ana.actor.agent is not None
    taking_part = (TakingPart(agent=ana.actor.agent, name="Ana Lima", level=PermissionLevel.MANAGE),)
    assert (await house.ticket(number)).participants == taking_part
    assert (await ana.ticket(number)).level is PermissionLevel.MANAGE
    [joined] = await house.happened(ParticipantsChanged, number)
    assert (joined.agent, joined.level) == (ana.actor.agent, "manage")
    seen = (await bia.analysis_window(number)).current
    assert seen is not None
    await bia.analyze(SaveAnalysis(ticket=number, classification=house.classifications["Dúvida"], seen=seen.id))
    assert (await house.ticket(number)).participants == taking_part


async def test_d7_a_participant_who_analyses_first_is_raised_to_manage(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await house.join(ana, number, PermissionLevel.VIEW)
    await house.analyze(ana, number)
    [part] = (await house.ticket(number)).participants
    assert part.level is PermissionLevel.MANAGE


async def test_d38_before_the_analysis_private_notes_are_allowed(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    note = await house.reply(ana, number, "Ligar depois", visibility=Visibility.PRIVATE)
    assert (note.visibility, note.delivery) == (Visibility.PRIVATE, ())


@pytest.mark.parametrize("reason", NoAnalysisReason)
async def test_d38_a_ticket_is_finished_without_analysis_with_a_reason(house: House, reason: NoAnalysisReason) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    ticket = await ana.finish(number, FinishWithout(reason=reason))
    assert (ticket.state, ticket.analyzed, ticket.classification) == (TicketState.FINISHED, False, None)
    assert await house.stage(number) == "Finalizado"
    assert [each.without_analysis for each in await house.happened(TicketFinished, number)] == [reason.value]
    assert await house.happened(TicketAnalyzed, number) == []
    assert await house.all_tickets(awaiting_analysis=True) == []


async def test_d38_without_a_reason_an_unanalysed_ticket_is_not_finished(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    attempts = (
        ana.finish(number),
        ana.set_stage(number, house.stages["Finalizado"]),
        house.reply(ana, number, visibility=Visibility.PRIVATE, finish=True),
        house.reply(ana, number, visibility=Visibility.PRIVATE, stage=house.stages["Finalizado"]),
    )
    for attempt in attempts:
        with pytest.raises(AnalysisRequired):
            await attempt
    assert (await house.ticket(number)).state is TicketState.OPEN
    assert len(await house.messages(number)) == 1


async def test_d38_finishing_without_analysis_is_for_open_unanalysed_standard_tickets(house: House) -> None:
    ana = await house.agent()
    without = FinishWithout(reason=NoAnalysisReason.OTHER)
    with pytest.raises(Conflict):
        await ana.finish(await house.analyzed_ticket(ana), without)
    spam = await house.ticket_from(letter(text="Compre"))
    await ana.finish(spam, without)
    with pytest.raises(Conflict):
        await ana.finish(spam, without)
    chat = OpenTicket(subject="Oi", kind=TicketKind.CHAT, requester=Requester(name="João"), body="Oi")
    with pytest.raises(Invalid):
        await ana.finish((await ana.open_ticket(chat)).number, without)


async def test_d38_without_the_wish_to_block_the_sender_stays_welcome(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await ana.finish(number, FinishWithout(reason=NoAnalysisReason.DUPLICATE))
    await house.ticket_from(letter(text="Outro"))


async def test_d38_what_is_finished_without_analysis_can_be_analysed_later_and_stays_finished(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    await ana.finish(number, FinishWithout(reason=NoAnalysisReason.OTHER))
    await house.analyze(ana, number)
    ticket = await house.ticket(number)
    assert (ticket.state, ticket.analyzed) == (TicketState.FINISHED, True)


async def test_s8_awaiting_analysis_lists_the_open_standard_tickets_without_one(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    chat = OpenTicket(subject="Oi", kind=TicketKind.CHAT, requester=Requester(name="João"), body="Oi")
    await ana.open_ticket(chat)
    await house.analyzed_ticket(ana)
    page = await ana.tickets(Query(awaiting_analysis=True))
    assert [each.number for each in page.items] == [number]


async def test_the_tickets_an_agent_takes_part_in_are_listed(house: House) -> None:
    ana = await house.agent()
    await house.ticket_from(letter())
    number = await house.analyzed_ticket(ana)
    assert [each.number for each in (await ana.tickets(Query(mine=True))).items] == [number]
