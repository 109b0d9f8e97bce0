"""The way in, between its halves: a raw message is parsed by its channel, checked, cleaned, its files stored."""

import asyncio
import errno
import io
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, TypeVar

from msgspec import Struct

from fluxki_core.domain.cleaning import clean, from_text
from fluxki_core.domain.errors import PluginError, Unavailable
from fluxki_core.domain.ids import FileToken, RawId
from fluxki_core.domain.traffic import MAX_SUBJECT, Account, Inbound, InboundFile, Nature, Refs
from fluxki_core.hooks.host import HookTimeout
from fluxki_core.services.core import Core
from fluxki_core.storage.files import FileStore, Stored
from fluxki_core.storage.statements import Row

T = TypeVar("T")

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

TRIES = 3
SMALL = 1 << 20  # bytes of a raw message
SMALL_AT_ONCE = 4
IN_LOOP = 32 * 1024  # characters of HTML that are cleaned in the event loop; more go to a thread
MAX_NAME = 200
MAX_REASON = 2000
MAX_ADDRESS = 320
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}


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
    """A raw message as its channel's parser sees it; `close` removes its folder."""

    def __init__(self, row: Row, files: FileStore) -> None:
        self._body: bytes | None = row["body"]
        self._sha256: str | None = row["sha256"]
        self._files = files
        self._folder: Path | None = None
        self.id = RawId(row["id"])
        self.received_at: datetime = row["received_at"]
        self.size: int = row["size"]

    @property
    def folder(self) -> Path:
        """Made when it is first asked for, since most messages bring no files."""
        if self._folder is None:
            self._folder = self._files.scratch()
        return self._folder

    def open(self) -> BinaryIO:
        """The bytes; raises `NotFound` where the store has lost them."""
        if self._sha256 is None:
            return io.BytesIO(self._body or b"")
        return self._files.existing(self._sha256).open("rb")

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


async def understand_all(core: Core, account: Account, rows: Sequence[Row]) -> list[Understood | Unreadable]:
    """As `understand`, in order; several small messages at a time: others parse while one waits for the disk."""
    some = asyncio.Semaphore(SMALL_AT_ONCE if all(row["size"] <= SMALL for row in rows) else 1)

    async def one(row: Row) -> Understood | Unreadable:
        async with some:
            return await understand(core, account, row)

    ended = await asyncio.gather(*(one(row) for row in rows), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if not isinstance(each, BaseException)]


async def understand(core: Core, account: Account, row: Row) -> Understood | Unreadable:
    """Never raises for what the message or its plugin does; raises `Unavailable` where disk or database fail."""
    if row["attempts"] >= TRIES:
        return Unreadable("The process ended three times while working on this message.")
    raw = StoredRaw(row, core.files)
    try:
        inbound = await _parsed(core, account, raw)
        return await _prepared(core, inbound, raw)
    except Unavailable:
        raise
    except Exception as error:
        if _disk_failed(error):
            raise Unavailable(f"A message cannot be decoded ({error}): free space in {core.files.folder}.") from error
        return Unreadable(described(error))
    finally:
        raw.close()


def described(error: BaseException) -> str:
    """The error in words that every database takes, since a plugin may have written them."""
    return storable(f"{type(error).__name__}: {error}")[:MAX_REASON]


def _disk_failed(error: BaseException | None) -> bool:
    """A full disk is no fault of the message: it must not be parked for that."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            return True
        error = error.__cause__
    return False


async def _parsed(core: Core, account: Account, raw: StoredRaw) -> Inbound:
    """A parser that raises is tried again, since it may have met a passing fault; one that hangs is not."""
    for attempt in range(1, TRIES + 1):
        try:
            return await core.host.address("channel_parse", account, Inbound, core.settings.parse_seconds, raw=raw)
        except (HookTimeout, Unavailable):
            raise
        except Exception as error:
            if attempt == TRIES or _disk_failed(error):
                raise
            raw.close()  # the next attempt gets an empty folder again
    raise AssertionError


async def _prepared(core: Core, inbound: Inbound, raw: StoredRaw) -> Understood:
    _check(inbound, raw)
    files = await asyncio.to_thread(_store_files, core.files, inbound.files) if inbound.files else ()
    core.unit.step("understand:files")
    html = inbound.body_html
    cids = {each.content_id: stored.token for each, stored in zip(inbound.files, files, strict=True) if each.content_id}
    text = storable(inbound.body_text)
    if html is None:
        body, removed = await _heavy(from_text, text), frozenset[str]()
    else:
        cleaned = await _heavy(partial(clean, names=cids), storable(html))
        body, removed = cleaned.html, cleaned.removed
    return Understood(
        inbound=inbound,
        subject=one_line(inbound.subject)[:MAX_SUBJECT],
        sender_name=one_line(inbound.sender_name)[:MAX_NAME] or inbound.sender.value[:MAX_NAME],
        body_html=body,
        body_text=text,
        notices=tuple(dict.fromkeys((*inbound.notices, *sorted(removed)))),
        files=files,
    )


async def _heavy(function: Callable[[str], T], text: str) -> T:
    return function(text) if len(text) <= IN_LOOP else await asyncio.to_thread(function, text)


def one_line(text: str) -> str:
    """A subject or name as it is stored: without line breaks and other control characters, blanks folded."""
    return " ".join(_CONTROLS.sub(" ", storable(text)).split())


def storable(text: str) -> str:
    """Text that every database takes: no NUL, no lone surrogates."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check(inbound: Inbound, raw: StoredRaw) -> None:
    """A plugin's answer is believed only where it can be stored."""
    texts = (inbound.key, inbound.sender.kind, inbound.sender.value, inbound.subject, inbound.body_text)
    if not all(isinstance(each, str) for each in texts) or not (inbound.key and inbound.sender.value):
        raise PluginError("channel_parse gave an Inbound without key or sender, or with texts that are none.")
    if not isinstance(inbound.sent_at, datetime) or inbound.sent_at.utcoffset() is None:
        raise PluginError("channel_parse gave a sent_at that is no aware time.")
    if not isinstance(inbound.nature, Nature) or not isinstance(inbound.refs, Refs):
        raise PluginError("channel_parse gave a nature or refs of another type.")
    ids = (inbound.key, inbound.sender.value, *inbound.refs.outside_ids, *filter(None, (inbound.outside_id,)))
    if not all(isinstance(each, str) and storable(each) == each for each in ids):
        raise PluginError("channel_parse gave a key, address or outside id with characters that cannot be stored.")
    if len(inbound.sender.value) > MAX_ADDRESS:
        raise PluginError(f"channel_parse gave a sender's address of more than {MAX_ADDRESS} characters.")
    for each in inbound.files:
        if not each.path.resolve().is_relative_to(raw.folder.resolve()) or not each.path.is_file():
            raise PluginError(f"channel_parse gave a file {each.name!r} that is not in the message's folder.")


def _store_files(files: FileStore, given: tuple[InboundFile, ...]) -> tuple[IntakeFile, ...]:
    return tuple(
        IntakeFile(
            token=FileToken(token_hex(16)),
            stored=files.put(each.path),
            name=storable(each.name)[:255],
            media_type=each.media_type[:127],
            inline=each.inline,
        )
        for each in given
    )
