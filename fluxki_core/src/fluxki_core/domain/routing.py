"""Where a request belongs: an existing ticket by the strongest evidence, and what its arrival does there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from fluxki_core.domain.ids import ContactId, MessageId, StageId, TicketId
from fluxki_core.domain.kinds import TicketKind, TicketState
from fluxki_core.domain.traffic import Nature, Refs


class Evidence(StrEnum):
    """Why a ticket is a candidate, strongest first."""

    TOKEN = "token"  # noqa: S105 - a kind of evidence
    OUTSIDE_ID = "outside_id"
    SUBJECT = "subject"


class Candidate(Struct, frozen=True, kw_only=True):
    """A ticket that the request may belong to, as it stands under lock."""

    ticket: TicketId
    kind: TicketKind
    state: TicketState
    stage: StageId | None
    requester: ContactId
    finished_at: datetime | None


class Named(Struct, frozen=True):
    """A ticket that some evidence in the request names."""

    evidence: Evidence
    ticket: TicketId


class Landing(StrEnum):
    """What becomes of the request."""

    NEW = "new"
    JOIN = "join"
    REOPEN = "reopen"
    FOLLOW = "follow"


class Route(Struct, frozen=True, kw_only=True):
    """`ticket` is the one joined or followed; `stranger` says that the sender is not of that ticket.

    `maybe_related` is a ticket that only an untrusted subject number names.
    """

    landing: Landing
    ticket: TicketId | None = None
    stranger: bool = False
    maybe_related: TicketId | None = None


def named_tickets(refs: Refs, by_message: dict[MessageId, TicketId], by_outside: dict[str, TicketId]) -> list[Named]:
    """What the references name, strongest first. A token is followed to its message's present ticket."""
    named = [Named(Evidence.TOKEN, by_message[ref.message]) for ref in refs.tokens if ref.message in by_message]
    named += [Named(Evidence.OUTSIDE_ID, by_outside[each]) for each in refs.outside_ids if each in by_outside]
    if refs.ticket is not None:
        named.append(Named(Evidence.SUBJECT, refs.ticket))
    return named


def route(
    named: Sequence[Named],
    candidates: dict[TicketId, Candidate],
    *,
    sender: ContactId | None,
    refs: Refs,
    nature: Nature,
    sent_at: datetime,
    reopen_days: int,
) -> Route:
    """Decides by the first evidence that holds.

    A subject number counts only in a reply whose sender is the ticket's requester (CHANNELS' rule against
    guessed numbers); otherwise it is a hint. `sender` is None for one never seen before.
    """
    maybe = None
    for each in named:
        candidate = candidates.get(each.ticket)
        if candidate is None:
            continue
        own = candidate.requester == sender
        if each.evidence is Evidence.SUBJECT and not (refs.is_reply and own):
            maybe = candidate.ticket
            continue
        return land(candidate, own=own, nature=nature, sent_at=sent_at, reopen_days=reopen_days)
    return Route(landing=Landing.NEW, maybe_related=maybe)


def land(candidate: Candidate, *, own: bool, nature: Nature, sent_at: datetime, reopen_days: int) -> Route:
    """What arriving in this ticket means. `own`: the sender is its requester."""
    stranger = not own
    joins = Route(landing=Landing.JOIN, ticket=candidate.ticket, stranger=stranger)
    if candidate.state is not TicketState.FINISHED or stranger or nature is not Nature.PERSON:
        return joins
    too_late = candidate.finished_at is not None and sent_at - candidate.finished_at > timedelta(days=reopen_days)
    return Route(landing=Landing.FOLLOW if too_late else Landing.REOPEN, ticket=candidate.ticket)
