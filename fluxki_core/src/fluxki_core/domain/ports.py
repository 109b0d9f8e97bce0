"""What plugins see of the core: one object, bound to whom it acts for."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from fluxki_core.domain.events import Body, Event
from fluxki_core.domain.ids import EventId
from fluxki_core.domain.people import Actor
from fluxki_core.domain.traffic import RawItem, SignedRef, Taken

T = TypeVar("T")


class Desk(Protocol):
    """The core, as its actor may use it. Every call checks the actor's permission."""

    @property
    def actor(self) -> Actor: ...

    @property
    def timezone(self) -> str:
        """IANA name of the deployment's time zone."""
        ...

    def as_(self, actor: Actor) -> "Desk":
        """The same desk, acting for somebody else."""
        ...

    def sign(self, ref: SignedRef) -> str:
        """A token for `ref` that nobody else can make: lower-case letters, digits and full stops, at most 64."""
        ...

    def verify(self, token: str) -> SignedRef | None:
        """What a token of ours stands for; None for anything else. A forged or garbled one is no error."""
        ...

    async def events(self, after: EventId, limit: int = 100) -> Sequence[Event[Body]]:
        """What happened after an event, oldest first, as the actor may see it; none is ever skipped."""
        ...

    async def take_in(self, account: str, items: Sequence[RawItem]) -> Sequence[Taken]:
        """Stores raw messages for the account of that name and takes them in at once; one answer an item, in order.

        The same way in as for what the channel receives by itself. Raises `NotFound` for an unknown account.
        """
        ...


class Console(Protocol):
    """What a plugin's command finds as `ctx.obj` of click: the way to the desk of this deployment."""

    def run(self, main: Callable[[Desk], Awaitable[T]]) -> T:
        """Opens the core without its worker, runs `main`, closes the core, gives the result."""
        ...
