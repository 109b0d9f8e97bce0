"""Where a request belongs, decided by the first evidence that holds."""

from datetime import UTC, datetime, timedelta

import pytest
from fluxki_core.domain.ids import ContactId, MessageId, StageId, TicketId
from fluxki_core.domain.kinds import TicketKind, TicketState
from fluxki_core.domain.routing import Candidate, Evidence, Landing, Named, Route, named_tickets, route
from fluxki_core.domain.traffic import Nature, Refs, SignedRef
from hypothesis import given
from hypothesis import strategies as st

MARIA, OTHER = ContactId(1), ContactId(2)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = 14


def ticket(number: int, state: TicketState = TicketState.OPEN, days_ago: float = 1.0) -> Candidate:
    return Candidate(
        ticket=TicketId(number),
        kind=TicketKind.STANDARD,
        state=state,
        stage=StageId(1),
        requester=MARIA,
        finished_at=NOW - timedelta(days=days_ago) if state is TicketState.FINISHED else None,
    )


def routed(
    *named: Named,
    candidates: tuple[Candidate, ...],
    sender: ContactId | None = MARIA,
    is_reply: bool = True,
    nature: Nature = Nature.PERSON,
) -> Route:
    held = {each.ticket: each for each in candidates}
    refs = Refs(is_reply=is_reply)
    return route(named, held, sender=sender, refs=refs, nature=nature, sent_at=NOW, reopen_days=DAYS)


def by(evidence: Evidence, number: int) -> Named:
    return Named(evidence, TicketId(number))


senders = st.sampled_from([MARIA, OTHER, None])
evidence = st.sampled_from(Evidence)


def test_references_name_tickets_from_the_strongest_to_the_weakest() -> None:
    refs = Refs(
        tokens=(SignedRef(TicketId(7), MessageId(70)), SignedRef(TicketId(1), MessageId(10))),
        outside_ids=("unknown@x", "b@x", "a@x"),
        ticket=TicketId(5),
    )
    named = named_tickets(refs, {MessageId(10): TicketId(2)}, {"a@x": TicketId(3), "b@x": TicketId(4)})
    assert named == [
        by(Evidence.TOKEN, 2),
        by(Evidence.OUTSIDE_ID, 4),
        by(Evidence.OUTSIDE_ID, 3),
        by(Evidence.SUBJECT, 5),
    ]


def test_what_names_nothing_opens_a_ticket() -> None:
    assert routed(candidates=()) == Route(landing=Landing.NEW)
    assert routed(by(Evidence.TOKEN, 1), candidates=()) == Route(landing=Landing.NEW)


def test_the_first_evidence_that_holds_counts() -> None:
    named = (by(Evidence.TOKEN, 9), by(Evidence.OUTSIDE_ID, 2), by(Evidence.SUBJECT, 3))
    found = routed(*named, candidates=(ticket(2), ticket(3)))
    assert found == Route(landing=Landing.JOIN, ticket=TicketId(2))


@given(sender=senders, is_reply=st.booleans(), nature=st.sampled_from(Nature), state=st.sampled_from(TicketState))
def test_a_subject_number_counts_only_in_a_reply_of_the_requester(
    sender: ContactId | None, is_reply: bool, nature: Nature, state: TicketState
) -> None:
    found = routed(
        by(Evidence.SUBJECT, 1), candidates=(ticket(1, state),), sender=sender, is_reply=is_reply, nature=nature
    )
    if sender == MARIA and is_reply:
        assert found.ticket == TicketId(1)
        assert found.maybe_related is None
    else:
        assert found == Route(landing=Landing.NEW, maybe_related=TicketId(1))


@given(evidence=st.sampled_from([Evidence.TOKEN, Evidence.OUTSIDE_ID]), sender=senders)
def test_who_is_not_the_requester_is_a_stranger(evidence: Evidence, sender: ContactId | None) -> None:
    found = routed(by(evidence, 1), candidates=(ticket(1),), sender=sender)
    assert found == Route(landing=Landing.JOIN, ticket=TicketId(1), stranger=sender != MARIA)


@pytest.mark.parametrize(
    ("days_ago", "landing"),
    [(0, Landing.REOPEN), (DAYS - 0.01, Landing.REOPEN), (DAYS, Landing.REOPEN), (DAYS + 0.01, Landing.FOLLOW)],
)
def test_d9_an_answer_reopens_for_some_days_and_then_opens_what_follows(days_ago: float, landing: Landing) -> None:
    found = routed(by(Evidence.TOKEN, 1), candidates=(ticket(1, TicketState.FINISHED, days_ago),))
    assert found == Route(landing=landing, ticket=TicketId(1))


@given(evidence=evidence, sender=senders, nature=st.sampled_from(Nature), days_ago=st.floats(0, 1000))
def test_d9_only_the_requester_in_person_reopens_or_follows(
    evidence: Evidence, sender: ContactId | None, nature: Nature, days_ago: float
) -> None:
    candidate = ticket(1, TicketState.FINISHED, days_ago)
    found = routed(by(evidence, 1), candidates=(candidate,), sender=sender, nature=nature)
    if sender != MARIA or nature is not Nature.PERSON:
        assert found.landing in (Landing.JOIN, Landing.NEW)
    else:
        assert found.landing in (Landing.REOPEN, Landing.FOLLOW)
