"""Customers, contacts, agents and departments."""

from datetime import datetime

from fluxki_core.domain.errors import Conflict
from fluxki_core.domain.ids import AgentId, ContactId, CustomerId, DepartmentId
from fluxki_core.domain.people import Actor, ActorKind, Address, Agent, Contact, Customer, Department, Role
from fluxki_core.storage.queries.base import add, by_id, insert, one
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

_AGENT = "id, email, name, role, active"


def known_contact(address: Address) -> Steps[Row | None]:
    """id, name, customer_id, blocked of the contact who owns the address."""
    return (
        yield from one(
            sql(
                "SELECT c.id, c.name, c.customer_id, a.blocked FROM contact_address a JOIN contact c"
                " ON c.id = a.contact_id WHERE a.kind = {} AND a.value = {}",
                address.kind,
                address.value,
            )
        )
    )


def customer_of_domain(domain: str) -> Steps[CustomerId | None]:
    row = yield from one(sql("SELECT customer_id FROM customer_domain WHERE domain = {}", domain))
    return CustomerId(row["customer_id"]) if row else None


def add_customer(now: datetime, name: str) -> Steps[CustomerId]:
    return CustomerId((yield from insert("customer", name=name, created_at=now)))


def add_contact(now: datetime, name: str, customer: CustomerId, addresses: tuple[Address, ...]) -> Steps[ContactId]:
    contact = yield from insert("contact", name=name, customer_id=customer, created_at=now)
    for each in addresses:
        yield add("contact_address", contact_id=contact, kind=each.kind, value=each.value, blocked=False)
    return ContactId(contact)


def set_blocked(contact: ContactId, blocked: bool) -> Statement:
    """Blocks or unblocks all of a contact's addresses."""
    return sql("UPDATE contact_address SET blocked = {} WHERE contact_id = {}", blocked, contact)


def address_of(contact: ContactId, kind: str) -> Steps[str | None]:
    """The contact's first address of that kind."""
    row = yield from one(
        sql("SELECT value FROM contact_address WHERE contact_id = {} AND kind = {} ORDER BY id LIMIT 1", contact, kind)
    )
    return str(row["value"]) if row else None


def default_department() -> Steps[DepartmentId]:
    row = yield from one(sql("SELECT id FROM department ORDER BY is_default DESC, id LIMIT 1"))
    if row is None:
        raise Conflict("There is no department: add one before anything can be taken in.")
    return DepartmentId(row["id"])


def actor_of(agent: AgentId) -> Steps[Actor | None]:
    """The acting agent with their departments; None for one who is not there or no longer active."""
    row = yield from one(sql("SELECT id, name, role FROM agent WHERE id = {} AND active", agent))
    return (yield from _actor(row)) if row else None


def actor_of_token(digest: str) -> Steps[Actor | None]:
    row = yield from one(
        sql(
            "SELECT g.id, g.name, g.role FROM api_token t JOIN agent g ON g.id = t.agent_id"
            " WHERE t.digest = {} AND g.active",
            digest,
        )
    )
    return (yield from _actor(row)) if row else None


def _actor(row: Row) -> Steps[Actor]:
    rows = yield sql("SELECT department_id FROM agent_department WHERE agent_id = {}", row["id"])
    return Actor(
        kind=ActorKind.AGENT,
        name=row["name"],
        agent=AgentId(row["id"]),
        role=Role(row["role"]),
        departments=frozenset(DepartmentId(each["department_id"]) for each in rows),
    )


def agents(only: AgentId | None = None, email: str | None = None) -> Steps[list[Agent]]:
    rows = yield sql(
        f"SELECT {_AGENT} FROM agent WHERE (CAST({{}} AS BIGINT) = 0 OR id = {{}}) AND ({{}} = '' OR email = {{}})"
        " ORDER BY id",
        *(only or 0, only or 0, email or "", email or ""),
    )
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    joined = by_id(
        (yield sql(f"SELECT agent_id, department_id FROM agent_department WHERE agent_id IN ({marks(ids)})", *ids)),
        "agent_id",
    )
    return [
        Agent(
            id=row["id"],
            email=row["email"],
            name=row["name"],
            role=Role(row["role"]),
            active=row["active"],
            departments=tuple(sorted(each["department_id"] for each in joined.get(row["id"], []))),
        )
        for row in rows
    ]


def set_departments(agent: AgentId, departments: tuple[DepartmentId, ...]) -> Steps[None]:
    yield sql("DELETE FROM agent_department WHERE agent_id = {}", agent)
    for each in departments:
        yield add("agent_department", agent_id=agent, department_id=each)


def departments() -> Steps[list[Department]]:
    rows = yield sql("SELECT id, name, is_default FROM department ORDER BY id")
    return [Department(id=row["id"], name=row["name"], is_default=row["is_default"]) for row in rows]


def customers(after: int, limit: int, only: CustomerId | None = None) -> Steps[list[Customer]]:
    """Customers by id; `only` reads one."""
    rows = yield sql(
        "SELECT id, name FROM customer WHERE id > {} AND (CAST({} AS BIGINT) = 0 OR id = {}) ORDER BY id LIMIT {}",
        *(after, only or 0, only or 0, limit),
    )
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    domains = by_id(
        (yield sql(f"SELECT customer_id, domain FROM customer_domain WHERE customer_id IN ({marks(ids)})", *ids)),
        "customer_id",
    )
    return [
        Customer(
            id=row["id"], name=row["name"], domains=tuple(sorted(each["domain"] for each in domains.get(row["id"], [])))
        )
        for row in rows
    ]


def contacts(after: int, limit: int, only: ContactId | None = None) -> Steps[list[Contact]]:
    """Contacts by id; `only` reads one."""
    rows = yield sql(
        "SELECT id, name, customer_id FROM contact WHERE id > {} AND (CAST({} AS BIGINT) = 0 OR id = {})"
        " ORDER BY id LIMIT {}",
        *(after, only or 0, only or 0, limit),
    )
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    addresses = by_id(
        (
            yield sql(
                "SELECT contact_id, kind, value, blocked FROM contact_address"
                f" WHERE contact_id IN ({marks(ids)}) ORDER BY id",
                *ids,
            )
        ),
        "contact_id",
    )
    return [
        Contact(
            id=row["id"],
            name=row["name"],
            customer=row["customer_id"],
            addresses=tuple(Address(each["kind"], each["value"]) for each in addresses.get(row["id"], [])),
            blocked=any(each["blocked"] for each in addresses.get(row["id"], [])),
        )
        for row in rows
    ]


def set_domains(customer: CustomerId, domains: tuple[str, ...]) -> Steps[None]:
    yield sql("DELETE FROM customer_domain WHERE customer_id = {}", customer)
    for each in domains:
        yield add("customer_domain", customer_id=customer, domain=each)


def set_addresses(contact: ContactId, addresses: tuple[Address, ...]) -> Steps[None]:
    """Replaces a contact's addresses; one that stays keeps whether it is blocked."""
    rows = yield sql("SELECT kind, value FROM contact_address WHERE contact_id = {}", contact)
    present = {Address(row["kind"], row["value"]) for row in rows}
    for gone in present - set(addresses):
        yield sql("DELETE FROM contact_address WHERE kind = {} AND value = {}", gone.kind, gone.value)
    for new in addresses:
        if new not in present:
            yield add("contact_address", contact_id=contact, kind=new.kind, value=new.value, blocked=False)
