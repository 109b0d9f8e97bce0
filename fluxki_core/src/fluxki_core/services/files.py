"""Files that agents upload and that people fetch."""

import asyncio
import re
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from fluxki_core.domain.errors import Invalid, NotFound
from fluxki_core.domain.ids import AgentId, FileToken
from fluxki_core.domain.people import Actor, ActorKind
from fluxki_core.domain.permissions import PermissionLevel, level, require, require_agent
from fluxki_core.domain.tickets import FileView
from fluxki_core.services.core import Core
from fluxki_core.services.understanding import storable
from fluxki_core.storage.queries import messages, tickets
from fluxki_core.storage.queries.base import add
from fluxki_core.storage.statements import Steps

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
UNKNOWN = "application/octet-stream"


class Placed(Struct, frozen=True, kw_only=True):
    """A file and where its bytes stand."""

    view: FileView
    path: Path


async def upload(core: Core, actor: Actor, name: str, media_type: str, content: bytes | Path) -> FileView:
    """Stores a file for a message that its agent is about to write."""
    require_agent(actor)
    clean = clean_name(name)
    kind = media_type.split(";")[0].strip().lower()
    kind = kind if _MEDIA_TYPE.fullmatch(kind) else UNKNOWN
    stored = await asyncio.to_thread(core.files.put, content)
    token, now = FileToken(token_hex(16)), core.unit.now()
    view = FileView(id=token, name=clean, media_type=kind, size=stored.size, inline=False)

    def script() -> Steps[FileView]:
        yield add(
            "file",
            token=token,
            agent_id=actor.agent,
            sha256=stored.sha256,
            name=clean,
            media_type=kind,
            size=stored.size,
            inline=False,
            created_at=now,
        )
        return view

    return await core.unit.run("upload", script, tell=False)


def clean_name(name: str) -> str:
    """A file name without folders and control characters; raises `Invalid` where nothing is left of it."""
    last = re.split(r"[/\\]", storable(name))[-1]
    tidy = "".join(each for each in last if each.isprintable()).strip(" .")
    if not tidy:
        raise Invalid({"name": "Give the file a name."})
    stem, dot, ending = tidy.rpartition(".")
    if len(tidy) <= 255:
        return tidy
    return f"{stem[: 254 - len(ending)]}.{ending}" if dot and len(ending) < 20 else tidy[:255]


async def place(core: Core, actor: Actor, token: FileToken) -> Placed:
    """A file that the actor may see: of a ticket in their sight, or their own upload. Raises `NotFound`."""

    def steps() -> Steps[Placed]:
        row = yield from messages.file_place(token)
        if row is None or (row["message_id"] is None and not _is_own(row["agent_id"], actor)):
            raise NotFound("There is no such file, or it belongs to a ticket that you cannot see.")
        if row["message_id"] is not None:
            joined = yield from tickets.joined_level(row["ticket_id"], actor)
            require(level(actor, row["department_id"], joined), PermissionLevel.VIEW, "see the file")
        return Placed(view=messages.file_view(row), path=core.files.existing(row["sha256"]))

    return await core.unit.look(steps)


def _is_own(uploader: AgentId | None, actor: Actor) -> bool:
    """What a plugin or the system uploaded has no agent, which does not make it a contact's."""
    return uploader == actor.agent and actor.kind is not ActorKind.CONTACT
