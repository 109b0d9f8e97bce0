"""Lists of stages: what one must hold, and where a ticket goes in another one."""

import pytest
from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.ids import StageId
from fluxki_core.domain.stages import STARTING_STAGES, Stage, StageDraft, StageList, after_answer, check_list
from hypothesis import given
from hypothesis import strategies as st


def listed(*names: str, waiting: str = "") -> StageList:
    return StageList(
        tuple(
            Stage(id=StageId(number), name=each, waiting=each == waiting) for number, each in enumerate(names, start=1)
        )
    )


LIST = listed("Aberto", "Fazendo", "Espera", "Fim", waiting="Espera")
some_names = st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=6, unique=True)


@given(names=some_names, name=st.text(max_size=5) | st.none())
def test_d8_a_ticket_keeps_the_stage_of_the_same_name_else_takes_the_first(names: list[str], name: str | None) -> None:
    stages = listed(*names)
    assert stages.keep(name).name == (name if name in names else names[0])


@given(names=some_names, chosen=st.integers(0, 9))
def test_d8_a_stage_of_another_list_cannot_be_chosen(names: list[str], chosen: int) -> None:
    stages = listed(*names)
    if 1 <= chosen <= len(names):
        assert stages.choose(StageId(chosen)).name == names[chosen - 1]
    else:
        with pytest.raises(Invalid, match="stage"):
            stages.choose(StageId(chosen))


@pytest.mark.parametrize(
    ("current", "before", "after"),
    [
        ("Espera", "Fazendo", "Fazendo"),
        ("Espera", None, "Aberto"),
        ("Espera", "Outra", "Aberto"),
        ("Espera", "Espera", "Aberto"),
        ("Espera", "Fim", "Aberto"),
        ("Fazendo", "Aberto", None),
        ("Fim", "Aberto", None),
    ],
)
def test_d39_a_contacts_answer_leads_a_waiting_ticket_back(current: str, before: str | None, after: str | None) -> None:
    back = after_answer(LIST, LIST.keep(current).id, before)
    assert (back and back.name) == after


def test_d39_a_ticket_in_no_stage_of_its_list_is_not_waiting() -> None:
    assert after_answer(LIST, StageId(99), "Fazendo") is None
    assert after_answer(LIST, None, "Fazendo") is None


def test_d8_the_default_list_is_a_list_and_ends_with_finalizado() -> None:
    check_list(STARTING_STAGES)
    assert STARTING_STAGES[-1].name == "Finalizado"


@pytest.mark.parametrize(
    "drafts",
    [
        [],
        [StageDraft(name="Só")],
        [StageDraft(name="A"), StageDraft(name=" ")],
        [StageDraft(name="A"), StageDraft(name=" a ")],
        [StageDraft(name="Em curso"), StageDraft(name="em  curso")],
        [StageDraft(name="A", waiting=True), StageDraft(name="B")],
        [StageDraft(name="A"), StageDraft(name="B", waiting=True)],
        [StageDraft(name="A", id=StageId(1)), StageDraft(name="B", id=StageId(1))],
    ],
    ids=lambda drafts: "+".join(f"{each.name!r}{'…' if each.waiting else ''}" for each in drafts) or "none",
)
def test_d8_a_list_without_a_beginning_an_end_and_names_of_its_own_is_refused(drafts: list[StageDraft]) -> None:
    with pytest.raises(Invalid) as refused:
        check_list(drafts)
    assert list(refused.value.fields) == ["stages"]
