"""Decides which parts of a mail are its body and which are files, and puts the body together (CHANNELS 31)."""

from collections.abc import Iterator
from typing import BinaryIO

from fluxki_core.domain.cleaning import from_text, to_text
from msgspec import Struct

from fluxki_email.bodies import decode
from fluxki_email.fields import parameters
from fluxki_email.notices import Notice
from fluxki_email.spool import read_part
from fluxki_email.structure import Part, Structure

# Decoded bytes of all body parts together; what goes beyond is a file as well.
MAX_BODY = 2 * 1024 * 1024

_ENCRYPTED = frozenset(("multipart/encrypted", "application/pgp-encrypted"))
_PKCS7 = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))


class Block(Struct):
    """A stretch of the body, as text, as HTML or as both alternatives."""

    text: Part | None = None
    html: Part | None = None


class Content(Struct):
    """`body_html` is None where no part is HTML. `files` are in the order of the mail."""

    body_text: str
    body_html: str | None
    files: list[Part]


def read_content(file: BinaryIO, structure: Structure) -> Content:
    """Reads the body's parts; adds to `structure.notices`."""
    blocks: list[Block] = []
    files: list[Part] = []
    _sort(structure.root, None, blocks, files, structure.notices)
    reader = _Reader(file, files, structure.notices)
    decoded = [(reader.text(block.text), reader.text(block.html)) for block in blocks]
    texts = [plain if plain is not None else to_text(html or "") for plain, html in decoded]
    rich = any(block.html for block in blocks)
    htmls = [html if html is not None else from_text(plain or "") for plain, html in decoded if rich]
    return Content(
        "\n\n".join(text.strip("\n") for text in texts if text.strip()),
        "\n<br>\n".join(htmls) if rich else None,
        files,
    )


class _Reader:
    def __init__(self, file: BinaryIO, files: list[Part], notices: set[Notice]) -> None:
        self._file = file
        self._files = files
        self._notices = notices
        self._left = MAX_BODY

    def text(self, part: Part | None) -> str | None:
        if part is None:
            return None
        data, damaged, more = read_part(self._file, part, self._left)
        self._left -= len(data)
        if damaged:
            self._notices.add(Notice.DAMAGED_PART)
        if more:
            self._notices.add(Notice.LONG_BODY)
            self._files.append(part)
        text = decode(data, part.params.get("charset"))
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _sort(part: Part, parent: Part | None, blocks: list[Block], files: list[Part], notices: set[Notice]) -> None:
    kind = part.media_type
    _mark(part, notices)
    if part.children:
        first = len(blocks)
        for child in part.children:
            _sort(child, part, blocks, files, notices)
        if kind == "multipart/alternative":
            blocks[first:] = _merged(blocks[first:])
    elif kind.startswith("multipart/"):
        # Nothing of what it promised is there: what there is stands as text.
        notices.add(Notice.DAMAGED_PART)
        part.params.pop("charset", None)
        blocks.append(Block(text=part))
    elif _is_body(part, parent):
        blocks.append(Block(html=part) if kind == "text/html" else Block(text=part))
    else:
        files.append(part)


def _mark(part: Part, notices: set[Notice]) -> None:
    if part.media_type in _ENCRYPTED:
        notices.add(Notice.ENCRYPTED)
    elif part.media_type == "multipart/signed":
        notices.add(Notice.SIGNED)
    elif part.media_type in _PKCS7:
        signed = part.params.get("smime-type", "").lower() == "signed-data"
        notices.add(Notice.SIGNED if signed else Notice.ENCRYPTED)


def _merged(blocks: list[Block]) -> list[Block]:
    """Alternatives say the same: one block of the first text and the last HTML, which is the richest (RFC 2046)."""
    text = next((block.text for block in blocks if block.text), None)
    html = next((block.html for block in reversed(blocks) if block.html), None)
    return [Block(text, html)] if text or html else []


def _is_body(part: Part, parent: Part | None) -> bool:
    if part.media_type not in ("text/plain", "text/html"):
        return False
    disposition, params = parameters(part.headers.get("content-disposition"))
    if disposition == "attachment":
        return False
    if parent is None or parent.media_type == "multipart/alternative" or parent.children[0] is part:
        return True
    return not (params.get("filename") or part.params.get("name") or "content-id" in part.headers)


def all_parts(root: Part) -> Iterator[Part]:
    """Every part from `root` on, in the order of the mail."""
    stack = [root]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(reversed(part.children))
