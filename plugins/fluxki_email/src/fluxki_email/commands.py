"""`fluxki email …`: what a deployer does with mail on the command line."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import click
from fluxki_core.domain.errors import FluxkiError
from fluxki_core.domain.ports import Console, Desk
from fluxki_core.domain.traffic import Nature, Outcome, RawItem, Taken

from fluxki_email import archives

CHUNK = 50
CHUNK_BYTES = 16 * 1024 * 1024  # of mail held in memory at a time
KEYS = ("read", "accepted", "duplicate", "automatic", "bounce", "parked")


@click.group()
def email() -> None:
    """Mail of the e-mail channel."""


@email.command()
@click.option("--account", required=True, help="Name of the e-mail account that takes the mail in.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object, and no progress bar.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.pass_obj
def ingest(console: Console, account: str, as_json: bool, paths: tuple[Path, ...]) -> None:
    """Takes in mail from .eml files, folders of them, mbox files and Maildirs, as if it had just arrived.

    Taking the same mail in again changes nothing. Ends with counts, where `read` is the sum of `accepted`,
    `duplicate` and `parked`, while `automatic` and `bounce` say how many of the accepted were such. Exits with 1 when
    a mail was parked.
    """
    try:
        counts = console.run(lambda desk: _ingest(desk, account, paths, hide=as_json))
    except FluxkiError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(counts) if as_json else " ".join(f"{key} {value}" for key, value in counts.items()))
    if counts["parked"]:
        click.echo("Some mail could not be understood and is kept: see `fluxki parked list`", err=True)
        sys.exit(1)


async def _ingest(desk: Desk, account: str, paths: tuple[Path, ...], *, hide: bool) -> dict[str, int]:
    total = sum([await asyncio.to_thread(archives.count, path) for path in paths])
    chunks = _chunks(chain.from_iterable(archives.items(path) for path in paths))
    counts = Counter[str]()
    with click.progressbar(length=total, file=sys.stderr, hidden=hide or not sys.stderr.isatty()) as bar:
        while chunk := await asyncio.to_thread(next, chunks, None):
            counts.update(key for taken in await desk.take_in(account, chunk) for key in _counted(taken))
            bar.update(len(chunk))
    return {key: counts[key] for key in KEYS}


def _counted(taken: Taken) -> Iterator[str]:
    yield "read"
    yield taken.outcome.value
    if taken.outcome is Outcome.ACCEPTED and taken.nature in {Nature.AUTOMATIC, Nature.BOUNCE}:
        yield taken.nature.value


def _chunks(items: Iterable[RawItem]) -> Iterator[list[RawItem]]:
    chunk: list[RawItem] = []
    held = 0
    for item in items:
        chunk.append(item)
        held += len(item.content) if isinstance(item.content, bytes) else 0
        if len(chunk) == CHUNK or held > CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
