"""Channels made of paper: letters are JSON, sending appends to a pile, and both can be told to misbehave."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from fluxki_core.domain.events import Event
from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.kinds import TicketKind
from fluxki_core.domain.people import Address, email_address
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import (
    Account,
    ChannelHealth,
    Inbound,
    InboundFile,
    Inbox,
    Nature,
    Outgoing,
    RawItem,
    RawMessage,
    Refs,
    Sent,
)
from fluxki_core.hooks import Channel, PluginManifest, hookimpl
from msgspec import Struct

Sending = Callable[[Outgoing], Awaitable[Sent]]


class PaperAccount(Struct, frozen=True, forbid_unknown_fields=True):
    box: str = "paper"
    secret: str = ""


def letter(
    sender: str = "maria@escola.example",
    *,
    key: str | None = None,
    name: str = "Maria Souza",
    subject: str = "A impressora não imprime",
    text: str = "Bom dia, a impressora do 2º andar parou.",
    **more: Any,
) -> RawItem:
    """A letter as it arrives; `more` are further fields of `Inbound`, refs as `tokens`, `outside_ids`, `ticket`."""
    content = {"sender": sender, "name": name, "subject": subject, "text": text, **more}
    raw = json.dumps(content, ensure_ascii=False).encode()
    return RawItem(key or f"{hash(raw):x}", raw)


class CounterPlugin:
    """A channel that letters come in by and none can leave by; it declares no kind. `reading` may be replaced."""

    channel = Channel(key="counter", label="Balcão", account=PaperAccount, address_kind="counter")
    sender_kind = "email"

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.letters: asyncio.Queue[RawItem] = asyncio.Queue()
        self.reading: Callable[[RawMessage], Awaitable[Any]] | None = None

    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        return PluginManifest(name=self.channel.key, version="1", channels=(self.channel,))

    @hookimpl
    def desk_ready(self, desk: Desk) -> None:
        self.desk = desk

    @hookimpl
    async def channel_receive(self, account: Account, inbox: Inbox) -> None:
        while True:
            await inbox.put(await self.letters.get())

    @hookimpl
    async def channel_parse(self, account: Account, raw: RawMessage) -> Inbound:
        if self.reading is not None:
            answer: Inbound = await self.reading(raw)
            return answer
        return self.read(raw)

    def read(self, raw: RawMessage) -> Inbound:
        with raw.open() as file:
            content = json.load(file)
        files = []
        for number, each in enumerate(content.get("files", [])):
            path = raw.folder / str(number)
            path.write_text(each["content"])
            files.append(
                InboundFile(
                    name=each["name"],
                    media_type=each.get("media_type", "text/plain"),
                    path=path,
                    content_id=each.get("content_id"),
                    inline="content_id" in each,
                )
            )
        assert self.desk is not None
        tokens = [self.desk.verify(each) for each in content.get("tokens", [])]
        ticket = content.get("ticket")
        return Inbound(
            key=content.get("key", json.dumps(content, sort_keys=True)),
            sender=Address(self.sender_kind, email_address(content["sender"]).value),
            sender_name=content["name"],
            sent_at=datetime.fromisoformat(content["sent_at"]) if "sent_at" in content else datetime.now(UTC),
            subject=content["subject"],
            body_text=content["text"],
            body_html=content.get("html"),
            files=tuple(files),
            refs=Refs(
                tokens=tuple(each for each in tokens if each),
                outside_ids=tuple(content.get("outside_ids", [])),
                ticket=TicketId(ticket) if ticket else None,
                is_reply=content.get("is_reply", False),
            ),
            outside_id=content.get("outside_id"),
            nature=Nature(content.get("nature", "person")),
        )

    @hookimpl
    async def channel_check(self, account: Account) -> ChannelHealth:
        return ChannelHealth(ok=True, lines=("paper is patient",))


class PaperPlugin(CounterPlugin):
    """A counter that letters also leave by. `sending` may be replaced by a test; `pile` is what was sent."""

    channel = Channel(
        key="paper", label="Papel", account=PaperAccount, address_kind="email", secrets=frozenset({"secret"})
    )

    def __init__(self) -> None:
        super().__init__()
        self.pile: list[Outgoing] = []
        self.sending: Sending = self.send

    @hookimpl
    async def channel_send(self, account: Account, outgoing: Outgoing) -> Sent:
        return await self.sending(outgoing)

    async def send(self, outgoing: Outgoing) -> Sent:
        self.pile.append(outgoing)
        return Sent(outside_id=f"{outgoing.token}@paper")


class ParrotPlugin(PaperPlugin):
    """Paper that talks: it opens chats, and reaches its contacts by addresses of its own kind."""

    channel = Channel(key="parrot", label="Papagaio", account=PaperAccount, address_kind="parrot", kind=TicketKind.CHAT)
    sender_kind = "parrot"


class ListeningPlugin:
    """Hears every announcement."""

    name = "listening"

    def __init__(self) -> None:
        self.heard: list[Event[Any]] = []
        self.failing: Callable[[Event[Any]], Awaitable[None]] | None = None

    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        return PluginManifest(name=self.name, version="1")

    async def _hear(self, event: Event[Any]) -> None:
        if self.failing is not None:
            await self.failing(event)
        self.heard.append(event)

    @hookimpl
    async def ticket_opened(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def message_received(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def message_written(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def message_sent(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def ticket_analyzed(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def ticket_finished(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def ticket_reopened(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def stage_changed(self, event: Event[Any]) -> None:
        await self._hear(event)

    @hookimpl
    async def delivery_failed(self, event: Event[Any]) -> None:
        await self._hear(event)
