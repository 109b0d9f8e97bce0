"""People and departments: agents with their API tokens, customers and contacts."""

import asyncio
import hashlib
from secrets import token_urlsafe
from typing import Any

from argon2 import PasswordHasher
from msgspec import Struct

from fluxki_core.domain.errors import Conflict, Invalid, NotFound
from fluxki_core.domain.ids import AgentId, ContactId, CustomerId, DepartmentId
from fluxki_core.domain.people import (
    EMAIL,
    FREE_MAIL_DOMAINS,
    Actor,
    Address,
    Agent,
    Contact,
    Customer,
    Department,
    Role,
    email_address,
)
from fluxki_core.domain.permissions import require_admin, require_agent
from fluxki_core.domain.tickets import Page
from fluxki_core.services.catalog import named, noted, unique
from fluxki_core.services.core import Core
from fluxki_core.services.opening import looks_like_email
from fluxki_core.services.understanding import MAX_NAME
from fluxki_core.storage.queries import people
from fluxki_core.storage.queries.base import insert, update
from fluxki_core.storage.queries.tickets import MAX_PAGE
from fluxki_core.storage.statements import Steps, sql

TOKEN_PREFIX = "fx_"  # noqa: S105 - what every API token begins with, so that leaked ones can be found
SHORTEST_PASSWORD = 10
_ADMINS = sql("SELECT id FROM agent WHERE active AND role = 'admin' ORDER BY id FOR UPDATE")


class AgentDraft(Struct, frozen=True, kw_only=True):
    """`departments` None: the default one. `password` None: the agent signs in by other means, or not yet."""

    email: str
    name: str
    role: Role
    departments: tuple[DepartmentId, ...] | None = None
    password: str | None = None


class AgentChange(Struct, frozen=True, kw_only=True):
    """None leaves a value as it is."""

    name: str | None = None
    role: Role | None = None
    active: bool | None = None
    departments: tuple[DepartmentId, ...] | None = None


class CustomerDraft(Struct, frozen=True, kw_only=True):
    name: str
    domains: tuple[str, ...] = ()


class ContactDraft(Struct, frozen=True, kw_only=True):
    """`customer` None: a customer of their own, named alike. `blocked` None leaves it as it is."""

    name: str
    customer: CustomerId | None = None
    emails: tuple[str, ...] = ()
    blocked: bool | None = None


