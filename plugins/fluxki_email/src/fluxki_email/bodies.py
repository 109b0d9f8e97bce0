"""Turns bytes from a mail into text, whatever the mail says their character set is.

Declared, then strict UTF-8, then windows-1252 (STACK.md). Labels mean what the WHATWG Encoding Standard says they mean
(iso-8859-1 is windows-1252, and so on), because that is what the senders' programs write. Nothing here raises.
"""

import re
from encodings.aliases import aliases

_NOT_TEXT = frozenset("base64_codec bz2_codec hex_codec quopri_codec rot_13 uu_codec zlib_codec mbcs tactis".split())
_KNOWN = (frozenset(aliases.values()) - _NOT_TEXT) | {"utf_8_sig", "cp720", "cp856", "cp874", "koi8_u", "cp1006"}
_MEANT = {
    "ascii": "utf_8",
    "latin_1": "cp1252",
    "iso8859_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "euc_kr": "cp949",
    "ks_c_5601": "cp949",
    "ks_c_5601_1989": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso_2022_jp": "iso2022_jp",
    "utf8mb4": "utf_8",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "ansi": "cp1252",
    "x_mac_roman": "mac_roman",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def codec(label: str) -> str | None:
    """Python's name of the codec that a charset label means; None for what names no text encoding that we know."""
    name = re.sub(r"[^a-z0-9]+", "_", label.strip().lower().removeprefix("charset=")).strip("_")[:40]
    name = re.sub(r"^(?:x_)?(?:windows|win|cp)_?(\d{3,4})$", r"cp\1", name)
    name = re.sub(r"^iso_?8859_?(\d{1,2})(?:_[eil])?$", r"iso8859_\1", name)
    name = aliases.get(name, name)
    name = _MEANT.get(name, name)
    return name if name in _KNOWN else None


def decode(data: bytes, label: str | None) -> str:
    """`data` as text without NULs and lone surrogates; never raises.

    Text that says it is UTF-8 and nearly is (cut inside a character, a stray byte) is read as such, with U+FFFD.
    """
    declared = codec(label) if label else None
    text = _strictly(data, declared) if declared and declared != "utf_8" else None
    if text is None:
        text = _strictly(data, "utf_8")
    if text is None and declared == "utf_8":
        nearly = data.decode("utf-8", "replace")
        good = sum(1 for character in nearly if character > "\x7f" and character != "\ufffd")
        text = nearly if good > nearly.count("\ufffd") else None
    if text is None:
        text = data.decode("cp1252", "replace")
    return text.replace("\x00", "").removeprefix("\ufeff")


def _strictly(data: bytes, name: str) -> str | None:
    try:
        text = data.decode(name, "replace" if name == "cp1252" else "strict")
    except (UnicodeError, LookupError, ValueError):
        return None
    # utf-7 and utf-16 let halves of pairs through, which no database takes.
    return _SURROGATE.sub("\ufffd", text) if name.startswith("utf_") and name != "utf_8" else text
