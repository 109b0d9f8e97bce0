"""A scriptable SMTP server on a free loopback port, and the certificates for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Script:
    """What the server does, until it is changed.

    `replies` maps a command (EHLO MAIL RCPT DATA, and MESSAGE for the end of the message) to the whole line that it
    answers. `closes_at` is a command at which it drops the connection, at the first only with `once`. `hangs` makes it
    never answer a message.
    `user` and `password` ask for a login, and `echo` is added to its refusal.
    """

    replies: dict[str, str] = field(default_factory=dict)
    closes_at: str | None = None
    once: bool = False
    hangs: bool = False
    user: str | None = None
    password: str | None = None
    echo: str = ""


@dataclass
class Captured:
    """A message as it came, with the options of MAIL FROM."""

    sender: str
    recipients: list[str]
    options: list[str]
    content: bytes


class Server:
    """A running server.

    `connections` counts those accepted, `commands` are the words received, in order; `hanging` is set once a message
    is there that will have no answer.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.port = 0
        self.connections = 0
        self.commands: list[str] = []
        self.messages: list[Captured] = []
        self.sessions: list[SMTP] = []
        self.hanging = asyncio.Event()

    def drop_connections(self) -> None:
        """As a server does with clients that were idle for too long."""
        for session in self.sessions:
            if session.transport is not None:
                session.transport.close()


class _Session(SMTP):
    """One connection. The commands are aiosmtpd's own but for where the script says otherwise."""

    def __init__(self, server: Server, **options: Any) -> None:
        self.owner = server
        super().__init__(_Handler(server), **options)
        server.sessions.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Once more for the same connection after STARTTLS.
        if self.transport is None:
            self.owner.connections += 1
        super().connection_made(transport)

    async def scripted(self, command: str) -> bool:
        """Whether the script has dealt with the command."""
        self.owner.commands.append(command)
        if self.owner.script.closes_at == command:
            assert self.transport is not None
            if self.owner.script.once:
                self.owner.script.closes_at = None
            self.transport.close()
            await asyncio.sleep(5)  # until aiosmtpd notices and cancels this
        if reply := self.owner.script.replies.get(command):
            await self.push(reply)
            return True
        return False

    async def smtp_EHLO(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's names
        if not await self.scripted("EHLO"):
            await super().smtp_EHLO(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if not await self.scripted("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if not await self.scripted("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self.scripted("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        self.owner.commands.append("QUIT")
        await super().smtp_QUIT(arg)


class _Handler:
    def __init__(self, server: Server) -> None:
        self.server = server

    async def handle_DATA(self, session: _Session, _: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.server.script.hangs:
            self.server.hanging.set()
            await asyncio.sleep(3600)
        if self.server.script.closes_at == "MESSAGE":
            assert session.transport is not None
            session.transport.close()
            await asyncio.sleep(5)  # as above
        if reply := self.server.script.replies.get("MESSAGE"):
            return reply
        assert envelope.mail_from is not None
        content = envelope.content
        assert isinstance(content, bytes)
        self.server.messages.append(
            Captured(envelope.mail_from, list(envelope.rcpt_tos), list(envelope.mail_options), content)
        )
        return "250 2.0.0 queued as ABC123"

    async def handle_exception(self, error: Exception) -> str:
        return f"500 {error}"


@asynccontextmanager
async def smtp_server(
    script: Script | None = None,
    *,
    implicit_tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    smtputf8: bool = True,
    size_limit: int = 50_000_000,
) -> AsyncIterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(script or Script())
    loop = asyncio.get_running_loop()

    def authenticate(_: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login.decode(), data.password.decode()) == (server.script.user, server.script.password)
        message = None if right else f"535 5.7.8 Username and Password not accepted{server.script.echo}"
        return AuthResult(success=right, handled=False, message=message)

    def session() -> _Session:
        return _Session(
            server,
            loop=loop,
            hostname="mail.test",
            enable_SMTPUTF8=smtputf8,
            data_size_limit=size_limit,
            tls_context=starttls,
            auth_require_tls=False,
            auth_exclude_mechanism=() if server.script.user else ("LOGIN", "PLAIN"),
            authenticator=authenticate,
        )

    listening = await loop.create_server(session, "127.0.0.1", 0, ssl=implicit_tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.drop_connections()
        await asyncio.sleep(0.02)
        await listening.wait_closed()


@dataclass(frozen=True)
class Certificates:
    """An authority's certificate as a PEM file, and a server's context with a certificate that it signed."""

    ca_file: Path
    context: ssl.SSLContext


def certificates(folder: Path, *, host: str = "localhost", expired: bool = False) -> Certificates:
    """A new authority, and a server certificate for `host`, valid today unless `expired`."""
    now = datetime.now(UTC)
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key(), now - timedelta(days=9), now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    until = now - timedelta(days=1) if expired else now + timedelta(days=1)
    leaf = (
        _certificate(name, ca_name, server_key.public_key(), now - timedelta(days=2), until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(key + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificates(ca_file, context)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
