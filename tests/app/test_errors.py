"""Who may call, and what everybody gets who calls wrongly."""

import json
from pathlib import Path
from typing import Any

import pytest
from app.clients import Caller, Office, opened_office
from fluxki.auth import Throttle
from fluxki_core.domain.people import SYSTEM
from fluxki_core.services import directory
from fluxki_core.services.directory import AgentChange
from house import opened_house
from servers.databases import Databases
from structlog.testing import capture_logs

SECURE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


async def test_without_a_good_token_nothing_is_told(office: Office) -> None:
    ana = await office.caller()
    nobody = await office.client()
    wrong = ("", "Bearer", "Bearer fx_" + "a" * 43, "Basic YTpi", f"Bearer {'x' * 5000}", "Bearer fx_é")
    for given in wrong:
        for method, path, body in (
            ("GET", "/tickets", b""),
            ("POST", "/tickets", b"{"),
            ("POST", "/attachments", b"x"),
        ):
            headers = {b"Authorization": given.encode()} if given else {}
            answer = await nobody.request(method, f"/api/v1{path}", headers=headers, content=body)
            assert (answer.status_code, answer.json()["code"]) in {(401, "unauthenticated"), (429, "too_many_requests")}
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Bearer"
    assert ana.desk.actor.agent is not None
    await directory.change_agent(office.house.core, SYSTEM, ana.desk.actor.agent, AgentChange(active=False))
    assert await ana.problem("GET", "/tickets") == (401, "unauthenticated")


async def test_wrong_tokens_are_throttled_and_right_ones_never(office: Office) -> None:
    ana = await office.caller()
    nobody = Caller(await office.client("fx_" + "a" * 43), ana.desk)
    codes = [await nobody.problem("GET", "/tickets") for _ in range(25)]
    assert codes[0] == (401, "unauthenticated")
    assert codes[-1] == (429, "too_many_requests")
    assert int((await nobody.raw("GET", "/tickets")).headers["retry-after"]) > 0
    await ana("GET", "/tickets")


def test_a_bucket_fills_again_and_the_number_of_buckets_is_bounded() -> None:
    throttle = Throttle(allowed=2, per_second=1, most=2)
    assert [throttle.fail("a", 0) for _ in range(3)] == [True, True, False]
    assert not throttle.fail("a", 0.5)
    assert throttle.fail("a", 1.5)
    assert throttle.fail("b", 1.5)
    assert throttle.fail("c", 1.5)
    assert [throttle.fail("a", 1.5) for _ in range(3)] == [True, True, False]


async def test_every_answer_is_secured(office: Office) -> None:
    ana = await office.caller()
    for path in ("/", "/nothing", "/api/v1/nothing", "/api/v1/tickets", "/api/v1/openapi.json", "/healthz", "/readyz"):
        answer = await ana.client.get(path)
        assert {key: answer.headers.get(key) for key in SECURE} == SECURE, path
    for path in ("/", "/nothing", "/api/v1/nothing", "/api/v1/openapi.json/x.json"):
        answer = await ana.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_method_that_is_not_there_is_told_with_those_that_are(office: Office) -> None:
    ana = await office.caller()
    answer = await ana.raw("DELETE", "/tickets")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST, OPTIONS"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{'a': 1}", b'{"subject": "\xc3\x28"}', b"\x00"])
async def test_what_is_no_json_is_a_bad_request(office: Office, body: bytes) -> None:
    ana = await office.caller()
    assert await ana.problem("POST", "/tickets", content=body) == (400, "invalid")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"1e400", b"{}"])
async def test_json_of_another_shape_is_invalid(office: Office, body: bytes) -> None:
    ana = await office.caller()
    assert await ana.problem("POST", "/tickets", content=body) == (422, "invalid")


async def test_what_is_missing_in_the_address_is_named(office: Office) -> None:
    ana = await office.caller()
    answer = await ana.raw("POST", "/attachments")
    assert (answer.status_code, answer.json()["fields"]) == (422, {"name": "This is required."})


async def test_a_body_that_is_too_large_is_refused(office: Office) -> None:
    ana = await office.caller()
    body = json.dumps({"subject": "x" * 6_000_000}).encode()
    assert await ana.problem("POST", "/tickets", content=body) == (413, "too_large")


async def test_odd_text_is_stored_or_refused_but_breaks_nothing(office: Office) -> None:
    ana = await office.caller()
    for text in ("a\x00b", "\ud800", "‮abc", "😀" * 100, "\x1b[31m"):
        body = {"subject": text, "requester": {"name": text, "email": None}, "body": text}
        answer = await ana.raw("POST", "/tickets", body)
        assert answer.status_code in {201, 400, 422}, text
    for query in ("cursor=%00", "state=%ff", "kind=%00"):
        assert await ana.problem("GET", f"/tickets?{query}") == (422, "invalid")
    assert await ana.problem("GET", "/attachments/%00") == (422, "invalid")


async def test_what_nobody_foresaw_is_told_without_details(office: Office) -> None:
    ana = await office.caller()
    del office.app.state.gate
    answer = await ana.raw("GET", "/tickets")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "gate" not in answer.text


async def test_a_client_that_goes_away_within_its_body_is_no_fault_here(office: Office) -> None:
    ana = await office.caller()
    body = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(body)

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/tickets",
        "query_string": b"",
        "headers": [(b"authorization", ana.client.headers["Authorization"].encode())],
    }
    with capture_logs() as logged:
        await office.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert [each["log_level"] for each in logged] == ["info"]


@pytest.mark.postgres_only
async def test_a_database_that_is_away_is_unavailable_for_a_while(
    databases: Databases, migrated: str, tmp_path: Path
) -> None:
    url = await databases.fresh(migrated)
    async with opened_house(url, tmp_path) as house, opened_office(house) as office:
        ana = await office.caller()
        await databases.drop(url)
        answers = [await ana.raw("GET", "/tickets"), await ana.client.get("/readyz"), await ana.client.get("/healthz")]
    assert [each.status_code for each in answers] == [503, 503, 200]
    assert answers[0].json()["code"] == "unavailable"
    assert answers[0].headers["retry-after"]
