"""Keywords found in a text, and answers that fit their questions."""

import unicodedata
from datetime import date
from typing import Any

import pytest
from fluxki_core.domain.analysis import MAX_ANSWER, Keyword, Question, QuestionType, check_answers, folded, propose
from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.ids import KeywordId, QuestionId
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text(alphabet="abcçdeéiíoõuüñzABCÇDEÉ0123456789", min_size=1, max_size=8)
PHRASES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
OPTIONS = ("Baixo", "Médio", "Alto")


def found(text: str, *names: str) -> list[str]:
    keywords = [Keyword(id=KeywordId(number), name=each) for number, each in enumerate(names)]
    return [names[each] for each in propose(text, keywords)]


def question(type_: QuestionType, *, required: bool = False) -> Question:
    chooses = type_ in (QuestionType.CHOICE, QuestionType.CHOICES)
    return Question(
        id=QuestionId(1),
        text="Qual?",
        type=type_,
        classification=None,
        required=required,
        options=OPTIONS if chooses else (),
    )


def answer(type_: QuestionType, given: Any, *, required: bool = False) -> dict[str, Any]:
    return check_answers([question(type_, required=required)], {"1": given})


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("Perdi a SENHA!", "senha"),
        ("perdi a senha", "Senha"),
        ("lentidao na rede", "lentidão"),
        ("LENTIDÃO", "lentidao"),
        ("emitir a nota\n\tfiscal", "nota fiscal"),
        ("nota-fiscal", "Nota Fiscal"),
        ("(senha)", "senha"),
        ("C++ não compila", "c++"),
        ("ﬁscal", "fiscal"),
    ],
)
def test_d3_a_keyword_is_found_whatever_its_case_accents_and_the_blanks_between(text: str, keyword: str) -> None:
    assert found(text, keyword) == [keyword]


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("senhas e senhorio", "senha"),
        ("resenha", "senha"),
        ("nota da loja fiscal", "nota fiscal"),
        ("fiscal nota", "nota fiscal"),
        ("", "senha"),
        ("tudo", "!?"),
        ("tudo", ""),
    ],
)
def test_d3_a_keyword_is_found_as_whole_words_in_their_order_only(text: str, keyword: str) -> None:
    assert found(text, keyword) == []


@given(before=PHRASES, keyword=PHRASES, after=PHRASES, way=st.sampled_from([str.upper, str.lower, str.title]))
def test_d3_a_keyword_that_stands_in_a_text_is_found(before: str, keyword: str, after: str, way: Any) -> None:
    assert found(f"{before}, {way(keyword)}; {after}", keyword) == [keyword]


@given(keyword=PHRASES)
def test_d3_composed_and_decomposed_accents_are_the_same(keyword: str) -> None:
    assert found(unicodedata.normalize("NFD", keyword), unicodedata.normalize("NFC", keyword))


@given(text=st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("type_", "given_"),
    [
        (QuestionType.TEXT, "três"),
        (QuestionType.TEXT, "x" * MAX_ANSWER),
        (QuestionType.NUMBER, 0),
        (QuestionType.NUMBER, -2.5),
        (QuestionType.YES_NO, True),
        (QuestionType.YES_NO, False),
        (QuestionType.CHOICE, "Médio"),
        (QuestionType.CHOICES, ["Alto", "Baixo"]),
        (QuestionType.DATE, "2026-02-28"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_d4_an_answer_that_fits_is_kept_as_it_was_given(type_: QuestionType, given_: Any, required: bool) -> None:
    assert answer(type_, given_, required=required) == {"1": given_}


@pytest.mark.parametrize(
    ("type_", "given_"),
    [
        (QuestionType.TEXT, 5),
        (QuestionType.TEXT, "x" * (MAX_ANSWER + 1)),
        (QuestionType.NUMBER, "5"),
        (QuestionType.NUMBER, True),
        (QuestionType.NUMBER, float("nan")),
        (QuestionType.NUMBER, float("inf")),
        (QuestionType.NUMBER, 10**400),
        (QuestionType.YES_NO, "sim"),
        (QuestionType.YES_NO, 1),
        (QuestionType.CHOICE, "médio"),
        (QuestionType.CHOICE, ["Alto"]),
        (QuestionType.CHOICES, "Alto"),
        (QuestionType.CHOICES, ["Alto", "Altíssimo"]),
        (QuestionType.CHOICES, ["Alto", "Alto"]),
        (QuestionType.CHOICES, [["Alto"]]),
        (QuestionType.DATE, "2026-02-30"),
        (QuestionType.DATE, "20260228"),
        (QuestionType.DATE, "2026-W09-6"),
        (QuestionType.DATE, 20260228),
    ],
)
def test_d4_an_answer_that_does_not_fit_its_question_is_refused(type_: QuestionType, given_: Any) -> None:
    with pytest.raises(Invalid) as refused:
        answer(type_, given_)
    assert list(refused.value.fields) == ["answers.1"]


@pytest.mark.parametrize("type_", QuestionType)
@pytest.mark.parametrize("blank", [None, "", "  \n", []])
def test_d5_a_blank_is_no_answer(type_: QuestionType, blank: Any) -> None:
    assert answer(type_, blank) == {}
    with pytest.raises(Invalid, match="needs an answer"):
        answer(type_, blank, required=True)


@pytest.mark.parametrize("type_", QuestionType)
def test_d5_only_a_required_question_must_be_answered(type_: QuestionType) -> None:
    assert check_answers([question(type_)], {}) == {}
    with pytest.raises(Invalid, match="needs an answer"):
        check_answers([question(type_, required=True)], {})


def test_d4_every_wrong_answer_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        check_answers([question(QuestionType.DATE)], {"1": "ontem", "2": "x", "x": "y"})
    assert set(refused.value.fields) == {"answers.1", "answers.2", "answers.x"}


@given(day=st.dates())
def test_d4_every_day_is_a_date(day: date) -> None:
    assert answer(QuestionType.DATE, day.isoformat()) == {"1": day.isoformat()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(type_=st.sampled_from(QuestionType), given_=JSON)
def test_d4_whatever_is_sent_is_either_kept_or_refused(type_: QuestionType, given_: Any) -> None:
    try:
        taken = answer(type_, given_)
    except Invalid:
        return
    assert taken in ({}, {"1": given_})
