"""Stages of a ticket: entering one, finishing, reopening, and following a changed list."""

from datetime import datetime

from fluxki_core.domain.errors import AnalysisRequired, Conflict, Invalid
from fluxki_core.domain.events import StageChanged, TicketFinished, TicketReopened
from fluxki_core.domain.ids import MessageId, StageId, TicketId
from fluxki_core.domain.kinds import TRAITS, TicketState
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import PermissionLevel, level, require
from fluxki_core.domain.stages import Stage, StageList
from fluxki_core.domain.tickets import FinishWithout, Ticket
from fluxki_core.services.core import Core
from fluxki_core.storage.queries import events, judging, people, tickets
from fluxki_core.storage.queries.base import one, update
from fluxki_core.storage.queries.tickets import Locked
from fluxki_core.storage.statements import Steps, sql

_MERGED = "This ticket was merged into another one; work there."


def seen_ticket(ticket: TicketId, actor: Actor) -> Steps[None]:
    """Raises `NotFound` for an actor who may not see the ticket."""
    row = yield from one(sql("SELECT department_id FROM ticket WHERE id = {}", ticket))
    held = level(actor, row["department_id"], (yield from tickets.joined_level(ticket, actor))) if row else None
    require(held, PermissionLevel.VIEW, "see the ticket")


def held_ticket(ticket: TicketId, actor: Actor, needed: PermissionLevel, what: str) -> Steps[Locked]:
    """The ticket under lock, for an actor who may do `what`; not a merged one."""
    found = yield from tickets.lock(ticket)
    require(level(actor, found.department_id, (yield from tickets.joined_level(ticket, actor))), needed, what)
    if found.state is TicketState.MERGED:
        raise Conflict(_MERGED)
    return found


def follow_list(now: datetime, actor: Actor, ticket: Locked, stages: StageList) -> Steps[None]:
    """Puts the ticket where its stage stands in another list; open stays open and finished finished (SPEC D8)."""
    stage = stages.keep((yield from judging.stage_name(ticket.stage_id)))
    yield from _into(now, actor, ticket, stages, stage, ticket.state)


def enter(now: datetime, actor: Actor, ticket: Locked, stages: StageList, stage: Stage) -> Steps[None]:
    """Puts the ticket into a stage: the last one finishes it, any other opens it again."""
    if stage.id == stages.last.id and TRAITS[ticket.kind].finishes_by_stage:
        yield from _into(now, actor, ticket, stages, stage, TicketState.FINISHED)
        if ticket.state is TicketState.OPEN:
            yield events.append(now, actor, ticket.id, TicketFinished())
        return
    yield from _into(now, actor, ticket, stages, stage, TicketState.OPEN)
    if ticket.state is TicketState.FINISHED:
        yield events.append(now, actor, ticket.id, TicketReopened())


def _into(
    now: datetime, actor: Actor, ticket: Locked, stages: StageList, stage: Stage, state: TicketState
) -> Steps[None]:
    resume = _resume(ticket, stages, stage)
    finished_at = (ticket.finished_at or now) if state is TicketState.FINISHED else None
    yield update("ticket", ticket.id, stage_id=stage.id, resume_stage_id=resume, state=state, finished_at=finished_at)
    if ticket.stage_id is not None and ticket.stage_id != stage.id:
        changed = StageChanged(before=ticket.stage_id, after=stage.id, waiting=stage.waiting)
        yield events.append(now, actor, ticket.id, changed)


def _resume(ticket: Locked, stages: StageList, stage: Stage) -> StageId | None:
    if not stage.waiting:
        return None
    current = stages.find(ticket.stage_id)
    return ticket.resume_stage_id if current is None or current.waiting else current.id


def reopen_steps(now: datetime, actor: Actor, ticket: Locked, message: MessageId | None) -> Steps[None]:
    """Opens a finished ticket again, a standard one in the first stage of its list."""
    stages = (
        (yield from judging.stage_list(ticket.classification_id)) if TRAITS[ticket.kind].finishes_by_stage else None
    )
    stage = stages.first.id if stages else None
    yield update("ticket", ticket.id, state=TicketState.OPEN, stage_id=stage, resume_stage_id=None, finished_at=None)
    yield events.append(now, actor, ticket.id, TicketReopened(message=message))
    if stages and ticket.stage_id is not None and ticket.stage_id != stages.first.id:
        changed = StageChanged(before=ticket.stage_id, after=stages.first.id, waiting=stages.first.waiting)
        yield events.append(now, actor, ticket.id, changed)


