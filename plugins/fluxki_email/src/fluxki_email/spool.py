"""Takes the transfer encoding off a part, from the open mail straight into a file, in chunks.

Best effort on damaged content, never an exception; the second of what comes back says that there was damage.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fluxki_email.fields import base64_bytes
from fluxki_email.structure import Part

CHUNK = 64 * 1024
# Pieces of padded base64 in one chunk, and lines of uuencode in a part: what real mail never has.
MAX_PIECES = 500
MAX_UU_LINES = 1_000_000

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_ALPHABET) - {ord("=")})
_FOREIGN = bytes(set(_ALPHABET)) + b"= \t\r\n"
_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


class Spooled(NamedTuple):
    digest: bytes
    damaged: bool


class Damage:
    """Whether anything was wrong with what was decoded so far."""

    found = False


def write_part(file: BinaryIO, part: Part, path: Path) -> Spooled:
    """Decodes `part` into a new file at `path`; `digest` is the SHA-256 of what was written."""
    damage = Damage()
    digest = hashlib.sha256()
    with path.open("xb") as target:
        for piece in _decoded(file, part, damage):
            digest.update(piece)
            target.write(piece)
    return Spooled(digest.digest(), damage.found or part.cut)


def read_part(file: BinaryIO, part: Part, limit: int) -> tuple[bytes, bool, bool]:
    """The first `limit` decoded bytes of `part`, whether it is damaged, and whether there is more."""
    damage = Damage()
    pieces: list[bytes] = []
    size = 0
    for piece in _decoded(file, part, damage):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            break
    return b"".join(pieces)[:limit], damage.found or part.cut, size > limit


def _decoded(file: BinaryIO, part: Part, damage: Damage) -> Iterator[bytes]:
    encoding = part.headers.get("content-transfer-encoding").strip(" \"';").lower()
    if encoding == "base64":
        return _base64(_chunks(file, part), damage)
    if encoding == "quoted-printable":
        return _quoted(_lines(file, part), damage)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _uuencoded(_lines(file, part), damage)
    return _chunks(file, part)


def _chunks(file: BinaryIO, part: Part) -> Iterator[bytes]:
    file.seek(part.start)
    left = part.end - part.start
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _lines(file: BinaryIO, part: Part) -> Iterator[bytes]:
    """Chunks that end with a line where lines are not absurdly long."""
    rest = b""
    for chunk in _chunks(file, part):
        cut = chunk.rfind(b"\n") + 1
        if cut or len(rest) > CHUNK:
            yield rest + chunk[:cut]
            rest = chunk[cut:]
        else:
            rest += chunk
    if rest:
        yield rest


def _base64(chunks: Iterator[bytes], damage: Damage) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        damage.found = damage.found or bool(chunk.translate(None, _FOREIGN))
        data = rest + chunk.translate(None, _NOT_BASE64)
        if data.count(b"=") > MAX_PIECES:
            damage.found = True
            data = data.replace(b"=", b"")
        padded = data.rfind(b"=") + 1
        # Several padded pieces may follow one another; a piece is only ended by its padding.
        if padded:
            yield base64_bytes(data[:padded])
            data = data[padded:]
        whole = len(data) // 4 * 4
        yield binascii.a2b_base64(data[:whole])
        rest = data[whole:]
    if rest:
        damage.found = True
        yield base64_bytes(rest)


def _quoted(chunks: Iterator[bytes], damage: Damage) -> Iterator[bytes]:
    for chunk in chunks:
        damage.found = damage.found or bool(_BAD_QUOTED.search(chunk))
        yield binascii.a2b_qp(chunk)


def _uuencoded(chunks: Iterator[bytes], damage: Damage) -> Iterator[bytes]:
    inside, left = False, MAX_UU_LINES
    for chunk in chunks:
        lines = chunk.splitlines()
        left -= len(lines)
        if left < 0:
            break
        for line in lines:
            if not inside:
                inside = line.startswith(b"begin ")
            elif line.strip() in (b"end", b"`", b""):
                inside = line.strip() != b"end"
            else:
                yield _uu_line(line, damage)
    damage.found = damage.found or inside or left < 0


def _uu_line(line: bytes, damage: Damage) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        damage.found = True
    usable = (((line[0] - 32) & 63) * 4 + 5) // 3
    try:
        return binascii.a2b_uu(line[:usable])
    except binascii.Error:
        return b""
