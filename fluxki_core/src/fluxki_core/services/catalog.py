"""The configuration that analyses are made of: classifications, stages, questions and keywords."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from fluxki_core.domain.analysis import Classification, Keyword, Question, QuestionType
from fluxki_core.domain.errors import Conflict, Invalid, NotFound
from fluxki_core.domain.events import SettingsChanged, StageChanged
from fluxki_core.domain.ids import ClassificationId, KeywordId, QuestionId, StageId, TicketId
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import require_admin, require_agent
from fluxki_core.domain.stages import Stage, StageDraft, check_list
from fluxki_core.services.core import Core
from fluxki_core.services.understanding import one_line
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.queries import events, judging, tickets
from fluxki_core.storage.queries.base import insert, one, to_json, update
from fluxki_core.storage.statements import Statement, Steps, sql

T = TypeVar("T")
MAX_NAME = 120
CHUNK = 200
_TREE = sql("SELECT id FROM classification ORDER BY id FOR UPDATE")


class QuestionDraft(Struct, frozen=True, kw_only=True):
    """A question to add or to put in another's place."""

    text: str
    type: QuestionType
    classification: ClassificationId | None = None
    required: bool = False
    options: tuple[str, ...] = ()
    position: int = 0


def named(name: str, path: str = "name", longest: int = MAX_NAME) -> str:
    """A name as it is stored; raises `Invalid` for none and for one too long."""
    tidy = one_line(name)
    if not 0 < len(tidy) <= longest:
        raise Invalid({path: f"Give a text of 1 to {longest} characters."})
    return tidy


def noted(core: Core, actor: Actor, sort: str, record: int, action: str) -> Statement:
    """The audit trail of a change of the configuration."""
    return events.append(core.unit.now(), actor, None, SettingsChanged(sort=sort, record=record, action=action))


async def unique(core: Core, name: str, script: Callable[[], Steps[T]]) -> T:
    """Runs a script whose record must be the only one of its name."""
    try:
        return await core.unit.run(name, script)
    except UniqueViolation as error:
        raise Conflict("There is one of this name already; choose another name.") from error


async def classifications(core: Core, actor: Actor) -> list[Classification]:
    require_agent(actor)
    return await core.unit.look(judging.classifications)


async def put_classification(
    core: Core,
    actor: Actor,
    name: str,
    parent: ClassificationId | None,
    record: ClassificationId | None = None,
) -> Classification:
    """Adds a classification, or changes the one of id `record`."""
    require_admin(actor)
    name = named(name)

    def script() -> Steps[Classification]:
        yield from _check_parent(parent, record)
        if record is None:
            kept = yield from insert("classification", name=name, parent_id=parent, active=True)
        else:
            kept = yield from _present("classification", record)
            yield update("classification", kept, name=name, parent_id=parent)
        yield noted(core, actor, "classification", kept, "added" if record is None else "changed")
        return Classification(id=ClassificationId(kept), name=name, parent=parent)

    return await core.unit.run("classification", script)


def _check_parent(parent: ClassificationId | None, record: ClassificationId | None) -> Steps[None]:
    # The whole tree is held: two moves at once, each right by itself, can close a ring.
    yield _TREE
    parents = {each.id: each.parent for each in (yield from judging.classifications())}
    if parent is not None and parent not in parents:
        raise Invalid({"parent": "Choose a classification that exists."})
    above = parent
    while above is not None:
        if above == record:
            raise Invalid({"parent": "A classification cannot stand below itself."})
        above = parents.get(above)


async def remove(core: Core, actor: Actor, sort: str, record: int) -> None:
    """Takes a classification, question or keyword out of use; what tickets say of it stays."""
    require_admin(actor)

    def script() -> Steps[None]:
        if sort == "classification":
            yield _TREE
        yield from _present(sort, record)
        if sort == "classification":
            below = yield from one(sql("SELECT id FROM classification WHERE parent_id = {} AND active", record))
            if below is not None:
                raise Conflict("Other classifications stand below this one; move or remove them first.")
        yield update(sort, record, active=False)
        yield noted(core, actor, sort, record, "removed")

    await core.unit.run("remove", script)


def _present(sort: str, record: int) -> Steps[int]:
    if not (yield from judging.is_active(sort, record)):
        raise NotFound(f"There is no such {sort}.")
    return record


async def keywords(core: Core, actor: Actor) -> list[Keyword]:
    require_agent(actor)
    return await core.unit.look(judging.keywords)


