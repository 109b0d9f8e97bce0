"""`/api/v1/classifications`, `/questions`, `/keywords`, `/stages`: what analyses are made of."""

from typing import Annotated

from fluxki_core.domain.analysis import Classification, Keyword, Question, QuestionType
from fluxki_core.domain.ids import ClassificationId, KeywordId, QuestionId, StageId
from fluxki_core.domain.stages import Stage, StageDraft
from fluxki_core.domain.tickets import Page
from fluxki_core.services import catalog
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, Name, PathId, everything
from fluxki.errors import READS, WRITES


class ClassificationBody(Body, frozen=True, kw_only=True):
    name: Name
    parent: BodyId[ClassificationId] | None = None


class Classifications(Controller):
    path = "/classifications"
    tags = ("Classifications",)

    @get(responses=READS)
    async def list_classifications(self, reader: NamedDependency[CoreDesk]) -> Page[Classification]:
        return everything(await catalog.classifications(reader.core, reader.actor))

    @post(responses=WRITES)
    async def add_classification(
        self, desk: NamedDependency[CoreDesk], data: JSONBody[ClassificationBody]
    ) -> Classification:
        return await catalog.put_classification(desk.core, desk.actor, data.name, data.parent)

    @put("/{record:int}", responses=WRITES)
    async def change_classification(
        self, desk: NamedDependency[CoreDesk], record: PathId[ClassificationId], data: JSONBody[ClassificationBody]
    ) -> Classification:
        return await catalog.put_classification(desk.core, desk.actor, data.name, data.parent, record)

    @delete("/{record:int}", responses=WRITES)
    async def remove_classification(self, desk: NamedDependency[CoreDesk], record: PathId[ClassificationId]) -> None:
        """Takes it out of use; tickets keep it."""
        await catalog.remove(desk.core, desk.actor, "classification", record)


class QuestionBody(Body, frozen=True, kw_only=True):
    """Without `classification` the question is asked for all. `options` are for `choice` and `choices`."""

    text: Annotated[str, Meta(min_length=1, max_length=300)]
    type: QuestionType
    classification: BodyId[ClassificationId] | None = None
    required: bool = False
    options: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    position: Annotated[int, Meta(ge=0, le=1_000_000)] = 0

    def draft(self) -> catalog.QuestionDraft:
        return catalog.QuestionDraft(
            text=self.text,
            type=self.type,
            classification=self.classification,
            required=self.required,
            options=self.options,
            position=self.position,
        )


class Questions(Controller):
    path = "/questions"
    tags = ("Questions",)

    @get(responses=READS)
    async def list_questions(self, reader: NamedDependency[CoreDesk]) -> Page[Question]:
        return everything(await catalog.questions(reader.core, reader.actor))

    @post(responses=WRITES)
    async def add_question(self, desk: NamedDependency[CoreDesk], data: JSONBody[QuestionBody]) -> Question:
        return await catalog.put_question(desk.core, desk.actor, data.draft())

    @put("/{record:int}", responses=WRITES)
    async def change_question(
        self, desk: NamedDependency[CoreDesk], record: PathId[QuestionId], data: JSONBody[QuestionBody]
    ) -> Question:
        return await catalog.put_question(desk.core, desk.actor, data.draft(), record)

    @delete("/{record:int}", responses=WRITES)
    async def remove_question(self, desk: NamedDependency[CoreDesk], record: PathId[QuestionId]) -> None:
        """Asks it no more; answers stay."""
        await catalog.remove(desk.core, desk.actor, "question", record)


class KeywordBody(Body, frozen=True, kw_only=True):
    name: Name


class Keywords(Controller):
    path = "/keywords"
    tags = ("Keywords",)

    @get(responses=READS)
    async def list_keywords(self, reader: NamedDependency[CoreDesk]) -> Page[Keyword]:
        return everything(await catalog.keywords(reader.core, reader.actor))

    @post(responses=WRITES)
    async def add_keyword(self, desk: NamedDependency[CoreDesk], data: JSONBody[KeywordBody]) -> Keyword:
        return await catalog.put_keyword(desk.core, desk.actor, data.name)

    @put("/{record:int}", responses=WRITES)
    async def change_keyword(
        self, desk: NamedDependency[CoreDesk], record: PathId[KeywordId], data: JSONBody[KeywordBody]
    ) -> Keyword:
        return await catalog.put_keyword(desk.core, desk.actor, data.name, record)

    @delete("/{record:int}", responses=WRITES)
    async def remove_keyword(self, desk: NamedDependency[CoreDesk], record: PathId[KeywordId]) -> None:
        """Proposes it no more; analyses keep it."""
        await catalog.remove(desk.core, desk.actor, "keyword", record)


class StageBody(Body, frozen=True, kw_only=True):
    """`id` keeps a stage of the list; without it one is made."""

    name: Name
    waiting: bool = False
    id: BodyId[StageId] | None = None


class StagesBody(Body, frozen=True, kw_only=True):
    """A whole list, of a classification or (null) the default one; an empty one gives the default list back."""

    classification: BodyId[ClassificationId] | None
    stages: Annotated[tuple[StageBody, ...], Meta(max_length=100)]


class Stages(Controller):
    path = "/stages"
    tags = ("Stages",)

    @get(responses=READS)
    async def list_stages(self, reader: NamedDependency[CoreDesk]) -> Page[Stage]:
        return everything(await catalog.stages(reader.core, reader.actor))

    @put(responses=WRITES)
    async def set_stages(self, desk: NamedDependency[CoreDesk], data: JSONBody[StagesBody]) -> Page[Stage]:
        """Sets one list; tickets in a stage that is gone take the one of the same name, else the first."""
        drafts = [StageDraft(name=each.name, waiting=each.waiting, id=each.id) for each in data.stages]
        return everything(await catalog.set_stages(desk.core, desk.actor, data.classification, drafts))
