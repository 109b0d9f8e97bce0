"""`fluxki announcements`: what plugins could not be told, and gave up on."""

import click

from fluxki.cli.repairs import run_on_desk
from fluxki.console import Console

PAGE = 200


@click.group(invoke_without_command=True)
@click.pass_context
def announcements(ctx: click.Context) -> None:
    """Events that a plugin failed to hear; lists them unless told otherwise."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_announcements)


@announcements.command("list")
@click.pass_obj
def list_announcements(console: Console) -> None:
    """Id, state, plugin, event, tries and reason of each: due ones are retried, buried ones are not."""
    from fluxki_core.services.desk import CoreDesk

    async def shown(desk: CoreDesk) -> None:
        last = 0
        while found := await desk.owed_announcements(last, PAGE):
            last = found[-1]["id"]
            for each in found:
                what = f"{each['plugin']}\t{each['name']} {each['event_id']}\t{each['attempts']}"
                click.echo(f"{each['id']}\t{each['state']}\t{what}\t{' '.join(each['error'].split())}")

    run_on_desk(console, shown)


@announcements.command("revive")
@click.pass_obj
def revive(console: Console) -> None:
    """Gives all buried ones another chance."""
    from fluxki_core.services.desk import CoreDesk

    async def revived(desk: CoreDesk) -> None:
        click.echo(f"Revived {await desk.revive_announcements()}.")

    run_on_desk(console, revived)
