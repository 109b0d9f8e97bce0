"""Scripts: one transaction, errors thrown in, savepoints, steps."""

import asyncio
from collections.abc import Callable

import pytest
from core.engines.counting import Counter, added, counted, identities, incremented
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.statements import Steps, savepoint, sql


async def test_a_script_commits_its_statements_and_gives_its_result(counters: Engine) -> None:
    assert await counters.run(incremented) == 1
    assert await counted(counters) == 1


async def test_an_error_of_the_script_undoes_all_of_it(counters: Engine) -> None:
    def broken() -> Steps[None]:
        yield from added(2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await counters.run(broken)
    assert await identities(counters) == [1]


async def test_an_uncaught_error_of_a_statement_undoes_all_of_it(counters: Engine) -> None:
    def repeated() -> Steps[None]:
        yield from added(2)
        yield from added(2)

    with pytest.raises(UniqueViolation):
        await counters.run(repeated)
    assert await identities(counters) == [1]


async def test_a_savepoint_undoes_its_own_steps_alone(counters: Engine) -> None:
    def twice() -> Steps[None]:
        yield from added(3)
        yield from added(1)

    def around() -> Steps[str]:
        yield from added(2)
        try:
            yield from savepoint(twice())
        except UniqueViolation:
            yield from added(4)
            return "went on"
        return "no error"

    assert await counters.run(around) == "went on"
    assert await identities(counters) == [1, 2, 4]


async def test_savepoints_nest(counters: Engine) -> None:
    def inner() -> Steps[None]:
        yield from added(3)
        yield from added(3)

    def middle() -> Steps[None]:
        yield from added(2)
        with pytest.raises(UniqueViolation):
            yield from savepoint(inner())

    await counters.run(lambda: savepoint(middle()))
    assert await identities(counters) == [1, 2]


async def test_a_unique_violation_names_the_key(counters: Engine) -> None:
    with pytest.raises(UniqueViolation, match=r"counter[._]") as caught:
        await counters.run(lambda: added(1))
    assert "counter" in caught.value.constraint


@pytest.mark.postgres_only
async def test_a_script_that_swallows_an_error_without_a_savepoint_is_told_so(counters: Engine) -> None:
    def swallowing() -> Steps[None]:
        yield from added(2)
        with pytest.raises(UniqueViolation):
            yield from added(2)

    with pytest.raises(RuntimeError, match="savepoint"):
        await counters.run(swallowing)
    assert await identities(counters) == [1]


async def test_a_commit_that_fails_undoes_everything_and_the_engine_goes_on(counters: Engine) -> None:
    def child() -> Steps[None]:
        yield sql(
            "CREATE TABLE child (id bigint PRIMARY KEY, parent bigint REFERENCES counter(id) "
            "DEFERRABLE INITIALLY DEFERRED)"
        )

    def orphan() -> Steps[None]:
        yield from added(2)
        yield sql("INSERT INTO child (id, parent) VALUES ({}, {})", 1, 99)

    await counters.run(child)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await counters.run(orphan)
    assert await identities(counters) == [1]
    assert await counters.run(incremented) == 1


async def test_steps_are_heard_in_order_around_the_commit(counters: Engine) -> None:
    heard: list[str] = []
    await counters.run(incremented, heard.append, "count")
    assert heard == ["count:begin", "count:committing", "count:committed"]


@pytest.mark.parametrize(("moment", "expected"), [("begin", 0), ("committing", 0), ("committed", 1)])
async def test_a_strike_at_a_step_leaves_all_or_nothing(counters: Engine, moment: str, expected: int) -> None:
    with pytest.raises(KeyError):
        await counters.run(incremented, striking(f":{moment}"))
    assert await counted(counters) == expected
    assert await counters.run(incremented) == expected + 1


def striking(at: str) -> Callable[[str], None]:
    def step(moment: str) -> None:
        if moment == at:
            raise KeyError(moment)

    return step


async def test_concurrent_scripts_lose_no_update(counters: Engine) -> None:
    await asyncio.gather(*(counters.run(incremented) for _ in range(10)))
    assert await counted(counters) == 10


async def test_a_read_sees_only_what_is_committed(counters: Engine) -> None:
    seen: list[int] = []

    async with counters.transaction():
        await Counter.update({Counter.n: 5}, force=True)
        seen.append(await counted(counters))
    assert [*seen, await counted(counters)] == [0, 5]


async def test_run_inside_a_transaction_is_refused(counters: Engine) -> None:
    async with counters.transaction():
        with pytest.raises(RuntimeError, match="outside"):
            await counters.run(incremented)


@pytest.mark.postgres_only
async def test_deadlocked_scripts_are_run_again(counters: Engine) -> None:
    await counters.run(lambda: added(2))
    tries: list[str] = []

    def both(first: int, second: int) -> Steps[None]:
        tries.append(f"{first}{second}")
        yield from incremented(first)
        yield sql("SELECT pg_sleep(0.2)")
        yield from incremented(second)

    await asyncio.gather(counters.run(lambda: both(1, 2)), counters.run(lambda: both(2, 1)))
    assert (await counted(counters, 1), await counted(counters, 2)) == (2, 2)
    assert len(tries) == 3
