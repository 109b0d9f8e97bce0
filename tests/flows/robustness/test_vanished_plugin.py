"""A plugin that is no longer enabled: what belongs to it waits, all else works, and it goes on when it is back."""

from pathlib import Path

import pytest
from flows.robustness.waiting import until
from flows.robustness.worker import account_id, account_row, answered, count, states, working
from flows.robustness.world import add_mailbox, mail
from fluxki_core.services import raw, supervisor
from fluxki_email.plugin import EmailPlugin
from house import House, opened_house
from paper import PaperPlugin, letter
from servers.smtp import smtp_server


async def test_accounts_of_a_vanished_plugin_wait_and_say_why(
    house_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LEASE_SECONDS", 1.5)
    async with smtp_server() as server:
        async with opened_house(house_url, tmp_path, plugins={"paper": PaperPlugin, "email": EmailPlugin}) as house:
            await add_mailbox(house, tmp_path, server.port)
            await answered(house, await house.ticket_from(letter()))
            await raw.put(house.core, await account_id(house), (letter("b@b.example", text="waits"),))
        async with opened_house(house_url, tmp_path, plugins={"email": EmailPlugin}, prepare=False) as house:
            (tmp_path / "mail" / "new" / "1790000000.M1P1.host").write_bytes(mail(1))
            async with working(house.core):
                await until(lambda: _tickets(house, 2))  # the other account's mail comes in
                await until(lambda: _says_why(house))
                assert await states(house) == ["queued"]
                assert await count(house, "raw WHERE state = 'waiting'") == 1
        async with (
            opened_house(house_url, tmp_path, plugins={"paper": PaperPlugin}, prepare=False) as house,
            working(house.core),
        ):
            await until(lambda: _tickets(house, 3))
            await until(lambda: len(house.paper.pile) == 1)
            await until(lambda: _is_well(house))


async def _tickets(house: House, wanted: int) -> bool:
    return await count(house, "ticket") == wanted


async def _says_why(house: House) -> bool:
    return (
        "No enabled plugin provides the channel paper; install or enable it."
        in ((await account_row(house))["receive_error"])
    )


async def _is_well(house: House) -> bool:
    return (await account_row(house))["receive_error"] == "" and await states(house) == ["sent"]
