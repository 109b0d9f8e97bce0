"""The e-mail channel, as the host sees it."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

from fluxki_core.domain.errors import PluginError, SettingsError
from fluxki_core.domain.ids import AccountId
from fluxki_core.domain.people import EMAIL
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import (
    Account,
    ChannelHealth,
    Inbound,
    Inbox,
    Outgoing,
    RawMessage,
    SendRejected,
    Sent,
)
from fluxki_core.hooks.manifest import Channel, PluginManifest
from fluxki_core.hooks.marks import hookimpl

from fluxki_email import maildir
from fluxki_email.compose import compose
from fluxki_email.parsing import parse
from fluxki_email.replies import BAD_ADDRESS, BAD_FILE
from fluxki_email.settings import EmailAccount
from fluxki_email.smtp import Sender

RECEIVES_IN = "Mail is taken from the folder"
SENDS_ONLY = "This account only sends: set maildir to take mail in"


class EmailPlugin:
    """Mail in from a Maildir, mail out through SMTP; one `Sender` an account, replaced when its settings change."""

    def __init__(self) -> None:
        self._desk: Desk | None = None
        self._senders: dict[AccountId, Sender] = {}

    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        return PluginManifest(
            name="email",
            version=version("fluxki-email"),
            channels=(
                Channel(
                    key="email",
                    label="E-mail",
                    account=EmailAccount,
                    address_kind=EMAIL,
                    secrets=frozenset({"smtp_password"}),
                ),
            ),
            commands={"email": "fluxki_email.commands:email"},
        )

    @hookimpl
    def desk_ready(self, desk: Desk) -> None:
        self._desk = desk

    @hookimpl
    async def channel_receive(self, account: Account, inbox: Inbox) -> None:
        settings = _settings(account)
        try:
            if settings.maildir is None:
                await asyncio.Event().wait()
            else:
                await maildir.receive(Path(settings.maildir), inbox)
        finally:
            self._let_go(account)

    @hookimpl
    async def channel_parse(self, account: Account, raw: RawMessage) -> Inbound:
        return await asyncio.to_thread(self._parse, _settings(account), raw)

    @hookimpl
    async def channel_send(self, account: Account, outgoing: Outgoing) -> Sent:
        settings = _settings(account)
        zone = ZoneInfo(self._known_desk().timezone)
        try:
            message = await asyncio.to_thread(compose, outgoing, settings, zone)
        except OSError as error:
            raise SendRejected(f"{BAD_FILE} — {error.filename}") from error
        except ValueError as error:
            raise SendRejected(f"{BAD_ADDRESS} — {error}") from error
        return await self._sender(account).send(outgoing, message)

    @hookimpl
    async def channel_check(self, account: Account) -> ChannelHealth:
        settings = _settings(account)
        incoming_ok, incoming = await asyncio.to_thread(_check_maildir, settings.maildir)
        if settings.smtp_host is None:
            return ChannelHealth(ok=incoming_ok, lines=(incoming,))
        outgoing = await Sender(settings).check()
        return ChannelHealth(ok=incoming_ok and outgoing.ok, lines=(incoming, outgoing.text))

    def _parse(self, settings: EmailAccount, raw: RawMessage) -> Inbound:
        with raw.open() as file:
            return parse(
                file,
                received_at=raw.received_at,
                size=raw.size,
                folder=lambda: raw.folder,
                verify=self._known_desk().verify,
                addresses=frozenset({settings.address.lower()}),
            )

    def _known_desk(self) -> Desk:
        if self._desk is None:
            raise PluginError("email: a channel hook was called before desk_ready; call desk_ready first")
        return self._desk

    def _sender(self, account: Account) -> Sender:
        settings = _settings(account)
        sender = self._senders.get(account.id)
        if sender is None or sender.account != settings:
            self._let_go(account)
            sender = self._senders[account.id] = Sender(settings)
        return sender

    def _let_go(self, account: Account) -> None:
        """Ends the connection of an account that changes or stops; a message on its way is not cut off."""
        sender = self._senders.pop(account.id, None)
        if sender is not None:
            sender.retire()


def _settings(account: Account) -> EmailAccount:
    if not isinstance(account.settings, EmailAccount):
        raise PluginError(f"email: the account {account.name} has settings of another channel; remove and add it")
    return account.settings


def _check_maildir(folder: str | None) -> tuple[bool, str]:
    if folder is None:
        return True, SENDS_ONLY
    try:
        maildir.check(Path(folder))
    except SettingsError as error:
        return False, str(error)
    return True, f"{RECEIVES_IN} — {folder}"
