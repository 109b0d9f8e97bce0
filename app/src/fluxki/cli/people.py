"""`fluxki agent` and `fluxki token`."""

import sys
from typing import TYPE_CHECKING

import click

from fluxki.console import Console

if TYPE_CHECKING:
    from fluxki_core.services.core import Core

ROLES = ("admin", "supervisor", "agent")


@click.group()
def agent() -> None:
    """Agents of the desk."""


@agent.command("add")
@click.argument("email")
@click.option("--name", required=True, help="Name that contacts and colleagues see.")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input, one line.")
@click.pass_obj
def add_agent(console: Console, email: str, name: str, role: str, password_stdin: bool) -> None:
    """Adds an agent, in the default department."""
    from fluxki_core.domain.people import SYSTEM, Role
    from fluxki_core.services import directory

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    draft = directory.AgentDraft(email=email, name=name, role=Role(role), password=password)
    added = console.with_core(lambda core: directory.add_agent(core, SYSTEM, draft))
    click.echo(f"Added {added.name} <{added.email}> as {added.role.value}.")


@click.group()
def token() -> None:
    """API tokens."""


@token.command("add")
@click.option("--agent", "email", required=True, metavar="EMAIL", help="The agent for whom the token acts.")
@click.option("--name", required=True, help="What the token is for.")
@click.pass_obj
def add_token(console: Console, email: str, name: str) -> None:
    """Makes an API token and prints it, this once."""
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import directory

    async def made(core: "Core") -> str:
        owner = await directory.agent_of(core, SYSTEM, email)
        return await directory.add_token(core, SYSTEM, owner.id, name)

    click.echo(console.with_core(made))
