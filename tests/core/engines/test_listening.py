"""Hearing of what other processes commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.statements import Steps, sql


class Heard:
    """What a listener has heard, one payload after the other."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self.put = self._queue.put_nowait

    async def next(self) -> str:
        async with asyncio.timeout(10):
            return await self._queue.get()

    def nothing_more(self) -> bool:
        return self._queue.empty()


@asynccontextmanager
async def listening(engine: Engine) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(engine.listen(heard.put))
    assert await heard.next() == ""
    yield heard
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def telling(engine: Engine, payload: str) -> Steps[None]:
    statement = engine.notify_statement(payload)
    assert statement is not None
    yield statement


@pytest.mark.postgres_only
async def test_a_committed_payload_is_heard(engine: Engine) -> None:
    async with listening(engine) as heard:
        await engine.run(lambda: telling(engine, "ticket 1"))
        assert await heard.next() == "ticket 1"


@pytest.mark.postgres_only
async def test_a_payload_of_an_undone_script_is_not_heard(engine: Engine) -> None:
    def undone() -> Steps[None]:
        yield from telling(engine, "never")
        raise KeyError

    async with listening(engine) as heard:
        with pytest.raises(KeyError):
            await engine.run(undone)
        await engine.run(lambda: telling(engine, "after"))
        assert await heard.next() == "after"


@pytest.mark.postgres_only
async def test_after_a_lost_connection_it_asks_to_look_again_and_hears_on(engine: Engine) -> None:
    async with listening(engine) as heard:
        await engine.read(
            sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        )
        assert await heard.next() == ""
        await engine.run(lambda: telling(engine, "again"))
        assert await heard.next() == "again"


@pytest.mark.sqlite_only
async def test_sqlite_tells_other_processes_nothing(engine: Engine) -> None:
    assert engine.notify_statement("ticket 1") is None
    async with listening(engine) as heard:
        await asyncio.sleep(0.05)
        assert heard.nothing_more()
