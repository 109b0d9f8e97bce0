"""A mail as it stands in the store becomes an `Inbound`: what it says, its files, and where it belongs."""

import hashlib
import io
from collections.abc import Callable, Collection
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from fluxki_core.domain.cleaning import cids
from fluxki_core.domain.traffic import MAX_SUBJECT, Inbound, SignedRef

from fluxki_email.attached import write_files
from fluxki_email.content import Content, read_content
from fluxki_email.identity import NOBODY, message_id_of, refs_of, sender_of, sent_at
from fluxki_email.nature import nature_of
from fluxki_email.notices import Notice
from fluxki_email.structure import read_structure

# A mail up to this size is read at once, which is faster than seeking in its file.
_SMALL = 512 * 1024
_CHUNK = 256 * 1024


def parse(
    raw_file: BinaryIO,
    *,
    received_at: datetime,
    size: int,
    folder: Callable[[], Path],
    verify: Callable[[str], SignedRef | None],
    addresses: Collection[str],
) -> Inbound:
    """Understands the mail in `raw_file` (seekable, at its start), whatever bytes those are.

    `received_at` is aware UTC and the latest that the mail can have been sent; `size` in bytes; decoded files go into
    the empty folder that `folder` gives, asked for only where there are any; `verify` is `Desk.verify`; `addresses`
    are those of our own mailboxes. Raises nothing but OSError of the disk. `notices` are codes of `Notice`.
    """
    with ExitStack() as opened:
        file = _with_line_feeds(io.BytesIO(raw_file.read()) if size <= _SMALL else raw_file, folder, opened)
        structure = read_structure(file)
        content = read_content(file, structure)
        shown = cids(content.body_html) if content.body_html else set()
        files, digests = write_files(file, content.files, folder, shown, structure.notices)
    headers, notices = structure.root.headers, structure.notices
    nature, subject = nature_of(structure.root), headers.text("subject")
    sender = sender_of(headers, nature, addresses)
    moment, oddity = sent_at(headers, received_at)
    outside_id = message_id_of(headers) or _synthetic_id(raw_file, notices)
    notices.update({Notice.NO_SENDER} if sender.address == NOBODY else (), {oddity} if oddity else ())
    return Inbound(
        key=_key(outside_id, content, digests),
        sender=sender.address,
        sender_name=sender.name,
        sent_at=moment,
        subject=subject[:MAX_SUBJECT],
        body_text=content.body_text,
        body_html=content.body_html,
        files=files,
        refs=refs_of(headers, subject, (content.body_text, content.body_html or ""), verify),
        outside_id=outside_id,
        nature=nature,
        notices=tuple(sorted(notice.value for notice in notices)),
    )


def _synthetic_id(file: BinaryIO, notices: set[Notice]) -> str:
    """An id that is the same whenever these bytes come (CHANNELS 4)."""
    notices.add(Notice.NO_MESSAGE_ID)
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return f"{digest.hexdigest()[:40]}@synthetic.invalid"


def _with_line_feeds(file: BinaryIO, folder: Callable[[], Path], opened: ExitStack) -> BinaryIO:
    """`file`, or a copy of one whose lines end with a bare CR, as old Macintosh programs wrote them."""
    start = file.read(_CHUNK)
    file.seek(0)
    if b"\n" in start or b"\r" not in start:
        return file
    copy = opened.enter_context((folder() / "lines").open("x+b"))
    while chunk := file.read(_CHUNK):
        copy.write(chunk.replace(b"\r", b"\n"))
    copy.seek(0)
    return copy


def _key(outside_id: str, content: Content, digests: list[bytes]) -> str:
    """The same for every copy of the mail; another where the same id comes with other content (CHANNELS 3)."""
    body = hashlib.sha256()
    for text in (content.body_text, content.body_html or ""):
        body.update(" ".join(text.split()).encode("utf-8", "replace") + b"\0")
    body.update(b"".join(digests))
    return hashlib.sha256(outside_id.encode("utf-8", "replace") + b"\0" + body.digest()).hexdigest()
