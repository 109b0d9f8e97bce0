"""A process that dies: takes in a Maildir, answers each ticket, sends and announces, until a step kills it.

`python child.py` reads an `Order` as JSON from each line; a process that is not killed leaves the names of the steps
that it went through in the file `steps`.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sys
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from flows.robustness.waiting import until
from fluxki_core.domain.errors import Unavailable
from fluxki_core.domain.events import Event
from fluxki_core.domain.ids import AccountId, AgentId, TicketId
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.tickets import Reply, SaveAnalysis
from fluxki_core.domain.traffic import Account
from fluxki_core.hooks import PluginManifest, hookimpl
from fluxki_core.hooks.loader import assemble
from fluxki_core.services import accounts, catalog, delivering, receiving
from fluxki_core.services.announcing import announce_next
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import Core, CoreSettings
from fluxki_core.services.desk import CoreDesk
from fluxki_core.services.raw import AccountInbox
from fluxki_core.services.unit import utc_now
from fluxki_core.storage.engines import engine_for
from fluxki_core.storage.queries import people
from fluxki_core.storage.statements import sql
from fluxki_email import maildir
from fluxki_email.plugin import EmailPlugin

SECRET = "a secret for tests, long enough"
ACCOUNT = "Suporte"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Dies at the `die_at`-th step, or at the first one of the name `die_in`. `ahead`: hours that the clock is on.

    `scarce_receiving` and `scarce_working` are how many bytes a file may have in that half of the way in, as on a full
    disk; the process then ends after the error, which it leaves in the file `error`.
    """

    url: str
    folder: str
    agent: int
    die_at: int = 0
    die_in: str = ""
    ahead: int = 0
    replies: int = 1_000_000
    scarce_receiving: int = 0
    scarce_working: int = 0


class NotingPlugin:
    """Writes down the id of each event that it hears, for good."""

    folder = Path()

    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        return PluginManifest(name="noting", version="1")

    @hookimpl
    async def message_received(self, event: Event[Any]) -> None:
        with (self.folder / "heard").open("a") as file:
            file.write(f"{event.id}\n")
            file.flush()
            os.fsync(file.fileno())


class Steps:
    """Counts the steps, and ends the process at one."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.order.die_at or name == self.order.die_in:
            os.kill(os.getpid(), signal.SIGKILL)


async def receive(core: Core, account: AccountId, folder: Path, steps: Steps) -> None:
    task = asyncio.create_task(maildir.receive(folder, AccountInbox(core, account), step=steps, pause=0.01))
    await until(lambda: task.done() or not any((folder / "new").iterdir()))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def answer(core: Core, order: Order) -> None:
    """One reply for each ticket, as an agent who sees which have none."""
    actor = await core.unit.look(lambda: people.actor_of(AgentId(order.agent)))
    assert actor is not None
    desk = CoreDesk(core, actor)
    classification = (await catalog.classifications(core, SYSTEM))[0].id
    unanswered = sql(
        "SELECT t.id, t.analysis_id FROM ticket t WHERE t.id <= {} AND NOT EXISTS"
        " (SELECT 1 FROM message m WHERE m.ticket_id = t.id AND m.agent_id IS NOT NULL) ORDER BY t.id",
        order.replies,
    )
    for row in await core.unit.read(unanswered):
        ticket = TicketId(row["id"])
        if row["analysis_id"] is None:
            await desk.analyze(SaveAnalysis(ticket=ticket, classification=classification))
        await desk.reply(Reply(ticket=ticket, body_text=f"Resposta-{ticket}-fim"))


async def way_in(core: Core, account: Account, order: Order, steps: Steps) -> None:
    no_file_longer_than(order.scarce_receiving)
    await receive(core, account.id, Path(order.folder) / "mail", steps)
    no_file_longer_than(order.scarce_working)
    while await receiving.work(core, account):
        pass


async def way_out(core: Core, account: Account, order: Order) -> None:
    await delivering.mark_lapsed(core)
    await answer(core, order)
    while await delivering.send_next(core, account):
        pass
    while await announce_next(core):
        pass


def no_file_longer_than(size: int) -> None:
    """As on a full disk; 0 changes nothing."""
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def peak_memory() -> int:
    """Of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def main(order: Order) -> None:
    steps = Steps(order)
    folder = Path(order.folder)
    NotingPlugin.folder = folder
    host = assemble({"email": EmailPlugin, "noting": NotingPlugin})

    def clock() -> datetime:
        return utc_now() + timedelta(hours=order.ahead)

    engine = engine_for(order.url, synchronous="NORMAL")
    settings = CoreSettings(data_dir=folder)
    async with opened_core(engine, host, settings, [SECRET], migrate=False, step=steps, clock=clock) as core:
        account = await accounts.find(core, ACCOUNT)
        before = peak_memory()
        try:
            await way_in(core, account, order, steps)
        except Unavailable as error:
            no_file_longer_than(resource.RLIM_INFINITY)
            (folder / "error").write_text(str(error))
            (folder / "steps").write_text("")
            return
        (folder / "memory").write_text(str(peak_memory() - before))
        await way_out(core, account, order)
    (folder / "steps").write_text("\n".join(steps.names))


def serve() -> None:
    """Runs each order that comes on the standard input in a process of its own; answers with its id and its end.

    They are forked from here, where everything is imported already, so that there can be many.
    """
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        process = os.fork()
        if process == 0:
            code = 1
            try:
                asyncio.run(main(order))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
