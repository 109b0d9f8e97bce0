"""What Prometheus may ask of this process: requests, deliveries, what is parked or broken."""

from time import perf_counter

from fluxki_core.domain.tickets import DeliveryState
from fluxki_core.services.core import Core
from fluxki_core.storage.queries import accounts, deliveries, raw
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

OPEN_STATES = (DeliveryState.QUEUED, DeliveryState.STARTED, DeliveryState.FAILED, DeliveryState.UNCERTAIN)


class Metrics:
    """One process's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "fluxki_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "fluxki_request_seconds",
            "Seconds until the answer began.",
            ["method", "route"],
            registry=self.registry,
        )
        self._parked = Gauge("fluxki_parked", "Raw messages that are parked.", registry=self.registry)
        self._deliveries = Gauge(
            "fluxki_deliveries", "Deliveries that are not settled.", ["state"], registry=self.registry
        )
        self._broken = Gauge("fluxki_accounts_broken", "Accounts that cannot receive or send.", registry=self.registry)
        self._event = Gauge("fluxki_newest_event", "Id of the newest event.", registry=self.registry)

    async def page(self, core: Core) -> bytes:
        """Everything, in Prometheus' text form."""
        read = core.unit.read
        self._parked.set((await read(raw.count_parked()))[0]["n"])
        counts = {row["state"]: row["n"] for row in await read(deliveries.counts())}
        for state in OPEN_STATES:
            self._deliveries.labels(state.value).set(counts.get(state.value, 0))
        self._broken.set(
            sum(bool(row["receive_error"] or row["send_error"]) for row in await read(accounts.accounts()))
        )
        self._event.set(await core.horizon.newest())
        return generate_latest(self.registry)


class Measure(ASGIMiddleware):
    """Counts requests by route, and the time until each answer begins."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        began = perf_counter()
        route = scope["path_template"]
        method = str(scope.get("method"))

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(method, route, message["status"]).inc()
                self._metrics.seconds.labels(method, route).observe(perf_counter() - began)
            await send(message)

        await next_app(scope, receive, measured)
