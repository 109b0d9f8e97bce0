"""Sends an account's mail through its SMTP server, over one connection that is kept for a while."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiosmtplib
from fluxki_core.domain.traffic import Outgoing, SendLater, SendRejected, SendUncertain, Sent
from msgspec import Struct

from fluxki_email.addresses import message_id, needs_smtputf8, wire_address
from fluxki_email.connection import Maybe, NoConnection, Timeouts, connect, hand_over
from fluxki_email.replies import (
    BAD_ADDRESS,
    BUSY,
    LOGIN_REFUSED,
    LOGIN_REQUIRED,
    LOST,
    MAYBE,
    NEEDS_UTF8,
    REFUSED_MESSAGE,
    REFUSED_RECIPIENT,
    REFUSED_SENDER,
    account_later,
    put_off,
    refusal,
    server_text,
)
from fluxki_email.settings import EmailAccount

IDLE_SECONDS = 30.0
BUSY_WAIT = timedelta(seconds=10)
READY = "Mail can be sent"
READY_IN_CLEAR = (
    "Mail can be sent, but goes to the mail server without encryption: set smtp_tls if the server offers it"
)
_LOST = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError)


class Check(Struct, frozen=True):
    """How a way to send is. `text` is an English message id, and after ` — ` the server's own words."""

    ok: bool
    text: str


class Sender:
    """The way out of one account: one connection, one message in flight.

    `now` gives aware UTC. The connection is kept for `idle` seconds after a message.
    """

    def __init__(
        self,
        account: EmailAccount,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        idle: float = IDLE_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.account = account
        self._timeouts = timeouts
        self._idle = idle
        self._now = now
        self._client: aiosmtplib.SMTP | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._lock = asyncio.Lock()
        self._faults = 0  # of the account, one after the other

    async def send(self, outgoing: Outgoing, message: bytes) -> Sent:
        """Hands one composed message to the server for its one recipient.

        Raises SendLater (of the whole account where the server cannot be used at all), SendRejected when the server
        refuses for good or has put it off for 48 hours, SendUncertain when the connection broke between the server's
        asking for the message and its last word.
        """
        sender, recipient = _envelope(outgoing, self.account)
        await self._turn()
        try:
            self._keep_open()
            reply = await self._transaction(outgoing, sender, recipient, message)
            self._close_later()
        except SendRejected:
            self._close_later()
            raise
        except BaseException:
            # Cancelled or failed half-way: what the server says next would be taken for the answer to another message.
            self.close()
            raise
        finally:
            self._lock.release()
        return Sent(
            outside_id=message_id(outgoing.token, self.account.address),
            detail=server_text(reply.code, reply.message, self.account),
        )

    async def check(self) -> Check:
        """Tries connection, encryption and login on a connection of its own; sends nothing."""
        try:
            client = await connect(self.account, self._timeouts)
        except NoConnection as error:
            return Check(False, str(error))
        _part(client)
        return Check(True, READY_IN_CLEAR if self.account.smtp_tls == "none" else READY)

    def retire(self) -> None:
        """Closes the connection now, or after the message that is on its way."""
        self._idle = 0
        if not self._lock.locked():
            self.close()

    def close(self) -> None:
        """Takes leave of the server. The next `send` connects anew."""
        self._keep_open()
        client, self._client = self._client, None
        if client is not None:
            _part(client)

    async def _turn(self) -> None:
        """Waits for the message on its way, but not so long that this one's own time is over before it begins."""
        try:
            async with asyncio.timeout(self._timeouts.turn):
                await self._lock.acquire()
        except TimeoutError:
            raise SendLater(self._now() + BUSY_WAIT, BUSY, tried=False) from None

    async def _transaction(
        self, outgoing: Outgoing, sender: str, recipient: str, message: bytes
    ) -> aiosmtplib.SMTPResponse:
        try:
            client = await self._open_envelope(sender, recipient, len(message))
            await client.rcpt(recipient, encoding="utf-8")
            reply = await hand_over(client, message, self._timeouts.of(message))
        except NoConnection as error:
            raise self._account_later(str(error)) from error
        except aiosmtplib.SMTPSenderRefused as error:
            raise self._refusal(outgoing, error.code, error.message, REFUSED_SENDER) from error
        except aiosmtplib.SMTPRecipientRefused as error:
            raise self._refusal(outgoing, error.code, error.message, REFUSED_RECIPIENT) from error
        except (*_LOST, aiosmtplib.SMTPResponseException) as error:
            raise put_off(LOST, self._now(), outgoing.attempt) from error
        except Maybe as error:
            raise SendUncertain(MAYBE) from error
        self._faults = 0
        if not 200 <= reply.code < 300:
            raise self._refusal(outgoing, reply.code, reply.message, REFUSED_MESSAGE)
        return reply

    async def _open_envelope(self, sender: str, recipient: str, size: int) -> aiosmtplib.SMTP:
        """A connection on which the server accepted MAIL FROM; one that it closed meanwhile is replaced unseen."""
        client = await self._kept_client()
        if client is not None:
            try:
                await client.mail(sender, options=_options(client, sender, recipient, size), encoding="utf-8")
            except _LOST:
                self.close()
            else:
                return client
        self._client = client = await connect(self.account, self._timeouts)
        await client.mail(sender, options=_options(client, sender, recipient, size), encoding="utf-8")
        return client

    async def _kept_client(self) -> aiosmtplib.SMTP | None:
        """The open connection, if the server still answers on it."""
        client = self._client
        if client is None or not client.is_connected:
            return None
        try:
            await client.rset()
        except (*_LOST, aiosmtplib.SMTPResponseException):
            self.close()
            return None
        return client

    def _refusal(self, outgoing: Outgoing, code: int, text: str, words: str) -> SendLater | SendRejected:
        reason = server_text(code, text, self.account)
        if code == LOGIN_REQUIRED:
            return self._account_later(f"{LOGIN_REFUSED} — {reason}")
        return refusal(code, words, reason, self._now(), outgoing.attempt)

    def _account_later(self, reason: str) -> SendLater:
        self._faults += 1
        return account_later(self._now(), self._faults, reason)

    def _keep_open(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _close_later(self) -> None:
        self._closing = asyncio.get_running_loop().call_later(self._idle, self.close)


def _envelope(outgoing: Outgoing, account: EmailAccount) -> tuple[str, str]:
    try:
        return wire_address(account.address), wire_address(outgoing.recipient.value)
    except ValueError as error:
        raise SendRejected(f"{BAD_ADDRESS} — {error}") from error


def _options(client: aiosmtplib.SMTP, sender: str, recipient: str, size: int) -> list[str]:
    """SIZE lets a server refuse what is too large before it travels; SMTPUTF8 only for those who need it."""
    options = [f"SIZE={size}"] if client.supports_extension("size") else []
    if not needs_smtputf8(sender, recipient):
        return options
    if not client.supports_extension("smtputf8"):
        raise SendRejected(NEEDS_UTF8)
    return [*options, "SMTPUTF8"]


def _part(client: aiosmtplib.SMTP) -> None:
    """QUIT without waiting for the answer, which changes nothing any more."""
    if client.protocol is not None and client.is_connected:
        client.protocol.write(b"QUIT\r\n")
    client.close()
