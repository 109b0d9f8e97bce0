"""What an analysis is made of: keywords found in a text, questions, and answers that fit them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from msgspec import Struct

from fluxki_core.domain.errors import Invalid
from fluxki_core.domain.ids import ClassificationId, KeywordId, QuestionId

MAX_ANSWER = 4000
MAX_NUMBER = 10**15  # up to which every whole number is kept exactly, also as a float


class QuestionType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"
    DATE = "date"


class Question(Struct, frozen=True, kw_only=True):
    """A question of one classification, or of all (`classification` None). `options` are for the types that choose."""

    id: QuestionId
    text: str
    type: QuestionType
    classification: ClassificationId | None
    required: bool
    options: tuple[str, ...] = ()
    position: int = 0


class Keyword(Struct, frozen=True, kw_only=True):
    id: KeywordId
    name: str


class Classification(Struct, frozen=True, kw_only=True):
    id: ClassificationId
    name: str
    parent: ClassificationId | None


def folded(text: str) -> str:
    """Text as words are compared: lower case, without accents, one blank between words."""
    # Taking letters apart can bring capitals to light, as in “℡”.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(re.findall(r"\w+", "".join(each for each in plain if not unicodedata.combining(each))))


def propose(text: str, keywords: Iterable[Keyword]) -> list[KeywordId]:
    """The keywords whose words stand in the text, whole and in order, whatever their case and accents (SPEC D3)."""
    padded = f" {folded(text)} "
    return [each.id for each in keywords if (name := folded(each.name)) and f" {name} " in padded]


def check_answers(questions: Sequence[Question], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers by question id, in the form that is stored; blank ones are left out.

    Raises `Invalid` with a path `answers.ID` for each wrong or missing one, and for answers to no question asked.
    """
    wrong: dict[str, str] = {}
    taken: dict[str, Any] = {}
    asked = {str(each.id): each for each in questions}
    for key in answers.keys() - asked.keys():
        wrong[f"answers.{key}"] = "This question is not asked for this classification."
    for key, question in asked.items():
        given = answers.get(key)
        if _is_blank(given):
            if question.required:
                wrong[f"answers.{key}"] = f"“{question.text}” needs an answer."
            continue
        problem = _problem(question, given)
        if problem:
            wrong[f"answers.{key}"] = problem
        taken[key] = given
    if wrong:
        raise Invalid(wrong)
    return taken


def _is_blank(given: Any) -> bool:
    return given is None or given == [] or (isinstance(given, str) and not given.strip())


def _problem(question: Question, given: Any) -> str | None:
    match question.type:
        case QuestionType.TEXT:
            fits = isinstance(given, str) and len(given) <= MAX_ANSWER
            return None if fits else f"Give a text of at most {MAX_ANSWER} characters."
        case QuestionType.NUMBER:
            fits = isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= MAX_NUMBER
            return None if fits else "Give a number."
        case QuestionType.YES_NO:
            return None if isinstance(given, bool) else "Give true or false."
        case QuestionType.CHOICE:
            return None if given in question.options else f"Choose one of: {', '.join(question.options)}."
        case QuestionType.CHOICES:
            fits = isinstance(given, list) and all(each in question.options for each in given)
            once = fits and len(set(given)) == len(given)
            return None if once else f"Choose some of: {', '.join(question.options)}, each once."
        case QuestionType.DATE:
            return None if _is_date(given) else "Give a date as YYYY-MM-DD."


def _is_date(given: Any) -> bool:
    try:
        return isinstance(given, str) and date.fromisoformat(given).isoformat() == given
    except ValueError:
        return False
