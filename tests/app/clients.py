"""A real HTTP server on the house's core, and clients that call it as agents."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fluxki.asgi import create_app
from fluxki.lifespan import stop
from fluxki.settings import Settings
from fluxki_core.domain.ids import DepartmentId
from fluxki_core.domain.people import SYSTEM, Role
from fluxki_core.services import directory
from fluxki_core.services.desk import CoreDesk
from house import House
from litestar import Litestar

BOSS = "Bia Rocha"


class Caller:
    """An agent with a token; `calls` gives the decoded answer after checking its status."""

    def __init__(self, client: httpx.AsyncClient, desk: CoreDesk) -> None:
        self.client = client
        self.desk = desk

    async def __call__(self, method: str, path: str, body: Any = None, *, expect: int = 200, **more: Any) -> Any:
        answer = await self.raw(method, path, body, **more)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def raw(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            more["content"] = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def problem(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """Status and code of an error, whose form is checked."""
        answer = await self.raw(method, path, body, **more)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        found = answer.json()
        assert found["type"] == "about:blank"
        assert found["status"] == answer.status_code
        assert found["title"]
        assert found["detail"]
        return found["status"], found["code"]

    async def upload(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> str:
        path = httpx.URL("/attachments", params={"name": name})
        view = await self("POST", str(path), expect=201, content=content, headers={"Content-Type": media_type})
        return str(view["id"])


class Office:
    """The house's app at `address`."""

    def __init__(self, house: House, app: Litestar, address: str, stack: contextlib.AsyncExitStack) -> None:
        self.house = house
        self.app = app
        self.address = address
        self._stack = stack

    async def caller(
        self,
        name: str = "Ana Lima",
        role: Role = Role.AGENT,
        departments: tuple[DepartmentId, ...] | None = None,
    ) -> Caller:
        """A new agent who calls with a token of their own."""
        desk = await self.house.agent(name, role, departments)
        return Caller(await self.client(await self.token(desk)), desk)

    async def admin(self) -> Caller:
        return await self.caller(BOSS, Role.ADMIN)

    async def token(self, desk: CoreDesk) -> str:
        assert desk.actor.agent is not None
        return await directory.add_token(self.house.core, SYSTEM, desk.actor.agent, "test")

    async def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(base_url=self.address, headers=headers, timeout=30)
        return await self._stack.enter_async_context(client)


@contextlib.asynccontextmanager
async def opened_office(house: House, *, worker: bool = False) -> AsyncIterator[Office]:
    """The app on a loopback port; closing it ends open streams first, as `fluxki serve` does."""
    app = create_app(house.core, Settings(data_dir=house.core.settings.data_dir), worker=worker)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the server did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with contextlib.AsyncExitStack() as stack:
            yield Office(house, app, f"http://127.0.0.1:{port}", stack)
    finally:
        stop(app)
        server.should_exit = True
        await serving
