"""Writes the files of a mail into its folder, and says of each what it is and whether the body shows it."""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from fluxki_core.domain.cleaning import cid_key
from fluxki_core.domain.traffic import InboundFile

from fluxki_email.fields import parameters, words
from fluxki_email.notices import Notice
from fluxki_email.spool import write_part
from fluxki_email.structure import Part

MAX_NAME = 150
MAX_EXTENSION = 16

# Controls, and what turns the direction of writing or cannot be seen: `exe.fdp` must not pass for `pdf.exe`.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffc\ud800-\udfff]")
_EXTENSIONS = {
    "text/plain": "txt",
    "text/html": "html",
    "text/calendar": "ics",
    "text/vcard": "vcf",
    "text/x-vcard": "vcf",
    "text/csv": "csv",
    "text/xml": "xml",
    "text/rfc822-headers": "txt",
    "application/xml": "xml",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/ms-tnef": "dat",
    "application/pkcs7-mime": "p7m",
    "application/x-pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s",
    "application/pgp-signature": "asc",
    "application/pgp-encrypted": "asc",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "video/mp4": "mp4",
    "message/rfc822": "eml",
    "message/global": "eml",
    "message/delivery-status": "txt",
    "message/disposition-notification": "txt",
}


def write_files(
    file: BinaryIO, parts: Sequence[Part], folder: Callable[[], Path], shown: Collection[str], notices: set[Notice]
) -> tuple[tuple[InboundFile, ...], list[bytes]]:
    """The files, and the SHA-256 of each. `shown` are the keys (`cid_key`) that the body refers to."""
    files: list[InboundFile] = []
    digests: list[bytes] = []
    for number, part in enumerate(parts, 1):
        path = folder() / f"part-{number:04}"
        spooled = write_part(file, part, path)
        if spooled.damaged:
            notices.add(Notice.DAMAGED_PART)
        digests.append(spooled.digest)
        files.append(_described(part, number, path, shown))
    return tuple(files), digests


def _described(part: Part, number: int, path: Path, shown: Collection[str]) -> InboundFile:
    disposition, params = parameters(part.headers.get("content-disposition"))
    content_id = words(part.headers.get("content-id")).strip("<> ")[:500] or None
    in_body = content_id is not None and cid_key(content_id) in shown
    extension = _EXTENSIONS.get(part.media_type, "bin")
    name = clean_name(params.get("filename") or part.params.get("name") or "") or f"part-{number}.{extension}"
    if part.media_type in ("message/rfc822", "message/global") and not name.lower().endswith(".eml"):
        name = f"{name[: MAX_NAME - 4]}.eml"
    return InboundFile(
        name=name,
        media_type=part.media_type,
        path=path,
        content_id=content_id,
        inline=in_body or (disposition == "inline" and part.media_type.startswith("image/")),
    )


def clean_name(name: str) -> str:
    """A file's name that is no path, hides nothing and is at most `MAX_NAME` long with its extension; maybe empty."""
    name = unicodedata.normalize("NFC", _UNSAFE.sub("", name[:2_000]))
    name = re.split(r"[/\\]", name.rstrip("/\\ "))[-1].strip(". ")
    if len(name) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > MAX_EXTENSION:
        return name[:MAX_NAME].rstrip()
    return f"{stem[: MAX_NAME - len(extension) - 1].rstrip()}.{extension}"
