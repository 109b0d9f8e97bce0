"""Header fields of outgoing mail as folded ASCII lines (RFC 5322, 2047, 2231); nothing in a value can end its field."""

import base64
import re
from collections.abc import Iterable, Iterator

LINE = 78
HARD_LINE = 998
NAME_LIMIT = 200  # characters of a file's name

# 42 bytes make a word of 68 characters, which still fits a line after ` name="`.
_WORD_BYTES = 42
_SECTION_BYTES = 16
_CHARSET = "utf-8"
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+^_`{|}~.-]")
_MSG_ID = re.compile(r"<?([\x21-\x3b\x3d\x3f-\x7e]+)>?")


def clean(text: str) -> str:
    """One line of `text`: runs of blanks and control characters become one blank, lone surrogates U+FFFD."""
    return _CONTROLS.sub(" ", _SURROGATES.sub("\ufffd", text)).strip()


def field(name: str, *pieces: str) -> bytes:
    """`name: pieces` with CRLF, folded before the pieces that would pass 78 characters."""
    lines = [f"{name}:"]
    for piece in pieces:
        if len(lines[-1].encode()) + 1 + len(piece.encode()) > LINE:
            lines.append("")
        lines[-1] += f" {piece}"
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"


def words(text: str) -> list[str]:
    """Pieces of unstructured text: its words as they are where ASCII can say them, else encoded words (RFC 2047)."""
    text = clean(text)
    plain = text.split(" ") if text else []
    if text.isascii() and "=?" not in text and all(len(word) < LINE for word in plain):
        return plain
    return list(encoded_words(text))


def encoded_words(text: str) -> Iterator[str]:
    """`text` as encoded words of at most 75 characters, none with a character split (RFC 2047 §5)."""
    for chunk in _chunks(text, _WORD_BYTES):
        yield f"=?{_CHARSET}?B?{base64.b64encode(chunk).decode('ascii')}?="


def mailbox(name: str, address: str) -> list[str]:
    """Pieces of `name <address>`; the name is quoted or encoded where it must be, and may be empty."""
    name = clean(name)
    if not name:
        return [address]
    if _ATOMS.fullmatch(name) and "=?" not in name:
        return [*words(name), f"<{address}>"]
    if name.isascii() and "=?" not in name and len(name) < LINE // 2:
        return [_quoted(name), f"<{address}>"]
    return [*encoded_words(name), f"<{address}>"]


def message_ids(ids: Iterable[str]) -> list[str]:
    """The ids in angle brackets; what is no id, or too long for a line, is left out."""
    found = (_MSG_ID.fullmatch(one.strip()) for one in ids)
    return [f"<{match[1]}>" for match in found if match and len(f"In-Reply-To: <{match[1]}>") <= HARD_LINE]


def file_name(name: str) -> str:
    """A name that is no path: separators become underscores, and its end is kept where it is too long."""
    return re.sub(r"[/\\]", "_", clean(name))[-NAME_LIMIT:].strip() or "file"


def content_type(media_type: str, name: str) -> bytes:
    """Content-Type with the file's name for old programs, which read encoded words in quotes."""
    name = file_name(name)
    if name.isascii() and "=?" not in name and len(name) < LINE // 2:
        return field("Content-Type", f"{media_type};", f"name={_quoted(name)}")
    first, *rest = encoded_words(name)
    pieces = [f'name="{first}', *rest]
    return field("Content-Type", f"{media_type};", *pieces[:-1], pieces[-1] + '"')


def disposition(kind: str, name: str) -> bytes:
    """Content-Disposition with the file's name, in sections where it is long or not ASCII (RFC 2231)."""
    name = file_name(name)
    if name.isascii() and "=?" not in name and len(name) < LINE // 2:
        return field("Content-Disposition", f"{kind};", f"filename={_quoted(name)}")
    sections = [_percent(chunk) for chunk in _chunks(name, _SECTION_BYTES)]
    sections[0] = f"{_CHARSET}''{sections[0]}"
    pieces = [f"filename*{number}*={section}" for number, section in enumerate(sections)]
    return field("Content-Disposition", f"{kind};", *(f"{piece};" for piece in pieces[:-1]), pieces[-1])


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _percent(chunk: bytes) -> str:
    return "".join(chr(byte) if _TOKEN.match(chr(byte)) else f"%{byte:02X}" for byte in chunk)


def _chunks(text: str, size: int) -> Iterator[bytes]:
    """UTF-8 of `text` in runs of at most `size` bytes of whole characters."""
    chunk = b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > size:
            yield chunk
            chunk = b""
        chunk += encoded
    if chunk:
        yield chunk
