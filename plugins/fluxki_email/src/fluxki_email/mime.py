"""MIME parts as bytes: text, files and the multiparts around them (RFC 2045, 2046, 2387)."""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path

from fluxki_email.headers import content_type, disposition, field

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_+.-]{1,60}/[a-z0-9!#$&^_+.-]{1,60}")


def text_part(subtype: str, text: str) -> bytes:
    """A text in UTF-8 and quoted-printable: no line passes 76 characters, whatever the text is."""
    data = _LINE_BREAK.sub(b"\r\n", text.encode("utf-8", "replace")).rstrip(b"\r\n") + b"\r\n"
    head = field("Content-Type", f"text/{subtype};", 'charset="utf-8"')
    return head + field("Content-Transfer-Encoding", "quoted-printable") + b"\r\n" + binascii.b2a_qp(data)


def file_part(path: Path, name: str, media_type: str, content_id: str | None = None) -> bytes:
    """A file in base64; with a `content_id` (no angle brackets) one that the HTML shows. Raises OSError."""
    head = content_type(_safe_type(media_type), name)
    head += field("Content-Transfer-Encoding", "base64")
    head += disposition("inline" if content_id else "attachment", name)
    if content_id:
        head += field("Content-ID", f"<{content_id}>")
    return head + b"\r\n" + base64.encodebytes(path.read_bytes()).replace(b"\n", b"\r\n")


def multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """The parts under one head; a single part needs none and stays as it is.

    The boundary is the same at every attempt. It cannot stand in a part: `=_` occurs neither in quoted-printable nor
    in base64, and each subtype is used once in a message.
    """
    if len(parts) == 1:
        return parts[0]
    boundary = f"=_fluxki_{subtype}"
    kind = 'type="multipart/alternative";' if subtype == "related" else ""
    pieces = [piece for piece in (f"multipart/{subtype};", kind, f'boundary="{boundary}"') if piece]
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts)
    return field("Content-Type", *pieces) + b"\r\n" + body + mark + b"--\r\n"


def _safe_type(media_type: str) -> str:
    """The type, unless it is malformed or one that may not be in base64 (RFC 2046 §5)."""
    media_type = media_type.strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type) or media_type.startswith(("multipart/", "message/")):
        return "application/octet-stream"
    return media_type
