"""The world outside a process that dies: a Maildir that is delivered to, a mail server, and what must be true after."""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import msgspec
from flows.robustness.child import ACCOUNT, NotingPlugin, Order
from fluxki_core.domain.ids import RawId
from fluxki_core.domain.people import SYSTEM, Role
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountDraft
from fluxki_core.storage.engines import Engine, engine_for
from fluxki_core.storage.queries.raw import set_parked
from fluxki_core.storage.statements import Row, Steps, sql
from fluxki_email.plugin import EmailPlugin
from house import House, opened_house
from servers.smtp import Server, smtp_server

CHILD = Path(__file__).with_name("child.py")
TESTS = Path(__file__).parents[2]
KILLED = -9


def mail(number: int, *, size: int = 0, attachment: bytes = b"") -> bytes:
    """A mail of its own sender; `size` adds text, so that it stands in the file store before it is understood."""
    message = EmailMessage()
    message["From"] = f"Maria {number} <maria{number}@escola{number}.example>"
    message["To"] = "suporte@acme.example"
    message["Subject"] = f"Pedido {number}"
    message["Message-ID"] = f"<pedido-{number}@escola.example>"
    message["Date"] = "Sun, 22 Nov 2026 12:00:00 +0000"
    message.set_content(f"Pedido-{number}-fim\n" + "mais texto\n" * (size // 11))
    if attachment:
        message.add_attachment(attachment, maintype="application", subtype="pdf", filename="anexo.pdf")
    return message.as_bytes()


class World:
    """`delivered` maps the number of each mail to its attachment."""

    def __init__(
        self,
        url: str,
        folder: Path,
        server: Server,
        agent: int,
        engine: Engine,
        children: asyncio.subprocess.Process | None = None,
    ) -> None:
        self.url, self.folder, self.server, self.agent, self.engine = url, folder, server, agent, engine
        self.children = children
        self.delivered: dict[int, bytes] = {}
        self.runs = 0

    def deliver(self, *, size: int = 0, attachment: bytes = b"") -> None:
        number = len(self.delivered) + 1
        name = f"{1_790_000_000 + number}.M{number}P1.host"
        content = mail(number, size=size, attachment=attachment)
        (self.folder / "mail" / "tmp" / name).write_bytes(content)
        (self.folder / "mail" / "tmp" / name).rename(self.folder / "mail" / "new" / name)
        self.delivered[number] = attachment

    def deliver_one_of_each(self) -> None:
        self.deliver(attachment=f"%PDF {self.runs} {len(self.delivered)}".encode())
        self.deliver(size=100_000)

    async def run(
        self, *, die_at: int = 0, die_in: str = "", kill_after: float = 0, replies: int = 1_000_000, **more: int
    ) -> list[str] | None:
        """The steps that a process went through; None for one that was killed. The clock is on by an hour each run."""
        self.runs += 1
        order = Order(
            url=self.url,
            folder=str(self.folder),
            agent=self.agent,
            die_at=die_at,
            die_in=die_in,
            ahead=self.runs,
            replies=replies,
            **more,
        )
        await self._say(msgspec.json.encode(order))
        process = int(await self._answer())
        ending = asyncio.get_running_loop().call_later(kill_after, _kill, process) if kill_after else None
        code = int(await self._answer())
        if ending is not None:
            ending.cancel()
        assert code in (0, KILLED), f"the process ended with {code}, see its output"
        return None if code == KILLED else (self.folder / "steps").read_text().split()

    async def _say(self, line: bytes) -> None:
        assert self.children is not None
        assert self.children.stdin is not None
        self.children.stdin.write(line + b"\n")
        await self.children.stdin.drain()

    async def _answer(self) -> bytes:
        assert self.children is not None
        assert self.children.stdout is not None
        return await self.children.stdout.readline()

    async def rows(self, template: str, *args: object) -> list[Row]:
        return await self.engine.read(sql(template, *args))

    async def check(self, replies: int = 1_000_000) -> None:
        """Everything came in once and went out once, after a run that was not killed."""
        await self._check_mail()
        await self._check_files()
        await self._check_replies(replies)
        heard = (self.folder / "heard").read_text().split()
        received = [row["id"] for row in await self.rows("SELECT id FROM event WHERE name = 'message_received'")]
        assert {int(each) for each in heard} == set(received)
        assert not await self.rows("SELECT id FROM event WHERE NOT announced")

    async def _check_mail(self) -> None:
        assert not list((self.folder / "mail" / "new").iterdir())
        left = await self.rows("SELECT id, state, attempts, error FROM raw WHERE state <> 'done'")
        assert not left, left
        bodies = await self.rows("SELECT body_text FROM message WHERE agent_id IS NULL")
        found = Counter(int(number) for row in bodies for number in re.findall(r"Pedido-(\d+)-fim", row["body_text"]))
        assert found == Counter(list(self.delivered))
        assert len(await self.rows("SELECT id FROM ticket")) == len(self.delivered)
        assert len(await self.rows("SELECT id FROM event WHERE name = 'ticket_opened'")) == len(self.delivered)

    async def _check_files(self) -> None:
        hashes = [row["sha256"] for row in await self.rows("SELECT sha256 FROM file ORDER BY id")]
        wanted = [hashlib.sha256(each).hexdigest() for each in self.delivered.values() if each]
        assert Counter(hashes) == Counter(wanted), await self.rows("SELECT name, size FROM file")
        assert all((self.folder / "files" / each[:2] / each[2:]).is_file() for each in hashes)

    async def _check_replies(self, replies: int) -> None:
        text = "\n".join(each.content.decode() for each in self.server.messages)
        outside = Counter(int(number) for number in re.findall(r"^Resposta-(\d+)-fim", text, re.MULTILINE))
        written = await self.rows(
            "SELECT m.ticket_id, d.state, d.reason FROM delivery d JOIN message m ON m.id = d.message_id"
        )
        # Numbers that a killed transaction took are not given again on PostgreSQL.
        answered = await self.rows("SELECT id FROM ticket WHERE id <= {}", replies)
        assert len(written) == len(answered), (len(written), len(answered))
        assert len({row["ticket_id"] for row in written}) == len(written)
        for row in written:
            assert row["state"] in ("sent", "uncertain"), row
            assert outside[row["ticket_id"]] == 1 if row["state"] == "sent" else outside[row["ticket_id"]] <= 1, row

    async def replay_suspects(self) -> int:
        """Replays what was parked since processes ended on it three times, and nothing else; gives how many."""
        rows = await self.rows(
            "SELECT id FROM raw WHERE state = 'parked' AND error LIKE {}", "The process ended three%"
        )
        ids = [RawId(row["id"]) for row in rows]

        def script() -> Steps[None]:
            yield set_parked(ids, "waiting")

        if ids:
            await self.engine.run(script)
        return len(ids)

    async def uncertain(self) -> int:
        return len(await self.rows("SELECT id FROM delivery WHERE state = 'uncertain'"))


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@asynccontextmanager
async def child_processes() -> AsyncIterator[asyncio.subprocess.Process]:
    """Where processes are forked from, see `child.serve`."""
    children = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CHILD)),
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield children
    finally:
        assert children.stdin is not None
        children.stdin.close()
        await children.wait()


def email_settings(folder: Path, port: int) -> dict[str, object]:
    return {
        "address": "suporte@acme.example",
        "maildir": str(folder / "mail"),
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_tls": "none",
    }


async def add_mailbox(house: House, folder: Path, port: int) -> None:
    settings = email_settings(folder, port)
    await accounts.add(
        house.core, SYSTEM, AccountDraft(channel="email", name=ACCOUNT, settings=settings, is_default=True)
    )
    for name in ("tmp", "new", "cur"):
        (folder / "mail" / name).mkdir(parents=True)


@asynccontextmanager
async def opened_world(url: str, folder: Path) -> AsyncIterator[World]:
    """A house with one mailbox, closed again, and its world."""
    async with smtp_server() as server:
        plugins = {"email": EmailPlugin, "noting": NotingPlugin}
        async with opened_house(url, folder, plugins=plugins, prepare=False) as house:
            await add_mailbox(house, folder, server.port)
            agent = (await house.agent(role=Role.ADMIN)).actor.agent
        assert agent is not None
        engine = engine_for(url, synchronous="NORMAL")
        await engine.start()
        try:
            async with child_processes() as children:
                yield World(url, folder, server, agent, engine, children)
        finally:
            await engine.close()
