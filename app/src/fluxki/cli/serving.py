"""`fluxki serve` and `fluxki worker`."""

import asyncio
import sys

import click

from fluxki.console import Console


@click.command()
@click.option("--host", help="Address to listen at; else web.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen at, 0 for any free one; else web.port.")
@click.option("--no-worker", is_flag=True, help="Serve only; “fluxki worker” then receives and sends.")
@click.pass_obj
def serve(console: Console, host: str | None, port: int | None, no_worker: bool) -> None:
    """Serves the web app, and works in the same process."""
    from fluxki import server

    web = console.settings.web
    asyncio.run(
        server.serve(
            console.settings,
            host or web.host,
            web.port if port is None else port,
            worker=not no_worker,
            ready=lambda address: _say(f"Fluxki serves at {address}"),
        )
    )


@click.command()
@click.pass_obj
def worker(console: Console) -> None:
    """Receives and sends only; any number of workers share one PostgreSQL database."""
    from fluxki import server

    asyncio.run(server.work(console.settings, lambda: _say("Fluxki works")))


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
