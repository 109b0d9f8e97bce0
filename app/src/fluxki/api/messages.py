"""`/api/v1/tickets/{number}/messages`: reading a conversation and writing into it."""

from typing import Annotated

from fluxki_core.domain.ids import FileToken, StageId, TicketId
from fluxki_core.domain.kinds import Visibility
from fluxki_core.domain.tickets import Message, Page, Reply
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, Cursor, Limit, PathId
from fluxki.errors import READS, WRITES
from fluxki.views import shown, stored

Text = Annotated[str, Meta(max_length=1_000_000)]
Token = Annotated[FileToken, Meta(min_length=1, max_length=64)]


class NewMessage(Body, frozen=True, kw_only=True):
    """Either `body_html` or `body_text`. `attachments` are ids of uploaded files; images stand in the body.

    `stage` is entered, or with `finish` the ticket finished, together with the message.
    """

    body_html: Text | None = None
    body_text: Text | None = None
    visibility: Visibility = Visibility.PUBLIC
    stage: BodyId[StageId] | None = None
    finish: bool = False
    attachments: Annotated[tuple[Token, ...], Meta(max_length=100)] = ()


class Messages(Controller):
    path = "/tickets/{number:int}/messages"
    tags = ("Messages",)

    @get(responses=READS)
    async def list_messages(
        self, reader: NamedDependency[CoreDesk], number: PathId[TicketId], limit: Limit = 50, cursor: Cursor = None
    ) -> Page[Message]:
        """Oldest first."""
        page = await reader.messages(number, limit, cursor)
        return Page([shown(each) for each in page.items], page.next)

    @post(responses=WRITES)
    async def write(
        self, desk: NamedDependency[CoreDesk], number: PathId[TicketId], data: JSONBody[NewMessage]
    ) -> Message:
        """Writes a public message, which is sent to the contact, or a private note."""
        order = Reply(
            ticket=number,
            body_html=None if data.body_html is None else stored(data.body_html),
            body_text=data.body_text,
            visibility=data.visibility,
            stage=data.stage,
            finish=data.finish,
            files=data.attachments,
        )
        return shown(await desk.reply(order))
