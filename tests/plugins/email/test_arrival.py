"""A mail on its whole way in: from the mail server's folder to a ticket."""

import asyncio
import contextlib
from pathlib import Path

from fluxki_core.domain.kinds import TicketKind
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountDraft
from fluxki_core.services.supervisor import Supervisor
from fluxki_email.plugin import EmailPlugin
from house import opened_house

MAIL = b"From: Maria <maria@escola.example>\nSubject: A impressora\nMessage-ID: <1@escola.example>\n\nParou.\n"


async def test_s1_s5_a_mail_in_the_maildir_becomes_a_standard_ticket(house_url: str, tmp_path: Path) -> None:
    new = tmp_path / "mail" / "new"
    new.mkdir(parents=True)
    (new / "1.mail").write_bytes(MAIL)
    async with opened_house(house_url, tmp_path / "data", plugins={"email": EmailPlugin}, prepare=False) as house:
        settings = {"address": "suporte@desk.example", "maildir": str(tmp_path / "mail")}
        await accounts.add(house.core, SYSTEM, AccountDraft(channel="email", name="Suporte", settings=settings))
        worker = asyncio.create_task(Supervisor(house.core).run())
        async with asyncio.timeout(20):
            while not (tickets := await house.all_tickets()):
                await asyncio.sleep(0.05)
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        [number] = tickets
        ticket = await house.ticket(number)
        assert (ticket.kind, ticket.channel, ticket.requester.name) == (TicketKind.STANDARD, "email", "Maria")
        assert await house.texts(number) == ["Parou."]
