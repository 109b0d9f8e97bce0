"""`/api/v1/tickets/{number}/analysis`: what is proposed for a ticket, and what an agent judged."""

from typing import Annotated, Any

import msgspec
from fluxki_core.domain.ids import AnalysisId, ClassificationId, KeywordId, TicketId
from fluxki_core.domain.tickets import Analysis, SaveAnalysis
from fluxki_core.services.analyzing import AnalysisWindow
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from fluxki.api.shapes import Body, BodyId, PathId, QueryId
from fluxki.errors import READS, WRITES


class Judged(Body, frozen=True, kw_only=True):
    """`answers` by question id. `seen`: the analysis that the agent had before them, to save over another's."""

    classification: BodyId[ClassificationId]
    keywords: Annotated[tuple[BodyId[KeywordId], ...], Meta(max_length=200)] = ()
    answers: Annotated[dict[str, Any], Meta(max_length=200)] = msgspec.field(default_factory=dict)
    seen: BodyId[AnalysisId] | None = None


class Analyses(Controller):
    path = "/tickets/{number:int}/analysis"
    tags = ("Analysis",)

    @get(responses=READS)
    async def read_analysis(
        self,
        reader: NamedDependency[CoreDesk],
        number: PathId[TicketId],
        classification: QueryId[ClassificationId] = None,
    ) -> AnalysisWindow:
        """The request, the keywords found in it, the questions of `classification`, and the analysis that counts."""
        return await reader.analysis_window(number, classification)

    @put(responses=WRITES)
    async def save_analysis(
        self, desk: NamedDependency[CoreDesk], number: PathId[TicketId], data: JSONBody[Judged]
    ) -> Analysis:
        """Saves an analysis; the first one makes its agent take part in the ticket."""
        order = SaveAnalysis(
            ticket=number,
            classification=data.classification,
            keywords=data.keywords,
            answers=data.answers,
            seen=data.seen,
        )
        return await desk.analyze(order)
