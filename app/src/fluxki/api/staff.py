"""`/api/v1/departments` and `/agents`: who works here."""

from typing import Annotated

from fluxki_core.domain.ids import AgentId, DepartmentId
from fluxki_core.domain.people import Agent, Department, Role
from fluxki_core.domain.tickets import Page
from fluxki_core.services import directory
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, Email, Name, PathId, PersonName, everything
from fluxki.errors import READS, WRITES

In = Annotated[tuple[BodyId[DepartmentId], ...], Meta(max_length=200)]


class DepartmentBody(Body, frozen=True, kw_only=True):
    name: Name
    is_default: bool = False


class Departments(Controller):
    path = "/departments"
    tags = ("Departments",)

    @get(responses=READS)
    async def list_departments(self, reader: NamedDependency[CoreDesk]) -> Page[Department]:
        return everything(await directory.departments(reader.core, reader.actor))

    @post(responses=WRITES)
    async def add_department(self, desk: NamedDependency[CoreDesk], data: JSONBody[DepartmentBody]) -> Department:
        return await directory.put_department(desk.core, desk.actor, data.name, data.is_default)

    @put("/{record:int}", responses=WRITES)
    async def change_department(
        self, desk: NamedDependency[CoreDesk], record: PathId[DepartmentId], data: JSONBody[DepartmentBody]
    ) -> Department:
        return await directory.put_department(desk.core, desk.actor, data.name, data.is_default, record)


class NewAgent(Body, frozen=True, kw_only=True):
    """Without `departments` the agent belongs to the default one."""

    email: Email
    name: PersonName
    role: Role
    departments: In | None = None
    password: Annotated[str, Meta(min_length=10, max_length=1000)] | None = None


class AgentPatch(Body, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    name: PersonName | None = None
    role: Role | None = None
    active: bool | None = None
    departments: In | None = None


class Agents(Controller):
    path = "/agents"
    tags = ("Agents",)

    @get(responses=READS)
    async def list_agents(self, reader: NamedDependency[CoreDesk]) -> Page[Agent]:
        return everything(await directory.agents(reader.core, reader.actor))

    @post(responses=WRITES)
    async def add_agent(self, desk: NamedDependency[CoreDesk], data: JSONBody[NewAgent]) -> Agent:
        draft = directory.AgentDraft(
            email=data.email, name=data.name, role=data.role, departments=data.departments, password=data.password
        )
        return await directory.add_agent(desk.core, desk.actor, draft)

    @patch("/{record:int}", responses=WRITES)
    async def change_agent(
        self, desk: NamedDependency[CoreDesk], record: PathId[AgentId], data: JSONBody[AgentPatch]
    ) -> Agent:
        change = directory.AgentChange(name=data.name, role=data.role, active=data.active, departments=data.departments)
        return await directory.change_agent(desk.core, desk.actor, record, change)
