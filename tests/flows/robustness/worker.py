"""A supervisor at work for as long as a block lasts, as the app runs it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fluxki_core.domain.ids import AccountId, TicketId
from fluxki_core.services.core import Core
from fluxki_core.services.supervisor import Supervisor
from fluxki_core.storage.statements import Row, sql
from house import House


@contextlib.asynccontextmanager
async def working(core: Core) -> AsyncIterator[asyncio.Task[None]]:
    """The running worker, which hears of other processes' commits where the database tells."""
    listening = asyncio.create_task(core.unit.engine.listen(lambda _: core.unit.wake()))
    task = asyncio.create_task(Supervisor(core).run())
    try:
        yield task
    finally:
        for each in (task, listening):
            each.cancel()
        await asyncio.gather(task, listening, return_exceptions=True)


async def account_row(house: House, name: str = "Papel") -> Row:
    (row,) = await house.core.unit.read(sql("SELECT * FROM account WHERE name = {}", name))
    return row


async def account_id(house: House, name: str = "Papel") -> AccountId:
    return AccountId((await account_row(house, name))["id"])


async def count(house: House, template: str, *args: object) -> int:
    (row,) = await house.core.unit.read(sql(f"SELECT count(*) AS n FROM {template}", *args))
    return int(row["n"])


async def states(house: House) -> list[str]:
    """The states of all deliveries."""
    return [row["state"] for row in await house.core.unit.read(sql("SELECT state FROM delivery ORDER BY id"))]


async def answered(house: House, *tickets: TicketId) -> None:
    """One reply for each ticket, by an agent of their own."""
    agent = await house.agent(f"Agente {tickets[0]}")
    for ticket in tickets:
        await house.analyze(agent, ticket)
        await house.reply(agent, ticket, f"Resposta-{ticket}-fim")
