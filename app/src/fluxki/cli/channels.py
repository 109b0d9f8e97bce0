"""`fluxki channels`."""

import sys
from typing import TYPE_CHECKING

import click

from fluxki.console import Console

if TYPE_CHECKING:
    from fluxki_core.domain.ids import DepartmentId
    from fluxki_core.services.accounts import AccountView
    from fluxki_core.services.core import Core


@click.group(invoke_without_command=True)
@click.pass_context
def channels(ctx: click.Context) -> None:
    """Accounts of the channels: mailboxes and bots; lists them unless told otherwise."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_accounts)


@channels.command("list")
@click.pass_obj
def list_accounts(console: Console) -> None:
    """Every account: id, channel, name, and what is wrong with it."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import accounts

    for each in console.with_core(lambda core: accounts.view_all(core, SYSTEM)):
        wrong = "; ".join(error for error in (each.receive_error, each.send_error) if error)
        default = "default" if each.is_default else ""
        click.echo("\t".join((str(each.id), each.channel, each.name, default, wrong)).rstrip("\t"))


@channels.command("add")
@click.argument("plugin")
@click.option("--name", required=True, help="The account's name.")
@click.option("--default", "is_default", is_flag=True, help="Carries what has no account of its own.")
@click.option("--department", metavar="NAME", help="Department of what arrives here; else the default one.")
@click.argument("pairs", nargs=-1, metavar="KEY=VALUE…")
@click.pass_obj
def add(
    console: Console, plugin: str, name: str, is_default: bool, department: str | None, pairs: tuple[str, ...]
) -> None:
    """Adds an account of the channel PLUGIN; KEY=- reads the value from standard input, one line each."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import accounts

    settings = dict(_pair(each) for each in pairs)

    async def added(core: "Core") -> "AccountView":
        first = all(each.channel != plugin for each in await accounts.view_all(core, SYSTEM))
        draft = accounts.AccountDraft(
            channel=plugin,
            name=name,
            settings=settings,
            department=await _department(core, department),
            is_default=is_default or first,
        )
        return await accounts.add(core, SYSTEM, draft)

    account = console.with_core(added)
    click.echo(f"Added {account.name} ({account.channel}){', the default one' if account.is_default else ''}.")


@channels.command("check")
@click.argument("name")
@click.pass_obj
def check(console: Console, name: str) -> None:
    """Tries an account's connections; exits with 1 where one does not work."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.domain.traffic import ChannelHealth
    from fluxki_core.services import accounts

    async def checked(core: "Core") -> ChannelHealth:
        known = await accounts.find(core, name)
        return await accounts.check(core, SYSTEM, known.id)

    health = console.with_core(checked)
    click.echo("\n".join(health.lines))
    if not health.ok:
        sys.exit(1)


@channels.command("remove")
@click.argument("name")
@click.pass_obj
def remove(console: Console, name: str) -> None:
    """Takes an account out of use; its messages stay."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import accounts

    async def removed(core: "Core") -> None:
        known = await accounts.find(core, name)
        await accounts.remove(core, SYSTEM, known.id)

    console.with_core(removed)
    click.echo(f"Removed {name}.")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(f"{text!r} is no KEY=VALUE.")
    return key, sys.stdin.readline().rstrip("\r\n") if value == "-" else value


async def _department(core: "Core", name: str | None) -> "DepartmentId | None":
    from fluxki_core.domain.errors import NotFound
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import directory

    if name is None:
        return None
    known = {each.name: each.id for each in await directory.departments(core, SYSTEM)}
    if name not in known:
        raise NotFound(f"There is no department {name}. The departments are: {', '.join(known)}.")
    return known[name]
