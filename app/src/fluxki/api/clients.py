"""`/api/v1/customers` and `/contacts`: who is served."""

from typing import Annotated

from fluxki_core.domain.ids import ContactId, CustomerId
from fluxki_core.domain.people import Contact, Customer
from fluxki_core.domain.tickets import Page
from fluxki_core.services import directory
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, Cursor, Email, Limit, PathId, PersonName, after
from fluxki.errors import READS, WRITES


class CustomerBody(Body, frozen=True, kw_only=True):
    """`domains`: whoever writes from these mail domains belongs to the customer."""

    name: PersonName
    domains: Annotated[tuple[Annotated[str, Meta(min_length=3, max_length=255)], ...], Meta(max_length=100)] = ()

    def draft(self) -> directory.CustomerDraft:
        return directory.CustomerDraft(name=self.name, domains=self.domains)


class Customers(Controller):
    path = "/customers"
    tags = ("Customers",)

    @get(responses=READS)
    async def list_customers(
        self, reader: NamedDependency[CoreDesk], limit: Limit = 50, cursor: Cursor = None
    ) -> Page[Customer]:
        return await directory.customers(reader.core, reader.actor, after(cursor), limit)

    @get("/{record:int}", responses=READS)
    async def read_customer(self, reader: NamedDependency[CoreDesk], record: PathId[CustomerId]) -> Customer:
        return await directory.customer(reader.core, reader.actor, record)

    @post(responses=WRITES)
    async def add_customer(self, desk: NamedDependency[CoreDesk], data: JSONBody[CustomerBody]) -> Customer:
        return await directory.put_customer(desk.core, desk.actor, data.draft())

    @put("/{record:int}", responses=WRITES)
    async def change_customer(
        self, desk: NamedDependency[CoreDesk], record: PathId[CustomerId], data: JSONBody[CustomerBody]
    ) -> Customer:
        return await directory.put_customer(desk.core, desk.actor, data.draft(), record)


class ContactBody(Body, frozen=True, kw_only=True):
    """Without `customer` a new contact gets one of their own, a known one keeps theirs."""

    name: PersonName
    customer: BodyId[CustomerId] | None = None
    emails: Annotated[tuple[Email, ...], Meta(max_length=100)] = ()

    def draft(self) -> directory.ContactDraft:
        return directory.ContactDraft(name=self.name, customer=self.customer, emails=self.emails)


class Contacts(Controller):
    path = "/contacts"
    tags = ("Contacts",)

    @get(responses=READS)
    async def list_contacts(
        self, reader: NamedDependency[CoreDesk], limit: Limit = 50, cursor: Cursor = None
    ) -> Page[Contact]:
        return await directory.contacts(reader.core, reader.actor, after(cursor), limit)

    @get("/{record:int}", responses=READS)
    async def read_contact(self, reader: NamedDependency[CoreDesk], record: PathId[ContactId]) -> Contact:
        return await directory.contact(reader.core, reader.actor, record)

    @post(responses=WRITES)
    async def add_contact(self, desk: NamedDependency[CoreDesk], data: JSONBody[ContactBody]) -> Contact:
        return await directory.put_contact(desk.core, desk.actor, data.draft())

    @put("/{record:int}", responses=WRITES)
    async def change_contact(
        self, desk: NamedDependency[CoreDesk], record: PathId[ContactId], data: JSONBody[ContactBody]
    ) -> Contact:
        """Sets name and e-mail addresses; addresses of other kinds stay."""
        return await directory.put_contact(desk.core, desk.actor, data.draft(), record)