async def put_keyword(core: Core, actor: Actor, name: str, record: KeywordId | None = None) -> Keyword:
    """Adds a keyword, or renames the one of id `record`."""
    require_admin(actor)
    name = named(name)

    def script() -> Steps[Keyword]:
        if record is None:
            kept = yield from insert("keyword", name=name, active=True)
        else:
            kept = yield from _present("keyword", record)
            yield update("keyword", kept, name=name)
        yield noted(core, actor, "keyword", kept, "added" if record is None else "changed")
        return Keyword(id=KeywordId(kept), name=name)

    return await unique(core, "keyword", script)


async def questions(core: Core, actor: Actor) -> list[Question]:
    require_agent(actor)
    return await core.unit.look(lambda: judging.questions(None, everything=True))


async def put_question(core: Core, actor: Actor, draft: QuestionDraft, record: QuestionId | None = None) -> Question:
    """Adds a question, or changes the one of id `record`; answers given before stay as they were given."""
    require_admin(actor)
    text = named(draft.text, "text", 300)
    options = tuple(named(each, "options") for each in draft.options)
    chooses = draft.type in (QuestionType.CHOICE, QuestionType.CHOICES)
    fits = len(options) > 1 if chooses else not options
    if not fits or len(set(options)) < len(options):
        raise Invalid({"options": "A question that chooses needs at least two different options, any other none."})

    def script() -> Steps[Question]:
        if draft.classification is not None and not (
            yield from judging.is_active("classification", draft.classification)
        ):
            raise Invalid({"classification": "Choose a classification that exists."})
        values = {
            "text": text,
            "type": draft.type,
            "classification_id": draft.classification,
            "options": to_json(options),
            "required": draft.required,
            "position": draft.position,
        }
        if record is None:
            kept = yield from insert("question", **values, active=True)
        else:
            kept = yield from _present("question", record)
            yield update("question", kept, **values)
        yield noted(core, actor, "question", kept, "added" if record is None else "changed")
        return Question(
            id=QuestionId(kept),
            text=text,
            type=draft.type,
            classification=draft.classification,
            required=draft.required,
            options=options,
            position=draft.position,
        )

    return await core.unit.run("question", script)


async def stages(core: Core, actor: Actor) -> list[Stage]:
    require_agent(actor)
    return await core.unit.look(judging.all_stages)


async def set_stages(
    core: Core, actor: Actor, classification: ClassificationId | None, drafts: Sequence[StageDraft]
) -> list[Stage]:
    """Sets a whole list; an empty one gives a classification the default list back.

    Tickets that stood in a stage which is gone follow as SPEC D8 says.
    """
    require_admin(actor)
    if drafts or classification is None:
        check_list(drafts)
    tidy = [Stage(id=each.id or StageId(0), name=named(each.name), waiting=each.waiting) for each in drafts]
    now = core.unit.now()

    def script() -> Steps[list[Stage]]:
        if classification is not None:
            yield from _present("classification", classification)
            yield sql("SELECT id FROM classification WHERE id = {} FOR UPDATE", classification)
        yield from _write_list(classification, tidy)
        yield noted(core, actor, "stages", classification or 0, "changed")
        yield from _follow(now, actor, classification)
        return list((yield from judging.own_stages(classification)))

    return await core.unit.run("stages", script)


def _write_list(classification: ClassificationId | None, wanted: list[Stage]) -> Steps[None]:
    present = {each.id for each in (yield from judging.own_stages(classification))}
    kept = {each.id for each in wanted if each.id}
    if kept - present:
        raise Invalid({"stages": f"This list has no stage {', '.join(map(str, sorted(kept - present)))}."})
    for gone in sorted(present - kept):
        yield update("stage", gone, active=False)
    for position, each in enumerate(wanted):
        values = {"name": each.name, "waiting": each.waiting, "position": position}
        if each.id:
            yield update("stage", each.id, **values)
        else:
            yield from insert("stage", classification_id=classification, **values, active=True)


def _follow(now: datetime, actor: Actor, classification: ClassificationId | None) -> Steps[None]:
    """Open tickets whose stage is not in their list any more take the one of its name there, else the first."""
    list_ = yield from judging.stage_list(classification)
    ids = tuple(each.id for each in list_.stages)
    rows = yield tickets.outside_list(classification, ids)
    for old in sorted({row["stage_id"] for row in rows}):
        stage = list_.keep((yield from judging.stage_name(old)))
        moved = [TicketId(row["id"]) for row in rows if row["stage_id"] == old]
        yield from _move_all(now, actor, moved, StageId(old), stage)


def _move_all(now: datetime, actor: Actor, moved: list[TicketId], old: StageId, stage: Stage) -> Steps[None]:
    changed = StageChanged(before=old, after=stage.id, waiting=stage.waiting)
    for start in range(0, len(moved), CHUNK):
        some = moved[start : start + CHUNK]
        yield tickets.put_into(some, stage)
        yield events.append_all(now, actor, [(each, changed) for each in some])
