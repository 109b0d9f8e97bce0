"""`fluxki migrate` and `fluxki doctor`."""

import asyncio
import json
import sys

import click

from fluxki.console import Console


@click.command()
@click.option("--check", is_flag=True, help="Only list what is pending; exits with 1 if anything is.")
@click.pass_obj
def migrate(console: Console, check: bool) -> None:
    """Brings the database's schema up to date, one process at a time."""
    from fluxki import doctoring

    settings = console.settings
    if not check:
        done = asyncio.run(doctoring.migrate(settings))
        click.echo("\n".join(done) or "Nothing was pending.")
        return
    pending = asyncio.run(doctoring.pending(settings))
    click.echo("\n".join(pending) or "Nothing is pending.")
    if pending:
        sys.exit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@click.pass_obj
def doctor(console: Console, as_json: bool) -> None:
    """Looks at settings, disk, database, plugins, accounts and clock; exits with 1 on a fault."""
    import msgspec
    from fluxki_core.domain.errors import FluxkiError

    from fluxki.doctoring import Finding, Verdict, examine

    try:
        findings = asyncio.run(examine(console.settings))
    except FluxkiError as error:
        findings = [Finding(what="settings", verdict=Verdict.FAULT, detail=str(error))]
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(findings), ensure_ascii=False))
    else:
        for each in findings:
            click.echo(f"{each.verdict.value:<5} {each.what}: {each.detail}")
    if any(each.verdict is Verdict.FAULT for each in findings):
        sys.exit(1)
