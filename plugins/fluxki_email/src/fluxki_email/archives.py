"""Reads mail from files: single mails, folders of them, mbox files and Maildirs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.traffic import RawItem

from fluxki_email.items import delivery_order, from_bytes, from_file

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_FROM_LINE = re.compile(rb"From .*\d\d?:\d\d.*\b\d{4}\b")
_ESCAPED = re.compile(rb">+From ")


def items(path: Path) -> Iterator[RawItem]:
    """Every mail in an `.eml` file, a folder of them (with its subfolders), an mbox file or a Maildir.

    Nothing is moved or changed, and an mbox file is read a mail at a time. Raises Invalid for a path that is missing,
    unreadable or none of these.
    """
    try:
        if path.is_dir() or not _is_mbox(path):
            yield from (from_file(mail) for mail in _mail_files(path))
        else:
            yield from (from_bytes(mail) for mail in _mbox(path))
    except OSError as error:
        raise Invalid({str(error.filename or path): f"cannot be read ({error.strerror})"}) from error


def count(path: Path) -> int:
    """How many mails `items` will give. Raises Invalid as `items` does."""
    try:
        if path.is_dir() or not _is_mbox(path):
            return len(_mail_files(path))
        with path.open("rb") as file:
            return sum(starts for starts, _ in _marked_lines(file))
    except OSError as error:
        raise Invalid({str(error.filename or path): f"cannot be read ({error.strerror})"}) from error


def _is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From "


def _mail_files(path: Path) -> list[Path]:
    if all((path / name).is_dir() for name in ("cur", "new", "tmp")):
        mails = [mail for name in ("cur", "new") for mail in (path / name).iterdir() if mail.name[0] != "."]
        return sorted(mails, key=lambda mail: delivery_order(mail.name))
    if path.is_dir():
        return _eml_files(path)
    if path.suffix.lower() != ".eml" and not _looks_like_mail(path):
        raise Invalid({str(path): "is neither a mail nor an mbox file"})
    return [path]


def _eml_files(folder: Path) -> list[Path]:
    mails = sorted(
        Path(parent, name) for parent, _, names in os.walk(folder) for name in names if name.lower().endswith(".eml")
    )
    if not mails:
        raise Invalid({str(folder): "holds no .eml files and is no Maildir (folders cur, new and tmp)"})
    return mails


def _looks_like_mail(path: Path) -> bool:
    with path.open("rb") as file:
        return _FIELD.match(file.readline(1000)) is not None


def _mbox(path: Path) -> Iterator[bytes]:
    """The mails of an mbox file, without their `From ` lines and with `>From ` as it was written (mboxrd)."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        for starts, line in _marked_lines(file):
            if not starts:
                lines.append(line[1:] if _ESCAPED.match(line) else line)
                continue
            if lines:
                yield _joined(lines)
            lines = []
    if lines:
        yield _joined(lines)


def _joined(lines: list[bytes]) -> bytes:
    """The mail without the blank line that the format puts after it."""
    if len(lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines.pop()
    return b"".join(lines)


def _marked_lines(file: BinaryIO) -> Iterator[tuple[bool, bytes]]:
    """Each line, and whether a mail starts with it.

    It does with a `From ` after a blank line or at the top that carries a date or is followed by a header field: some
    programs do not escape a body's line that begins with this word.
    """
    after_blank = True
    line = file.readline()
    while line:
        following = file.readline()
        starts = after_blank and line.startswith(b"From ")
        yield starts and (_FROM_LINE.match(line) is not None or _FIELD.match(following) is not None), line
        after_blank = not line.strip(b"\r\n")
        line = following
