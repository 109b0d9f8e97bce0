"""`/api/v1/events`: what happens, as server-sent events, as far as the calling agent may see it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fluxki_core.domain.events import ActorRef, Body, Event, event_name
from fluxki_core.domain.ids import EventId, TicketId
from fluxki_core.services.desk import CoreDesk
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import Struct

from fluxki.api.shapes import MAX_ID
from fluxki.auth import ApiRequest, Gate
from fluxki.errors import READS

STREAM = "text/event-stream"
HEARTBEAT = 15.0  # seconds between signs of life, and between looks at whether the token is still good
LOOK = 2.0  # seconds between looks for what processes wrote that cannot tell this one
PAUSE = 0.1  # seconds for which commits that follow closely are gathered
BATCH = 100


class EventView(Struct, frozen=True, kw_only=True):
    """One event; `data` depends on `name`."""

    id: EventId
    at: datetime
    name: str
    ticket: TicketId | None
    actor: ActorRef
    data: dict[str, Any]


@dataclass
class Streaming(Operation):
    """Documents an answer that does not end."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {STREAM: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}


@get("/events", tags=("Events",), responses=READS, operation_class=Streaming, media_type=STREAM)
async def events(
    request: ApiRequest,
    reader: NamedDependency[CoreDesk],
    after: Annotated[int | None, QueryParameter(ge=0, le=MAX_ID, description="Begin after this event's id.")] = None,
    last_event_id: Annotated[
        int | None, HeaderParameter(name="Last-Event-ID", ge=0, le=MAX_ID, description="As `after`; browsers send it.")
    ] = None,
) -> Stream:
    """Begins with what happens from now on, unless told after which event; ends when the server stops."""
    begin = last_event_id if last_event_id is not None else after
    start = EventId(begin) if begin is not None else await reader.newest_event()
    return Stream(_stream(request, reader, start), media_type=STREAM, headers={"Cache-Control": "no-store"})


async def _stream(request: ApiRequest, desk: CoreDesk, last: EventId) -> AsyncIterator[str]:
    stopping: asyncio.Event = request.app.state.stopping
    gate: Gate = request.app.state.gate
    loop = asyncio.get_running_loop()
    yield "retry: 2000\n\n"
    beat = loop.time() + HEARTBEAT
    while not stopping.is_set():
        settled = await desk.core.horizon.settled()
        found = await desk.events(last, BATCH)
        for each in found:
            last = each.id
            yield _message(each)
        if len(found) < BATCH:
            last = max(last, settled)  # what this agent may not see is not looked through again
        if loop.time() >= beat:
            beat = loop.time() + HEARTBEAT
            yield ": \n\n"
            actor = await gate.actor_of(request.auth)
            if actor is None:
                return
            desk = desk.as_(actor)
        if len(found) < BATCH and not stopping.is_set():
            await desk.changed(LOOK)
            await asyncio.sleep(PAUSE)


def _message(event: Event[Body]) -> str:
    data = msgspec.to_builtins(event.what)
    del data["type"]
    view = EventView(
        id=event.id, at=event.at, name=event_name(event.what), ticket=event.ticket, actor=event.actor, data=data
    )
    return f"id: {view.id}\nevent: {view.name}\ndata: {msgspec.json.encode(view).decode()}\n\n"
