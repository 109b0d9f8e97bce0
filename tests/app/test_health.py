"""Health and metrics, for those who run the deployment."""

from pathlib import Path
from typing import Any

import httpx
from app.clients import Office
from fluxki.asgi import create_app
from fluxki.settings import Settings
from fluxki_core.hooks.loader import assemble
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import CoreSettings
from fluxki_core.storage.engines import engine_for
from house import SECRET
from paper import letter


async def test_alive_and_ready(office: Office) -> None:
    nobody = await office.client()
    assert (await nobody.get("/healthz")).json() == {"status": "ok"}
    for _ in range(2):
        assert (await nobody.get("/readyz")).json() == {"status": "ready"}


async def test_pending_migrations_are_named(database_url: str, tmp_path: Path) -> None:
    engine = engine_for(database_url)
    core_settings = CoreSettings(data_dir=tmp_path)
    async with opened_core(engine, assemble({}), core_settings, [SECRET], migrate=False) as core:
        app: Any = create_app(core, Settings(data_dir=tmp_path))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "core 2026-" in answer.json()["detail"]


async def test_metrics_tell_what_happens(office: Office) -> None:
    ana = await office.caller()
    await office.house.ticket_from(letter())
    await ana("GET", "/tickets/1")
    await ana.raw("GET", "/tickets/999")
    text = (await (await office.client()).get("/metrics")).text
    assert 'fluxki_requests_total{method="GET",route="/api/v1/tickets/{number}",status="404"} 1.0' in text
    assert 'fluxki_request_seconds_count{method="GET",route="/api/v1/tickets/{number}"} 2.0' in text
    assert 'fluxki_deliveries{state="uncertain"} 0.0' in text
    assert "fluxki_parked 0.0" in text
    assert "fluxki_accounts_broken 0.0" in text
    assert "process_resident_memory_bytes" in text
    newest = float(text.partition("\nfluxki_newest_event ")[2].split()[0])
    assert newest >= 2


async def test_metrics_are_for_this_machine_and_for_admins(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    nobody = await office.client()
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    for client, status in ((nobody, 403), (ana.client, 403), (bia.client, 200)):
        assert (await client.get("/metrics", headers=elsewhere)).status_code == status
    assert (await nobody.get("/metrics")).status_code == 200


async def test_load_balancers_may_ask_with_head(office: Office) -> None:
    client = await office.client()
    for path in ("/healthz", "/readyz"):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
