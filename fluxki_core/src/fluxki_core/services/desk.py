"""The core as one object, bound to whom it acts for; what plugins see of it stands in `domain.ports.Desk`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fluxki_core.domain.errors import Forbidden
from fluxki_core.domain.events import Body, Event
from fluxki_core.domain.ids import ClassificationId, DeliveryId, EventId, FileToken, RawId, StageId, TicketId
from fluxki_core.domain.people import Actor, ActorKind
from fluxki_core.domain.permissions import require_admin
from fluxki_core.domain.tickets import (
    Analysis,
    Change,
    DeliveryView,
    FileView,
    FinishWithout,
    Message,
    OpenTicket,
    Page,
    Query,
    Reply,
    SaveAnalysis,
    Summary,
    Ticket,
)
from fluxki_core.domain.traffic import RawItem, SignedRef, Taken
from fluxki_core.services import (
    analyzing,
    announcing,
    delivering,
    files,
    opening,
    raw,
    receiving,
    replying,
    staging,
)
from fluxki_core.services.core import Core
from fluxki_core.services.unit import Once
from fluxki_core.storage.queries import events, listing, messages, tickets
from fluxki_core.storage.statements import Row, Steps


class CoreDesk:
    """Every call checks the actor's permission in the service that it leads to."""

    def __init__(self, core: Core, actor: Actor) -> None:
        self.core = core
        self.actor = actor

    @property
    def timezone(self) -> str:
        return self.core.settings.timezone

    def as_(self, actor: Actor) -> "CoreDesk":
        return CoreDesk(self.core, actor)

    def once(self, key: str, digest: str, encode: Callable[[Any], str]) -> "CoreDesk":
        """The same desk, whose next order is carried out once under the agent's key; see `Unit.once`."""
        if self.actor.agent is None:
            raise Forbidden("Only agents may use an Idempotency-Key.")
        once = Once(agent=self.actor.agent, key=key, digest=digest, encode=encode)
        return CoreDesk(msgspec.structs.replace(self.core, unit=self.core.unit.once(once)), self.actor)

    def sign(self, ref: SignedRef) -> str:
        return self.core.keys.sign(ref)

    def verify(self, token: str) -> SignedRef | None:
        return self.core.keys.verify(token)

    async def events(self, after: EventId, limit: int = 100) -> Sequence[Event[Body]]:
        settled = await self.core.horizon.settled()
        rows = await self.core.unit.read(events.after(self.actor, after, min(limit, 1000), settled))
        return [events.event_of(row) for row in rows]

    async def newest_event(self) -> EventId:
        """Where a reader of what is to come begins."""
        return await self.core.horizon.now()

    async def changed(self, seconds: float) -> None:
        """Waits until something may have happened, at most so long."""
        await self.core.unit.changed(seconds)

    async def take_in(self, account: str, items: Sequence[RawItem]) -> Sequence[Taken]:
        require_admin_or_plugin(self.actor)
        return await receiving.take_in(self.core, account, items)

    async def tickets(self, query: Query) -> Page[Summary]:
        found, following = await self.core.unit.look(lambda: listing.page(query, self.actor))
        return Page(found, following)

    async def ticket(self, number: TicketId) -> Ticket:
        return await self.core.unit.look(lambda: tickets.read(number, self.actor))

    async def messages(self, number: TicketId, limit: int = 50, cursor: str | None = None) -> Page[Message]:
        def steps() -> Steps[tuple[list[Message], str | None]]:
            yield from staging.seen_ticket(number, self.actor)
            return (yield from messages.page(number, limit, cursor))

        return Page(*(await self.core.unit.look(steps)))

    async def open_ticket(self, order: OpenTicket) -> Ticket:
        return await opening.open_ticket(self.core, self.actor, order)

    async def change(self, order: Change) -> Ticket:
        return await opening.change(self.core, self.actor, order)

    async def reply(self, order: Reply) -> Message:
        return await replying.reply(self.core, self.actor, order)

    async def analysis_window(
        self, number: TicketId, classification: ClassificationId | None = None
    ) -> analyzing.AnalysisWindow:
        return await analyzing.window(self.core, self.actor, number, classification)

    async def analyze(self, order: SaveAnalysis) -> Analysis:
        return await analyzing.save(self.core, self.actor, order)

    async def set_stage(self, number: TicketId, stage: StageId) -> Ticket:
        return await staging.set_stage(self.core, self.actor, number, stage)

    async def finish(self, number: TicketId, without: FinishWithout | None = None) -> Ticket:
        return await staging.finish(self.core, self.actor, number, without)

    async def reopen(self, number: TicketId) -> Ticket:
        return await staging.reopen(self.core, self.actor, number)

    async def upload(self, name: str, media_type: str, content: bytes | Path) -> FileView:
        return await files.upload(self.core, self.actor, name, media_type, content)

    async def file(self, token: FileToken) -> files.Placed:
        return await files.place(self.core, self.actor, token)

    async def deliveries(self, after: DeliveryId, limit: int = 50) -> list[DeliveryView]:
        return await delivering.troubled(self.core, self.actor, after, limit)

    async def retry_delivery(self, delivery: DeliveryId) -> DeliveryView:
        return await delivering.retry(self.core, self.actor, delivery)

    async def discard_delivery(self, delivery: DeliveryId) -> DeliveryView:
        return await delivering.discard(self.core, self.actor, delivery)

    async def parked(self, after: RawId, limit: int = 50) -> list[Row]:
        return await raw.parked(self.core, self.actor, after, limit)

    async def replay(self, raws: list[RawId]) -> list[RawId]:
        return await raw.replay(self.core, self.actor, raws)

    async def discard_parked(self, raws: list[RawId]) -> list[RawId]:
        return await raw.discard(self.core, self.actor, raws)

    async def owed_announcements(self, after: int, limit: int = 50) -> list[Row]:
        return await announcing.owed(self.core, self.actor, after, limit)

    async def revive_announcements(self) -> int:
        return await announcing.revive(self.core, self.actor)


def require_admin_or_plugin(actor: Actor) -> None:
    """Raw messages are put in by channels and by admins."""
    if actor.kind is not ActorKind.PLUGIN:
        require_admin(actor)
