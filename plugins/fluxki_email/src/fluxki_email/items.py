"""A file with a mail in it becomes a raw item: its bytes, or its path where it is large, under its own hash."""

import hashlib
import re
from pathlib import Path

from fluxki_core.domain.traffic import RawItem

IN_MEMORY = 64 * 1024  # bytes; a larger file is read in chunks by whoever stores it
_UNIQUE_NAME = re.compile(r"(\d+)(?:\.M(\d+))?")


def from_file(path: Path) -> RawItem:
    """The file as a raw item. Raises OSError, FileNotFoundError among them."""
    with path.open("rb") as file:
        content = file.read(IN_MEMORY + 1)
        if len(content) <= IN_MEMORY:
            return from_bytes(content)
        file.seek(0)
        return RawItem(hashlib.file_digest(file, "sha256").hexdigest(), path)


def from_bytes(content: bytes) -> RawItem:
    return RawItem(hashlib.sha256(content).hexdigest(), content)


def delivery_order(name: str) -> tuple[int, int, str]:
    """Sorts names of a Maildir by the time in them, in seconds and microseconds; names without one come first."""
    match = _UNIQUE_NAME.match(name)
    if match is None:
        return 0, 0, name
    return int(match[1]), int(match[2] or 0), name
