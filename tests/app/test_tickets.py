"""Tickets and their analysis over REST."""

from typing import Any

import pytest
from app.clients import Office
from paper import letter

NEW = {"subject": "A impressora não imprime", "requester": {"name": "Maria"}, "body": "Parou hoje cedo."}
KEYS = {
    *("number", "subject", "kind", "state", "stage", "classification", "analyzed", "requester", "customer"),
    *("participants", "department", "priority", "channel", "created_at", "last_activity_at", "links", "level"),
}


async def test_d36_a_registered_ticket_holds_the_request_and_sends_nothing(office: Office) -> None:
    ana = await office.caller()
    email = {"name": "Maria", "email": "maria@escola.example"}
    ticket = await ana("POST", "/tickets", {**NEW, "requester": email, "priority": "high"}, expect=201)
    assert set(ticket) == KEYS
    assert (ticket["kind"], ticket["state"], ticket["priority"]) == ("standard", "open", "high")
    assert ticket["created_at"].endswith("Z")
    [message] = (await ana("GET", f"/tickets/{ticket['number']}/messages"))["items"]
    assert message["author"] == {"kind": "contact", "name": "Maria"}
    assert message["delivery"] == []
    assert await ana("GET", f"/tickets/{ticket['number']}") == ticket


@pytest.mark.parametrize("kind", ["standard", "chat"])
async def test_s4_s34_there_are_two_kinds_and_an_agent_can_register_either(office: Office, kind: str) -> None:
    ana = await office.caller()
    ticket = await ana("POST", "/tickets", {**NEW, "kind": kind}, expect=201)
    assert ticket["kind"] == kind
    [found] = (await ana("GET", f"/tickets?kind={kind}"))["items"]
    assert found["number"] == ticket["number"]
    assert set(found) == KEYS - {"participants", "links", "level"}
    assert await ana.problem("POST", "/tickets", {**NEW, "kind": "idea"}) == (422, "invalid")


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": 3}, "subject"),
        ({"subject": " "}, "subject"),
        ({"body": "\n"}, "body"),
        ({"requester": {}}, "requester"),
        ({"requester": {"contact": 999}}, "requester.contact"),
        ({"requester": {"contact": "1"}}, "requester.contact"),
        ({"requester": {"name": "M", "email": "nobody"}}, "requester.email"),
        ({"requester": {"name": "M", "phone": "1"}}, "requester.phone"),
        ({"department": 999}, "department"),
        ({"department": 2**63}, "department"),
        ({"priority": "soon"}, "priority"),
        ({"copied": []}, "copied"),
    ],
)
async def test_a_field_that_is_wrong_is_named_by_its_path(office: Office, wrong: dict[str, Any], path: str) -> None:
    ana = await office.caller()
    answer = await ana.raw("POST", "/tickets", {**NEW, **wrong})
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [path]
    assert (await ana("GET", "/tickets"))["items"] == []


async def test_the_list_goes_by_pages_newest_first(office: Office) -> None:
    ana = await office.caller()
    made = [(await ana("POST", "/tickets", NEW, expect=201))["number"] for _ in range(5)]
    first = await ana("GET", "/tickets?limit=2")
    second = await ana("GET", "/tickets", params={"limit": 2, "cursor": first["next"]})
    third = await ana("GET", "/tickets", params={"limit": 2, "cursor": second["next"]})
    pages = [*first["items"], *second["items"], *third["items"]]
    assert [each["number"] for each in pages] == made[::-1]
    assert third["next"] is None
    for query in ("limit=0", "limit=201", "limit=x", "cursor=x", "state=lost", "requester=0", "mine=perhaps"):
        assert await ana.problem("GET", f"/tickets?{query}") == (422, "invalid"), query


async def test_the_list_can_be_narrowed(office: Office) -> None:
    ana = await office.caller()
    ticket = await ana("POST", "/tickets", NEW, expect=201)
    other = await ana("POST", "/tickets", {**NEW, "requester": {"name": "João"}}, expect=201)
    await office.house.analyze(ana.desk, ticket["number"])
    await ana("POST", f"/tickets/{ticket['number']}/finish")

    async def numbers(query: str) -> list[int]:
        return [each["number"] for each in (await ana("GET", f"/tickets?{query}"))["items"]]

    assert await numbers("") == [other["number"]]
    assert await numbers("state=finished") == [ticket["number"]]
    assert await numbers("awaiting_analysis=true") == [other["number"]]
    assert await numbers("mine=true") == []
    assert await numbers("mine=true&state=finished") == [ticket["number"]]
    assert await numbers(f"requester={ticket['requester']['id']}") == [ticket["number"]]
    assert await numbers(f"customer={other['customer']['id']}") == [other["number"]]
    assert await numbers(f"department={ticket['department']['id']}") == [other["number"]]
    assert await numbers("department=999") == []


