"""Unique, partial and composite indexes, which Piccolo's columns cannot say; portable to both databases."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-22T18:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Unique, partial and composite indexes"

INDEXES = {
    "customer_domain_unique": "UNIQUE INDEX {} ON customer_domain (domain)",
    "contact_address_unique": "UNIQUE INDEX {} ON contact_address (kind, value)",
    "department_name_unique": "UNIQUE INDEX {} ON department (name)",
    "department_default_unique": "UNIQUE INDEX {} ON department (is_default) WHERE is_default",
    "agent_email_unique": "UNIQUE INDEX {} ON agent (email)",
    "agent_department_unique": "UNIQUE INDEX {} ON agent_department (agent_id, department_id)",
    "api_token_digest_unique": "UNIQUE INDEX {} ON api_token (digest)",
    "idempotency_unique": "UNIQUE INDEX {} ON idempotency (agent_id, key)",
    "idempotency_age": "INDEX {} ON idempotency (created_at)",
    "keyword_name_unique": "UNIQUE INDEX {} ON keyword (name) WHERE active",
    "account_name_unique": "UNIQUE INDEX {} ON account (name) WHERE active",
    "account_default_unique": "UNIQUE INDEX {} ON account (channel) WHERE active AND is_default",
    "lease_name_unique": "UNIQUE INDEX {} ON lease (name)",
    "raw_key_unique": "UNIQUE INDEX {} ON raw (account_id, key)",
    "raw_waiting": "INDEX {} ON raw (account_id, id) WHERE state = 'waiting'",
    "raw_parked": "INDEX {} ON raw (id) WHERE state = 'parked'",
    "ticket_open_activity": "INDEX {} ON ticket (last_activity_at DESC, id DESC) WHERE state = 'open'",
    "ticket_department": "INDEX {} ON ticket (department_id, state, last_activity_at DESC, id DESC)",
    "ticket_kind": "INDEX {} ON ticket (kind, state, last_activity_at DESC, id DESC)",
    "ticket_open_stage": "INDEX {} ON ticket (stage_id) WHERE state = 'open'",
    "ticket_awaiting_analysis": "INDEX {} ON ticket (last_activity_at DESC, id DESC)"
    " WHERE state = 'open' AND kind = 'standard' AND analysis_id IS NULL",
    "ticket_activity": "INDEX {} ON ticket (last_activity_at DESC, id DESC)",
    "ticket_state_activity": "INDEX {} ON ticket (state, last_activity_at DESC, id DESC)",
    "ticket_requester": "INDEX {} ON ticket (requester_id, last_activity_at DESC, id DESC)",
    "ticket_customer": "INDEX {} ON ticket (customer_id, last_activity_at DESC, id DESC)",
    "participant_unique": "UNIQUE INDEX {} ON participant (ticket_id, agent_id)",
    "ticket_link_unique": "UNIQUE INDEX {} ON ticket_link (ticket_id, other_id)",
    "message_place": "INDEX {} ON message (ticket_id, sent_at, id)",
    "message_inbound_key_unique": "UNIQUE INDEX {} ON message (account_id, inbound_key) WHERE inbound_key IS NOT NULL",
    "message_ref_unique": "UNIQUE INDEX {} ON message_ref (account_id, outside_id, message_id)",
    "file_token_unique": "UNIQUE INDEX {} ON file (token)",
    "delivery_due": "INDEX {} ON delivery (due_at, id) WHERE state = 'queued'",
    "delivery_lane": "INDEX {} ON delivery (lane, id) WHERE state IN ('queued', 'started')",
    "delivery_trouble": "INDEX {} ON delivery (id) WHERE state IN ('failed', 'uncertain')",
    "event_ticket": "INDEX {} ON event (ticket_id, id)",
    "event_unannounced": "INDEX {} ON event (id) WHERE NOT announced",
    "announcement_unique": "UNIQUE INDEX {} ON announcement (event_id, plugin)",
    "announcement_due": "INDEX {} ON announcement (due_at) WHERE state = 'due'",
}


class Raw(Table):
    """Gives raw SQL the project's engine."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="core", description=DESCRIPTION)

    async def create() -> None:
        for name, definition in INDEXES.items():
            await Raw.raw(f"CREATE {definition.format(name)}")

    async def drop() -> None:
        for name in INDEXES:
            await Raw.raw(f"DROP INDEX {name}")

    manager.add_raw(create)
    manager.add_raw_backwards(drop)
    return manager
