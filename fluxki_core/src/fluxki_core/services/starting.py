"""The starting set of a new deployment, in Brazilian Portuguese as the screens are; an admin edits or removes it."""

from datetime import UTC, datetime

from fluxki_core.domain.analysis import QuestionType
from fluxki_core.domain.stages import STARTING_STAGES
from fluxki_core.services.core import Core
from fluxki_core.storage.queries.base import add, insert, one, to_json
from fluxki_core.storage.statements import Steps, sql

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DEPARTMENT = "Atendimento"
CLASSIFICATIONS = {
    "Dúvida": ("Como usar", "Cobrança"),
    "Problema": ("Acesso e senha", "Erro no sistema", "Lentidão"),
    "Solicitação": ("Instalação", "Alteração de cadastro"),
    "Sugestão": (),
}
KEYWORDS = ("senha", "acesso", "erro", "lentidão", "nota fiscal", "boleto", "instalação", "impressora")


async def ensure_starting_set(core: Core) -> None:
    """Writes the starting set into a database that has no department yet; several processes write it once."""
    await core.unit.run("starting", _starting, tell=False)


def _starting() -> Steps[None]:
    # The lease row is written first, so that a second process waits for the first and then finds the set.
    yield sql(
        "INSERT INTO lease (name, holder, until) VALUES ('starting set', '', {}) ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder",
        EPOCH,
    )
    if (yield from one(sql("SELECT id FROM department LIMIT 1"))) is not None:
        return
    yield add("department", name=DEPARTMENT, is_default=True)
    for position, stage in enumerate(STARTING_STAGES):
        yield add("stage", name=stage.name, waiting=stage.waiting, position=position, active=True)
    for name, below in CLASSIFICATIONS.items():
        parent = yield from insert("classification", name=name, active=True)
        for each in below:
            yield add("classification", name=each, parent_id=parent, active=True)
    for each in KEYWORDS:
        yield add("keyword", name=each, active=True)
    yield from _question(0, "Afeta mais de uma pessoa?", QuestionType.YES_NO, ())
    yield from _question(1, "Qual é o impacto?", QuestionType.CHOICE, ("Baixo", "Médio", "Alto"))


def _question(position: int, text: str, kind: QuestionType, options: tuple[str, ...]) -> Steps[None]:
    yield add(
        "question",
        text=text,
        type=kind,
        options=to_json(options),
        required=False,
        position=position,
        active=True,
    )
