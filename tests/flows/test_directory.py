"""Agents, departments, customers and accounts: what can be set, and what is refused."""

import asyncio
from typing import Any

import pytest
from fluxki_core.domain.errors import Conflict, Forbidden, Invalid, NotFound
from fluxki_core.domain.ids import AccountId, AgentId, ContactId, CustomerId, DepartmentId
from fluxki_core.domain.people import SYSTEM, Address, Role
from fluxki_core.domain.traffic import Account
from fluxki_core.services import accounts, directory
from fluxki_core.services.accounts import MASK, AccountChange, AccountDraft
from fluxki_core.services.directory import AgentChange, AgentDraft, ContactDraft, CustomerDraft
from fluxki_core.storage.queries import accounts as queries
from house import House
from paper import letter


async def test_an_agent_is_added_once_with_a_clean_address_and_the_default_department(house: House) -> None:
    added = await directory.add_agent(
        house.core, SYSTEM, AgentDraft(email=" Ana@Desk.example ", name=" Ana  Lima ", role=Role.AGENT)
    )
    assert (added.email, added.name, added.active) == ("ana@desk.example", "Ana Lima", True)
    assert added.departments == (DepartmentId(1),)
    assert await directory.agent_of(house.core, SYSTEM, "ANA@desk.example") == added
    with pytest.raises(Conflict):
        await directory.add_agent(
            house.core, SYSTEM, AgentDraft(email="ANA@desk.example", name="Outra", role=Role.AGENT)
        )
    with pytest.raises(NotFound):
        await directory.agent_of(house.core, SYSTEM, "ninguem@desk.example")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("email", {"email": "ana"}),
        ("email", {"email": "ana\n@desk.example"}),
        ("name", {"name": " "}),
        ("password", {"password": "curta"}),
        ("departments", {"departments": (DepartmentId(999),)}),
    ],
)
async def test_an_agent_who_cannot_be_is_refused(house: House, field: str, wrong: dict[str, Any]) -> None:
    draft = AgentDraft(**{"email": "ana@desk.example", "name": "Ana", "role": Role.AGENT, **wrong})
    with pytest.raises(Invalid) as refused:
        await directory.add_agent(house.core, SYSTEM, draft)
    assert list(refused.value.fields) == [field]
    assert await directory.agents(house.core, SYSTEM) == []


async def test_there_is_always_somebody_who_may_change_the_settings(house: House) -> None:
    boss = (await house.agent("Chefe", Role.ADMIN)).actor.agent
    other = (await house.agent("Outra", Role.ADMIN)).actor.agent
    assert boss is not None
    assert other is not None
    await directory.change_agent(house.core, SYSTEM, other, AgentChange(active=False))
    for wanted in (AgentChange(active=False), AgentChange(role=Role.AGENT)):
        with pytest.raises(Conflict, match="admin"):
            await directory.change_agent(house.core, SYSTEM, boss, wanted)
    [kept, _] = await directory.agents(house.core, SYSTEM)
    assert (kept.active, kept.role) == (True, Role.ADMIN)


async def test_two_admins_who_step_down_at_once_do_not_both(house: House) -> None:
    both = [(await house.agent(name, Role.ADMIN)).actor.agent for name in ("Chefe", "Outra")]
    results = await asyncio.gather(
        *(
            directory.change_agent(house.core, SYSTEM, each, AgentChange(role=Role.AGENT))
            for each in both
            if each is not None
        ),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in results) == ["Agent", "Conflict"]


async def test_before_there_is_an_admin_agents_can_be_changed(house: House) -> None:
    agent = (await house.agent()).actor.agent
    assert agent is not None
    changed = await directory.change_agent(house.core, SYSTEM, agent, AgentChange(name="Ana Maria"))
    assert changed.name == "Ana Maria"


