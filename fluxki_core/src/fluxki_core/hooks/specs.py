"""The hooks. Each belongs to a family, which says how it is called and what its failure means.

declare   `def`; a plugin that fails here is off, and the reason is shown.
address   `async def`, called on the one plugin that owns the channel; failure is handled by the caller as said there.
announce  `async def`, called after the commit, at least once for each event (tell repeats by `event.id`); one that
          raises or takes longer than 30 s is retried with growing pauses; others wait for one that hangs once,
          not at every event.
"""

from fluxki_core.domain.events import (
    DeliveryFailed,
    Event,
    MessageReceived,
    MessageSent,
    MessageWritten,
    ParticipantsChanged,
    StageChanged,
    TicketAnalyzed,
    TicketFinished,
    TicketOpened,
    TicketReopened,
)
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import Account, ChannelHealth, Inbound, Inbox, Outgoing, RawMessage, Sent
from fluxki_core.hooks.manifest import PluginManifest
from fluxki_core.hooks.marks import address, announce, declare


class Specs:
    """Every hook of this version; a plugin implements those it has a use for."""

    @declare
    def plugin_manifest(self) -> PluginManifest:
        """Called first, once, at start. Says what the plugin is; must be the same at every start of one version."""
        raise AssertionError

    @declare
    def desk_ready(self, desk: Desk) -> None:
        """Called once, after the migrations and before any other hook. The desk acts for the plugin."""

    @address
    async def channel_receive(self, account: Account, inbox: Inbox) -> None:
        """Takes in what arrives for the account, for as long as it runs; one process at a time runs it.

        It is cancelled when the account changes or the process stops, and must then end within five seconds. When it
        raises or returns, it is started again after a growing pause, and the account shows the reason.
        """

    @address
    async def channel_parse(self, account: Account, raw: RawMessage) -> Inbound:
        """Understands one raw message. May run again for the same one. When it raises, the message is parked."""
        raise AssertionError

    @address
    async def channel_send(self, account: Account, outgoing: Outgoing) -> Sent:
        """Sends one delivery, started in the store before the call.

        Raises `SendLater`, `SendRejected` or `SendUncertain`; anything else that it raises, and running longer than
        the account's time limit, counts as uncertain. It is never called again for the same delivery unless it raised
        `SendLater` or an agent asked for it.
        """
        raise AssertionError

    @address
    async def channel_check(self, account: Account) -> ChannelHealth:
        """Tries the account's connections without changing anything. May be called at any time."""
        raise AssertionError

    @announce
    async def ticket_opened(self, event: Event[TicketOpened]) -> None:
        """A ticket exists."""

    @announce
    async def message_received(self, event: Event[MessageReceived]) -> None:
        """A contact's message was taken in."""

    @announce
    async def message_written(self, event: Event[MessageWritten]) -> None:
        """An agent's message was committed, notes included; it may not have been sent yet."""

    @announce
    async def message_sent(self, event: Event[MessageSent]) -> None:
        """A channel accepted a message for one recipient; never a note."""

    @announce
    async def delivery_failed(self, event: Event[DeliveryFailed]) -> None:
        """A channel refused a message for good."""

    @announce
    async def ticket_analyzed(self, event: Event[TicketAnalyzed]) -> None:
        """An analysis was saved, the first or a later one."""

    @announce
    async def participants_changed(self, event: Event[ParticipantsChanged]) -> None:
        """An agent joined, left or got another level."""

    @announce
    async def stage_changed(self, event: Event[StageChanged]) -> None:
        """The ticket is in another stage."""

    @announce
    async def ticket_finished(self, event: Event[TicketFinished]) -> None:
        """The ticket is finished."""

    @announce
    async def ticket_reopened(self, event: Event[TicketReopened]) -> None:
        """A finished ticket is open again."""
