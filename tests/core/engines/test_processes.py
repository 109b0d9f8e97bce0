"""Several processes on one database, and processes that end badly."""

import asyncio

import pytest
from core.engines.counting import counted, identities, incremented
from core.engines.processes import child
from fluxki_core.storage.engines import Engine


async def test_four_processes_lose_no_update(counters: Engine, database_url: str) -> None:
    done = await asyncio.gather(*(child("increment", database_url, "2") for _ in range(4)))
    assert all(isinstance(each, int) and each > 0 for each in done)
    assert await counted(counters) == sum(each for each in done if isinstance(each, int))


async def test_a_process_ends_after_cancelled_transactions(counters: Engine, database_url: str) -> None:
    assert await child("cancel", database_url, "100") == "done"
    await counters.run(incremented)


@pytest.mark.parametrize(("moment", "expected"), [("begin", 0), ("committing", 0), ("committed", 1)])
async def test_a_process_killed_at_a_step_leaves_all_or_nothing(
    counters: Engine, database_url: str, moment: str, expected: int
) -> None:
    await child("die", database_url, moment, ends_with=9)
    assert await counted(counters) == expected
    assert await counters.run(incremented) == expected + 1


@pytest.mark.sqlite_only
async def test_a_full_disk_says_what_to_do_and_ends_when_there_is_room(counters: Engine, database_url: str) -> None:
    text = await child("fill", database_url, "2000000")
    assert "free some space" in str(text)
    assert await identities(counters) == [1, 2]
