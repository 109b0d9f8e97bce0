"""Tables of people: customers and their contacts, agents and their departments."""

from piccolo.columns import BigSerial, Boolean, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.table import Table


class Customer(Table, tablename="customer"):
    id = BigSerial(primary_key=True)
    name = Varchar(length=200)
    created_at = Timestamptz(default=TimestamptzNow())


class CustomerDomain(Table, tablename="customer_domain"):
    """A mail domain that belongs to a customer; unique."""

    id = BigSerial(primary_key=True)
    customer_id = ForeignKey(Customer, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    domain = Varchar(length=255)


class Contact(Table, tablename="contact"):
    id = BigSerial(primary_key=True)
    name = Varchar(length=200)
    customer_id = ForeignKey(Customer, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict, null=False, index=True)
    created_at = Timestamptz(default=TimestamptzNow())


class ContactAddress(Table, tablename="contact_address"):
    """A normalised address; unique by kind and value."""

    id = BigSerial(primary_key=True)
    contact_id = ForeignKey(Contact, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    kind = Varchar(length=20)
    value = Varchar(length=320)
    blocked = Boolean(default=False)


class Department(Table, tablename="department"):
    """Exactly one is the default: it takes what names no other."""

    id = BigSerial(primary_key=True)
    name = Varchar(length=120)
    is_default = Boolean(default=False)


class Agent(Table, tablename="agent"):
    id = BigSerial(primary_key=True)
    email = Varchar(length=320)
    name = Varchar(length=200)
    role = Varchar(length=40)
    active = Boolean(default=True)
    password_hash = Varchar(length=255, null=True, default=None, secret=True)
    created_at = Timestamptz(default=TimestamptzNow())


class AgentDepartment(Table, tablename="agent_department"):
    id = BigSerial(primary_key=True)
    agent_id = ForeignKey(Agent, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    department_id = ForeignKey(
        Department, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True
    )


class ApiToken(Table, tablename="api_token"):
    """`digest` is the SHA-256 of the token in hex; the token itself is shown once and kept nowhere."""

    id = BigSerial(primary_key=True)
    agent_id = ForeignKey(Agent, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=True)
    name = Varchar(length=120)
    digest = Varchar(length=64, secret=True)
    created_at = Timestamptz(default=TimestamptzNow())


class Idempotency(Table, tablename="idempotency"):
    """What was answered to a request that carried an Idempotency-Key; `digest` tells a repeat from another request."""

    id = BigSerial(primary_key=True)
    agent_id = ForeignKey(Agent, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=False, index=False)
    key = Varchar(length=200)
    digest = Varchar(length=64)
    body = Text()
    created_at = Timestamptz(default=TimestamptzNow())
