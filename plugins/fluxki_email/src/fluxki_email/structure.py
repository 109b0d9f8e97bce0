"""Finds the parts of a mail: one pass over its lines that notes where each part begins and ends.

Our own instead of the standard library's parser, which holds the whole mail in memory, writes nested messages anew (no
signature survives that), and recurses as deep as the mail says. Here nothing of a body is kept, so that memory does not
grow with the mail, and every limit is a counter. RFC 2045, 2046.
"""

import re
from functools import partial
from itertools import islice
from os import SEEK_END
from typing import BinaryIO

from msgspec import Struct

from fluxki_email.fields import Headers, parameters
from fluxki_email.notices import Notice

MAX_DEPTH = 100
MAX_PARTS = 1_000
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADER_LINES = 1_000
# All blocks together: every part may be small and their headers still be the bulk of the mail.
MAX_ALL_HEADERS = 8 * 1024 * 1024
# 25 MB in lines of 12 bytes; and lines of headers, or such as may be delimiters, which cost ten times as much.
MAX_LINES = 2_000_000
MAX_SLOW_LINES = 200_000
_LINE = 64 * 1024

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\Z")
_HEADER = re.compile(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:")


class Part(Struct, eq=False):
    """One part: headers and the span of bytes of its body, transfer encoding still on. `children` of a multipart."""

    headers: Headers
    media_type: str
    params: dict[str, str]
    start: int
    end: int
    children: list["Part"]
    cut: bool = False


class Structure(Struct):
    root: Part
    notices: set[Notice]


def read_structure(file: BinaryIO) -> Structure:
    """Reads `file` to its end. Never raises on content."""
    return _Reader(file).read()


def media_type(headers: Headers, default: str) -> tuple[str, dict[str, str]]:
    """The valid lower-case type of a part, and its parameters. Without a usable one it is `default`."""
    name, params = parameters(headers.get("content-type"))
    if not name:
        return default, params
    if name == "text":
        return "text/plain", params
    return (name if _MEDIA_TYPE.match(name) else "application/octet-stream"), params


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._notices: set[Notice] = set()
        self._open: list[tuple[bytes, Part]] = []
        self._depths: dict[bytes, list[int]] = {}
        self._parts = 0
        self._header_bytes = 0
        self._leaf: Part | None = None
        self._block: list[bytes] | None = []
        self._size = 0
        self._root: Part | None = None

    def read(self) -> Structure:
        position, previous, slow = 0, b"\n", 0
        for line in islice(iter(partial(self._file.readline, _LINE), b""), MAX_LINES):
            # Almost all lines are content of a file: the loop does the least it can for them.
            if (self._block is not None or line.startswith(b"--")) and previous.endswith(b"\n"):
                slow += 1
                if slow > MAX_SLOW_LINES:
                    break
                self._line(line, position, previous)
                if self._block is None and not self._open:
                    break
            position += len(line)
            previous = line
        # Where it stopped early, the part it stopped in has the rest.
        if slow > MAX_SLOW_LINES or (self._open and self._file.read(1)):
            self._notices.add(Notice.TOO_MANY_LINES)
        if self._block is not None:
            self._begin(position)
        end = self._file.seek(0, SEEK_END)
        self._finish(end, 0, closed=False)
        root = self._root or Part(Headers(), "text/plain", {}, 0, end, [])
        return Structure(root, self._notices)

    def _line(self, line: bytes, position: int, previous: bytes) -> None:
        ending = 2 if previous.endswith(b"\r\n") else 1
        if line.startswith(b"--") and self._open and self._delimiter(line, position, ending):
            return
        if self._block is not None:
            self._header(line, position, self._block)

    def _header(self, line: bytes, position: int, block: list[bytes]) -> None:
        blank = not line.strip(b"\r\n")
        if self._root is None and not block and (blank or line.startswith((b"From ", b">From "))):
            return
        named = line[:1] in (b" ", b"\t") or _HEADER.match(line) or (not block and line.find(b":") > 0)
        if blank or not named:
            self._begin(position + len(line) if blank else position)
            return
        self._size += len(line)
        self._header_bytes += len(line)
        within = self._size <= MAX_HEADER_BYTES and self._header_bytes <= MAX_ALL_HEADERS
        if within and len(block) < MAX_HEADER_LINES:
            block.append(line)
        else:
            self._notices.add(Notice.HEADERS_CUT)

    def _begin(self, start: int) -> None:
        """The headers ended: a part begins."""
        headers = Headers(b"".join(self._block or ()))
        self._block, self._size = None, 0
        parent = self._open[-1][1] if self._open else None
        digest = parent is not None and parent.media_type == "multipart/digest"
        kind, params = media_type(headers, "message/rfc822" if digest else "text/plain")
        part = Part(headers, kind, params, start, start, [])
        self._parts += 1
        if parent is None:
            self._root = part
        else:
            parent.children.append(part)
        boundary = params.get("boundary", "")
        if kind.startswith("multipart/") and boundary and len(self._open) >= MAX_DEPTH:
            self._notices.add(Notice.TOO_DEEP)
            part.media_type = "application/octet-stream"
        elif kind.startswith("multipart/") and boundary:
            delimiter = b"--" + boundary.encode("utf-8", "replace").rstrip()
            self._depths.setdefault(delimiter, []).append(len(self._open))
            self._open.append((delimiter, part))
            return
        self._leaf = part

    def _delimiter(self, line: bytes, position: int, ending: int) -> bool:
        """Whether the line is a delimiter of an open multipart; then what it ends is ended."""
        text = line.rstrip()
        closing = text not in self._depths and text.endswith(b"--")
        depths = self._depths.get(text[:-2] if closing else text)
        if not depths:
            return False
        if self._block is not None:
            self._begin(position)
        depth = depths[-1]
        self._finish(position - ending, depth if closing else depth + 1, closed=True)
        if closing:
            self._block = None
        elif self._parts < MAX_PARTS:
            self._block = []
        else:
            self._notices.add(Notice.TOO_MANY_PARTS)
        return True

    def _finish(self, end: int, keep: int, *, closed: bool) -> None:
        if self._leaf:
            self._leaf.end = max(self._leaf.start, end)
            self._leaf.cut = not closed and bool(self._open)
            self._leaf = None
        while len(self._open) > keep:
            delimiter, part = self._open.pop()
            part.end = max(part.start, end)
            depths = self._depths[delimiter]
            depths.pop()
            if not depths:
                del self._depths[delimiter]
