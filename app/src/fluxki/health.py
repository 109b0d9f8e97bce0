"""`/healthz`, `/readyz` and `/metrics`: for those who run the deployment, outside the API."""

import asyncio
import contextlib
from ipaddress import ip_address
from typing import Any

from fluxki_core.domain.errors import FluxkiError, Forbidden, Unavailable
from fluxki_core.domain.people import Role
from fluxki_core.services.core import Core
from fluxki_core.storage import migrating
from fluxki_core.storage.statements import sql
from litestar import HttpMethod, Request, Response, get, route
from litestar.datastructures import State
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from fluxki.auth import Gate, bearer

PROBED = (HttpMethod.GET, HttpMethod.HEAD)  # load balancers ask with either
PATIENCE = 5.0  # seconds that the database has to answer


class Alive(Struct, frozen=True):
    status: str = "ok"


class Readiness:
    """Whether this process can serve. Migrations that are done stay so, thus they are looked at until they are."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._migrated = False

    async def check(self) -> None:
        """Raises `Unavailable`, saying what is missing."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._core.unit.read(sql("SELECT 1 AS one"))
                pending = [] if self._migrated else await migrating.pending(self._core.unit.engine)
        except TimeoutError as error:
            raise Unavailable(f"The database gave no answer within {PATIENCE:g} s.") from error
        if pending:
            raise Unavailable(f"Migrations are pending: {', '.join(pending)}. Run “fluxki migrate”.")
        self._migrated = True


@route("/healthz", http_method=[*PROBED], include_in_schema=False)
async def healthz() -> Alive:
    """Alive: says nothing of the database."""
    return Alive()


@route("/readyz", http_method=[*PROBED], include_in_schema=False)
async def readyz(request: Request[Any, Any, State]) -> Alive:
    """Can serve: the database answers and has every migration."""
    await request.app.state.readiness.check()
    return Alive("ready")


@get("/metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, State]) -> Response[bytes]:
    """For this machine, or with an admin's token."""
    if not (_from_here(request) or await _is_admin(request)):
        raise Forbidden("Metrics are given on this machine, or for the API token of an admin.")
    page = await request.app.state.metrics.page(request.app.state.core)
    return Response(page, media_type=CONTENT_TYPE_LATEST)


def _from_here(request: Request[Any, Any, State]) -> bool:
    # What a proxy on this machine hands on comes from elsewhere.
    if request.client is None or {"x-forwarded-for", "forwarded", "x-real-ip"} & set(request.headers):
        return False
    with contextlib.suppress(ValueError):
        return ip_address(request.client.host).is_loopback
    return False


async def _is_admin(request: Request[Any, Any, State]) -> bool:
    gate: Gate = request.app.state.gate
    if not bearer(request):
        return False
    try:
        actor, _ = await gate.actor(request)
    except FluxkiError:
        return False
    return actor.role is Role.ADMIN
