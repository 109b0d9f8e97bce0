"""A full disk: the error says what to do, the mail stays where it is, and comes in once when there is space again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flows.robustness.world import World, opened_world


@pytest.fixture
async def world(house_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened_world(house_url, tmp_path) as world:
        yield world


def waiting(world: World) -> int:
    return len(list((world.folder / "mail" / "new").iterdir()))


def error_of(world: World) -> str:
    return (world.folder / "error").read_text()


async def recovers(world: World) -> None:
    (world.folder / "error").unlink()
    assert await world.run() is not None
    await world.check()
    left = [path.name for path in (world.folder / "files").glob("*-*")]
    assert left == []  # nothing half written stays


async def test_a_large_mail_that_cannot_be_stored_stays_in_the_maildir(world: World) -> None:
    world.deliver(size=1_500_000)
    assert await world.run(scarce_receiving=1_000_000) == []
    assert "free space in" in error_of(world)
    assert waiting(world) == 1
    assert await world.rows("SELECT id FROM raw") == []
    await recovers(world)


async def test_a_mail_whose_files_cannot_be_decoded_waits_and_is_not_parked(world: World) -> None:
    world.deliver(attachment=b"x" * 3_000_000)
    world.deliver(attachment=b"small")
    steps = await world.run(scarce_working=2_000_000)
    assert steps == [], await world.rows("SELECT state, error FROM raw")
    assert "free space in" in error_of(world)
    assert [row["state"] for row in await world.rows("SELECT state FROM raw")] == ["waiting"] * 2
    await recovers(world)


@pytest.mark.sqlite_only
async def test_a_commit_that_finds_no_space_changes_nothing(world: World) -> None:
    world.deliver()
    assert await world.run(scarce_receiving=4096) == []
    assert "free some space" in error_of(world)
    assert waiting(world) == 1
    await recovers(world)


@pytest.mark.sqlite_only
async def test_an_intake_whose_commit_finds_no_space_is_done_again(world: World) -> None:
    world.deliver()
    assert await world.run(scarce_working=4096) == []
    assert "free some space" in error_of(world)
    await recovers(world)


async def test_a_mail_of_25_megabytes_costs_less_than_150_of_memory(world: World) -> None:
    world.deliver()
    assert await world.run() is not None  # what is loaded once for all mails
    world.deliver(attachment=b"0123456789abcdef" * (18 * 65536))
    world.deliver(size=1_500_000)
    assert max(path.stat().st_size for path in (world.folder / "mail" / "new").iterdir()) > 25_000_000
    assert await world.run() is not None
    await world.check()
    assert int((world.folder / "memory").read_text()) < 150_000_000