def choose_steps(now: datetime, actor: Actor, ticket: Locked, stage: StageId) -> Steps[None]:
    """Enters a stage that an agent chose; finishing that way needs the analysis (SPEC D38)."""
    if not TRAITS[ticket.kind].stage_with_reply:
        raise Invalid({"stage": "A chat has no stages; finish it instead."})
    stages = yield from judging.stage_list(ticket.classification_id)
    chosen = stages.choose(stage)
    if ticket.state is TicketState.FINISHED and chosen.id == ticket.stage_id:
        return  # only another stage opens it again (SPEC D40), wherever a change of list has put it
    if chosen.id == stages.last.id and ticket.analysis_id is None:
        raise AnalysisRequired("Analyse this ticket before finishing it, or finish it without analysis with a reason.")
    yield from enter(now, actor, ticket, stages, chosen)


def finish_steps(now: datetime, actor: Actor, ticket: Locked) -> Steps[None]:
    """Finishes the ticket; what is finished stays so."""
    if ticket.state is TicketState.FINISHED:
        return
    if not TRAITS[ticket.kind].finishes_by_stage:
        yield update("ticket", ticket.id, state=TicketState.FINISHED, finished_at=now)
        yield events.append(now, actor, ticket.id, TicketFinished())
        return
    stages = yield from judging.stage_list(ticket.classification_id)
    yield from choose_steps(now, actor, ticket, stages.last.id)


async def set_stage(core: Core, actor: Actor, ticket: TicketId, stage: StageId) -> Ticket:
    now = core.unit.now()

    def script() -> Steps[Ticket]:
        found = yield from held_ticket(ticket, actor, PermissionLevel.REPLY, "change the stage")
        yield from choose_steps(now, actor, found, stage)
        return (yield from tickets.read(ticket, actor))

    return await core.unit.run("stage", script)


async def finish(core: Core, actor: Actor, ticket: TicketId, without: FinishWithout | None) -> Ticket:
    """Finishes a ticket; `without` is for a standard one that was not analysed (SPEC D38)."""
    now = core.unit.now()

    def script() -> Steps[Ticket]:
        found = yield from held_ticket(ticket, actor, PermissionLevel.REPLY, "finish the ticket")
        if without is None:
            yield from finish_steps(now, actor, found)
        else:
            yield from _without_analysis(now, actor, found, without)
        return (yield from tickets.read(ticket, actor))

    return await core.unit.run("finish", script)


def _without_analysis(now: datetime, actor: Actor, ticket: Locked, without: FinishWithout) -> Steps[None]:
    if not TRAITS[ticket.kind].analysis_before_reply:
        raise Invalid({"without_analysis": "A chat needs no analysis to be finished; leave this out."})
    if ticket.analysis_id is not None:
        raise Conflict("This ticket has an analysis; finish it the ordinary way.")
    if ticket.state is TicketState.FINISHED:
        raise Conflict("This ticket is finished already.")
    stages = yield from judging.stage_list(None)
    yield from _into(now, actor, ticket, stages, stages.last, TicketState.FINISHED)
    yield events.append(
        now, actor, ticket.id, TicketFinished(without_analysis=without.reason, sender_blocked=without.block_sender)
    )
    if without.block_sender:
        yield people.set_blocked(ticket.requester_id, True)


async def reopen(core: Core, actor: Actor, ticket: TicketId) -> Ticket:
    """Opens a finished ticket again; an open one is left as it is."""
    now = core.unit.now()

    def script() -> Steps[Ticket]:
        found = yield from held_ticket(ticket, actor, PermissionLevel.REPLY, "reopen the ticket")
        if found.state is TicketState.FINISHED:
            yield from reopen_steps(now, actor, found, None)
        return (yield from tickets.read(ticket, actor))

    return await core.unit.run("reopen", script)
