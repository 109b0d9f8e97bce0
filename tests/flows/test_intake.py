"""What a request becomes when it arrives: its contact, its ticket, its message and its files."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from fluxki_core.domain.errors import Forbidden, Invalid, NotFound
from fluxki_core.domain.events import MessageReceived, SettingsChanged, TicketOpened
from fluxki_core.domain.ids import ContactId, RawId
from fluxki_core.domain.kinds import Priority, TicketKind, TicketState
from fluxki_core.domain.people import SYSTEM, Customer
from fluxki_core.domain.tickets import (
    Change,
    FinishWithout,
    NoAnalysisReason,
    Query,
)
from fluxki_core.domain.traffic import Nature, Outcome, RawMessage
from fluxki_core.services import accounts, directory, receiving
from fluxki_core.services.directory import ContactDraft, CustomerDraft
from fluxki_core.storage.statements import sql
from house import House, opened_house
from paper import CounterPlugin, ListeningPlugin, PaperPlugin, ParrotPlugin, letter

CHANNELS = {"paper": PaperPlugin, "listening": ListeningPlugin, "counter": CounterPlugin, "parrot": ParrotPlugin}


async def contacts(house: House) -> list[tuple[str, str]]:
    """Name and first address of every contact."""
    page = await directory.contacts(house.core, SYSTEM, 0, 200)
    return [(each.name, each.addresses[0].value) for each in page.items]


async def customers(house: House) -> list[Customer]:
    return (await directory.customers(house.core, SYSTEM, 0, 200)).items


def test_s4_there_are_exactly_two_kinds_of_ticket() -> None:
    assert {each.value for each in TicketKind} == {"standard", "chat"}


async def test_s5_s35_d2_a_channel_that_declares_no_kind_opens_standard_tickets(house: House) -> None:
    ticket = await house.ticket(await house.ticket_from(letter(subject="A impressora")))
    assert ticket.kind is TicketKind.STANDARD
    assert ticket.state is TicketState.OPEN
    assert (ticket.subject, ticket.requester.name) == ("A impressora", "Maria Souza")
    assert ticket.stage is not None
    assert ticket.stage.name == "Aberto"
    assert not ticket.analyzed


async def test_d2_s4_the_kind_belongs_to_the_channel(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path, plugins=CHANNELS) as house:
        await house.account("Balcão", "counter")
        await house.account("Papagaio", "parrot")
        said = await house.ticket(await house.ticket_from(letter(), "Papagaio"))
        handed = await house.ticket(await house.ticket_from(letter(), "Balcão"))
        assert (said.kind, said.stage) == (TicketKind.CHAT, None)
        assert handed.kind is TicketKind.STANDARD


async def test_d1_an_unknown_sender_becomes_a_contact_and_a_customer_of_their_own(house: House) -> None:
    ticket = await house.ticket(await house.ticket_from(letter("maria@escola.example", name="Maria Souza")))
    assert await contacts(house) == [("Maria Souza", "maria@escola.example")]
    assert ticket.customer.name == "Maria Souza"


async def test_d1_the_same_sender_is_the_same_contact_however_the_address_is_written(house: House) -> None:
    await house.take_in(letter("maria@escola.example"), letter("MARIA@Escola.example", name="M. Souza", text="De novo"))
    assert await contacts(house) == [("Maria Souza", "maria@escola.example")]


async def test_d1_a_sender_of_a_customers_domain_belongs_to_that_customer(house: House) -> None:
    school = await directory.put_customer(
        house.core, SYSTEM, CustomerDraft(name="Escola Alfa", domains=("@Escola.example",))
    )
    ticket = await house.ticket(await house.ticket_from(letter("joao@escola.example", name="João")))
    assert (ticket.customer.id, ticket.customer.name) == (school.id, "Escola Alfa")
    assert [each.name for each in await customers(house)] == ["Escola Alfa"]


async def test_d1_a_subdomain_is_not_the_customers_domain(house: House) -> None:
    await directory.put_customer(house.core, SYSTEM, CustomerDraft(name="Escola", domains=("escola.example",)))
    ticket = await house.ticket(await house.ticket_from(letter("joao@outra.escola.example", name="João")))
    assert ticket.customer.name == "João"


async def test_d1_free_mail_belongs_to_no_customer(house: House) -> None:
    with pytest.raises(Invalid, match=r"gmail\.com"):
        await directory.put_customer(house.core, SYSTEM, CustomerDraft(name="Todos", domains=("gmail.com",)))
    await house.take_in(letter("a@gmail.com", name="Alice"), letter("b@gmail.com", name="Bruno"))
    assert [each.name for each in await customers(house)] == ["Alice", "Bruno"]


async def test_d1_a_sender_without_a_name_is_called_by_the_address(house: House) -> None:
    await house.take_in(letter("so@escola.example", name="  "), letter("longo@escola.example", name="x" * 500))
    assert [name for name, _ in await contacts(house)] == ["so@escola.example", "x" * 200]


async def test_d1_intakes_of_a_new_sender_at_once_make_one_contact(house: House) -> None:
    texts = [f"Pedido {number}" for number in range(6)]
    taken = await asyncio.gather(*(house.take_in(letter(text=text, key=text)) for text in texts))
    assert {each.outcome for (each,) in taken} == {Outcome.ACCEPTED}
    assert len({each.ticket for (each,) in taken}) == len(texts)
    assert await contacts(house) == [("Maria Souza", "maria@escola.example")]
    assert len(await customers(house)) == 1


async def test_d35_a_ticket_has_the_accounts_department_and_normal_priority(house: House) -> None:
    finance = await house.department("Financeiro")
    await house.account("Cobrança", "paper", department=finance)
    ordinary = await house.ticket(await house.ticket_from(letter()))
    billing = await house.ticket(await house.ticket_from(letter(), "Cobrança"))
    assert (ordinary.department.name, billing.department.name) == ("Atendimento", "Financeiro")
    assert ordinary.priority is billing.priority is Priority.NORMAL


async def test_d35_department_priority_and_subject_are_changeable(house: House) -> None:
    ana, finance = await house.agent(), await house.department("Financeiro")
    number = await house.ticket_from(letter())
    changed = await ana.change(Change(ticket=number, priority=Priority.URGENT, subject="  Toner \n vazio "))
    assert (changed.priority, changed.subject) == (Priority.URGENT, "Toner vazio")
    moved = await ana.change(Change(ticket=number, department=finance))
    assert moved.department.name == "Financeiro"
    assert (await house.history(number))[-2:] == ["ticket_changed", "ticket_changed"]
    with pytest.raises(NotFound):
        await ana.ticket(number)


async def test_d35_a_change_that_cannot_be_is_refused(house: House) -> None:
    ana, number = await house.agent(), await house.ticket_from(letter())
    for wrong in ({"department": 999}, {"subject": " "}, {"subject": "x" * 251}, {}):
        with pytest.raises(Invalid):
            await ana.change(Change(ticket=number, **wrong))


async def test_a_request_taken_in_twice_is_a_duplicate(house: House) -> None:
    first, again = await house.take_in(letter(key="1", text="Oi"), letter(key="1", text="Oi"))
    (later,) = await house.take_in(letter(key="1", text="Oi"))
    assert (first.outcome, again.outcome, later.outcome) == (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.DUPLICATE)
    assert len(await house.all_tickets()) == 1


async def test_the_same_request_under_another_raw_key_is_a_duplicate_of_its_ticket(house: House) -> None:
    first, again = await house.take_in(letter(key="1", text="Oi"), letter(key="2", text="Oi"))
    assert again.outcome is Outcome.DUPLICATE
    assert again.ticket == first.ticket
    assert len(await house.all_tickets()) == 1


async def test_the_same_outside_id_with_other_content_is_its_own_message_and_flagged(house: House) -> None:
    one = await house.ticket_from(letter(text="Um", outside_id="id@escola"))
    other = await house.ticket_from(letter(text="Outro", outside_id="id@escola"))
    assert one != other
    [first], [second] = await house.messages(one), await house.messages(other)
    assert (first.notices, second.notices) == ((), ("same_message_id",))


async def test_the_same_request_to_two_accounts_enters_once_for_each(house: House) -> None:
    await house.account("Vendas", "paper")
    assert await house.ticket_from(letter()) != await house.ticket_from(letter(), "Vendas")


async def test_messages_stand_in_the_order_in_which_they_were_sent(house: House) -> None:
    now = house.clock()
    first = letter(text="b", sent_at=(now - timedelta(hours=2)).isoformat(), outside_id="1")
    number = await house.ticket_from(first)
    for text, hours in (("d", 1.0), ("c1", 1.5), ("c2", 1.5), ("a", 3.0)):
        sent_at = (now - timedelta(hours=hours)).isoformat()
        assert await house.ticket_from(letter(text=text, sent_at=sent_at, outside_ids=["1"])) == number
    assert await house.texts(number) == ["a", "b", "c1", "c2", "d"]


async def test_a_ticket_moves_up_with_its_newest_message_and_never_back(house: House) -> None:
    now = house.clock()
    old = await house.ticket_from(letter(outside_id="1", sent_at=(now - timedelta(hours=2)).isoformat()))
    newer = await house.ticket_from(letter(outside_id="2", sent_at=(now - timedelta(hours=1)).isoformat()))
    assert await house.all_tickets() == [newer, old]
    late = letter(text="Atrasada", outside_ids=["1"], sent_at=(now - timedelta(days=9)).isoformat())
    await house.take_in(late)
    assert await house.all_tickets() == [newer, old]
    await house.take_in(letter(text="Novidade", outside_ids=["1"], sent_at=now.isoformat()))
    assert await house.all_tickets() == [old, newer]


async def test_pages_of_tickets_and_messages_lose_and_repeat_nothing(house: House) -> None:
    at = house.clock().isoformat()
    numbers = [await house.ticket_from(letter(text=str(each), sent_at=at, outside_id=f"m{each}")) for each in range(5)]
    for each in range(5):
        await house.take_in(letter(text=f"mais {each}", sent_at=at, outside_ids=["m0"]))
    seen, cursor = [], None
    while True:
        page = await house.system.tickets(Query(limit=2, cursor=cursor))
        seen += [each.number for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(numbers, reverse=True)
    texts, after = [], None
    while True:
        messages = await house.system.messages(numbers[0], 2, after)
        texts += [each.body_text for each in messages.items]
        after = messages.next
        if after is None:
            break
    assert texts == ["0", *(f"mais {each}" for each in range(5))]
    far = [("9999-12-31T23:59:59-14:00", 1), ("0001-01-01T00:00:00Z", 1), ("2026-11-22T00:00:00Z", 1 << 70)]
    for wrong in ("nada", *(base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in far)):
        with pytest.raises(Invalid, match="cursor"):
            await house.system.tickets(Query(cursor=wrong))


async def test_a_date_of_the_future_counts_as_now(house: House) -> None:
    tomorrow = (house.clock() + timedelta(days=1)).isoformat()
    [message] = await house.messages(await house.ticket_from(letter(sent_at=tomorrow)))
    assert message.sent_at <= house.clock()


async def test_the_history_says_who_opened_a_ticket_and_by_which_account(house: House) -> None:
    number = await house.ticket_from(letter(nature="automatic"))
    ticket = await house.ticket(number)
    [opened] = await house.happened(TicketOpened, number)
    [received] = await house.happened(MessageReceived, number)
    assert (opened.requester, opened.ticket_kind) == (ticket.requester.id, TicketKind.STANDARD)
    assert opened.account == (await accounts.find(house.core, "Papel")).id
    assert received.automatic
    [message] = await house.messages(number)
    assert message.nature is Nature.AUTOMATIC


async def test_markup_is_cleaned_and_what_was_taken_out_is_noted(house: House) -> None:
    html = '<p onclick="x()">Oi</p><script>alert(1)</script><img src="https://far.example/x.png">'
    [message] = await house.messages(await house.ticket_from(letter(html=html)))
    assert "script" not in message.body_html
    assert "onclick" not in message.body_html
    assert ' src="https' not in message.body_html
    assert set(message.notices) == {"script", "remote_images"}


async def test_files_of_a_letter_stand_with_its_message_and_can_be_fetched(house: House) -> None:
    ana = await house.agent()
    html = '<p>Veja <img src="cid:Foto%401"></p>'
    files = [
        {"name": "tela.png", "media_type": "image/png", "content": "figura", "content_id": "foto@1"},
        {"name": "nota.txt", "content": "Nota nº 1"},
    ]
    [message] = await house.messages(await house.ticket_from(letter(html=html, files=files)))
    picture, note = message.attachments
    assert (picture.name, picture.media_type, picture.inline) == ("tela.png", "image/png", True)
    assert (note.name, note.size, note.inline) == ("nota.txt", len("Nota nº 1".encode()), False)
    assert f'src="cid:{picture.id}"' in message.body_html
    assert (await ana.file(picture.id)).path.read_text() == "figura"
    assert (await ana.file(note.id)).path.read_text() == "Nota nº 1"


async def test_a_file_that_the_store_lost_is_said_to_be_lost(house: House) -> None:
    [message] = await house.messages(await house.ticket_from(letter(files=[{"name": "a.txt", "content": "a"}])))
    [file] = message.attachments
    (await house.system.file(file.id)).path.unlink()
    with pytest.raises(NotFound, match="backup"):
        await house.system.file(file.id)


async def test_a_large_letter_is_taken_in_like_a_small_one(house: House) -> None:
    text = "linha comprida\n" * 20_000
    assert await house.texts(await house.ticket_from(letter(text=text))) == [text]


async def test_what_cannot_be_read_is_parked_and_taken_in_after_a_fix(house: House) -> None:
    async def stumble(raw: RawMessage) -> None:
        raise ValueError("tinta borrada")

    house.paper.reading = stumble
    taken = await house.take_in(letter(), letter(text="Outra"))
    assert [each.outcome for each in taken] == [Outcome.PARKED, Outcome.PARKED]
    assert "tinta borrada" in taken[0].detail
    rows = await house.system.parked(RawId(0))
    assert [(row["account"], "tinta borrada" in row["error"]) for row in rows] == [("Papel", True)] * 2
    house.paper.reading = None
    assert await house.system.replay([]) == [row["id"] for row in rows]
    assert await house.receive() == 2
    assert len(await house.all_tickets()) == 2
    assert await house.system.parked(RawId(0)) == []


async def test_parked_letters_can_be_given_up_and_that_is_on_record(house: House) -> None:
    async def stumble(raw: RawMessage) -> None:
        raise ValueError("tinta borrada")

    house.paper.reading = stumble
    await house.take_in(letter())
    [row] = await house.system.parked(RawId(0))
    for nothing in ([], [RawId(999)]):
        with pytest.raises(NotFound):
            await house.system.discard_parked(nothing)
    assert await house.system.discard_parked([row["id"]]) == [row["id"]]
    assert await house.system.parked(RawId(0)) == []
    with pytest.raises(NotFound):
        await house.system.replay([row["id"]])
    assert (await house.happened(SettingsChanged))[-1].action == "discarded"


async def test_d38_a_blocked_sender_is_parked_with_the_reason_and_replayable(house: House) -> None:
    ana = await house.agent()
    number = await house.ticket_from(letter("spam@loja.example", name="Loja"))
    await ana.finish(number, FinishWithout(reason=NoAnalysisReason.SPAM, block_sender=True))
    (taken,) = await house.take_in(letter("spam@loja.example", text="Compre já"))
    assert taken.outcome is Outcome.PARKED
    assert "spam@loja.example is blocked" in taken.detail
    assert await house.all_tickets() == []
    await house.system.replay([])
    await house.receive()
    assert len(await house.system.parked(RawId(0))) == 1
    contact = ContactId((await house.ticket(number)).requester.id)
    for emails in ((), ("spam@loja.example",)):
        await directory.put_contact(house.core, SYSTEM, ContactDraft(name="Loja", emails=emails), contact)
    await house.system.replay([])
    await house.receive()
    assert len(await house.all_tickets()) == 1


async def test_only_admins_and_channels_put_letters_in_or_see_what_is_parked(house: House) -> None:
    ana = await house.agent()
    with pytest.raises(Forbidden):
        await ana.take_in("Papel", [letter()])
    with pytest.raises(Forbidden):
        await ana.parked(RawId(0))
    with pytest.raises(Forbidden):
        await ana.replay([])
    assert house.paper.desk is not None
    [taken] = await house.paper.desk.take_in("Papel", [letter()])
    assert taken.outcome is Outcome.ACCEPTED
    with pytest.raises(NotFound, match="Papel"):
        await house.paper.desk.take_in("Papelão", [letter()])


async def test_letters_handed_over_while_workers_take_in_are_taken_in_once(house: House) -> None:
    account, over = await accounts.find(house.core, "Papel"), asyncio.Event()

    async def working() -> None:
        while not over.is_set():
            await receiving.work(house.core, account)
            await asyncio.sleep(0)

    workers = [asyncio.create_task(working()) for _ in range(3)]
    for number in range(20):
        await house.take_in(*[letter(text=f"{number} {each}", key=f"{number} {each}") for each in range(5)])
    over.set()
    await asyncio.gather(*workers)

    [row] = await house.core.unit.read(sql("SELECT count(*) AS n FROM message"))
    assert row["n"] == 100