async def test_d35_department_and_priority_can_be_changed(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    ticket = await ana("POST", "/tickets", NEW, expect=201)
    path = f"/tickets/{ticket['number']}"
    assert (await ana("PATCH", path, {"priority": "urgent", "subject": "Impressora"}))["priority"] == "urgent"
    assert await ana.problem("PATCH", path, {}) == (422, "invalid")
    assert await ana.problem("PATCH", path, {"department": 999}) == (422, "invalid")
    sales = await bia("POST", "/departments", {"name": "Vendas"}, expect=201)
    handed_over = await ana("PATCH", path, {"department": sales["id"]})
    assert (handed_over["department"]["name"], handed_over["level"]) == ("Vendas", "view")
    assert await ana.problem("GET", path) == (404, "not_found")


async def test_s9_an_unanalysed_ticket_cannot_be_answered_nor_finished(office: Office) -> None:
    ana = await office.caller()
    path = f"/tickets/{await office.house.ticket_from(letter())}"
    refused = (409, "analysis_required")
    assert await ana.problem("POST", f"{path}/messages", {"body_html": "<p>Olá</p>"}) == refused
    assert await ana.problem("POST", f"{path}/finish") == refused
    assert await ana.problem("POST", f"{path}/stage", {"stage": office.house.stages["Finalizado"]}) == refused


async def test_d5_d7_the_analysis_shows_the_request_and_makes_its_agent_take_part(office: Office) -> None:
    ana = await office.caller()
    path = f"/tickets/{await office.house.ticket_from(letter(text='Esqueci a senha'))}"
    window = await ana("GET", f"{path}/analysis")
    words = {each["id"]: each["name"] for each in (await ana("GET", "/keywords"))["items"]}
    assert window["request"] == "Esqueci a senha"
    assert "senha" in [words[each] for each in window["proposed"]]
    assert window["current"] is None
    choice = next(each for each in window["questions"] if each["type"] == "choice")
    judged = {
        "classification": office.house.classifications["Dúvida"],
        "keywords": window["proposed"],
        "answers": {str(choice["id"]): choice["options"][0]},
    }
    saved = await ana("PUT", f"{path}/analysis", judged)
    assert {key: saved[key] for key in judged} == judged
    assert saved["agent"] == "Ana Lima"
    assert (await ana("GET", f"{path}/analysis", params={"classification": judged["classification"]}))[
        "current"
    ] == saved
    ticket = await ana("GET", path)
    assert [each["level"] for each in ticket["participants"]] == ["manage"]
    for wrong in (
        {"classification": 999},
        {"keywords": [999]},
        {"answers": {"999": "x"}},
        {"answers": {str(choice["id"]): 3}},
    ):
        assert await ana.problem("PUT", f"{path}/analysis", {**judged, **wrong}) == (422, "invalid")


async def test_d6_an_analysis_over_one_that_was_not_seen_is_refused(office: Office) -> None:
    ana, rui = await office.caller(), await office.caller("Rui Paz")
    path = f"/tickets/{await office.house.ticket_from(letter())}/analysis"
    judged = {"classification": office.house.classifications["Dúvida"]}
    seen = (await ana("PUT", path, judged))["id"]
    assert await rui.problem("PUT", path, judged) == (409, "stale_analysis")
    assert (await rui("PUT", path, {**judged, "seen": seen}))["agent"] == "Rui Paz"
    assert await ana.problem("PUT", path, {**judged, "seen": seen}) == (409, "stale_analysis")


async def test_s54_s55_the_last_stage_finishes_and_reopening_leads_to_the_first(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)
    path, stages = f"/tickets/{ticket}", office.house.stages
    assert (await ana("POST", f"{path}/stage", {"stage": stages["Em andamento"]}))["state"] == "open"
    assert (await ana("POST", f"{path}/stage", {"stage": stages["Finalizado"]}))["state"] == "finished"
    reopened = await ana("POST", f"{path}/reopen")
    assert (reopened["state"], reopened["stage"]["name"]) == ("open", "Aberto")
    assert await ana.problem("POST", f"{path}/stage", {"stage": 999}) == (422, "invalid")
    assert (await ana("POST", f"{path}/finish"))["state"] == "finished"


async def test_d38_a_ticket_is_finished_without_analysis_for_a_reason(office: Office) -> None:
    ana = await office.caller()
    path = f"/tickets/{await office.house.ticket_from(letter())}"
    assert await ana.problem("POST", f"{path}/finish", {"without_analysis": "bored"}) == (422, "invalid")
    finished = await ana("POST", f"{path}/finish", {"without_analysis": "spam", "block_sender": True})
    assert (finished["state"], finished["analyzed"]) == ("finished", False)
    assert await ana.problem("POST", f"{path}/finish", {"without_analysis": "spam"}) == (409, "conflict")
    [again] = await office.house.take_in(letter(text="de novo"))
    assert again.outcome == "parked"


async def test_a_ticket_that_is_not_there_is_not_found(office: Office) -> None:
    ana = await office.caller()
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"priority": "low"}),
        ("GET", "/messages", None),
        ("POST", "/messages", {"body_text": "x", "visibility": "private"}),
        ("GET", "/analysis", None),
        ("PUT", "/analysis", {"classification": 1}),
        ("POST", "/stage", {"stage": 1}),
        ("POST", "/finish", None),
        ("POST", "/reopen", None),
    ]
    for method, rest, body in calls:
        assert await ana.problem(method, f"/tickets/999{rest}", body) == (404, "not_found"), rest
    assert await ana.problem("GET", f"/tickets/{2**63}") == (422, "invalid")
    assert await ana.problem("GET", "/tickets/one") == (404, "not_found")
