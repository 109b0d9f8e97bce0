"""The database or the mail server away for a while: nothing is lost or repeated, and all goes on by itself."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from flows.robustness.child import ACCOUNT, NotingPlugin
from flows.robustness.waiting import until
from flows.robustness.worker import account_id, account_row, count, states, working
from flows.robustness.world import World, add_mailbox
from fluxki_core.domain.errors import Unavailable
from fluxki_core.domain.ids import TicketId
from fluxki_core.domain.kinds import Visibility
from fluxki_core.domain.people import SYSTEM, Role
from fluxki_core.domain.tickets import Reply
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountChange
from fluxki_core.services.desk import CoreDesk
from fluxki_core.storage.engines.sqlite import SQLite
from fluxki_email.plugin import EmailPlugin
from house import House, opened_house
from servers.databases import PostgresDatabases
from servers.postgres import Cluster
from servers.smtp import Script, certificates, smtp_server

PLUGINS = {"email": EmailPlugin, "noting": NotingPlugin}
Pause = Callable[[], Awaitable[None]]


@asynccontextmanager
async def opened(url: str, folder: Path, **server: Any) -> AsyncIterator[tuple[House, World, CoreDesk]]:
    """A house with a mailbox, its world, and an admin's desk."""
    NotingPlugin.folder = folder
    async with (
        smtp_server(**server) as smtp,
        opened_house(url, folder, plugins=PLUGINS, prepare=False) as house,
    ):
        await add_mailbox(house, folder, smtp.port)
        desk = await house.agent(role=Role.ADMIN)
        yield house, World(url, folder, smtp, desk.actor.agent or 0, house.core.unit.engine), desk


async def reply_to_all(house: House, desk: CoreDesk) -> None:
    for number in await house.all_tickets():
        await house.analyze(desk, number)
        await desk.reply(Reply(ticket=number, body_text=f"Resposta-{number}-fim"))


async def goes_on(house: House, world: World, desk: CoreDesk, stop: Pause, restart: Pause) -> None:
    """Mail comes in and replies go out while the database is away."""
    for _ in range(5):
        world.deliver()
    async with working(house.core):
        await until(lambda: _tickets(house, 5))
        await reply_to_all(house, desk)
        await stop()
        for _ in range(5):
            world.deliver_one_of_each()
        with pytest.raises(Unavailable, match="cannot be used"):
            await desk.reply(Reply(ticket=TicketId(1), body_text="uma nota", visibility=Visibility.PRIVATE))
        await asyncio.sleep(2)
        await restart()
        await until(lambda: _tickets(house, 15), 30)
        await until(lambda: _all_ended(house), 30)
        await until(lambda: _all_announced(house), 30)
    await world.check(replies=5)
    assert await states(house) == ["sent"] * 5


async def _tickets(house: House, wanted: int) -> bool:
    return await count(house, "ticket") == wanted


async def _all_ended(house: House) -> bool:
    return await count(house, "delivery WHERE state IN ('queued', 'started')") == 0


async def _all_announced(house: House) -> bool:
    return await count(house, "event WHERE NOT announced") == 0


@pytest.mark.postgres_only
async def test_a_postgresql_server_that_stops_for_a_while_loses_and_repeats_nothing(tmp_path: Path) -> None:
    cluster = await asyncio.to_thread(Cluster)
    try:
        url = await PostgresDatabases(cluster.url(), "own").fresh()
        async with opened(url, tmp_path) as (house, world, desk):

            async def stop() -> None:
                await asyncio.to_thread(cluster.stop)

            async def restart() -> None:
                await asyncio.to_thread(cluster.start)

            await goes_on(house, world, desk, stop, restart)
    finally:
        await asyncio.to_thread(cluster.remove)


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.sqlite_only
async def test_a_sqlite_file_that_another_process_locks_for_long_loses_and_repeats_nothing(
    house_url: str, tmp_path: Path
) -> None:
    async with opened(house_url, tmp_path) as (house, world, desk):
        engine = cast("SQLite", house.core.unit.engine)
        await engine.pool.writer.execute("PRAGMA busy_timeout = 300")
        lockers: list[asyncio.subprocess.Process] = []

        async def stop() -> None:
            path = house_url.removeprefix("sqlite:///")
            locker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", LOCKER, path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            assert locker.stdout is not None
            assert await locker.stdout.readline() == b"locked\n"
            lockers.append(locker)

        async def restart() -> None:
            stdin = lockers[0].stdin
            assert stdin is not None
            stdin.close()
            await lockers[0].wait()

        await goes_on(house, world, desk, stop, restart)


async def refused_then_sent(house: House, world: World, desk: CoreDesk, error: str, cure: dict[str, Any]) -> None:
    """Replies wait while the mail server refuses the account, and leave once its settings are mended."""
    world.deliver()
    async with working(house.core):
        await until(lambda: _tickets(house, 1))
        await reply_to_all(house, desk)
        await until(lambda: _send_error(house, error))
        assert await states(house) == ["queued"]
        assert world.server.messages == []
        await accounts.change(house.core, SYSTEM, await account_id(house, ACCOUNT), AccountChange(settings=cure))
        assert await until(lambda: len(world.server.messages) == 1) < 5
        await until(lambda: _send_error(house, ""))
        await until(lambda: _all_ended(house))
        await until(lambda: _all_announced(house))
    await world.check()
    assert await states(house) == ["sent"]


async def _send_error(house: House, error: str) -> bool:
    found: str = (await account_row(house, ACCOUNT))["send_error"]
    return error.lower() in found.lower() if error else not found


async def test_a_wrong_password_is_shown_and_mended_without_loss(house_url: str, tmp_path: Path) -> None:
    script = Script(user="suporte", password="right")
    async with opened(house_url, tmp_path, script=script) as (house, world, desk):
        wrong = {"smtp_user": "suporte", "smtp_password": "wrong"}
        await accounts.change(house.core, SYSTEM, await account_id(house, ACCOUNT), AccountChange(settings=wrong))
        await refused_then_sent(house, world, desk, "password", {"smtp_password": "right"})


async def test_a_certificate_that_cannot_be_trusted_is_shown_and_mended_without_loss(
    house_url: str, tmp_path: Path
) -> None:
    made = certificates(tmp_path)
    async with opened(house_url, tmp_path, implicit_tls=made.context) as (house, world, desk):
        strict = {"smtp_tls": "implicit", "smtp_host": "localhost"}
        await accounts.change(house.core, SYSTEM, await account_id(house, ACCOUNT), AccountChange(settings=strict))
        await refused_then_sent(house, world, desk, "certificate", {"smtp_ca_file": str(made.ca_file)})
