"""The way in, between its halves: a raw message is parsed by its channel, checked, cleaned, its files stored."""

import asyncio
import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import BinaryIO, TypeVar

from msgspec import Struct

from fluxki_core.domain.cleaning import clean, from_text, replace_cids
from fluxki_core.domain.errors import PluginError, Unavailable
from fluxki_core.domain.ids import FileToken, RawId
from fluxki_core.domain.traffic import MAX_SUBJECT, Account, Inbound, InboundFile
from fluxki_core.hooks.host import HookTimeout
from fluxki_core.services.core import Core
from fluxki_core.storage.files import FileStore, Stored
from fluxki_core.storage.statements import Row

T = TypeVar("T")

TRIES = 3
IN_LOOP = 32 * 1024  # characters of HTML that are cleaned in the event loop; more go to a thread
MAX_NAME = 200


class IntakeFile(Struct, frozen=True, kw_only=True):
    """A file in the store that the message will own."""

    token: FileToken
    stored: Stored
    name: str
    media_type: str
    inline: bool


class Understood(Struct, frozen=True, kw_only=True):
    """A request that is ready to be taken in."""

    inbound: Inbound
    subject: str
    sender_name: str
    body_html: str
    body_text: str
    notices: tuple[str, ...]
    files: tuple[IntakeFile, ...]


class Unreadable(Struct, frozen=True):
    """Why a raw message must be parked."""

    reason: str


class StoredRaw:
    """A raw message as its channel's parser sees it."""

    def __init__(self, row: Row, files: FileStore, folder: Path) -> None:
        self._body: bytes | None = row["body"]
        self._path = files.existing(row["sha256"]) if row["sha256"] else None
        self.id = RawId(row["id"])
        self.received_at: datetime = row["received_at"]
        self.size: int = row["size"]
        self.folder = folder

    def open(self) -> BinaryIO:
        return io.BytesIO(self._body or b"") if self._path is None else self._path.open("rb")


async def understand(core: Core, account: Account, row: Row) -> Understood | Unreadable:
    """Never raises for what the message or its plugin does; raises `Unavailable` where disk or database fail."""
    if row["attempts"] >= TRIES:
        return Unreadable("The process ended three times while working on this message.")
    with _folder(core) as folder:
        try:
            raw = StoredRaw(row, core.files, folder)
            inbound = await _parsed(core, account, raw)
            return await _prepared(core, inbound, folder)
        except Unavailable:
            raise
        except Exception as error:
            return Unreadable(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _folder(core: Core) -> Iterator[Path]:
    # Files are decoded next to the store, so that a full /tmp never stops the mail.
    try:
        core.files.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=core.files.folder, prefix="parse-"))
    except OSError as error:
        raise Unavailable(f"{core.files.folder} cannot be written ({error.strerror}); free space there.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _parsed(core: Core, account: Account, raw: StoredRaw) -> Inbound:
    """A parser that raises is tried again, since it may have met a passing fault; one that hangs is not."""
    for attempt in range(1, TRIES + 1):
        try:
            return await core.host.address("channel_parse", account, Inbound, core.settings.parse_seconds, raw=raw)
        except (HookTimeout, Unavailable):
            raise
        except Exception:
            if attempt == TRIES:
                raise
    raise AssertionError


async def _prepared(core: Core, inbound: Inbound, folder: Path) -> Understood:
    _check(inbound, folder)
    files = await asyncio.to_thread(_store_files, core.files, inbound.files) if inbound.files else ()
    core.unit.step("understand:files")
    html = inbound.body_html
    cids = {each.content_id: stored.token for each, stored in zip(inbound.files, files, strict=True) if each.content_id}
    text = storable(inbound.body_text)
    if html is None:
        body, removed = await _heavy(from_text, text), frozenset[str]()
    else:
        cleaned = await _heavy(clean, storable(html))
        body, removed = replace_cids(cleaned.html, cids), cleaned.removed
    return Understood(
        inbound=inbound,
        subject=" ".join(storable(inbound.subject).split())[:MAX_SUBJECT],
        sender_name=storable(inbound.sender_name).strip()[:MAX_NAME] or inbound.sender.value[:MAX_NAME],
        body_html=body,
        body_text=text,
        notices=tuple(dict.fromkeys((*inbound.notices, *sorted(removed)))),
        files=files,
    )


async def _heavy(function: Callable[[str], T], text: str) -> T:
    return function(text) if len(text) <= IN_LOOP else await asyncio.to_thread(function, text)


def storable(text: str) -> str:
    """Text that every database takes: no NUL, no lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check(inbound: Inbound, folder: Path) -> None:
    """A plugin's answer is believed only where it can be stored."""
    texts = (inbound.key, inbound.sender.kind, inbound.sender.value, inbound.subject, inbound.body_text)
    if not all(isinstance(each, str) for each in texts) or not (inbound.key and inbound.sender.value):
        raise PluginError("channel_parse gave an Inbound without key or sender, or with texts that are none.")
    if not isinstance(inbound.sent_at, datetime) or inbound.sent_at.utcoffset() is None:
        raise PluginError("channel_parse gave a sent_at that is no aware time.")
    for each in inbound.files:
        if not each.path.resolve().is_relative_to(folder.resolve()) or not each.path.is_file():
            raise PluginError(f"channel_parse gave a file {each.name!r} that is not in the message's folder.")


def _store_files(files: FileStore, given: tuple[InboundFile, ...]) -> tuple[IntakeFile, ...]:
    return tuple(
        IntakeFile(
            token=FileToken(token_urlsafe(18)),
            stored=files.put(each.path),
            name=storable(each.name)[:255],
            media_type=each.media_type[:127],
            inline=each.inline,
        )
        for each in given
    )
