"""Piccolo's transactions on our engines: gathered, nested, outlived, cancelled."""

import asyncio
import random

import pytest
from core.engines.counting import Counter, counted, identities, incremented
from fluxki_core.domain.errors import Unavailable
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.statements import sql
from piccolo.engine.exceptions import TransactionError


async def insert(identity: int) -> None:
    await Counter.insert(Counter(id=identity, n=0))


async def test_ten_writes_gathered_inside_a_transaction_all_count(counters: Engine) -> None:
    async with counters.transaction():
        await asyncio.gather(*(insert(identity) for identity in range(2, 12)))
    assert await identities(counters) == list(range(1, 12))


async def test_a_task_that_outlives_its_transaction_writes_by_itself(counters: Engine) -> None:
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        await insert(2)

    async with counters.transaction():
        task = asyncio.create_task(late())
        await insert(3)
    ended.set()
    await task
    assert await identities(counters) == [1, 2, 3]


async def test_an_inner_transaction_that_fails_is_undone_alone(counters: Engine) -> None:
    async with counters.transaction():
        await insert(2)
        with pytest.raises(KeyError):
            await failing(3)
        await insert(4)
    assert await identities(counters) == [1, 2, 4]


async def test_a_unique_violation_in_an_inner_transaction_leaves_the_outer_one_usable(counters: Engine) -> None:
    async with counters.transaction():
        await insert(2)
        with pytest.raises(UniqueViolation):
            async with counters.transaction():
                await insert(2)
        await insert(3)
    assert await identities(counters) == [1, 2, 3]


@pytest.mark.sqlite_only
async def test_a_unique_violation_caught_without_nesting_costs_nothing_else(counters: Engine) -> None:
    async with counters.transaction():
        await insert(2)
        with pytest.raises(UniqueViolation):
            await insert(2)
    assert await identities(counters) == [1, 2]


async def test_a_transaction_that_fails_is_undone(counters: Engine) -> None:
    with pytest.raises(KeyError):
        await failing(2)
    assert await identities(counters) == [1]
    await insert(2)


async def failing(identity: int) -> None:
    async with Counter._meta.db.transaction():
        await insert(identity)
        raise KeyError


async def test_ten_transactions_that_read_then_write_all_count(counters: Engine) -> None:
    lock = " FOR UPDATE" if counters.engine_type == "postgres" else ""

    async def increment() -> None:
        async with counters.transaction():
            (row,) = await Counter.raw(f"SELECT n FROM counter WHERE id = 1{lock}")
            await Counter.update({Counter.n: row["n"] + 1}).where(Counter.id == 1)

    await asyncio.gather(*(increment() for _ in range(10)))
    assert await counted(counters) == 10


async def test_transactions_cancelled_at_random_leak_nothing(
    counters: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(7)
    done = 0

    async def increment() -> None:
        nonlocal done
        async with counters.transaction():
            await Counter.update({Counter.n: Counter.n + 1}).where(Counter.id == 1)
            await Counter.select().where(Counter.id == 1)
        done += 1

    for _ in range(20):
        tasks = [asyncio.create_task(increment()) for _ in range(10)]
        for task in tasks:
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # A cancel during COMMIT may still commit, never the other way round.
    assert done <= await counted(counters) <= 200
    await usable(counters)
    assert caplog.messages == []


async def test_scripts_cancelled_at_random_leak_nothing(counters: Engine, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(11)
    for _ in range(20):
        tasks = [asyncio.create_task(counters.run(incremented)) for _ in range(10)]
        for task in tasks:
            await asyncio.sleep(chance.random() * 0.002)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await usable(counters)
    assert caplog.messages == []


async def usable(engine: Engine) -> None:
    """More work than the pool has connections gets done, and no session holds a transaction."""
    before = await counted(engine)
    async with asyncio.timeout(10):
        await asyncio.gather(*(engine.run(incremented) for _ in range(15)))
    assert await counted(engine) == before + 15
    if engine.engine_type == "postgres":
        idle = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
        assert await engine.read(sql(idle)) == []


@pytest.mark.postgres_only
async def test_a_transaction_whose_commit_fails_ends_and_its_task_goes_on(counters: Engine) -> None:
    with pytest.raises(Unavailable):
        await committing_on_a_dead_connection(counters)
    await insert(3)
    assert await identities(counters) == [1, 3]


async def committing_on_a_dead_connection(engine: Engine) -> None:
    async with engine.transaction():
        await insert(2)
        (row,) = await Counter.raw("SELECT pg_backend_pid() AS pid")
        await engine.read(sql("SELECT pg_terminate_backend({})", row["pid"]))


@pytest.mark.postgres_only
async def test_inside_a_dead_transaction_every_query_says_so(counters: Engine) -> None:
    with pytest.raises(Unavailable):
        await trying_twice_on_a_dead_connection(counters)
    assert await identities(counters) == [1]


async def trying_twice_on_a_dead_connection(engine: Engine) -> None:
    async with engine.transaction():
        (row,) = await Counter.raw("SELECT pg_backend_pid() AS pid")
        await engine.read(sql("SELECT pg_terminate_backend({})", row["pid"]))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await insert(2)


async def test_nesting_can_be_refused(counters: Engine) -> None:
    async with Counter._meta.db.transaction():
        with pytest.raises(TransactionError):
            Counter._meta.db.transaction(allow_nested=False)