def digest(token: str) -> str:
    """The form in which an API token is stored and looked up: tokens are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


async def actor_of_token(core: Core, token: str) -> Actor | None:
    """The active agent whose API token this is."""
    return await core.unit.look(lambda: people.actor_of_token(digest(token)))


async def agents(core: Core, actor: Actor) -> list[Agent]:
    require_agent(actor)
    return await core.unit.look(people.agents)


async def agent_of(core: Core, actor: Actor, email: str) -> Agent:
    """Raises `NotFound`."""
    require_agent(actor)
    found = await core.unit.look(lambda: people.agents(email=email.strip().lower()))
    if not found:
        raise NotFound(f"There is no agent {email}; add one with “fluxki agent add”.")
    return found[0]


async def add_agent(core: Core, actor: Actor, draft: AgentDraft) -> Agent:
    """Raises `Conflict` for an address in use, `Invalid` for what cannot be one."""
    require_admin(actor)
    email, name = draft.email.strip().lower(), named(draft.name, longest=MAX_NAME)
    if not looks_like_email(email):
        raise Invalid({"email": "Give an e-mail address, such as ana@exemplo.com.br."})
    if draft.password is not None and len(draft.password) < SHORTEST_PASSWORD:
        raise Invalid({"password": f"Give at least {SHORTEST_PASSWORD} characters."})
    password_hash = await asyncio.to_thread(PasswordHasher().hash, draft.password) if draft.password else None
    now = core.unit.now()

    def script() -> Steps[Agent]:
        chosen = draft.departments
        if chosen is None:
            chosen = ((yield from people.default_department()),)
        yield from _check_departments(chosen)
        agent = yield from insert(
            "agent",
            email=email,
            name=name,
            role=draft.role,
            active=True,
            password_hash=password_hash,
            created_at=now,
        )
        yield from people.set_departments(AgentId(agent), chosen)
        yield noted(core, actor, "agent", agent, "added")
        return (yield from people.agents(AgentId(agent)))[0]

    return await unique(core, "agent", script)


async def change_agent(core: Core, actor: Actor, agent: AgentId, wanted: AgentChange) -> Agent:
    """Raises `Conflict` where no active admin would be left."""
    require_admin(actor)
    name = None if wanted.name is None else named(wanted.name, longest=MAX_NAME)

    def script() -> Steps[Agent]:
        # Held, so that two admins who take each other's role at once cannot both succeed.
        had_admin = yield _ADMINS
        if not (yield from people.agents(agent)):
            raise NotFound("There is no such agent.")
        values = {"name": name, "role": wanted.role, "active": wanted.active}
        given = {key: value for key, value in values.items() if value is not None}
        if given:
            yield update("agent", agent, **given)
        if wanted.departments is not None:
            yield from _check_departments(wanted.departments)
            yield from people.set_departments(agent, wanted.departments)
        if had_admin and not (yield _ADMINS):
            raise Conflict("Nobody could change the settings any more: make another agent admin first.")
        yield noted(core, actor, "agent", agent, "changed")
        return (yield from people.agents(agent))[0]

    return await core.unit.run("agent", script)


def _check_departments(chosen: tuple[DepartmentId, ...]) -> Steps[None]:
    unknown = set(chosen) - {each.id for each in (yield from people.departments())}
    if unknown:
        raise Invalid({"departments": f"There is no department {', '.join(map(str, sorted(unknown)))}."})


async def add_token(core: Core, actor: Actor, agent: AgentId, name: str) -> str:
    """A new API token of the agent; it is shown here once and kept nowhere."""
    require_admin(actor)
    name = named(name)
    token = TOKEN_PREFIX + token_urlsafe(32)
    now = core.unit.now()

    def script() -> Steps[None]:
        if not (yield from people.agents(agent)):
            raise NotFound("There is no such agent.")
        record = yield from insert("api_token", agent_id=agent, name=name, digest=digest(token), created_at=now)
        yield noted(core, actor, "api_token", record, "added")

    await core.unit.run("token", script)
    return token


async def departments(core: Core, actor: Actor) -> list[Department]:
    require_agent(actor)
    return await core.unit.look(people.departments)


async def put_department(
    core: Core, actor: Actor, name: str, is_default: bool, record: DepartmentId | None = None
) -> Department:
    """Adds a department, or changes the one of id `record`; the default one changes by choosing another."""
    require_admin(actor)
    name = named(name)

    def script() -> Steps[Department]:
        present = {each.id: each for each in (yield from people.departments())}
        if record is not None and record not in present:
            raise NotFound("There is no such department.")
        if record is not None and present[record].is_default and not is_default:
            raise Conflict("Make another department the default one; that takes the place of this.")
        if is_default:
            yield sql("UPDATE department SET is_default = {} WHERE is_default", False)
        if record is None:
            kept = yield from insert("department", name=name, is_default=is_default)
        else:
            kept = int(record)
            yield update("department", kept, name=name, is_default=is_default)
        yield noted(core, actor, "department", kept, "added" if record is None else "changed")
        return Department(id=DepartmentId(kept), name=name, is_default=is_default)

    return await unique(core, "department", script)


async def customers(core: Core, actor: Actor, after: int, limit: int) -> Page[Customer]:
    require_agent(actor)
    size = _page(limit)
    found = await core.unit.look(lambda: people.customers(after, size + 1))
    return Page(found[:size], str(found[size - 1].id) if len(found) > size else None)


async def customer(core: Core, actor: Actor, record: CustomerId) -> Customer:
    require_agent(actor)
    found = await core.unit.look(lambda: people.customers(0, 1, record))
    if not found:
        raise NotFound("There is no such customer.")
    return found[0]


async def put_customer(core: Core, actor: Actor, draft: CustomerDraft, record: CustomerId | None = None) -> Customer:
    """Adds a customer, or changes the one of id `record`. A domain of free mail, or of another customer, is refused."""
    require_agent(actor)
    name = named(draft.name, longest=MAX_NAME)
    domains = tuple(dict.fromkeys(each.strip().lower().removeprefix("@") for each in draft.domains))
    for each in domains:
        if each in FREE_MAIL_DOMAINS or "." not in each or not looks_like_email(f"a@{each}"):
            raise Invalid({"domains": f"“{each}” is not the mail domain of one company."})
    now = core.unit.now()

    def script() -> Steps[Customer]:
        if record is None:
            kept = yield from people.add_customer(now, name)
        else:
            kept = record
            if not (yield from people.customers(0, 1, record)):
                raise NotFound("There is no such customer.")
            yield update("customer", kept, name=name)
        yield from people.set_domains(kept, domains)
        yield noted(core, actor, "customer", kept, "added" if record is None else "changed")
        return (yield from people.customers(0, 1, kept))[0]

    return await unique(core, "customer", script)


async def contacts(core: Core, actor: Actor, after: int, limit: int) -> Page[Contact]:
    require_agent(actor)
    size = _page(limit)
    found = await core.unit.look(lambda: people.contacts(after, size + 1))
    return Page(found[:size], str(found[size - 1].id) if len(found) > size else None)


async def contact(core: Core, actor: Actor, record: ContactId) -> Contact:
    require_agent(actor)
    found = await core.unit.look(lambda: people.contacts(0, 1, record))
    if not found:
        raise NotFound("There is no such contact.")
    return found[0]


async def put_contact(core: Core, actor: Actor, draft: ContactDraft, record: ContactId | None = None) -> Contact:
    """Adds a contact, or changes the one of id `record`; addresses of other kinds than e-mail stay."""
    require_agent(actor)
    name = named(draft.name, longest=MAX_NAME)
    if not all(looks_like_email(each) for each in draft.emails):
        raise Invalid({"emails": "Give e-mail addresses, such as maria@exemplo.com.br."})
    addresses = tuple(dict.fromkeys(email_address(each) for each in draft.emails))
    now = core.unit.now()

    def script() -> Steps[Contact]:
        known = (yield from people.contacts(0, 1, record)) if record is not None else []
        if record is not None and not known:
            raise NotFound("There is no such contact.")
        customer_id = draft.customer or (known[0].customer if known else None)
        if customer_id is None:
            customer_id = yield from people.add_customer(now, name)
        elif not (yield from people.customers(0, 1, customer_id)):
            raise Invalid({"customer": "Choose a customer that exists."})
        kept = yield from _contact(now, name, customer_id, known, addresses)
        blocked = any(each.blocked for each in known) if draft.blocked is None else draft.blocked
        yield people.set_blocked(kept, blocked)
        yield noted(core, actor, "contact", kept, "added" if record is None else "changed")
        return (yield from people.contacts(0, 1, kept))[0]

    return await unique(core, "contact", script)


def _contact(
    now: Any, name: str, customer_id: CustomerId, known: list[Contact], addresses: tuple[Address, ...]
) -> Steps[ContactId]:
    if not known:
        return (yield from people.add_contact(now, name, customer_id, addresses))
    yield update("contact", known[0].id, name=name, customer_id=customer_id)
    others = tuple(each for each in known[0].addresses if each.kind != EMAIL)
    yield from people.set_addresses(known[0].id, (*others, *addresses))
    return known[0].id


def _page(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
