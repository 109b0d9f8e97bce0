"""Accounts and deliveries as the core would hand them over, and their letters read back with the stdlib's parser."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from email.policy import default
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from fluxki_core.domain.ids import DeliveryId, FileToken, MessageId, TicketId
from fluxki_core.domain.people import Address
from fluxki_core.domain.traffic import Outgoing, OutgoingFile, Quoted
from fluxki_email.compose import compose
from fluxki_email.settings import EmailAccount

ZONE = ZoneInfo("America/Sao_Paulo")
TOKEN = "12.340.k7q2zr9s8t"
WRITTEN_AT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


def account(**changes: Any) -> EmailAccount:
    given = {"address": "suporte@acme.com.br", "from_name": "Suporte ACME", "smtp_host": "localhost"}
    return EmailAccount(**{**given, **changes})


def outgoing(**changes: Any) -> Outgoing:
    letter = Outgoing(
        delivery=DeliveryId(1),
        message=MessageId(340),
        ticket=TicketId(12),
        subject="Impressora não imprime",
        recipient=Address("email", "maria@cliente.com.br"),
        recipient_name="Maria Souza",
        author="Ana Lima",
        written_at=WRITTEN_AT,
        body_html="<p>Olá Maria,</p><p>Já <b>resolvemos</b>.</p>",
        body_text="Olá Maria,\n\nJá resolvemos.",
        token=TOKEN,
        answers="<pergunta@cliente.com.br>",
        references=("<primeira@cliente.com.br>",),
        quoted=Quoted(
            author="Maria Souza",
            sent_at=datetime(2026, 11, 22, 17, 5, tzinfo=UTC),
            body_html='<p>A impressora parou.<img src="cid:perdida"></p>',
            body_text="A impressora parou.\n\nObrigada",
        ),
    )
    return msgspec.structs.replace(letter, **changes)


def stored_file(folder: Path, name: str, content: bytes, media_type: str, *, inline: bool = False) -> OutgoingFile:
    token = f"f{len(list(folder.iterdir()))}Abc-_9"
    path = folder / token
    path.write_bytes(content)
    return OutgoingFile(
        token=FileToken(token), name=name, media_type=media_type, size=len(content), path=path, inline=inline
    )


def read(letter: Outgoing, mailbox: EmailAccount | None = None) -> EmailMessage:
    """Composes and parses; every message of these tests must hold the rules that all mail has to."""
    composed = compose(letter, mailbox or account(), ZONE)
    assert_lines(composed)
    message = message_from_bytes(composed, policy=default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def assert_lines(composed: bytes) -> None:
    """RFC 5322 §2.1.1 and §2.3: CRLF only, 998 at most, and 78 wherever we can choose."""
    assert composed.endswith(b"\r\n")
    lines = composed.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert all(len(line) <= 78 or b"@" in line for line in lines)
    assert max(map(len, lines)) <= 998


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def named(composed: bytes, field: str) -> list[tuple[str, str]]:
    """Names and addresses by the older half of the stdlib: the newer one keeps blanks between encoded words."""
    pairs = getaddresses([message_from_bytes(composed)[field].replace("\r\n", "")])
    return [(str(make_header(decode_header(name))), address) for name, address in pairs]


def structure(message: MIMEPart) -> object:
    if not message.is_multipart():
        return message.get_content_type()
    return message.get_content_subtype(), [structure(part) for part in message.iter_parts()]
