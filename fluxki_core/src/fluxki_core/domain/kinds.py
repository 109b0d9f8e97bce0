"""The two kinds of ticket and what each may do: the one place that asks."""

from enum import StrEnum

from msgspec import Struct

from fluxki_core.domain.people import EMAIL


class TicketKind(StrEnum):
    STANDARD = "standard"
    CHAT = "chat"


class TicketState(StrEnum):
    OPEN = "open"
    FINISHED = "finished"
    MERGED = "merged"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class BodyFormat(StrEnum):
    RICH = "rich"
    PLAIN = "plain"


class Traits(Struct, frozen=True, kw_only=True):
    """What a kind of ticket may do. `leaves_by` is the kind of address that it is answered at; None: any (SPEC S7)."""

    analysis_before_reply: bool
    body: BodyFormat
    stage_with_reply: bool
    finishes_by_stage: bool
    leaves_by: str | None


TRAITS: dict[TicketKind, Traits] = {
    TicketKind.STANDARD: Traits(
        analysis_before_reply=True,
        body=BodyFormat.RICH,
        stage_with_reply=True,
        finishes_by_stage=True,
        leaves_by=EMAIL,
    ),
    TicketKind.CHAT: Traits(
        analysis_before_reply=False,
        body=BodyFormat.PLAIN,
        stage_with_reply=False,
        finishes_by_stage=False,
        leaves_by=None,
    ),
}
