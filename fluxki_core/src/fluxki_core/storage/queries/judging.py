"""Classifications, stages, questions, keywords and the analyses made of them."""

from fluxki_core.domain.analysis import Classification, Keyword, Question, QuestionType
from fluxki_core.domain.ids import AnalysisId, ClassificationId, TicketId
from fluxki_core.domain.stages import Stage, StageList
from fluxki_core.domain.tickets import Analysis
from fluxki_core.storage.queries.base import from_json, one
from fluxki_core.storage.statements import Row, Steps, sql


def classifications() -> Steps[list[Classification]]:
    rows = yield sql("SELECT id, name, parent_id FROM classification WHERE active ORDER BY id")
    return [Classification(id=row["id"], name=row["name"], parent=row["parent_id"]) for row in rows]


def is_active(table: str, record: int) -> Steps[bool]:
    return bool((yield sql(f"SELECT id FROM {table} WHERE id = {{}} AND active", record)))


def own_stages(classification: ClassificationId | None) -> Steps[tuple[Stage, ...]]:
    """The list that a classification owns, empty if it owns none; the default list for None."""
    clause = "classification_id IS NULL" if classification is None else "classification_id = {}"
    args = () if classification is None else (classification,)
    rows = yield sql(
        "SELECT id, name, waiting, classification_id, position FROM stage"
        f" WHERE active AND {clause} ORDER BY position, id",
        *args,
    )
    return tuple(_stage(row) for row in rows)


def stage_list(classification: ClassificationId | None) -> Steps[StageList]:
    """The list that a ticket of the classification moves through (SPEC D8)."""
    own = (yield from own_stages(classification)) if classification is not None else ()
    return StageList(own or (yield from own_stages(None)))


def all_stages() -> Steps[list[Stage]]:
    rows = yield sql(
        "SELECT id, name, waiting, classification_id, position FROM stage WHERE active"
        " ORDER BY coalesce(classification_id, 0), position, id"
    )
    return [_stage(row) for row in rows]


def stage_name(stage: int | None) -> Steps[str | None]:
    row = yield from one(sql("SELECT name FROM stage WHERE id = {}", stage))
    return str(row["name"]) if row else None


def _stage(row: Row) -> Stage:
    return Stage(
        id=row["id"],
        name=row["name"],
        waiting=row["waiting"],
        classification=row["classification_id"],
        position=row["position"],
    )


def questions(classification: ClassificationId | None, *, everything: bool = False) -> Steps[list[Question]]:
    """The questions asked for a classification: its own and those for all; or `everything` that is configured."""
    rows = yield sql(
        "SELECT id, text, type, options, required, position, classification_id FROM question"
        " WHERE active AND ({} OR classification_id IS NULL OR classification_id = {})"
        " ORDER BY coalesce(classification_id, 0), position, id",
        everything,
        classification or 0,
    )
    return [
        Question(
            id=row["id"],
            text=row["text"],
            type=QuestionType(row["type"]),
            classification=row["classification_id"],
            required=row["required"],
            options=tuple(from_json(row["options"])),
            position=row["position"],
        )
        for row in rows
    ]


def keywords() -> Steps[list[Keyword]]:
    rows = yield sql("SELECT id, name FROM keyword WHERE active ORDER BY id")
    return [Keyword(id=row["id"], name=row["name"]) for row in rows]


def analysis(analysis_id: AnalysisId | None) -> Steps[Analysis | None]:
    if analysis_id is None:
        return None
    row = yield from one(
        sql(
            "SELECT a.id, a.classification_id, a.keywords, a.answers, a.saved_at, coalesce(g.name, 'Fluxki') AS agent"
            " FROM analysis a LEFT JOIN agent g ON g.id = a.agent_id WHERE a.id = {}",
            analysis_id,
        )
    )
    return _analysis(row) if row else None


def own_last_analysis(ticket: TicketId, agent: int | None) -> Steps[AnalysisId | None]:
    """The newest analysis of the ticket that this agent saved."""
    row = yield from one(
        sql("SELECT id FROM analysis WHERE ticket_id = {} AND agent_id = {} ORDER BY id DESC LIMIT 1", ticket, agent)
    )
    return AnalysisId(row["id"]) if row else None


def _analysis(row: Row) -> Analysis:
    return Analysis(
        id=row["id"],
        classification=row["classification_id"],
        keywords=tuple(from_json(row["keywords"])),
        answers=from_json(row["answers"]),
        agent=row["agent"],
        saved_at=row["saved_at"],
    )
