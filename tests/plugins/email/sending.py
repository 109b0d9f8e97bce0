"""Senders to a test server, with short patience and a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fluxki_core.domain.traffic import Outgoing, Sent
from fluxki_email.compose import compose
from fluxki_email.connection import Timeouts
from fluxki_email.smtp import Sender
from plugins.email.letters import ZONE, account, outgoing
from servers.smtp import Server

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SHORT = Timeouts(turn=5, connect=5, command=5, message=5)


@asynccontextmanager
async def sender_to(
    server: Server, *, idle: float = 30, timeouts: Timeouts = SHORT, **changes: Any
) -> AsyncIterator[Sender]:
    given = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_tls": "none"}
    sender = Sender(account(**{**given, **changes}), timeouts=timeouts, idle=idle, now=lambda: NOW)
    yield sender
    sender.close()
    await asyncio.sleep(0.02)


async def send(sender: Sender, letter: Outgoing | None = None) -> Sent:
    letter = letter or outgoing()
    return await sender.send(letter, compose(letter, sender.account, ZONE))
