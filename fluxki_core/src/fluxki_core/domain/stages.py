"""The stages of a standard ticket: ordered lists, and what a change of list or a contact's answer does to a ticket."""

from collections.abc import Sequence

from msgspec import Struct

from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.ids import ClassificationId, StageId


class Stage(Struct, frozen=True, kw_only=True):
    """`waiting`: the ticket waits for somebody else, so the desk's clock stands."""

    id: StageId
    name: str
    waiting: bool
    classification: ClassificationId | None = None
    position: int = 0


class StageDraft(Struct, frozen=True, kw_only=True):
    """A step of a list being set; `id` keeps an existing stage, without it one is made."""

    name: str
    waiting: bool = False
    id: StageId | None = None


class StageList(Struct, frozen=True):
    """The stages of one list in their order; never empty. The last one finishes the ticket (SPEC S55)."""

    stages: tuple[Stage, ...]

    @property
    def first(self) -> Stage:
        return self.stages[0]

    @property
    def last(self) -> Stage:
        return self.stages[-1]

    def find(self, stage: StageId | None) -> Stage | None:
        return next((each for each in self.stages if each.id == stage), None)

    def choose(self, stage: StageId) -> Stage:
        """The stage of that id; raises `Invalid` for one of another list."""
        found = self.find(stage)
        if found is None:
            names = ", ".join(f"{each.id} ({each.name})" for each in self.stages)
            raise Invalid({"stage": f"This ticket's stages are {names}."})
        return found

    def keep(self, name: str | None) -> Stage:
        """Where a ticket goes that came from another list: the stage of the same name, else the first (SPEC D8)."""
        return next((each for each in self.stages if each.name == name), self.first)


def after_answer(stages: StageList, current: StageId | None, before: str | None) -> Stage | None:
    """The stage that a contact's message leads back to; None where the ticket is not waiting (SPEC D39).

    `before` is the name of the stage that it had before, since the list may be another one by now.
    """
    stage = stages.find(current)
    if stage is None or not stage.waiting:
        return None
    back = stages.keep(before)
    return stages.first if back.waiting or back.id == stages.last.id else back


def check_list(drafts: Sequence[StageDraft]) -> None:
    """A list is of use with a first and a last stage, and with names that tell its stages apart."""
    names = [" ".join(draft.name.split()).casefold() for draft in drafts]
    kept = [draft.id for draft in drafts if draft.id is not None]
    if len(drafts) < 2:
        raise Invalid({"stages": "A list needs at least two stages: one to begin with and one that finishes."})
    if not all(names):
        raise Invalid({"stages": "Every stage needs a name."})
    if len(set(names)) < len(names):
        raise Invalid({"stages": "Two stages of one list cannot have the same name."})
    if len(set(kept)) < len(kept):
        raise Invalid({"stages": "Name each stage once."})
    if drafts[0].waiting or drafts[-1].waiting:
        raise Invalid({"stages": "The first and the last stage cannot be waiting stages."})


STARTING_STAGES = (
    StageDraft(name="Aberto"),
    StageDraft(name="Em andamento"),
    StageDraft(name="Aguardando cliente", waiting=True),
    StageDraft(name="Finalizado"),
)
