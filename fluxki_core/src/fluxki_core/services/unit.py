"""Runs transactions, and tells whoever waits that something was committed."""

import asyncio
import contextlib
import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import Struct

from fluxki_core.domain.errors import IdempotencyConflict
from fluxki_core.domain.ids import AgentId
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.queries import idempotency
from fluxki_core.storage.statements import Row, Statement, Steps

T = TypeVar("T")


class Replayed(Exception):
    """The order was carried out before, and this was the answer."""

    def __init__(self, body: str) -> None:
        super().__init__("carried out before")
        self.body = body


class Once(Struct, frozen=True, kw_only=True):
    """An order that must be carried out once, however often it comes: who gives it, under which key.

    `digest` tells a repeat from another order under the same key. `encode` gives the answer to keep.
    """

    agent: AgentId
    key: str
    digest: str
    encode: Callable[[Any], str]


Step = Callable[[str], None]


def no_step(_: str) -> None:
    """Between any two steps of the way in and out nothing happens, outside the tests that kill the process there."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Unit:
    """One process's way to its database. `step` hears the name of every step of the ways in and out as it is done."""

    def __init__(self, engine: Engine, *, step: Step = no_step, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.step = step
        self.now = clock
        self._waiting: set[asyncio.Event] = set()
        self._once: Once | None = None

    def once(self, once: Once) -> "Unit":
        """The same unit, whose transactions keep their answer under a key and are not done a second time.

        A repeat raises `Replayed`; another order under the same key raises `IdempotencyConflict`.
        """
        unit = copy.copy(self)
        vars(unit)["_once"] = once
        return unit

    async def read(self, statement: Statement) -> list[Row]:
        return await self.engine.read(statement)

    async def look(self, steps: Callable[[], Steps[T]]) -> T:
        """Runs steps that only read, each seeing what is committed by then, without a transaction."""
        generator = steps()
        try:
            statement = next(generator)
            while True:
                statement = generator.send(await self.engine.read(statement))
        except StopIteration as end:
            result: T = end.value
            return result

    async def run(self, name: str, script: Callable[[], Steps[T]], *, tell: bool = True) -> T:
        """Runs a script as one transaction. `tell` wakes whoever waits for work or events, in every process."""
        if self._once is not None:
            script = _only_once(script, self._once, self.now())
        result = await self.engine.run(_telling(script, self.engine) if tell else script, self.step, name)
        if tell:
            self.wake()
        return result

    def wake(self) -> None:
        """Something may have changed: everyone who waits looks again."""
        for each in self._waiting:
            each.set()

    async def changed(self, seconds: float) -> None:
        """Waits for the next commit that was told of, in any process that can tell, at most `seconds`."""
        with self.watching() as event, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    @contextlib.contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that every commit told of sets, also between two waits of whoever clears it."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)


def _telling(script: Callable[[], Steps[T]], engine: Engine) -> Callable[[], Steps[T]]:
    statement = engine.notify_statement("changed")
    if statement is None:
        return script

    def told() -> Steps[T]:
        result = yield from script()
        yield statement
        return result

    return told


def _only_once(script: Callable[[], Steps[T]], once: Once, now: datetime) -> Callable[[], Steps[T]]:
    # The key stands in the same transaction as what it guards: both are kept, or neither.
    def guarded() -> Steps[T]:
        row = yield from idempotency.begin(once.agent, once.key, once.digest, now)
        if row is not None:
            if row["digest"] != once.digest:
                raise IdempotencyConflict("This Idempotency-Key was used for another request; use a fresh one.")
            raise Replayed(row["body"])
        result = yield from script()
        yield idempotency.keep(once.agent, once.key, once.encode(result))
        return result

    return guarded
