"""Finds the parts of a mail: one pass over its lines that notes where each part begins and ends.

Our own instead of the standard library's parser, which holds the whole mail in memory, writes nested messages anew (no
signature survives that), and recurses as deep as the mail says. Here nothing of a body is kept, so that memory does not
grow with the mail, and every limit is a counter. RFC 2045, 2046.
"""

import re
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
        position, ending, fresh = 0, 0, True
        readline = self._file.readline
        while line := readline(_LINE):
            if fresh:
                if line.startswith(b"--") and self._open and self._delimiter(line, position, ending):
                    pass
                elif self._block is not None:
                    self._header(line, position)
            position += len(line)
            fresh = line.endswith(b"\n")
            ending = 2 if line.endswith(b"\r\n") else 1 if fresh else 0
        if self._block is not None:
            self._begin(position)
        self._finish(position, 0, closed=False)
        root = self._root or Part(Headers(), "text/plain", {}, 0, position, [])
        return Structure(root, self._notices)

    def _header(self, line: bytes, position: int) -> None:
        block = self._block
        assert block is not None  # noqa: S101
        blank = not line.strip(b"\r\n")
        if self._root is None and not block and (blank or line.startswith((b"From ", b">From "))):
            return
        if blank:
            self._begin(position + len(line))
        elif line[:1] in (b" ", b"\t") or _HEADER.match(line):
            self._keep_header(line)
        elif line.find(b":") > 0 and not block:
            self._keep_header(line)
        else:
            self._begin(position)

    def _keep_header(self, line: bytes) -> None:
        block = self._block
        assert block is not None  # noqa: S101
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
