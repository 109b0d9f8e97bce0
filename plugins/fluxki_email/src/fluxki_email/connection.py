"""A connection to an account's mail server: TLS, login and one message at a time."""

import asyncio
import re
import ssl

import aiosmtplib
from msgspec import Struct

from fluxki_email.addresses import domain_of
from fluxki_email.replies import BAD_CA_FILE, NO_HOST, NO_LOGIN, NO_STARTTLS, trouble
from fluxki_email.settings import EmailAccount

_LEADING_DOT = re.compile(rb"(?m)^\.")


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds to wait for one's turn, for a connection, for the reply to a command, and for that to a message.

    The last is for a small message, a large one gets a second more for every 100 kB. RFC 5321 §4.5.3.2 would wait ten
    minutes; a delivery's lease does not last that long.
    """

    turn: float = 30
    connect: float = 20
    command: float = 60
    message: float = 120

    def of(self, message: bytes) -> float:
        """How long the server may take for this message."""
        return self.message + len(message) / 100_000


class NoConnection(Exception):
    """The server cannot be used with these settings, or not now; the text says what to do."""


class Maybe(Exception):
    """The server had the message, or a part of it, and did not say what became of it."""


async def connect(account: EmailAccount, timeouts: Timeouts) -> aiosmtplib.SMTP:
    """A client that is connected, encrypted as set, and logged in. Raises NoConnection.

    A certificate is always verified: by the system's authorities, or by those of `smtp_ca_file` alone.
    """
    if not account.smtp_host:
        raise NoConnection(NO_HOST)
    client = aiosmtplib.SMTP(
        hostname=account.smtp_host,
        port=account.port,
        # Else the resolver is asked for our own name, which takes seconds where there is none.
        local_hostname=domain_of(account.address),
        timeout=timeouts.command,
        use_tls=account.smtp_tls == "implicit",
        start_tls=False,
        tls_context=await _tls(account),
    )
    try:
        await client.connect(timeout=timeouts.connect)
        await _prepare(client, account)
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        client.close()
        # Without its cause: the library's exception holds the server's reply, which might repeat the password.
        raise NoConnection(trouble(error, account)) from None
    except BaseException:
        client.close()
        raise
    return client


async def hand_over(client: aiosmtplib.SMTP, message: bytes, patience: float) -> aiosmtplib.SMTPResponse:
    """Sends DATA and the message (CRLF line ends), gives the server's last word on it,
    awaited for `patience` seconds.

    Not by the library's own `data`, which does not tell a connection lost before the server asked for the message
    from one lost after. Raises SMTPServerDisconnected or SMTPTimeoutError for the first, Maybe for the second.
    """
    started = await client.execute_command(b"DATA")
    if started.code != aiosmtplib.SMTPStatus.start_input:
        return started
    protocol = client.protocol
    if protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    try:
        protocol.write(_LEADING_DOT.sub(b"..", message) + b".\r\n")
        reply = await protocol.read_response(timeout=patience)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Maybe from error
    if not 200 <= reply.code < 300 and not 400 <= reply.code < 600:
        raise Maybe
    return reply


async def _tls(account: EmailAccount) -> ssl.SSLContext:
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=account.smtp_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NoConnection(f"{BAD_CA_FILE} — {account.smtp_ca_file}") from error


async def _prepare(client: aiosmtplib.SMTP, account: EmailAccount) -> None:
    await _greet(client)
    if account.smtp_tls == "starttls":
        if not client.supports_extension("starttls"):
            raise NoConnection(NO_STARTTLS)
        await client.starttls()
        await _greet(client)
    if account.smtp_user:
        if not client.supported_auth_methods:
            raise NoConnection(NO_LOGIN)
        await client.login(account.smtp_user, account.smtp_password)


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()
