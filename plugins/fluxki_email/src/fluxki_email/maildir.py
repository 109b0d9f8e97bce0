"""Takes in what a mail server delivers into a Maildir (https://cr.yp.to/proto/maildir.html)."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import structlog
from fluxki_core.domain.errors import SettingsError
from fluxki_core.domain.traffic import Inbox, RawItem

from fluxki_email.items import delivery_order, from_file

BATCH = 50
PAUSE_SECONDS = 1.0
SEEN = ":2,S"

_log = structlog.get_logger(__name__)


def _no_step(name: str) -> None:
    """What is called at each step when nobody wants to know."""


async def receive(
    folder: Path, inbox: Inbox, *, step: Callable[[str], None] = _no_step, pause: float = PAUSE_SECONDS
) -> None:
    """Takes in all mail in `new/` and what comes, for ever; looks every `pause` seconds, oldest first.

    A mail is moved to `cur/` only after `inbox.put` has returned: after a crash in between it is put again under the
    same key, which changes nothing. `step` is told "maildir:put" and "maildir:moved" after each. A file that cannot
    be read stays, is reported once and holds up no other. Raises SettingsError, which says what to do, when the
    folder cannot be used.
    """
    await asyncio.to_thread(_make, folder)
    reported: set[str] = set()
    while True:
        names = await asyncio.to_thread(_waiting, folder / "new")
        reported.intersection_update(names)
        for start in range(0, len(names), BATCH):
            await _take_in(folder, names[start : start + BATCH], inbox, reported, step)
        await asyncio.sleep(pause)


def check(folder: Path) -> None:
    """Whether the folder can be used, without making it. Raises SettingsError, which says what to do."""
    if not (folder / "new").is_dir():
        if os.access(folder if folder.is_dir() else folder.parent, os.W_OK | os.X_OK):
            return
        raise SettingsError(f"maildir: the folder {folder} does not exist and cannot be made: make it")
    _waiting(folder / "new")
    if not all(os.access(folder / name, os.W_OK | os.X_OK) for name in ("new", "cur")):
        raise SettingsError(f"maildir: mail in {folder} cannot be moved: let the user that runs Fluxki write there")


async def _take_in(
    folder: Path, names: list[str], inbox: Inbox, reported: set[str], step: Callable[[str], None]
) -> None:
    read = await asyncio.to_thread(_read, folder / "new", names, reported)
    if not read:
        return
    await inbox.put(*read.values())
    step("maildir:put")
    await asyncio.to_thread(_move, folder, list(read))
    step("maildir:moved")


def _make(folder: Path) -> None:
    try:
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"maildir: the folder {folder} cannot be made ({error.strerror}): make it, with new, cur and tmp in it, "
            "and let the user that runs Fluxki write there"
        ) from error


def _waiting(new: Path) -> list[str]:
    """Names of the mails in `new/`, oldest first. Hidden ones are none of ours, nor are folders and pipes."""
    try:
        with os.scandir(new) as entries:
            names = [entry.name for entry in entries if entry.name[0] != "." and _may_be_mail(entry)]
    except OSError as error:
        raise SettingsError(
            f"maildir: the folder {new} cannot be read ({error.strerror}): let the user that runs Fluxki read it"
        ) from error
    return sorted(names, key=delivery_order)


def _may_be_mail(entry: os.DirEntry[str]) -> bool:
    """Links are not followed here, where one that leads nowhere would hold up the whole folder."""
    return entry.is_file(follow_symlinks=False) or entry.is_symlink()


def _read(new: Path, names: list[str], reported: set[str]) -> dict[str, RawItem]:
    read = {}
    for name in names:
        try:
            read[name] = from_file(new / name)
        except FileNotFoundError:
            continue  # another program was faster, for example one that removes spam
        except OSError as error:
            _report(new / name, error, reported)
    return read


def _report(path: Path, error: OSError, reported: set[str]) -> None:
    if path.name in reported:
        return
    reported.add(path.name)
    _log.error("maildir file cannot be read and stays in new/", path=str(path), reason=error.strerror)


def _move(folder: Path, names: list[str]) -> None:
    for name in names:
        target = name if ":2," in name else f"{name}{SEEN}"
        try:
            (folder / "new" / name).rename(folder / "cur" / target)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SettingsError(
                f"maildir: mail cannot be moved from {folder}/new to {folder}/cur ({error.strerror}): let the user "
                "that runs Fluxki write in both; nothing is lost meanwhile"
            ) from error
