"""Databases that are down, slow, busy or wrong: what callers hear, and that work goes on afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.engines.counting import LONG_READ, Counter, counted, incremented
from fluxki_core.domain.errors import SettingsError, Unavailable
from fluxki_core.storage.engines import Engine, engine_for
from fluxki_core.storage.engines.sqlite import SQLite
from fluxki_core.storage.statements import Steps, sql
from servers.postgres import Cluster


@pytest.fixture
def own_server() -> Iterator[Cluster]:
    """A server that a test may stop."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.mark.parametrize(
    "url", ["", "mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/file", "sqlite:///a?b=c"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="sqlite:///"):
        engine_for(url)


def test_making_an_engine_connects_nowhere() -> None:
    assert engine_for("postgresql://nobody@127.0.0.1:1/none").engine_type == "postgres"
    assert engine_for("sqlite:////nowhere/at/all").engine_type == "sqlite"


async def test_queries_before_the_start_are_refused(database_url: str) -> None:
    engine = engine_for(database_url)
    with pytest.raises(RuntimeError, match="start"):
        await engine.read(sql("SELECT 1"))
    with pytest.raises(RuntimeError, match="start"):
        await engine.run(incremented)
    with pytest.raises(RuntimeError, match="start"):
        await engine.transaction().__aenter__()


async def test_queries_of_another_event_loop_are_refused(counters: Engine) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        await asyncio.to_thread(asyncio.run, counted(counters))


async def test_a_query_run_synchronously_is_refused(counters: Engine) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        Counter.count().run_sync()
    assert await Counter.count() == 1


async def test_batches_are_refused(counters: Engine) -> None:
    with pytest.raises(NotImplementedError, match="by key"):
        await Counter.select().batch()


async def test_an_engine_closes_twice_and_starts_again(engine: Engine) -> None:
    await engine.close()
    await engine.close()
    await engine.start()
    assert await engine.read(sql("SELECT 1 AS n")) == [{"n": 1}]


async def test_a_cancelled_read_is_stopped_in_the_database(database_url: str) -> None:
    engine = engine_for(database_url, readers=1, pool_size=1)
    await engine.start()
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await engine.read(LONG_READ)
    assert await engine.read(sql("SELECT 1 AS n")) == [{"n": 1}]
    assert time.monotonic() - before < 3
    await engine.close()


@pytest.mark.sqlite_only
async def test_a_locked_database_is_unavailable_and_then_works(counters: Engine, database_url: str) -> None:
    engine = SQLite(database_url.removeprefix("sqlite:///"), busy_timeout=0.05)
    await engine.start()
    async with counters.transaction():
        with pytest.raises(Unavailable, match="another process"):
            await engine.run(incremented)
    assert await engine.run(incremented) == 1
    await engine.close()


@pytest.mark.sqlite_only
async def test_a_missing_folder_is_named_with_its_cure(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path}/missing/file")
    with pytest.raises(Unavailable, match="create its folder"):
        await engine.start()


@pytest.mark.sqlite_only
async def test_a_file_that_is_no_database_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"not a database" * 100)
    engine = engine_for(f"sqlite:///{tmp_path}/file")
    with pytest.raises(Unavailable, match="not a SQLite database"):
        await engine.start()


@pytest.mark.postgres_only
async def test_a_server_that_is_not_there_is_named_with_its_cure() -> None:
    with pytest.raises(Unavailable, match="start the server"):
        await engine_for("postgresql://nobody@127.0.0.1:1/none").start()


@pytest.mark.postgres_only
async def test_a_missing_database_is_named_with_its_cure(database_url: str) -> None:
    with pytest.raises(Unavailable, match="create it"):
        await engine_for(f"{database_url}_not").start()


@pytest.mark.postgres_only
async def test_a_statement_that_takes_too_long_is_stopped(database_url: str) -> None:
    engine = engine_for(database_url, statement_timeout=0.2)
    await engine.start()
    with pytest.raises(Unavailable, match="time limit"):
        await engine.read(LONG_READ)
    await engine.close()


@pytest.mark.postgres_only
async def test_a_server_stopped_for_a_while_is_unavailable_and_then_works(own_server: Cluster) -> None:
    engine = engine_for(own_server.url())
    await engine.start()
    await asyncio.to_thread(own_server.stop)
    with pytest.raises(Unavailable):
        await engine.read(sql("SELECT 1 AS n"))
    with pytest.raises(Unavailable):
        await engine.run(incremented)
    with pytest.raises(Unavailable):
        await engine.transaction().__aenter__()
    await asyncio.to_thread(own_server.start)
    assert await engine.read(sql("SELECT 1 AS n")) == [{"n": 1}]
    await engine.close()


@pytest.mark.postgres_only
async def test_a_backend_killed_at_the_commit_is_unavailable_and_then_works(counters: Engine) -> None:
    backends: list[int] = []

    def script() -> Steps[int]:
        (row,) = yield sql("SELECT pg_backend_pid() AS pid")
        backends.append(row["pid"])
        return (yield from incremented())

    def kill(now: str) -> None:
        if now.endswith("committing"):
            os.kill(backends[-1], signal.SIGTERM)
            time.sleep(0.2)

    with pytest.raises(Unavailable):
        await counters.run(script, kill, "count")
    assert await counted(counters) == 0
    assert await counters.run(script) == 1


@pytest.mark.postgres_only
async def test_a_script_does_not_hear_of_a_lost_connection(counters: Engine) -> None:
    heard: list[str] = []

    def script() -> Steps[None]:
        (row,) = yield sql("SELECT pg_backend_pid() AS pid")
        os.kill(row["pid"], signal.SIGTERM)
        time.sleep(0.2)
        try:
            yield sql("SELECT 1")
        except Exception as error:
            heard.append(str(error))

    with pytest.raises(Unavailable):
        await counters.run(script)
    assert heard == []
