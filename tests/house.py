"""A whole core for tests: a migrated database, a channel of paper, agents, and shortcuts for what they do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from fluxki_core.domain.events import Body, Event, EventBody, event_name
from fluxki_core.domain.ids import AccountId, ClassificationId, DepartmentId, EventId, StageId, TicketId
from fluxki_core.domain.people import SYSTEM, Actor, Role
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.stages import StageDraft
from fluxki_core.domain.tickets import DeliveryView, Message, Query, Reply, SaveAnalysis, Ticket
from fluxki_core.domain.traffic import RawItem, Taken
from fluxki_core.hooks.loader import assemble
from fluxki_core.services import accounts, catalog, delivering, directory, receiving
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
from fluxki_core.storage.queries import tickets as ticket_queries
from fluxki_core.storage.statements import Steps, sql
from paper import ListeningPlugin, PaperPlugin, letter

B = TypeVar("B", bound=EventBody)
NO_EVENT = EventId(0)
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
        self.stages = {
            each.name: each.id for each in await catalog.stages(self.core, SYSTEM) if each.classification is None
        }
        self.classifications = {each.name: each.id for each in await catalog.classifications(self.core, SYSTEM)}

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

    async def join(self, desk: CoreDesk, ticket: TicketId, held: PermissionLevel) -> None:
        """Lets the desk's agent take part in the ticket."""
        agent = desk.actor.agent
        assert agent is not None

        def script() -> Steps[None]:
            yield ticket_queries.put_participant(ticket, agent, held, self.clock())

        await self.core.unit.run("join", script)

    async def department(self, name: str) -> DepartmentId:
        return (await directory.put_department(self.core, SYSTEM, name, is_default=False)).id

    async def account(self, name: str, channel: str, **more: Any) -> AccountId:
        """Another account, of any enabled channel."""
        added = await accounts.add(self.core, SYSTEM, AccountDraft(channel=channel, name=name, settings={}, **more))
        return added.id

    async def list_of(self, classification: str | None, *names: str, waiting: str = "") -> dict[str, StageId]:
        """Gives a classification (None: the default) a list of new stages; gives their ids by name."""
        record = self.classifications[classification] if classification else None
        drafts = [StageDraft(name=each, waiting=each == waiting) for each in names]
        return {each.name: each.id for each in await catalog.set_stages(self.core, SYSTEM, record, drafts)}

    async def take_in(self, *letters: RawItem, account: str = "Papel") -> list[Taken]:
        return list(await self.system.take_in(account, letters))

    async def ticket_from(self, letter: RawItem, account: str = "Papel") -> TicketId:
        """The ticket that a letter came into."""
        (taken,) = await self.take_in(letter, account=account)
        assert taken.ticket is not None, taken
        return taken.ticket

    async def analyzed_ticket(self, desk: CoreDesk, classification: str = "Dúvida") -> TicketId:
        """A ticket of a letter of its own, analysed by the desk's agent."""
        ticket = await self.ticket_from(letter(key=token_hex(8), sent_at=self.clock().isoformat()))
        await self.analyze(desk, ticket, classification)
        return ticket

    async def analyze(self, desk: CoreDesk, ticket: TicketId, classification: str = "Dúvida") -> None:
        await desk.analyze(SaveAnalysis(ticket=ticket, classification=self.classifications[classification]))

    async def reply(self, desk: CoreDesk, ticket: TicketId, text: str = "Olá, Maria!", **more: Any) -> Message:
        return await desk.reply(Reply(ticket=ticket, body_html=f"<p>{text}</p>", **more))

    async def receive(self) -> int:
        """Takes in what waits; gives how many letters."""
        worked = 0
        for row in await self.core.unit.read(account_queries.accounts()):
            while taken := await receiving.work(self.core, accounts.opened(self.core, row)):
                worked += taken
        return worked

    async def send(self) -> int:
        """Sends what is due; gives how many deliveries were tried."""
        tried = 0
        for account in await delivering.due(self.core):
            row = await self.core.unit.look(partial(account_queries.by_id, account))
            assert row is not None
            while await delivering.send_next(self.core, accounts.opened(self.core, row)):
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

    async def texts(self, number: TicketId) -> list[str]:
        """The messages' texts, in order."""
        return [each.body_text for each in await self.messages(number)]

    async def stage(self, number: TicketId) -> str:
        stage = (await self.ticket(number)).stage
        assert stage is not None
        return stage.name

    async def deliveries(self, number: TicketId) -> list[DeliveryView]:
        return [delivery for each in await self.messages(number) for delivery in each.delivery]

    async def events(self, after: EventId = NO_EVENT) -> list[Event[Body]]:
        """All events after one. PostgreSQL may hold the newest back for as long as any transaction runs there."""
        [row] = await self.core.unit.read(sql("SELECT coalesce(max(id), 0) AS newest FROM event"))
        async with asyncio.timeout(20):
            while True:
                found = list(await self.system.events(after, 1000))
                if row["newest"] <= (found[-1].id if found else after):
                    return found
                await asyncio.sleep(0.01)

    async def happened(self, sort: type[B], ticket: TicketId | None = None) -> list[B]:
        """What the events of one sort say, in order; of one ticket, or of all."""
        found = await self.events()
        return [each.what for each in found if isinstance(each.what, sort) and ticket in (None, each.ticket)]

    async def history(self, ticket: TicketId) -> list[str]:
        """Names of the ticket's events, in order."""
        return [event_name(each.what) for each in await self.events() if each.ticket == ticket]


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
