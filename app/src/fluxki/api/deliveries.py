"""`/api/v1/deliveries`: what could not be sent, and what to do about it."""

from fluxki_core.domain.ids import DeliveryId
from fluxki_core.domain.tickets import DeliveryView, Page
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, get, post
from litestar.di import NamedDependency

from fluxki.api.shapes import Cursor, Limit, PathId, after
from fluxki.errors import READS, WRITES


class Deliveries(Controller):
    path = "/deliveries"
    tags = ("Deliveries",)

    @get(responses=READS)
    async def list_deliveries(
        self, reader: NamedDependency[CoreDesk], limit: Limit = 50, cursor: Cursor = None
    ) -> Page[DeliveryView]:
        """Those that failed, are uncertain, or wait for another try."""
        found = await reader.deliveries(DeliveryId(after(cursor)), limit + 1)
        return Page(found[:limit], str(found[limit - 1].id) if len(found) > limit else None)

    @post("/{delivery:int}/retry", responses=WRITES, status_code=200)
    async def retry(self, desk: NamedDependency[CoreDesk], delivery: PathId[DeliveryId]) -> DeliveryView:
        """Sends it again, or at once if it waits; one that is uncertain may reach the contact twice."""
        return await desk.retry_delivery(delivery)

    @post("/{delivery:int}/discard", responses=WRITES, status_code=200)
    async def discard(self, desk: NamedDependency[CoreDesk], delivery: PathId[DeliveryId]) -> DeliveryView:
        """Gives it up; the message stays, shown as not sent."""
        return await desk.discard_delivery(delivery)
