"""Looks a deployment over, one finding a line, and brings its schema up to date."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fluxki_core.domain.errors import FluxkiError
from fluxki_core.domain.people import SYSTEM
from fluxki_core.hooks import loader
from fluxki_core.services import accounts
from fluxki_core.services.assembly import migration_apps
from fluxki_core.services.core import Core
from fluxki_core.storage import migrating, registry
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.queries import deliveries, raw
from fluxki_core.storage.statements import sql
from msgspec import Struct

from fluxki.secret import FILE, secrets
from fluxki.settings import Settings, without_password
from fluxki.wiring import engine_of, opened

ENOUGH = 1 << 30  # bytes of free disk below which a deployer should act
BUILT = datetime(2025, 1, 1, tzinfo=UTC)  # no honest clock is older than the program
SKEW = timedelta(seconds=60)
SHORTEST = 16  # characters of a secret key


class Verdict(StrEnum):
    OK = "ok"
    LOOK = "look"
    FAULT = "fault"


class Finding(Struct, frozen=True, kw_only=True):
    """`look` is for a person to see to; only a `fault` keeps the desk from its work."""

    what: str
    verdict: Verdict
    detail: str


def found(what: str, fine: bool, detail: str, otherwise: Verdict = Verdict.FAULT) -> Finding:
    return Finding(what=what, verdict=Verdict.OK if fine else otherwise, detail=detail)


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Engine]:
    """The database as it is, with the apps of core and plugins made known to it."""
    engine = engine_of(settings)
    await engine.start()
    try:
        registry.install(engine, migration_apps(loader.load(settings.plugins.enabled)))
        yield engine
    finally:
        await engine.close()


async def migrate(settings: Settings) -> list[str]:
    """Applies what is pending, and names it."""
    async with started(settings) as engine:
        return await migrating.migrate(engine)


async def pending(settings: Settings) -> list[str]:
    """What `migrate` would apply."""
    async with started(settings) as engine:
        return await migrating.pending(engine)


async def examine(settings: Settings) -> list[Finding]:
    """All findings; what cannot be looked at after a fault is left out."""
    findings = [
        found("settings", True, str(settings.source or "defaults and environment")),
        *await asyncio.to_thread(_disk, settings),
        *_plugins(settings),
    ]
    if any(each.verdict is Verdict.FAULT and each.what in {"data_dir", "secret key"} for each in findings):
        return findings
    try:
        waiting = await pending(settings)
    except FluxkiError as error:
        return [*findings, found("database", False, str(error))]
    findings.append(found("database", True, without_password(settings.database_url)))
    findings.append(
        found("migrations", not waiting, "none pending" if not waiting else f"pending: {', '.join(waiting)}")
    )
    if waiting:
        return findings
    async with opened(settings, migrate=False) as core:
        return [*findings, await _clock(core), *await _accounts(core), *await _repairs(core)]


def _disk(settings: Settings) -> list[Finding]:
    try:
        keys = secrets(settings)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            pass
    except (FluxkiError, OSError) as error:
        return [found("data_dir", False, f"{settings.data_dir}: {error}")]
    free = shutil.disk_usage(settings.data_dir).free
    file = settings.data_dir / FILE
    open_to_others = not settings.web.secret_key and bool(file.stat().st_mode & 0o077)
    short = any(len(each) < SHORTEST for each in keys)
    detail = f"{len(keys)} in use"
    if open_to_others:
        detail = f"others can read {file}: run “chmod 600 {file}”"
    elif short:
        detail = f"one has less than {SHORTEST} characters: give longer ones in web.secret_key, or leave it out"
    return [
        found("data_dir", True, f"{settings.data_dir} can be written"),
        found("disk", free >= ENOUGH, f"{free / (1 << 30):.1f} GiB free", Verdict.LOOK),
        found("secret key", not (open_to_others or short), detail),
    ]


def _plugins(settings: Settings) -> list[Finding]:
    host = loader.load(settings.plugins.enabled)
    on = [found(f"plugin {name}", True, f"on, version {each.manifest.version}") for name, each in host.plugins.items()]
    return on + [found(f"plugin {name}", False, reason) for name, reason in host.off.items()]


async def _clock(core: Core) -> Finding:
    """The clock against the build, and against the newest that was written down."""
    now = core.unit.now()
    rows = await core.unit.read(sql("SELECT at FROM event ORDER BY id DESC LIMIT 1"))
    newest = rows[0]["at"] if rows else BUILT
    sane = now >= BUILT and now + SKEW >= newest
    detail = f"{now:%Y-%m-%d %H:%M:%S} UTC, shown in {core.settings.timezone}"
    return found("clock", sane, detail if sane else f"{detail}, but an event was written at {newest:%Y-%m-%d %H:%M:%S}")


async def _accounts(core: Core) -> list[Finding]:
    findings = []
    for each in await accounts.view_all(core, SYSTEM):
        try:
            health = await accounts.check(core, SYSTEM, each.id)
            fine, lines = health.ok, [*health.lines, each.receive_error, each.send_error]
        except FluxkiError as error:
            fine, lines = False, [str(error)]
        findings.append(found(f"account {each.name}", fine, "; ".join(line for line in lines if line)))
    if not findings:
        findings.append(found("accounts", False, "none yet: see “fluxki channels add”", Verdict.LOOK))
    return findings


async def _repairs(core: Core) -> list[Finding]:
    parked = (await core.unit.read(raw.count_parked()))[0]["n"]
    counts = {row["state"]: row["n"] for row in await core.unit.read(deliveries.counts())}
    failed, uncertain = counts.get("failed", 0), counts.get("uncertain", 0)
    return [
        found("parked", parked == 0, f"{parked}: see “fluxki parked”" if parked else "none", Verdict.LOOK),
        found(
            "deliveries",
            failed + uncertain == 0,
            f"{failed} failed, {uncertain} uncertain: see “fluxki deliveries”" if failed + uncertain else "all well",
            Verdict.LOOK,
        ),
    ]
