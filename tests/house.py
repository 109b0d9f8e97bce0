"""A whole core for tests: a migrated database, a channel of paper, agents, and shortcuts for what they do."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fluxki_core.domain.ids import ClassificationId, DepartmentId, StageId, TicketId
from fluxki_core.domain.people import SYSTEM, Actor, Role
from fluxki_core.domain.tickets import Message, Query, Reply, SaveAnalysis, Ticket
from fluxki_core.domain.traffic import RawItem, Taken
from fluxki_core.hooks.loader import assemble
from fluxki_core.services import accounts, catalog, delivering, directory
from fluxki_core.services.accounts import AccountDraft
from fluxki_core.services.announcing import announce_next
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import Core, CoreSettings
from fluxki_core.services.desk import CoreDesk
from fluxki_core.services.directory import AgentDraft
from fluxki_core.services.unit import Step, no_step, utc_now
from fluxki_core.storage.engines import engine_for
from fluxki_core.storage.queries import accounts as account_queries
from fluxki_core.storage.queries import people
from paper import ListeningPlugin, PaperPlugin

SECRET = "a secret for tests, long enough"


class Clock:
    """Real time, and time that a test adds."""

    def __init__(self) -> None:
        self.added = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.added

    def pass_(self, **time: float) -> None:
        self.added += timedelta(**time)


class House:
    """The core, and the one account "Papel" of its paper channel, the default one."""

    def __init__(self, core: Core, clock: Clock, plugins: Mapping[str, Any]) -> None:
        self.core = core
        self.clock = clock
        self.plugins = plugins
        self.system = CoreDesk(core, SYSTEM)
        self.stages: dict[str, StageId] = {}
        self.classifications: dict[str, ClassificationId] = {}

    @property
    def paper(self) -> PaperPlugin:
        plugin = self.plugins["paper"]
        assert isinstance(plugin, PaperPlugin)
        return plugin

    @property
    def listening(self) -> ListeningPlugin:
        plugin = self.plugins["listening"]
        assert isinstance(plugin, ListeningPlugin)
        return plugin

    async def prepare(self) -> None:
        await accounts.add(self.core, SYSTEM, AccountDraft(channel="paper", name="Papel", settings={}, is_default=True))
        await self.look_up()

    async def look_up(self) -> None:
        self.stages = {each.name: each.id for each in await catalog.stages(self.core) if each.classification is None}
        self.classifications = {each.name: each.id for each in await catalog.classifications(self.core)}

    async def agent(
        self, name: str = "Ana Lima", role: Role = Role.AGENT, departments: tuple[DepartmentId, ...] | None = None
    ) -> CoreDesk:
        """A desk of a new agent."""
        email = f"{name.lower().replace(' ', '.')}@desk.example"
        agent = await directory.add_agent(
            self.core, SYSTEM, AgentDraft(email=email, name=name, role=role, departments=departments)
        )
        actor = await self.core.unit.look(lambda: people.actor_of(agent.id))
        assert isinstance(actor, Actor)
        return CoreDesk(self.core, actor)

    async def take_in(self, *letters: RawItem) -> list[Taken]:
        return list(await self.system.take_in("Papel", letters))

    async def ticket_from(self, letter: RawItem) -> TicketId:
        """The ticket that a letter came into."""
        (taken,) = await self.take_in(letter)
        assert taken.ticket is not None, taken
        return taken.ticket

    async def analyze(self, desk: CoreDesk, ticket: TicketId, classification: str = "Dúvida") -> None:
        await desk.analyze(SaveAnalysis(ticket=ticket, classification=self.classifications[classification]))

    async def reply(self, desk: CoreDesk, ticket: TicketId, text: str = "Olá, Maria!", **more: Any) -> Message:
        return await desk.reply(Reply(ticket=ticket, body_html=f"<p>{text}</p>", **more))

    async def send(self) -> int:
        """Sends what is due; gives how many deliveries were tried."""
        tried = 0
        for account in await delivering.due(self.core):
            row = await self.core.unit.look(lambda account=account: account_queries.by_id(account))  # type: ignore[misc]
            while await delivering.send_next(self.core, accounts.opened(self.core, row).account):
                tried += 1
        return tried

    async def announce(self) -> None:
        while await announce_next(self.core):
            pass

    async def ticket(self, number: TicketId) -> Ticket:
        return await self.system.ticket(number)

    async def messages(self, number: TicketId) -> list[Message]:
        return (await self.system.messages(number, 200)).items

    async def all_tickets(self, **query: Any) -> list[TicketId]:
        return [each.number for each in (await self.system.tickets(Query(**query))).items]

    async def history(self, ticket: TicketId) -> list[str]:
        """Names of the ticket's events, in order."""
        found = await self.system.events(0, 1000)  # type: ignore[arg-type]
        return [str(each.what.__struct_config__.tag) for each in found if each.ticket == ticket]


@contextlib.asynccontextmanager
async def opened_house(
    url: str,
    folder: Path,
    *,
    plugins: Mapping[str, Callable[[], Any]] | None = None,
    step: Step = no_step,
    prepare: bool = True,
    **settings: Any,
) -> AsyncIterator[House]:
    """A house on a migrated database; `plugins` are classes by name, the paper channel unless given."""
    made: dict[str, Any] = {}

    def keeping(name: str, factory: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> Any:
            made[name] = factory()
            return made[name]

        return make

    chosen = plugins or {"paper": PaperPlugin, "listening": ListeningPlugin}
    host = assemble({name: keeping(name, factory) for name, factory in chosen.items()})
    clock = Clock()
    engine = engine_for(url, synchronous="NORMAL")
    core_settings = CoreSettings(data_dir=folder, **settings)
    async with opened_core(engine, host, core_settings, [SECRET], step=step, clock=clock) as core:
        house = House(core, clock, made)
        await (house.prepare() if prepare else house.look_up())
        yield house
