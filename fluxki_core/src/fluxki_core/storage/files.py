"""The file store: bytes by their SHA-256 under one folder, on disk for good before anybody refers to them."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from fluxki_core.domain.errors import NotFound, Unavailable

CHUNK = 1 << 20


class Stored(Struct, frozen=True):
    """Where bytes stand: their hash in hex, and how many they are."""

    sha256: str
    size: int


class FileStore:
    """All calls block; run them in a thread. Each raises `Unavailable` where the disk fails or is full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256[2:]

    def existing(self, sha256: str) -> Path:
        """The file's path; raises `NotFound` where the store has lost it."""
        path = self.path(sha256)
        if not path.is_file():
            raise NotFound("The file's bytes are not in the file store; restore them from a backup of data_dir/files.")
        return path

    def scratch(self) -> Path:
        """A new, empty folder next to the store, so that a full /tmp never stops the mail; its user removes it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self.folder, prefix="parse-"))
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be written ({error.strerror}); free space there.") from error

    def sweep(self) -> None:
        """Removes what processes that were killed left half done more than a day ago."""
        before = time.time() - 86400
        for each in (*self.folder.glob("parse-*"), *self.folder.glob("new-*")):
            with contextlib.suppress(OSError):
                if each.stat().st_mtime < before:
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

    def put(self, content: bytes | Path) -> Stored:
        """Copies bytes, or a file in chunks, into the store and syncs them. What is there already is left."""
        try:
            return self._put(content)
        except OSError as error:
            raise Unavailable(
                f"The file store cannot be written ({error.strerror}): free space in {self.folder} and try again."
            ) from error

    def _put(self, content: bytes | Path) -> Stored:
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False) as target:
            try:
                for chunk in _chunks(content):
                    digest.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
                target.flush()
                stored = Stored(digest.hexdigest(), size)
                if self.path(stored.sha256).exists():
                    Path(target.name).unlink()
                    return stored
                os.fsync(target.fileno())
                self._move(Path(target.name), self.path(stored.sha256))
            except BaseException:
                Path(target.name).unlink(missing_ok=True)
                raise
        return stored

    def _move(self, source: Path, target: Path) -> None:
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(self.folder)
        source.replace(target)
        _sync_folder(target.parent)


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
