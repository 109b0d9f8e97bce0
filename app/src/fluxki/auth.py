"""Who calls: API tokens, the desk bound to their agent, and orders that are carried out once."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from typing import Annotated, Any, TypeAlias

from fluxki_core.domain.errors import Unauthenticated
from fluxki_core.domain.people import Actor
from fluxki_core.services import directory
from fluxki_core.services.core import Core
from fluxki_core.services.desk import CoreDesk
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from fluxki.errors import TooManyRequests
from fluxki.views import encoded

ApiRequest: TypeAlias = Request[Actor, str, State]
Connection: TypeAlias = ASGIConnection[Any, Any, Any, State]
Key: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x20-\x7e]+$",
        description="A fresh text for each order; the order is carried out once, however often it comes under it.",
    ),
]
_TOKEN = re.compile(re.escape(directory.TOKEN_PREFIX) + r"[A-Za-z0-9_-]{20,100}")
UNKNOWN = "Give the API token of an active agent as “Authorization: Bearer TOKEN”; “fluxki token add” makes one."


class Throttle:
    """A bucket of wrong tokens for each client address, refilled steadily; at most `most` addresses are kept."""

    def __init__(self, allowed: int = 20, per_second: float = 0.5, most: int = 10_000) -> None:
        self._allowed = allowed
        self._per_second = per_second
        self._most = most
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def fail(self, client: str, now: float) -> bool:
        """Notes a wrong token at `now` (seconds of any steady clock); False where the client had too many."""
        used, since = self._used.pop(client, (0.0, now))
        used = max(0.0, used - (now - since) * self._per_second)
        fits = used + 1 <= self._allowed
        self._used[client] = (used + 1 if fits else used, now)
        if len(self._used) > self._most:
            self._used.popitem(last=False)
        return fits


class Gate:
    """Tells agents by their tokens. A right token is never refused: others may share its client's address."""

    def __init__(self, core: Core, throttle: Throttle | None = None) -> None:
        self._core = core
        self._throttle = throttle or Throttle()

    async def actor(self, connection: Connection) -> tuple[Actor, str]:
        """The calling agent and their token. Raises `Unauthenticated` or `TooManyRequests`."""
        token = bearer(connection)
        actor = await self.actor_of(token)
        if actor is not None:
            return actor, token
        client = connection.client.host if connection.client else ""
        if token and not self._throttle.fail(client, asyncio.get_running_loop().time()):
            raise TooManyRequests("Too many wrong tokens came from your address; wait before trying again.", 10)
        raise Unauthenticated(UNKNOWN)

    async def actor_of(self, token: str) -> Actor | None:
        # The look-up is by the token's hash, so its time tells nothing of how near a guess is.
        return await directory.actor_of_token(self._core, token) if _TOKEN.fullmatch(token) else None


def bearer(connection: Connection) -> str:
    """The token given, or an empty text."""
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Bearer(ASGIMiddleware):
    """Lets only agents with a token through, before anything of the request's body is read."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        connection: Connection = ASGIConnection(scope)
        gate: Gate = connection.app.state.gate
        scope["user"], scope["auth"] = await gate.actor(connection)
        await next_app(scope, receive, send)


async def reader(request: ApiRequest) -> CoreDesk:
    """The desk of the calling agent."""
    return CoreDesk(request.app.state.core, request.user)


async def desk(request: ApiRequest, idempotency_key: Key = None) -> CoreDesk:
    """The desk of the calling agent, whose next order is carried out once if the request carries a key."""
    plain = await reader(request)
    if idempotency_key is None:
        return plain
    return once(plain, request, idempotency_key, hashlib.sha256(await request.body()).hexdigest())


def once(plain: CoreDesk, request: ApiRequest, key: str, body: str) -> CoreDesk:
    """The desk for one order under a key; `body` is the request body's hash."""
    order = f"{request.method} {request.url.path}?{request.url.query} {body}"
    return plain.once(key, hashlib.sha256(order.encode()).hexdigest(), encoded)
