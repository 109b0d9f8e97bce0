"""`fluxki`, the command line: each command's module, and what it needs, is imported when it is called."""

import contextlib
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from fluxki.console import Console

COMMANDS = {
    "serve": "fluxki.cli.serving:serve",
    "worker": "fluxki.cli.serving:worker",
    "migrate": "fluxki.cli.upkeep:migrate",
    "doctor": "fluxki.cli.upkeep:doctor",
    "agent": "fluxki.cli.people:agent",
    "token": "fluxki.cli.people:token",
    "plugins": "fluxki.cli.plugins:plugins",
    "channels": "fluxki.cli.channels:channels",
    "parked": "fluxki.cli.repairs:parked",
    "deliveries": "fluxki.cli.repairs:deliveries",
    "announcements": "fluxki.cli.announcements:announcements",
}


class Commands(click.Group):
    """Own commands by name, then those that the enabled plugins declare; errors end in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from fluxki_core.domain.errors import FluxkiError

        # Help must be had also while the settings cannot be read.
        with contextlib.suppress(FluxkiError):
            return [*COMMANDS, *_of_plugins(ctx)]
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name) or _of_plugins(ctx).get(cmd_name)
        return None if place is None else _imported(place)

    def invoke(self, ctx: click.Context) -> Any:
        from fluxki_core.domain.errors import FluxkiError

        try:
            return super().invoke(ctx)
        except FluxkiError as error:
            raise click.ClickException(str(error)) from error


def _imported(place: str) -> click.Command:
    module, _, name = place.partition(":")
    command: click.Command = getattr(import_module(module), name)
    return command


def _of_plugins(ctx: click.Context) -> dict[str, str]:
    """Words of the command line that enabled plugins declare, and where their commands are."""
    from fluxki_core.hooks import loader

    host = loader.load(_console(ctx).settings.plugins.enabled)
    return {word: place for each in host.plugins.values() for word, place in each.manifest.commands.items()}


def _console(ctx: click.Context) -> Console:
    """The one console of this call: a plugin's name is looked up before `main` itself runs."""
    if ctx.obj is None:
        ctx.obj = Console(ctx.params.get("config"))
    console: Console = ctx.obj
    return console


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file; else FLUXKI_CONFIG, else fluxki.toml in the working folder.",
)
@click.version_option(package_name="fluxki")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Fluxki, a help desk."""
    _console(ctx)
