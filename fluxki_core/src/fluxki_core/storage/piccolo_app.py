"""The core's tables and migrations, as Piccolo finds them."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from fluxki_core.storage.tables import judging, leaving, people, tickets, transit

APP_CONFIG = AppConfig(
    app_name="core",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[
        people.Customer,
        people.CustomerDomain,
        people.Contact,
        people.ContactAddress,
        people.Department,
        people.Agent,
        people.AgentDepartment,
        people.ApiToken,
        people.Idempotency,
        judging.Classification,
        judging.Stage,
        judging.Question,
        judging.Keyword,
        transit.Account,
        transit.Lease,
        transit.Raw,
        tickets.Ticket,
        tickets.Participant,
        tickets.TicketLink,
        tickets.Message,
        tickets.MessageRef,
        tickets.File,
        tickets.Analysis,
        leaving.Delivery,
        leaving.Event,
        leaving.Announcement,
    ],
)
