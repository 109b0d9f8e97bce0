"""`/api/v1`: all resources behind the agents' tokens."""

from litestar import Router
from litestar.di import Provide

from fluxki.api.analysis import Analyses
from fluxki.api.attachments import Attachments
from fluxki.api.channel_accounts import ChannelAccounts
from fluxki.api.clients import Contacts, Customers
from fluxki.api.deliveries import Deliveries
from fluxki.api.events import events
from fluxki.api.judging import Classifications, Keywords, Questions, Stages
from fluxki.api.messages import Messages
from fluxki.api.shapes import StrictRequest
from fluxki.api.staff import Agents, Departments
from fluxki.api.tickets import Tickets
from fluxki.auth import Bearer, desk, reader

LARGEST_BODY = 5 * 1024 * 1024  # bytes of JSON: the longest message, escaped, and room to spare


def api() -> Router:
    return Router(
        "/api/v1",
        route_handlers=[
            Tickets,
            Messages,
            Analyses,
            Deliveries,
            Classifications,
            Questions,
            Keywords,
            Stages,
            Departments,
            Agents,
            Customers,
            Contacts,
            ChannelAccounts,
            Attachments,
            events,
        ],
        middleware=[Bearer()],
        dependencies={"reader": Provide(reader), "desk": Provide(desk)},
        request_class=StrictRequest,
        request_max_body_size=LARGEST_BODY,
    )
