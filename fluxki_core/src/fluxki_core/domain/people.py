"""People: who acts, how they are addressed, and whose customer an unknown sender is."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from fluxki_core.domain.ids import AgentId, ContactId, CustomerId, DepartmentId


class Role(StrEnum):
    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


class ActorKind(StrEnum):
    AGENT = "agent"
    CONTACT = "contact"
    PLUGIN = "plugin"
    SYSTEM = "system"


class Actor(Struct, frozen=True, kw_only=True):
    """Who does something. `departments` are the ones an agent belongs to."""

    kind: ActorKind
    name: str
    agent: AgentId | None = None
    contact: ContactId | None = None
    role: Role | None = None
    departments: frozenset[DepartmentId] = frozenset()


SYSTEM = Actor(kind=ActorKind.SYSTEM, name="Fluxki")


class Address(Struct, frozen=True):
    """One way to reach a contact. `kind` is the channel family ("email"); `value` is normalised."""

    kind: str
    value: str


EMAIL: Literal["email"] = "email"

# Domains whose addresses belong to persons, not to a company (SPEC D1): the large providers, Brazilian ones first.
FREE_MAIL_DOMAINS = frozenset(
    """
    uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com r7.com oi.com.br zipmail.com.br
    superig.com.br pop.com.br yahoo.com.br hotmail.com.br outlook.com.br live.com.br msn.com.br
    gmail.com googlemail.com hotmail.com outlook.com live.com msn.com yahoo.com ymail.com rocketmail.com
    icloud.com me.com mac.com aol.com proton.me protonmail.com gmx.com gmx.net gmx.de web.de mail.com
    zoho.com yandex.com mail.ru sapo.pt hotmail.pt live.com.pt outlook.pt outlook.es hotmail.es yahoo.es
    tutanota.com fastmail.com hey.com qq.com 163.com
    """.split()
)


def email_address(value: str) -> Address:
    """An e-mail address in the form that is compared and stored: trimmed, lower case."""
    return Address(EMAIL, value.strip().lower())


def company_domain(address: Address) -> str | None:
    """The domain by which the sender's customer may be known; none for free mail and other channels."""
    if address.kind != EMAIL or "@" not in address.value:
        return None
    domain = address.value.rpartition("@")[2]
    return None if not domain or domain in FREE_MAIL_DOMAINS else domain


class Customer(Struct, frozen=True, kw_only=True):
    id: CustomerId
    name: str
    domains: tuple[str, ...] = ()


class Contact(Struct, frozen=True, kw_only=True):
    """`blocked`: what they send is parked instead of taken in (SPEC D38)."""

    id: ContactId
    name: str
    customer: CustomerId
    addresses: tuple[Address, ...] = ()
    blocked: bool = False


class Department(Struct, frozen=True, kw_only=True):
    id: DepartmentId
    name: str
    is_default: bool = False


class Agent(Struct, frozen=True, kw_only=True):
    id: AgentId
    email: str
    name: str
    role: Role
    active: bool
    departments: tuple[DepartmentId, ...]
