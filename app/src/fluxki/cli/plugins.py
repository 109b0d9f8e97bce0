"""`fluxki plugins`."""

import click

from fluxki.console import Console


@click.group(invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """Plugins that are installed; lists them unless told otherwise."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_plugins)


@plugins.command("list")
@click.pass_obj
def list_plugins(console: Console) -> None:
    """Name, version, on or off, and why it is off."""
    from fluxki_core.hooks import loader

    installed = loader.installed()
    host = loader.load(console.settings.plugins.enabled)
    for name in sorted({*installed, *host.off}):
        package = installed[name].dist if name in installed else None
        version = package.version if package else "-"
        on = name in host.plugins
        reason = "" if on else host.off.get(name, "not in plugins.enabled")
        click.echo("\t".join(each for each in (name, version, "on" if on else "off", reason) if each))
