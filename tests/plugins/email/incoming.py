"""Mail as it comes in, understood as the plugin does it, and the messages of `tests/data/mail`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from fluxki_core.domain.ids import MessageId, TicketId
from fluxki_core.domain.traffic import Inbound, SignedRef
from fluxki_email.parsing import parse

RECEIVED_AT = datetime(2026, 11, 10, tzinfo=UTC)
OUR_ADDRESS = "suporte@exemplo.com.br"
FOLDER = Path(__file__).parents[2] / "data" / "mail"
MESSAGES = sorted(FOLDER.glob("*.eml"))


def verify(token: str) -> SignedRef | None:
    """Takes a token that ends in `.ok` for signed: `fk.MESSAGE.TICKET.ok`, numbers in base 36."""
    found = re.fullmatch(r"fk\.([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.ok", token)
    return SignedRef(TicketId(int(found[2], 36)), MessageId(int(found[1], 36))) if found else None


def understand(raw: bytes, folder: Path, signed: Callable[[str], SignedRef | None] = verify) -> Inbound:
    return parse(
        BytesIO(raw),
        received_at=RECEIVED_AT,
        size=len(raw),
        folder=lambda: folder,
        verify=signed,
        addresses={OUR_ADDRESS},
    )


def understood(raw: bytes) -> Inbound:
    """For what needs no file afterwards."""
    with TemporaryDirectory() as folder:
        return understand(raw, Path(folder))


def mail(*lines: str, body: str = "oi") -> bytes:
    """A mail of these header lines, in front of the usual ones that it does not name itself."""
    usual = {"From": "ana@cliente.example", "Message-ID": "<a1@cliente.example>", "Subject": "Impressora"}
    usual["Date"] = "Mon, 09 Nov 2026 09:15:00 -0300"
    named = {line.partition(":")[0].lower() for line in lines}
    rest = [f"{name}: {value}" for name, value in usual.items() if name.lower() not in named]
    return "\r\n".join([*lines, *rest, "", body, ""]).encode()


def multipart(subtype: str, *parts: str, boundary: str = "b") -> tuple[str, str]:
    """The Content-Type line and the body of a multipart; each part with its own headers."""
    inner = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"', f"{inner}--{boundary}--"
