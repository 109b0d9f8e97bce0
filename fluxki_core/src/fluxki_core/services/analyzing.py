"""The analysis: what is proposed for a ticket, and saving what an agent judged."""

import msgspec
from msgspec import Struct

from fluxki_core.domain.analysis import Question, check_answers, propose
from fluxki_core.domain.errors import Invalid, StaleAnalysis
from fluxki_core.domain.events import ParticipantsChanged, TicketAnalyzed
from fluxki_core.domain.ids import AnalysisId, ClassificationId, KeywordId, TicketId
from fluxki_core.domain.kinds import TRAITS
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import PermissionLevel, greater
from fluxki_core.domain.tickets import Analysis, SaveAnalysis
from fluxki_core.services.core import Core
from fluxki_core.services.staging import follow_list, held_ticket
from fluxki_core.storage.queries import events, judging, tickets
from fluxki_core.storage.queries.base import insert, one, to_json, update
from fluxki_core.storage.queries.tickets import Locked
from fluxki_core.storage.statements import Steps, sql


class AnalysisWindow(Struct, frozen=True, kw_only=True):
    """What an agent needs to analyse a ticket.

    `request` is the text of its first message, `proposed` the keywords found in it, `questions` those for the
    classification asked about, `current` the analysis that counts.
    """

    request: str
    proposed: tuple[KeywordId, ...]
    questions: tuple[Question, ...]
    current: Analysis | None


async def window(core: Core, actor: Actor, ticket: TicketId, classification: ClassificationId | None) -> AnalysisWindow:
    """`classification` chooses whose questions are shown; None: the current one's."""

    def steps() -> Steps[AnalysisWindow]:
        yield from tickets.read(ticket, actor)
        row = yield from one(sql("SELECT subject, analysis_id FROM ticket WHERE id = {}", ticket))
        subject, analysis = (row["subject"], row["analysis_id"]) if row else ("", None)
        first = yield from one(
            sql("SELECT body_text FROM message WHERE ticket_id = {} ORDER BY sent_at, id LIMIT 1", ticket)
        )
        request = first["body_text"] if first else ""
        current = yield from judging.analysis(analysis)
        chosen = classification or (current.classification if current else None)
        return AnalysisWindow(
            request=request,
            proposed=tuple(propose(f"{subject}\n{request}", (yield from judging.keywords()))),
            questions=tuple((yield from judging.questions(chosen))),
            current=current,
        )

    return await core.unit.look(steps)


async def save(core: Core, actor: Actor, order: SaveAnalysis) -> Analysis:
    """Saves an analysis; by the first one its agent joins with *manage* (SPEC D7).

    Raises `StaleAnalysis` over one that the agent has not seen, `Invalid` for what does not fit the configuration.
    """
    now = core.unit.now()
    keywords = tuple(dict.fromkeys(order.keywords))

    def script() -> Steps[Analysis]:
        ticket = yield from held_ticket(order.ticket, actor, PermissionLevel.VIEW, "analyse the ticket")
        yield from _check_seen(ticket, actor, order.seen)
        answers = yield from _check(order)
        analysis = yield from insert(
            "analysis",
            ticket_id=ticket.id,
            classification_id=order.classification,
            agent_id=actor.agent,
            saved_at=now,
            keywords=to_json(keywords),
            answers=to_json(answers),
        )
        yield update("ticket", ticket.id, analysis_id=analysis, classification_id=order.classification)
        saved = TicketAnalyzed(
            analysis=AnalysisId(analysis),
            classification=order.classification,
            keywords=keywords,
            answers=answers,
        )
        yield events.append(now, actor, ticket.id, saved)
        if ticket.analysis_id is None and actor.agent is not None:
            held = greater((yield from tickets.joined_level(ticket.id, actor)), PermissionLevel.MANAGE)
            yield tickets.put_participant(ticket.id, actor.agent, held, now)
            yield events.append(now, actor, ticket.id, ParticipantsChanged(agent=actor.agent, level=held))
        if TRAITS[ticket.kind].stage_with_reply:
            stages = yield from judging.stage_list(order.classification)
            if stages.find(ticket.stage_id) is None:
                yield from follow_list(now, actor, ticket, stages)
        result = yield from judging.analysis(AnalysisId(analysis))
        return msgspec.convert(result, Analysis)

    return await core.unit.run("analysis", script)


def _check_seen(ticket: Locked, actor: Actor, seen: AnalysisId | None) -> Steps[None]:
    if ticket.analysis_id is None or seen == ticket.analysis_id:
        return
    if seen is None and (yield from judging.own_last_analysis(ticket.id, actor.agent)) == ticket.analysis_id:
        return
    current = yield from judging.analysis(ticket.analysis_id)
    who = current.agent if current else "Somebody"
    raise StaleAnalysis(
        f"{who} saved an analysis that you have not seen. Look at it, then save with “seen”: {ticket.analysis_id}."
    )


def _check(order: SaveAnalysis) -> Steps[dict[str, object]]:
    if not (yield from judging.is_active("classification", order.classification)):
        raise Invalid({"classification": "Choose a classification that exists."})
    if order.keywords:
        unknown = set(order.keywords) - {each.id for each in (yield from judging.keywords())}
        if unknown:
            raise Invalid({"keywords": f"There is no keyword {', '.join(map(str, sorted(unknown)))}."})
    return check_answers((yield from judging.questions(order.classification)), order.answers)
