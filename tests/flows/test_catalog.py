"""What analyses are made of, as an admin sets it up: classifications, keywords and questions."""

import asyncio
from typing import Any

import pytest
from fluxki_core.domain.analysis import QuestionType
from fluxki_core.domain.errors import Conflict, Forbidden, Invalid, NotFound
from fluxki_core.domain.events import SettingsChanged
from fluxki_core.domain.ids import ClassificationId
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import catalog
from house import House


async def test_a_classification_keyword_or_question_is_added_changed_and_removed(house: House) -> None:
    core = house.core
    added = await catalog.put_classification(core, SYSTEM, "  Troca  de peça ", house.classifications["Problema"])
    assert added.name == "Troca de peça"
    renamed = await catalog.put_classification(core, SYSTEM, "Troca", None, added.id)
    assert renamed in await catalog.classifications(core, SYSTEM)
    await catalog.remove(core, SYSTEM, "classification", added.id)
    assert renamed not in await catalog.classifications(core, SYSTEM)
    keyword = await catalog.put_keyword(core, SYSTEM, "toner")
    assert await catalog.put_keyword(core, SYSTEM, "cartucho", keyword.id) in await catalog.keywords(core, SYSTEM)
    await catalog.remove(core, SYSTEM, "keyword", keyword.id)
    assert "cartucho" not in [each.name for each in await catalog.keywords(core, SYSTEM)]
    await catalog.put_keyword(core, SYSTEM, "cartucho")
    changes = [(each.sort, each.action) for each in await house.happened(SettingsChanged)]
    assert changes[-7:] == [
        *(("classification", action) for action in ("added", "changed", "removed")),
        *(("keyword", action) for action in ("added", "changed", "removed", "added")),
    ]


async def test_what_a_ticket_says_of_a_removed_classification_stays(house: House) -> None:
    ana = await house.agent()
    number = await house.analyzed_ticket(ana, "Sugestão")
    await catalog.remove(house.core, SYSTEM, "classification", house.classifications["Sugestão"])
    classification = (await house.ticket(number)).classification
    assert classification is not None
    assert classification.name == "Sugestão"
    await ana.set_stage(number, house.stages["Em andamento"])


async def test_what_the_catalog_cannot_take_is_refused(house: House) -> None:
    core, ana = house.core, await house.agent()
    problem, below = house.classifications["Problema"], house.classifications["Lentidão"]
    refusals: list[tuple[type[Exception], Any]] = [
        (Forbidden, catalog.put_classification(core, ana.actor, "X", None)),
        (Forbidden, catalog.put_keyword(core, ana.actor, "x")),
        (Forbidden, catalog.remove(core, ana.actor, "keyword", 1)),
        (Invalid, catalog.put_classification(core, SYSTEM, " ", None)),
        (Invalid, catalog.put_classification(core, SYSTEM, "x" * 121, None)),
        (Invalid, catalog.put_classification(core, SYSTEM, "X", ClassificationId(999))),
        (Invalid, catalog.put_classification(core, SYSTEM, "X", below, problem)),
        (Invalid, catalog.put_classification(core, SYSTEM, "X", problem, problem)),
        (NotFound, catalog.put_classification(core, SYSTEM, "X", None, ClassificationId(999))),
        (Conflict, catalog.remove(core, SYSTEM, "classification", problem)),
        (NotFound, catalog.remove(core, SYSTEM, "question", 999)),
        (Invalid, catalog.put_keyword(core, SYSTEM, "")),
        (Conflict, catalog.put_keyword(core, SYSTEM, "senha")),
    ]
    for error, refused in refusals:
        with pytest.raises(error):
            await refused


@pytest.mark.parametrize(
    ("type_", "options"),
    [
        ("choice", ()),
        ("choice", ("Só",)),
        ("choices", ("A", "A")),
        ("choices", ("A", "B", "B")),
        ("text", ("A", "B")),
        ("text", ("A",)),
        ("choice", ("A", " ")),
    ],
)
async def test_d4_a_question_that_chooses_has_options_and_no_other_has(
    house: House, type_: str, options: tuple[str, ...]
) -> None:
    draft = catalog.QuestionDraft(text="Qual?", type=QuestionType(type_), options=options)
    with pytest.raises(Invalid) as refused:
        await catalog.put_question(house.core, SYSTEM, draft)
    assert list(refused.value.fields) == ["options"]


async def test_d4_a_question_is_asked_in_its_place_and_for_what_exists(house: House) -> None:
    core = house.core
    text = QuestionType.TEXT
    late = await catalog.put_question(core, SYSTEM, catalog.QuestionDraft(text="Depois?", type=text, position=9))
    early = await catalog.put_question(core, SYSTEM, catalog.QuestionDraft(text="Antes?", type=text, position=-1))
    asked = [each.id for each in await catalog.questions(core, SYSTEM)]
    assert (asked[0], asked[-1]) == (early.id, late.id)
    changed = await catalog.put_question(core, SYSTEM, catalog.QuestionDraft(text="Enfim?", type=text), late.id)
    assert changed in await catalog.questions(core, SYSTEM)
    nowhere = catalog.QuestionDraft(text="Qual?", type=text, classification=ClassificationId(999))
    with pytest.raises(Invalid, match="classification"):
        await catalog.put_question(core, SYSTEM, nowhere)


async def test_two_classifications_moved_below_each_other_at_once_make_no_ring(house: House) -> None:
    for number in range(10):
        one = await catalog.put_classification(house.core, SYSTEM, f"A{number}", None)
        other = await catalog.put_classification(house.core, SYSTEM, f"B{number}", None)
        await asyncio.gather(
            catalog.put_classification(house.core, SYSTEM, "A", other.id, one.id),
            catalog.put_classification(house.core, SYSTEM, "B", one.id, other.id),
            return_exceptions=True,
        )
        parents = {each.id: each.parent for each in await catalog.classifications(house.core, SYSTEM)}
        assert (parents[one.id], parents[other.id]) != (other.id, one.id)
