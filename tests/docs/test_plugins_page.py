"""docs/plugins.md and docs/architecture.md: their code does what they say."""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

from docs.blocks import blocks
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountDraft
from fluxki_core.services.announcing import announce_next
from fluxki_core.services.supervisor import Supervisor
from house import House, opened_house


def definitions(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(block, "docs", "exec"), names)
    return names


async def until_there(folder: Path) -> Path:
    async with asyncio.timeout(20):
        while not (files := list(folder.iterdir())):
            await asyncio.sleep(0.05)
    return files[0]


async def test_the_folder_channel_takes_a_request_in_and_answers_it(house_url: str, tmp_path: Path) -> None:
    channel, cheer = blocks("docs/plugins.md", "python")
    plugins = {"folder": definitions(channel)["FolderPlugin"], "cheer": definitions(cheer)["CheerPlugin"]}
    requests, answers = tmp_path / "requests", tmp_path / "answers"
    requests.mkdir()
    answers.mkdir()
    async with opened_house(house_url, tmp_path, plugins=plugins, prepare=False) as house:
        settings = {"requests": str(requests), "answers": str(answers)}
        draft = AccountDraft(channel="folder", name="Pasta", settings=settings, is_default=True)
        account = await accounts.add(house.core, SYSTEM, draft)
        assert (await accounts.check(house.core, SYSTEM, account.id)).ok
        worker = asyncio.create_task(Supervisor(house.core).run())
        (requests / "1.txt").write_text("maria@escola.example\nImpressora parada\nEla não imprime.")
        await one_ticket(house)
        ana = await house.agent()
        await house.analyze(ana, (await house.all_tickets())[0])
        await house.reply(ana, (await house.all_tickets())[0])
        answer = (await until_there(answers)).read_text()
        (requests / "2.txt").write_text(answer.replace("Olá, Maria!", "Obrigada!"))
        await settled(house, 3)
        await ana.finish((await house.all_tickets())[0])
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        while await announce_next(house.core):
            pass
        assert len(house.plugins["cheer"].finished) == 1


async def one_ticket(house: House) -> None:
    async with asyncio.timeout(20):
        while not await house.all_tickets():
            await asyncio.sleep(0.05)


async def settled(house: House, messages: int) -> None:
    """Waits until the one ticket holds so many messages."""
    async with asyncio.timeout(20):
        while len(await house.messages((await house.all_tickets())[0])) < messages:
            await asyncio.sleep(0.05)


def test_the_package_of_the_plugins_page_is_valid() -> None:
    (package,) = blocks("docs/plugins.md", "toml")
    assert tomllib.loads(package)["project"]["entry-points"]["fluxki"] == {"folder": "fluxki_folder:FolderPlugin"}


async def test_the_script_of_the_architecture_page_runs(house: House) -> None:
    (block,) = blocks("docs/architecture.md", "python")
    rename = definitions(block)["rename"]
    assert await house.core.unit.run("rename", lambda: rename(999, "Outro")) is False
