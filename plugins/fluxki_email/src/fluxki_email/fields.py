"""Reads the headers of a message or a part: raw bytes in, clean text, addresses, parameters and dates out.

Our own instead of `email.header`, `email.utils` and `Message.get_param`, since those raise or take quadratic time on
some input, decode each encoded word alone (so a character split between two is lost), and take eight times as long.
Nothing here raises. RFC 5322, 2047, 2231, 6532.
"""

import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from fluxki_email.bodies import decode

MAX_VALUE = 16_384
MAX_ADDRESSES = 200

_WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?((?:[^?]|\?(?!=)){0,2000}?)\?=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_FOLD = re.compile(rb"\r*\n[ \t]*|\r[ \t]*")


class Headers:
    """The headers of one block. Of repeated ones, the first counts; names are lower-case."""

    def __init__(self, block: bytes = b"") -> None:
        self._values: dict[str, list[bytes]] = {}
        current: list[bytes] | None = None
        for line in block.split(b"\n"):
            if line[:1] in (b" ", b"\t"):
                if current is not None:
                    current[-1] += b"\n" + line
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            current = self._values.setdefault(name.strip().lower().decode("latin-1"), [])
            current.append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str, limit: int = MAX_VALUE) -> list[str]:
        """Every value: unfolded, 8-bit bytes decoded, cut at `limit` characters, encoded words as they are."""
        return [_raw_text(value[: 2 * limit])[:limit] for value in self._values.get(name, ())]

    def get(self, name: str, limit: int = MAX_VALUE) -> str:
        """The first value, or an empty string."""
        values = self._values.get(name)
        return _raw_text(values[0][: 2 * limit])[:limit] if values else ""

    def text(self, name: str) -> str:
        """The first value for people: encoded words decoded, white space made single blanks."""
        return words(self.get(name))


class Mailbox(NamedTuple):
    """An address of a header, as written, and the name before it."""

    name: str
    address: str


def _raw_text(value: bytes) -> str:
    value = _FOLD.sub(b" ", value) if b"\n" in value or b"\r" in value else value
    text = value.decode("ascii") if value.isascii() else decode(value, None)
    return _CONTROL.sub("", text).strip()


def words(text: str) -> str:
    """`text` with its encoded words decoded (RFC 2047), control characters out, white space made single blanks.

    Neighbouring words of one charset are joined as bytes first: many programs split inside a character.
    """
    if "=?" in text:
        text = _decode_words(text)
    return " ".join(_CONTROL.sub(" ", text).split())


def _decode_words(text: str) -> str:
    out: list[str] = []
    pending, charset, position = b"", "", 0
    for found in _WORD.finditer(text):
        between = text[position : found.start()]
        if position == 0 or between.strip() or found[1].lower() != charset:
            out.append(decode(pending, charset) if pending else "")
            out.append(between if between.strip() or position == 0 else "")
            pending, charset = b"", found[1].lower()
        pending += _word_bytes(found[2], found[3])
        position = found.end()
    if pending:
        out.append(decode(pending, charset))
    return "".join(out) + text[position:]


def _word_bytes(encoding: str, content: str) -> bytes:
    data = content.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    return base64_bytes(data)


def base64_bytes(data: bytes) -> bytes:
    """What can be had of base64 with wrong padding or foreign characters in it."""
    out = []
    for piece in re.sub(rb"[^A-Za-z0-9+/=]", b"", data).split(b"="):
        usable = len(piece) - 1 if len(piece) % 4 == 1 else len(piece)
        out.append(binascii.a2b_base64(piece[:usable] + b"=" * (-usable % 4)))
    return b"".join(out)


_ADDRESS_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?|\(((?:[^()\\]|\\.)*+)\)?|<([^<>]*+)>?|([,;])|([^"(<,;]++|.)')
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"\\@]{1,128}@[^\s<>()\[\],;:\"\\@]{1,255}")


def mailboxes(value: str) -> list[Mailbox]:
    """The addresses of a header value, in order; what has no usable address is left out."""
    found = [one for one in _mailboxes(value[:MAX_VALUE]) if one.address]
    if not found and "=?" in value:
        # Some programs encode the whole of `Name <address>`.
        found = [one for one in _mailboxes(words(value)) if one.address]
    return found[:MAX_ADDRESSES]


def _mailboxes(value: str) -> Iterator[Mailbox]:
    names: list[str] = []
    comments: list[str] = []
    address = ""
    for quoted, comment, angle, separator, plain in _ADDRESS_TOKEN.findall(value):
        if separator:
            yield _mailbox(names, comments, address)
            names, comments, address = [], [], ""
        elif angle:
            address = address or _bare(angle)
        elif comment:
            comments.append(comment)
        else:
            names.append(re.sub(r"\\(.)", r"\1", quoted) or plain)
    yield _mailbox(names, comments, address)


def _mailbox(names: list[str], comments: list[str], address: str) -> Mailbox:
    text = " ".join(names)
    if not address:
        address = _bare(text)
        text = text.replace(address, " ") if address else text
    name = words(text).strip("\"' ") or words(" ".join(comments))
    return Mailbox("" if name.lower() == address.lower() else name[:200], address)


def _bare(text: str) -> str:
    found = _ADDRESS.search(text)
    return found[0].strip(".'") if found else ""


_PARAMETER = re.compile(r';\s*+([^\s=;"]{1,80})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;"]*+))')
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?\Z")


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The lower-case first token of a header such as Content-Type, and its parameters (RFC 2045, 2231), decoded.

    Also decodes what is not allowed but usual: encoded words in quotes, raw 8-bit text.
    """
    first = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for key, quoted, bare in _PARAMETER.findall(value):
        section = _SECTION.match(key.lower())
        text = re.sub(r'\\(["\\])', r"\1", quoted) or bare.strip()
        if section and (section[2] or section[3]):
            sections.setdefault(section[1], {}).setdefault(int(section[2] or 0), (text, bool(section[3])))
        else:
            plain.setdefault(key.lower(), words(text))
    for key, pieces in sections.items():
        plain[key] = _continued(pieces)
    return first, plain


def _continued(pieces: dict[int, tuple[str, bool]]) -> str:
    charset, data = "utf-8", b""
    for number in sorted(pieces):
        text, encoded = pieces[number]
        if encoded and number == min(pieces) and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return words(decode(data, charset))


_DATE = re.compile(
    r"(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?[\s-]+(\d{4}|\d{2})[\s,]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([+-]\d{4}|[a-z]{1,4})?",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\s?[+-]\d{2}:?\d{2}|Z)?")
_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_MONTHS |= {"fev": 2, "abr": 4, "mai": 5, "ago": 8, "set": 9, "out": 10, "dez": 12}
_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "brt": -3, "brst": -2}


def date(value: str) -> datetime | None:
    """An aware UTC time of a Date or Received header, or None. Without a zone it is taken for UTC."""
    value = value[-200:]
    found = _DATE.search(value)
    try:
        if not found:
            iso = _ISO_DATE.search(value)
            moment = datetime.fromisoformat(iso[0].replace(" +", "+").replace(" -", "-")) if iso else None
            return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        day, month, year, hour, minute, second, zone = found.groups()
        number = int(year) + (0 if len(year) == 4 else 2000 if int(year) < 69 else 1900)
        where = timezone(_offset(zone or ""))
        moment = datetime(
            number,
            _MONTHS.get(month.lower(), 0),
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),
            tzinfo=where,
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    if zone[:1] in ("+", "-"):
        size = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        return size if zone[0] == "+" else -size
    return timedelta(hours=_ZONES.get(zone.lower(), 0))
