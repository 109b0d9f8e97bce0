"""Tickets that an agent registers for a contact: what they hold, whose they are, and what is refused."""

import asyncio

import pytest
from fluxki_core.domain.errors import Forbidden, Invalid
from fluxki_core.domain.ids import ContactId
from fluxki_core.domain.kinds import TicketKind, Visibility
from fluxki_core.domain.people import SYSTEM, ActorKind
from fluxki_core.domain.tickets import OpenTicket, Requester
from fluxki_core.services import directory
from house import House
from paper import letter


async def contacts(house: House) -> list[tuple[str, str]]:
    """Name and first address of every contact."""
    page = await directory.contacts(house.core, SYSTEM, 0, 200)
    return [(each.name, each.addresses[0].value) for each in page.items]


async def test_d36_a_registered_ticket_holds_the_request_and_sends_nothing(house: House) -> None:
    ana = await house.agent()
    who = Requester(name="João Lima", email="Joao@Escola.example ")
    order = OpenTicket(subject="Toner", kind=TicketKind.STANDARD, requester=who, body="Ligou: acabou o <toner>.")
    ticket = await ana.open_ticket(order)
    [noted] = await house.messages(ticket.number)
    assert (noted.author.kind, noted.author.name) == (ActorKind.CONTACT, "João Lima")
    assert noted.visibility is Visibility.PUBLIC
    assert noted.body_text == "Ligou: acabou o <toner>."
    assert "&lt;toner&gt;" in noted.body_html
    assert noted.delivery == ()
    assert await house.send() == 0
    assert await contacts(house) == [("João Lima", "joao@escola.example")]
    assert (await ana.analysis_window(ticket.number)).request == "Ligou: acabou o <toner>."
    assert ticket.department.name == "Atendimento"


async def test_s35_d36_an_agent_registers_a_chat_or_a_standard_ticket(house: House) -> None:
    ana = await house.agent()
    for kind in TicketKind:
        order = OpenTicket(subject="Oi", kind=kind, requester=Requester(name="João"), body="Oi")
        assert (await ana.open_ticket(order)).kind is kind


async def test_d36_a_ticket_is_registered_for_a_known_contact_by_address_or_id(house: House) -> None:
    ana = await house.agent()
    known = await house.ticket(await house.ticket_from(letter("maria@escola.example")))
    for who in (Requester(contact=ContactId(known.requester.id)), Requester(name="M.", email="maria@escola.example")):
        order = OpenTicket(subject="Toner", kind=TicketKind.STANDARD, requester=who, body="Ligou")
        assert (await ana.open_ticket(order)).requester == known.requester


async def test_d36_two_agents_who_register_the_same_new_address_at_once_make_one_contact(house: House) -> None:
    ana, bia = await house.agent(), await house.agent("Bia")
    who = Requester(name="João", email="joao@escola.example")
    order = OpenTicket(subject="Toner", kind=TicketKind.STANDARD, requester=who, body="Ligou")
    tickets = await asyncio.gather(*(desk.open_ticket(order) for desk in (ana, bia, ana, bia)))
    assert len({each.requester.id for each in tickets}) == 1
    assert len(await contacts(house)) == 1


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("subject", {"subject": "  "}),
        ("subject", {"subject": "x" * 251}),
        ("body", {"body": " \n"}),
        ("requester", {"requester": Requester()}),
        ("requester.email", {"requester": Requester(name="João", email="sem arroba")}),
        ("requester.contact", {"requester": Requester(contact=ContactId(999))}),
        ("department", {"department": 999}),
    ],
)
async def test_d36_a_registration_without_what_it_needs_is_refused(
    house: House, field: str, order: dict[str, object]
) -> None:
    ana = await house.agent()
    whole = {"subject": "Toner", "kind": TicketKind.STANDARD, "requester": Requester(name="João"), "body": "Ligou"}
    with pytest.raises(Invalid) as refused:
        await ana.open_ticket(OpenTicket(**{**whole, **order}))  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]
    assert await house.all_tickets() == []


async def test_d35_d36_a_registered_ticket_gets_a_department_of_the_agents(house: House) -> None:
    finance = await house.department("Financeiro")
    bia = await house.agent("Bia", departments=(finance,))
    order = OpenTicket(subject="Boleto", kind=TicketKind.STANDARD, requester=Requester(name="João"), body="Ligou")
    assert (await bia.open_ticket(order)).department.name == "Financeiro"
    [other] = [each for each in await directory.departments(house.core, SYSTEM) if each.id != finance]
    elsewhere = OpenTicket(
        subject="Boleto", kind=TicketKind.STANDARD, requester=Requester(name="João"), body="Ligou", department=other.id
    )
    with pytest.raises(Forbidden):
        await bia.open_ticket(elsewhere)


async def test_d36_an_agent_of_no_department_is_told_why_nothing_can_be_registered(house: House) -> None:
    nobody = await house.agent("Bia", departments=())
    order = OpenTicket(subject="Boleto", kind=TicketKind.STANDARD, requester=Requester(name="João"), body="Ligou")
    with pytest.raises(Forbidden, match="department"):
        await nobody.open_ticket(order)


async def test_names_and_subjects_are_one_line_without_control_characters(house: House) -> None:
    ana = await house.agent()
    requester = Requester(name="Maria\r\nBcc: a@b.example\x1b\x85")
    order = OpenTicket(subject="Toner\x00\n novo", kind=TicketKind.STANDARD, requester=requester, body="Pediu.")
    ticket = await ana.open_ticket(order)
    assert (ticket.subject, ticket.requester.name) == ("Toner novo", "Maria Bcc: a@b.example")
