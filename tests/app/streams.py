"""Reading server-sent events as a client does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from app.clients import Caller


class Listening:
    """An open stream; `ended` is set when the server closes it, `comments` counts its signs of life."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments = 0
        self.ended = asyncio.Event()
        self._found: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    async def next(self, seconds: float = 5.0) -> dict[str, Any]:
        """The next event's data, after checking that its id and name stand beside it."""
        async with asyncio.timeout(seconds):
            return await self._found.get()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        fields: dict[str, str] = {}
        with contextlib.suppress(httpx.RemoteProtocolError):
            async for line in self.answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    fields[name] = value
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    assert (str(data["id"]), data["name"]) == (fields["id"], fields["event"])
                    self._found.put_nowait(data)
                    fields = {}
        self.ended.set()


@contextlib.asynccontextmanager
async def listening(caller: Caller, after: int | None = None, resumed: int | None = None) -> AsyncIterator[Listening]:
    """A stream of events that has begun, after an event or taken up again after one as browsers do."""
    headers = {} if resumed is None else {"Last-Event-ID": str(resumed)}
    params = {} if after is None else {"after": after}
    request = caller.client.stream("GET", "/api/v1/events", params=params, headers=headers, timeout=30)
    async with request as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Listening(answer)
        try:
            yield stream
        finally:
            await stream.close()
