"""`fluxki parked` and `fluxki deliveries`: what got stuck on its way in or out."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from fluxki.console import Console

if TYPE_CHECKING:
    from fluxki_core.services.desk import CoreDesk

PAGE = 200
ID = click.IntRange(1, 2**63 - 1)


@click.group(invoke_without_command=True)
@click.pass_context
def parked(ctx: click.Context) -> None:
    """Messages that could not be taken in; lists them unless told otherwise."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_parked)


@parked.command("list")
@click.pass_obj
def list_parked(console: Console) -> None:
    """Id, time, account, size and reason of each."""
    from fluxki_core.domain.ids import RawId

    async def shown(desk: "CoreDesk") -> None:
        last = RawId(0)
        while rows := await desk.parked(last, PAGE):
            last = RawId(rows[-1]["id"])
            for row in rows:
                at = row["received_at"].isoformat(" ", "seconds")
                click.echo(f"{row['id']}\t{at}\t{row['account']}\t{row['size']}\t{_line(row['error'])}")

    run_on_desk(console, shown)


@parked.command("replay")
@click.argument("ids", nargs=-1, type=ID)
@click.pass_obj
def replay(console: Console, ids: tuple[int, ...]) -> None:
    """Puts them on the way in again; without IDS all of them."""
    from fluxki_core.domain.ids import RawId

    async def replayed(desk: "CoreDesk") -> None:
        click.echo(f"Replayed {len(await desk.replay([RawId(each) for each in ids]))}.")

    run_on_desk(console, replayed)


@parked.command("discard")
@click.argument("ids", nargs=-1, type=ID, required=True)
@click.pass_obj
def discard_parked(console: Console, ids: tuple[int, ...]) -> None:
    """Gives them up; their bytes stay in the store."""
    from fluxki_core.domain.ids import RawId

    async def discarded(desk: "CoreDesk") -> None:
        click.echo(f"Discarded {len(await desk.discard_parked([RawId(each) for each in ids]))}.")

    run_on_desk(console, discarded)


@click.group(invoke_without_command=True)
@click.pass_context
def deliveries(ctx: click.Context) -> None:
    """Messages that could not be sent; lists them unless told otherwise."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_deliveries)


@deliveries.command("list")
@click.pass_obj
def list_deliveries(console: Console) -> None:
    """Id, state, ticket, recipient, tries and reason of each."""
    from fluxki_core.domain.ids import DeliveryId

    async def shown(desk: "CoreDesk") -> None:
        last = DeliveryId(0)
        while found := await desk.deliveries(last, PAGE):
            last = found[-1].id
            for each in found:
                state, tries = each.state.value, each.attempts
                click.echo(f"{each.id}\t{state}\t#{each.ticket}\t{each.recipient}\t{tries}\t{_line(each.reason)}")

    run_on_desk(console, shown)


@deliveries.command("retry")
@click.argument("ids", nargs=-1, type=ID, required=True)
@click.pass_obj
def retry(console: Console, ids: tuple[int, ...]) -> None:
    """Sends them again; one that is uncertain may reach its contact twice."""
    from fluxki_core.domain.ids import DeliveryId

    async def retried(desk: "CoreDesk") -> None:
        for each in ids:
            click.echo(f"{each}\t{(await desk.retry_delivery(DeliveryId(each))).state.value}")

    run_on_desk(console, retried)


@deliveries.command("discard")
@click.argument("ids", nargs=-1, type=ID, required=True)
@click.pass_obj
def discard(console: Console, ids: tuple[int, ...]) -> None:
    """Gives them up; their messages stay, shown as not sent."""
    from fluxki_core.domain.ids import DeliveryId

    async def discarded(desk: "CoreDesk") -> None:
        for each in ids:
            click.echo(f"{each}\t{(await desk.discard_delivery(DeliveryId(each))).state.value}")

    run_on_desk(console, discarded)


def run_on_desk(console: Console, main: Callable[["CoreDesk"], Awaitable[None]]) -> None:
    """Runs `main` with a desk that acts for the machine."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services.desk import CoreDesk

    console.with_core(lambda core: main(CoreDesk(core, SYSTEM)))


def _line(text: str) -> str:
    return " ".join(text.split())
