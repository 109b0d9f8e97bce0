"""What an agent writes: who gets it, how it leaves, and what is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fluxki_core.domain.errors import Invalid, NoAddress, NoChannel, NotFound
from fluxki_core.domain.events import MessageSent, MessageWritten
from fluxki_core.domain.ids import DepartmentId, FileToken
from fluxki_core.domain.kinds import TicketKind, TicketState, Visibility
from fluxki_core.domain.people import SYSTEM, ActorKind, Address
from fluxki_core.domain.tickets import DeliveryState, OpenTicket, Reply, Requester
from fluxki_core.domain.traffic import SignedRef
from fluxki_core.services import accounts
from house import House, opened_house
from paper import CounterPlugin, ListeningPlugin, PaperPlugin, ParrotPlugin, letter

CHANNELS = {"paper": PaperPlugin, "listening": ListeningPlugin, "counter": CounterPlugin, "parrot": ParrotPlugin}


async def test_s28_every_public_message_is_sent_to_the_contact(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    for text in ("Olá", "E mais"):
        await house.reply(ana, number, text)
    assert await house.send() == 2
    first, second = house.paper.pile
    assert (first.body_text, second.body_text) == ("Olá", "E mais")
    assert first.recipient == Address("email", "maria@escola.example")
    assert {each.state for each in await house.deliveries(number)} == {DeliveryState.SENT}
    assert len(await house.happened(MessageSent, number)) == 2


async def test_s28_nothing_is_shown_as_sent_before_it_was(house: House) -> None:
    ana = await house.agent()
    message = await house.reply(ana, await house.analyzed_ticket(ana))
    assert [each.state for each in message.delivery] == [DeliveryState.QUEUED]
    assert await house.happened(MessageSent) == []


async def test_s29_a_private_note_is_sent_to_nobody(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    note = await house.reply(ana, number, "Só entre nós", visibility=Visibility.PRIVATE)
    assert (note.visibility, note.delivery) == (Visibility.PRIVATE, ())
    assert await house.send() == 0
    assert [each.visibility for each in await house.happened(MessageWritten, number)] == [Visibility.PRIVATE]
    await house.reply(ana, number, "Em público")
    await house.send()
    [out] = house.paper.pile
    assert "Só entre nós" not in out.body_html
    assert out.quoted is not None
    assert "Só entre nós" not in out.quoted.body_text


async def test_s7_a_request_of_another_door_is_answered_by_e_mail(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=CHANNELS) as house:
        ana = await house.agent()
        await house.account("Balcão", "counter")
        number = await house.ticket_from(letter(), "Balcão")
        await house.analyze(ana, number)
        await house.reply(ana, number)
        assert await house.send() == 1
        [out] = house.paper.pile
        assert (out.ticket, out.recipient.kind) == (number, "email")


async def test_s7_a_standard_ticket_never_leaves_by_the_departments_chat(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=CHANNELS) as house:
        ana = await house.agent()
        [department] = ana.actor.departments
        await house.account("Papagaio", "parrot", department=department)
        number = await house.ticket_from(letter())
        await house.analyze(ana, number)
        await accounts.remove(house.core, SYSTEM, (await accounts.find(house.core, "Papel")).id)
        with pytest.raises(NoChannel):
            await house.reply(ana, number)
        await house.account("Outro papel", "paper", is_default=True)
        await house.reply(ana, number)
        assert await house.send() == 1


async def test_s7_the_tickets_own_mailbox_then_the_departments_then_the_default_one(house: House) -> None:
    finance = await house.department("Financeiro")
    boss = await house.agent("Bia", departments=(finance, DepartmentId(1)))
    own = await house.account("Próprio", "paper")
    await house.account("Financeiro", "paper", department=finance)
    number = await house.ticket_from(letter(), "Próprio")
    await house.analyze(boss, number)
    who = Requester(name="João", email="joao@escola.example")
    order = OpenTicket(subject="B", kind=TicketKind.STANDARD, requester=who, body="B", department=finance)
    registered = (await boss.open_ticket(order)).number
    await house.analyze(boss, registered)
    elsewhere = await house.analyzed_ticket(boss)
    names = {each.id: each.name for each in await accounts.view_all(house.core, SYSTEM)}

    async def by(ticket: Any) -> str:
        [delivery] = (await house.reply(boss, ticket)).delivery
        return names[delivery.account]

    assert [await by(each) for each in (number, registered, elsewhere)] == ["Próprio", "Financeiro", "Papel"]
    await accounts.remove(house.core, SYSTEM, own)
    assert await by(number) == "Papel"


async def test_d41_a_contact_without_an_address_is_refused_as_a_recipient(house: House) -> None:
    ana = await house.agent()
    order = OpenTicket(subject="Oi", kind=TicketKind.STANDARD, requester=Requester(name="João"), body="Oi")
    number = (await ana.open_ticket(order)).number
    await house.analyze(ana, number)
    with pytest.raises(NoAddress, match="add one to the contact") as refused:
        await house.reply(ana, number)
    assert refused.value.code == "no_address"
    assert len(await house.messages(number)) == 1
    await house.reply(ana, number, "Sem e-mail", visibility=Visibility.PRIVATE)


async def test_d41_without_an_account_a_public_message_is_refused(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    await accounts.remove(house.core, SYSTEM, (await accounts.find(house.core, "Papel")).id)
    with pytest.raises(NoChannel, match="in the settings") as refused:
        await house.reply(ana, number, stage=house.stages["Em andamento"])
    assert refused.value.code == "no_channel"
    assert len(await house.messages(number)) == 1
    assert await house.stage(number) == "Aberto"
    await house.reply(ana, number, visibility=Visibility.PRIVATE)


async def test_d41_a_door_that_nothing_leaves_by_carries_no_message(house_url: str, tmp_path: Path) -> None:
    plugins = {"counter": CounterPlugin}
    async with opened_house(house_url, tmp_path, plugins=plugins, prepare=False) as house:
        await house.account("Balcão", "counter", is_default=True)
        ana = await house.agent()
        number = await house.ticket_from(letter(), "Balcão")
        await house.analyze(ana, number)
        with pytest.raises(NoChannel):
            await house.reply(ana, number)


async def test_an_answer_leaves_with_all_that_it_needs_to_be_understood(house: House) -> None:
    ana = await house.agent()
    asked = letter(subject="Toner", text="Acabou o toner", outside_id="um@escola")
    number = await house.ticket_from(asked)
    await house.analyze(ana, number)
    first = await house.reply(ana, number, "Qual <b>cor</b>?")
    await house.send()
    [question] = house.paper.pile
    assert (question.subject, question.author, question.recipient_name) == ("Toner", "Ana Lima", "Maria Souza")
    assert (question.message, question.written_at) == (first.id, first.sent_at)
    assert question.body_html == "<p>Qual <b>cor</b>?</p>"
    assert question.body_text == "Qual cor?"
    assert (question.answers, question.references, question.attempt) == ("um@escola", ("um@escola",), 1)
    assert question.quoted is not None
    assert (question.quoted.author, question.quoted.body_text) == ("Maria Souza", "Acabou o toner")
    assert house.system.verify(question.token) == SignedRef(ticket=number, message=first.id)
    await house.take_in(letter(text="Preto", outside_id="dois@escola", tokens=[question.token]))
    await house.reply(ana, number, "Está a caminho")
    await house.send()
    promise = house.paper.pile[-1]
    assert promise.answers == "dois@escola"
    assert promise.references == ("um@escola", f"{question.token}@paper", "dois@escola")
    assert promise.quoted is not None
    assert promise.quoted.body_text == "Preto"


async def test_an_answer_never_quotes_a_stranger(house: House) -> None:
    ana = await house.agent()
    number = await house.ticket_from(letter(text="Acabou o toner", outside_id="um@escola"))
    await house.analyze(ana, number)
    await house.take_in(letter("outro@x.example", text="Senha: 123", outside_id="dois@x", outside_ids=["um@escola"]))
    await house.reply(ana, number)
    await house.send()
    [out] = house.paper.pile
    assert out.quoted is not None
    assert out.quoted.body_text == "Acabou o toner"
    assert out.answers == "um@escola"


async def test_files_and_pasted_images_leave_with_the_message(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    picture = await ana.upload("tela.png", "image/png", b"figura")
    note = await ana.upload("../nota.pdf", "application/pdf; x=1", b"nota")
    assert (note.name, note.media_type, note.size) == ("nota.pdf", "application/pdf", 4)
    body = f'<p>Veja <img src="cid:{picture.id}"></p>'
    message = await ana.reply(Reply(ticket=number, body_html=body, files=(note.id,)))
    assert [(each.id, each.inline) for each in message.attachments] == [(picture.id, True), (note.id, False)]
    await house.send()
    [out] = house.paper.pile
    assert f'src="cid:{picture.id}"' in out.body_html
    assert [(each.token, each.inline) for each in out.files] == [(picture.id, True), (note.id, False)]
    assert [each.path.read_bytes() for each in out.files] == [b"figura", b"nota"]


async def test_a_pasted_image_is_found_whatever_its_token(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    for _ in range(5):
        picture = await ana.upload("tela.png", "image/png", b"figura")
        message = await ana.reply(Reply(ticket=number, body_html=f'<img src="cid:{picture.id}">'))
        assert [each.id for each in message.attachments] == [picture.id]


async def test_a_file_is_of_one_message_and_of_the_agent_who_uploaded_it(house: House) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    number = await house.analyzed_ticket(ana)
    file = await ana.upload("nota.txt", "text/plain", b"nota")
    with pytest.raises(NotFound):
        await bia.file(file.id)
    with pytest.raises(Invalid, match="attachments"):
        await house.reply(bia, number, files=(file.id,))
    await house.reply(ana, number, files=(file.id,))
    assert (await bia.file(file.id)).path.read_bytes() == b"nota"
    for desk, tokens in ((ana, (file.id,)), (ana, (FileToken("nada"),))):
        with pytest.raises(Invalid, match="attachments"):
            await house.reply(desk, number, files=tokens)
    with pytest.raises(Invalid, match="body_html"):
        await ana.reply(Reply(ticket=number, body_html='<img src="cid:nada">'))


async def test_two_messages_that_want_one_file_at_once_do_not_both_get_it(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    file = await ana.upload("nota.txt", "text/plain", b"nota")
    replies = (house.reply(ana, number, files=(file.id,)) for _ in range(2))
    results = await asyncio.gather(*replies, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["Invalid", "Message"]


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"body_html": "<p>a</p>", "body_text": "a"},
        {"body_html": "<p> &nbsp;</p><br>"},
        {"body_text": " \n\t"},
        {"body_html": "x" * 1_000_001},
    ],
    ids=["none", "both", "blank html", "blank text", "too long"],
)
async def test_a_message_needs_one_body_with_something_in_it(house: House, order: dict[str, str]) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    with pytest.raises(Invalid):
        await ana.reply(Reply(ticket=number, **order))  # type: ignore[arg-type]
    assert len(await house.messages(number)) == 1


async def test_a_file_alone_is_a_message(house: House) -> None:
    ana = await house.agent()
    file = await ana.upload("nota.txt", "text/plain", b"nota")
    message = await ana.reply(Reply(ticket=await house.analyzed_ticket(ana), body_text="", files=(file.id,)))
    assert [each.name for each in message.attachments] == ["nota.txt"]


async def test_what_an_agent_pastes_is_cleaned_and_what_they_type_stays_literal(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    pasted = await ana.reply(Reply(ticket=number, body_html='<p onclick="x()">Oi<script>x()</script></p>'))
    assert pasted.body_html == "<p>Oi</p>"
    typed = await ana.reply(Reply(ticket=number, body_text="<b>Oi</b>"))
    assert typed.body_text == "<b>Oi</b>"
    assert "&lt;b&gt;" in typed.body_html


async def test_a_message_is_its_agents(house: House) -> None:
    ana = await house.agent()
    message = await house.reply(ana, await house.analyzed_ticket(ana))
    assert (message.author.kind, message.author.name) == (ActorKind.AGENT, "Ana Lima")


async def test_replies_written_at_once_are_all_kept_and_all_leave_in_their_order(house: House) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    number = await house.analyzed_ticket(ana)
    texts = [f"Resposta {each}" for each in range(8)]
    desks = (ana, bia)
    await asyncio.gather(*(house.reply(desks[each % 2], number, text) for each, text in enumerate(texts)))
    kept = (await house.messages(number))[1:]
    assert sorted(each.body_text for each in kept) == texts
    assert await house.send() == 8
    assert [each.message for each in house.paper.pile] == sorted(each.id for each in kept)


async def test_a_chat_takes_plain_text_and_no_stage(house: House) -> None:
    ana = await house.agent()
    who = Requester(name="João", email="joao@escola.example")
    order = OpenTicket(subject="Oi", kind=TicketKind.CHAT, requester=who, body="Oi")
    chat = (await ana.open_ticket(order)).number
    with pytest.raises(Invalid, match="body_html"):
        await house.reply(ana, chat)
    with pytest.raises(Invalid, match="stage"):
        await ana.reply(Reply(ticket=chat, body_text="Oi", stage=house.stages["Em andamento"]))
    await ana.reply(Reply(ticket=chat, body_text="Tchau", finish=True))
    assert (await house.ticket(chat)).state is TicketState.FINISHED


async def test_an_answer_may_show_how_an_image_is_written(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    code = '<pre>&lt;img src="cid:logo"&gt;</pre>'
    assert (await ana.reply(Reply(ticket=number, body_html=code))).body_html == code