async def test_agents_are_the_admins_to_change(house: House) -> None:
    ana = await house.agent()
    agent = ana.actor.agent
    assert agent is not None
    draft = AgentDraft(email="b@desk.example", name="Bia", role=Role.ADMIN)
    for order in (
        directory.add_agent(house.core, ana.actor, draft),
        directory.change_agent(house.core, ana.actor, agent, AgentChange(role=Role.ADMIN)),
        directory.add_token(house.core, ana.actor, agent, "CRM"),
        directory.put_department(house.core, ana.actor, "X", is_default=False),
        accounts.view_all(house.core, ana.actor),
        accounts.add(house.core, ana.actor, AccountDraft(channel="paper", name="X", settings={})),
    ):
        with pytest.raises(Forbidden):
            await order
    for missing in (
        directory.change_agent(house.core, SYSTEM, AgentId(999), AgentChange(active=False)),
        directory.add_token(house.core, SYSTEM, AgentId(999), "CRM"),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_exactly_one_department_is_the_default_one(house: House) -> None:
    core = house.core
    first = await directory.put_department(core, SYSTEM, "Financeiro", is_default=True)
    [old, _] = await directory.departments(core, SYSTEM)
    assert not old.is_default
    assert (await house.ticket(await house.ticket_from(letter()))).department.name == "Financeiro"
    with pytest.raises(Conflict, match="another department"):
        await directory.put_department(core, SYSTEM, "Financeiro", False, first.id)
    with pytest.raises(Conflict):
        await directory.put_department(core, SYSTEM, "Atendimento", is_default=False)
    with pytest.raises(NotFound):
        await directory.put_department(core, SYSTEM, "X", False, DepartmentId(999))
    with pytest.raises(Invalid):
        await directory.put_department(core, SYSTEM, " ", is_default=False)
    assert [each.is_default for each in await directory.departments(core, SYSTEM)] == [False, True]


async def test_customers_and_contacts_come_in_pages(house: House) -> None:
    for name in ("Alice", "Bruno", "Caio"):
        await directory.put_contact(house.core, SYSTEM, ContactDraft(name=name))
    first = await directory.contacts(house.core, SYSTEM, 0, 2)
    assert first.next is not None
    rest = await directory.contacts(house.core, SYSTEM, int(first.next), 2)
    assert [each.name for each in (*first.items, *rest.items)] == ["Alice", "Bruno", "Caio"]
    assert rest.next is None
    with pytest.raises(NotFound):
        await directory.contact(house.core, SYSTEM, ContactId(999))
    with pytest.raises(NotFound):
        await directory.customer(house.core, SYSTEM, CustomerId(999))


async def test_a_domain_belongs_to_one_customer(house: House) -> None:
    draft = CustomerDraft(name="Escola", domains=("escola.example",))
    school = await directory.put_customer(house.core, SYSTEM, draft)
    with pytest.raises(Conflict):
        await directory.put_customer(house.core, SYSTEM, CustomerDraft(name="Outra", domains=("escola.example",)))
    await directory.put_customer(house.core, SYSTEM, CustomerDraft(name="Escola", domains=()), school.id)
    other = await directory.put_customer(
        house.core, SYSTEM, CustomerDraft(name="Outra", domains=("escola.example", "escola.example"))
    )
    assert other.domains == ("escola.example",)
    with pytest.raises(NotFound):
        await directory.put_customer(house.core, SYSTEM, draft, CustomerId(999))


async def test_a_contacts_addresses_are_of_one_contact_and_look_like_addresses(house: House) -> None:
    await house.take_in(letter("maria@escola.example"))
    with pytest.raises(Conflict):
        await directory.put_contact(house.core, SYSTEM, ContactDraft(name="Outra", emails=("maria@escola.example",)))
    for wrong in ("sem arroba", "a@b@", "@escola.example", "a b@escola.example"):
        with pytest.raises(Invalid):
            await directory.put_contact(house.core, SYSTEM, ContactDraft(name="Outra", emails=(wrong,)))
    with pytest.raises(Invalid):
        await directory.put_contact(house.core, SYSTEM, ContactDraft(name="Outra", customer=CustomerId(999)))
    kept = await directory.put_contact(house.core, SYSTEM, ContactDraft(name="João", emails=("JOAO@escola.example",)))
    assert kept.addresses == (Address("email", "joao@escola.example"),)


async def test_an_accounts_secrets_are_kept_and_never_shown(house: House) -> None:
    core = house.core
    draft = AccountDraft(channel="paper", name="Vendas", settings={"box": "v", "secret": "abre-te"})
    shown = await accounts.add(core, SYSTEM, draft)
    assert shown.settings == {"box": "v", "secret": MASK}
    again = AccountChange(settings={"box": "w", "secret": MASK})
    assert (await accounts.change(core, SYSTEM, shown.id, again)).settings == {"box": "w", "secret": MASK}
    account: Account = await accounts.find(core, "Vendas")
    assert (account.settings.box, account.settings.secret) == ("w", "abre-te")
    rows = await core.unit.look(lambda: queries.by_name("Vendas"))
    assert rows is not None
    assert "abre-te" not in rows["settings"]
    await accounts.change(core, SYSTEM, shown.id, AccountChange(settings={"secret": "novo"}))
    assert (await accounts.find(core, "Vendas")).settings.secret == "novo"
    assert (await accounts.find(core, "Vendas")).settings.box == "w"


async def test_an_account_that_cannot_be_is_refused(house: House) -> None:
    core = house.core
    paper = (await accounts.find(core, "Papel")).id
    added = await house.account("Vendas", "paper")
    invalid: tuple[dict[str, Any], ...] = (
        {"channel": "pombo"},
        {"name": " "},
        {"name": "x" * 121},
        {"settings": {"caixa": 1}},
        {"settings": {"box": ["a"]}},
        {"department": DepartmentId(999)},
    )
    for wrong in invalid:
        with pytest.raises(Invalid):
            await accounts.add(core, SYSTEM, AccountDraft(**{"channel": "paper", "name": "A", "settings": {}, **wrong}))
        if "channel" not in wrong:
            with pytest.raises(Invalid):
                await accounts.change(core, SYSTEM, added, AccountChange(**wrong))
    with pytest.raises(Conflict):
        await house.account("Papel", "paper")
    with pytest.raises(Conflict):
        await accounts.change(core, SYSTEM, added, AccountChange(name="Papel"))
    for missing in (accounts.view(core, SYSTEM, AccountId(999)), accounts.remove(core, SYSTEM, AccountId(999))):
        with pytest.raises(NotFound):
            await missing
    assert [each.name for each in await accounts.view_all(core, SYSTEM)] == ["Papel", "Vendas"]
    assert (await accounts.view(core, SYSTEM, paper)).is_default


async def test_one_account_of_a_channel_is_the_default_one(house: House) -> None:
    await house.account("Vendas", "paper", is_default=True)
    shown = {each.name: each.is_default for each in await accounts.view_all(house.core, SYSTEM)}
    assert shown == {"Papel": False, "Vendas": True}


async def test_a_removed_account_is_gone_and_its_name_is_free(house: House) -> None:
    number = await house.ticket_from(letter())
    paper = (await accounts.find(house.core, "Papel")).id
    await accounts.remove(house.core, SYSTEM, paper)
    with pytest.raises(NotFound):
        await house.take_in(letter(text="Outra"))
    assert (await house.ticket(number)).channel == "paper"
    await house.account("Papel", "paper")


async def test_an_account_is_checked_by_its_channel(house: House) -> None:
    paper = (await accounts.find(house.core, "Papel")).id
    health = await accounts.check(house.core, SYSTEM, paper)
    assert (health.ok, health.lines) == (True, ("paper is patient",))


async def test_d38_a_blocked_contact_stays_so_with_another_address(house: House) -> None:
    draft = ContactDraft(name="Spam", emails=("a@spam.example",), blocked=True)
    contact = await directory.put_contact(house.core, SYSTEM, draft)
    moved = await directory.put_contact(
        house.core, SYSTEM, ContactDraft(name="Spam", emails=("b@spam.example",)), contact.id
    )
    assert moved.blocked
    freed = ContactDraft(name="Spam", emails=("b@spam.example",), blocked=False)
    assert not (await directory.put_contact(house.core, SYSTEM, freed, contact.id)).blocked
