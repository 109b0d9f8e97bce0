"""Taking mail in from a Maildir: nothing lost, nothing twice, nothing in the way of the rest."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from fluxki_core.domain.errors import SettingsError
from fluxki_core.domain.traffic import RawItem
from fluxki_email import maildir
from structlog.testing import capture_logs


class Store:
    """An inbox that keeps what is put into it by key, as the core does, and notes each batch."""

    def __init__(self, failing: bool = False) -> None:
        self.kept: dict[str, bytes] = {}
        self.batches: list[list[bytes]] = []
        self.failing = failing
        self.arrived = asyncio.Event()

    async def put(self, *items: RawItem) -> None:
        if self.failing:
            raise ConnectionError("the database is away")
        contents = [item.content if isinstance(item.content, bytes) else item.content.read_bytes() for item in items]
        self.batches.append(contents)
        self.kept.update(zip((item.key for item in items), contents, strict=True))
        self.arrived.set()


class Killed(Exception):
    """Stands for the end of the process at a step."""


def deliver(folder: Path, name: str, content: bytes) -> Path:
    (folder / "new").mkdir(parents=True, exist_ok=True)
    path = folder / "new" / name
    path.write_bytes(content)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def one_round(folder: Path, store: Store, step: Callable[[str], None] = lambda name: None) -> None:
    """Runs until all that waits now has been dealt with."""
    done = asyncio.Event()

    def watch(name: str) -> None:
        step(name)
        waiting = [path for path in (folder / "new").iterdir() if path.name[0] != "."]
        if name == "maildir:moved" and not waiting:
            done.set()

    async with running(folder, store, watch) as task:
        finished = asyncio.create_task(done.wait())
        await asyncio.wait({task, finished}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        finished.cancel()
        if task.done():
            task.result()
        assert done.is_set()


@asynccontextmanager
async def running(
    folder: Path, store: Store, step: Callable[[str], None] = lambda name: None, pause: float = 0.05
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(maildir.receive(folder, store, step=step, pause=pause))
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError, Killed, SettingsError):
        await task


async def test_mail_1_waiting_mail_is_stored_oldest_first_and_then_moved(tmp_path: Path) -> None:
    deliver(tmp_path, "1700000009.M5P1.host", b"third")
    deliver(tmp_path, "1700000009.M40P1.host", b"fourth")
    deliver(tmp_path, "999999999.P1.host", b"first")
    deliver(tmp_path, "1700000001.V1", b"second")
    store = Store()
    await one_round(tmp_path, store)

    assert store.batches == [[b"first", b"second", b"third", b"fourth"]]
    assert list(store.kept) == [hashlib.sha256(content).hexdigest() for content in store.batches[0]]
    assert names(tmp_path / "new") == []
    assert "999999999.P1.host:2,S" in names(tmp_path / "cur")


async def test_mail_1_batches_hold_fifty_and_what_arrives_later_is_seen(tmp_path: Path) -> None:
    for number in range(120):
        deliver(tmp_path, f"{1700000000 + number}.P1.host", b"%d" % number)
    store = Store()
    async with running(tmp_path, store):
        while len(store.kept) < 120:
            store.arrived.clear()
            await asyncio.wait_for(store.arrived.wait(), 5)
        store.arrived.clear()
        deliver(tmp_path, "1800000000.P1.host", b"late")
        await asyncio.wait_for(store.arrived.wait(), 5)

    assert [len(batch) for batch in store.batches] == [50, 50, 20, 1]
    assert [content for batch in store.batches[:3] for content in batch] == [b"%d" % number for number in range(120)]


async def test_mail_1_nothing_moves_when_it_could_not_be_stored(tmp_path: Path) -> None:
    deliver(tmp_path, "1.host", b"mail")
    with pytest.raises(ConnectionError):
        await maildir.receive(tmp_path, Store(failing=True))

    assert names(tmp_path / "new") == ["1.host"]


@pytest.mark.parametrize("at", ["maildir:put", "maildir:moved"])
async def test_mail_1_an_end_at_any_step_loses_nothing_and_repeats_nothing(tmp_path: Path, at: str) -> None:
    for number in range(60):
        deliver(tmp_path, f"{number:03}.host", b"mail %d" % number)
    store = Store()

    def kill(name: str) -> None:
        if name == at:
            raise Killed

    with pytest.raises(Killed):
        await maildir.receive(tmp_path, store, step=kill)
    await one_round(tmp_path, store)

    assert sorted(store.kept.values()) == sorted(b"mail %d" % number for number in range(60))
    assert len(names(tmp_path / "cur")) == 60


async def test_mail_1_large_mail_is_handed_over_as_a_path(tmp_path: Path) -> None:
    large = os.urandom(64 * 1024 + 1)
    deliver(tmp_path, "1.host", large)
    deliver(tmp_path, "2.host", large[:-1])
    kinds: list[type] = []

    class Kinds(Store):
        async def put(self, *items: RawItem) -> None:
            kinds.extend(bytes if isinstance(item.content, bytes) else Path for item in items)
            await super().put(*items)

    store = Kinds()
    await one_round(tmp_path, store)

    assert kinds == [Path, bytes]
    assert store.kept[hashlib.sha256(large).hexdigest()] == large


async def test_mail_7_an_unreadable_file_is_reported_once_and_holds_up_nothing(tmp_path: Path) -> None:
    deliver(tmp_path, "2.host", b"good")
    # Neither can be read even by root, whom permissions do not stop: the first opens and fails, the second is a loop.
    (tmp_path / "new" / "0.host").symlink_to("/proc/self/mem")
    (tmp_path / "new" / "1.host").symlink_to(tmp_path / "new" / "1.host")
    store = Store()
    with capture_logs() as logs:
        async with running(tmp_path, store, pause=0.02):
            await asyncio.wait_for(store.arrived.wait(), 5)
            await asyncio.sleep(0.2)

    assert list(store.kept.values()) == [b"good"]
    assert [entry["path"] for entry in logs] == [str(tmp_path / "new" / name) for name in ("0.host", "1.host")]
    assert names(tmp_path / "new") == ["0.host", "1.host"]


async def test_a_file_that_vanished_before_it_was_read_or_moved_is_no_error(tmp_path: Path) -> None:
    first = deliver(tmp_path, "1.host", b"first")
    deliver(tmp_path, "2.host", b"second")
    store = Store()

    def vanish(name: str) -> None:
        if name == "maildir:put":
            first.unlink(missing_ok=True)

    await one_round(tmp_path, store, vanish)

    assert sorted(store.kept.values()) == [b"first", b"second"]
    assert names(tmp_path / "cur") == ["2.host:2,S"]


async def test_half_written_and_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    deliver(tmp_path, "1.host", b"whole")
    deliver(tmp_path, ".hidden", b"hidden")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "2.host").write_bytes(b"half")
    store = Store()
    await one_round(tmp_path, store)

    assert list(store.kept.values()) == [b"whole"]
    assert names(tmp_path / "tmp") == ["2.host"]


async def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "mail"
    async with running(folder, Store()):
        while not (folder / "cur").is_dir():
            await asyncio.sleep(0.01)
    maildir.check(folder)

    assert names(folder) == ["cur", "new", "tmp"]


async def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"maildir: the folder .* make it"):
        await maildir.receive(tmp_path / "file" / "mail", Store())
    with pytest.raises(SettingsError, match="make it"):
        maildir.check(tmp_path / "file" / "mail")


async def test_a_folder_that_goes_away_says_what_to_do(tmp_path: Path) -> None:
    deliver(tmp_path, "1.host", b"x")

    def remove(name: str) -> None:
        (tmp_path / "cur").rmdir()
        (tmp_path / "cur").write_bytes(b"")

    with pytest.raises(SettingsError, match="cannot be moved"):
        await maildir.receive(tmp_path, Store(), step=remove)
    assert names(tmp_path / "new") == ["1.host"]
