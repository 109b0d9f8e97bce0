"""An order under an Idempotency-Key is carried out once."""

import asyncio
from typing import Any

from app.clients import Caller, Office
from paper import letter

NOTE = {"body_text": "uma vez", "visibility": "private"}


async def test_a_repeat_gets_the_same_answer_and_changes_nothing(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    path = f"/tickets/{ticket}/messages"
    first = await ana.raw("POST", path, NOTE, key="a")
    again = await ana.raw("POST", path, NOTE, key="a")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await office.house.messages(ticket)) == 2
    assert (await ana.raw("POST", path, NOTE, key="b")).status_code == 201


async def test_another_order_under_the_key_is_refused(office: Office) -> None:
    ana, rui = await office.caller(), await office.caller("Rui Paz")
    ticket = await office.house.ticket_from(letter())
    path = f"/tickets/{ticket}/messages"
    await ana("POST", path, NOTE, key="a", expect=201)
    refused = (409, "idempotency_conflict")
    assert await ana.problem("POST", path, {**NOTE, "body_text": "outra"}, key="a") == refused
    assert await ana.problem("POST", f"/tickets/{ticket}/reopen", key="a") == refused
    await rui("POST", path, NOTE, key="a", expect=201)


async def test_after_an_error_the_key_is_free(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    answer = {"body_html": "<p>Olá</p>"}
    path = f"/tickets/{ticket}/messages"
    assert await ana.problem("POST", path, answer, key="a") == (409, "analysis_required")
    await office.house.analyze(ana.desk, ticket)
    assert (await ana("POST", path, answer, key="a", expect=201))["body_text"] == "Olá"


async def test_the_same_key_at_once_makes_one_message(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    path = f"/tickets/{ticket}/messages"
    answers = await asyncio.gather(*(ana.raw("POST", path, NOTE, key="a") for _ in range(8)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1
    assert len(await office.house.messages(ticket)) == 2


async def test_a_key_must_be_printable(office: Office) -> None:
    ana = await office.caller()
    for key in ("x" * 201, "a\tb", "é"):
        headers = {"Idempotency-Key": key.encode()}
        assert await ana.problem("POST", "/tickets/1/reopen", headers=headers) == (422, "invalid"), key


async def test_every_write_repeats_its_answer(office: Office) -> None:
    bia = await office.admin()
    ticket = await office.house.ticket_from(letter())
    orders: list[tuple[str, str, Any]] = [
        ("POST", "/tickets", {"subject": "a", "requester": {"name": "M"}, "body": "b"}),
        ("PATCH", f"/tickets/{ticket}", {"priority": "low"}),
        ("PUT", f"/tickets/{ticket}/analysis", {"classification": 1}),
        ("POST", f"/tickets/{ticket}/stage", {"stage": 2}),
        ("POST", f"/tickets/{ticket}/messages", {"body_html": "<p>a</p>"}),
        ("POST", f"/tickets/{ticket}/finish", None),
        ("POST", f"/tickets/{ticket}/reopen", None),
        ("POST", "/deliveries/1/retry", None),
        ("POST", "/deliveries/1/discard", None),
        ("POST", "/classifications", {"name": "Nova"}),
        ("PUT", "/classifications/1", {"name": "Outra"}),
        ("DELETE", "/classifications/3", None),
        ("POST", "/questions", {"text": "Qual?", "type": "text"}),
        ("PUT", "/questions/1", {"text": "Quantas?", "type": "number"}),
        ("DELETE", "/questions/1", None),
        ("POST", "/keywords", {"name": "rede"}),
        ("PUT", "/keywords/1", {"name": "redes"}),
        ("DELETE", "/keywords/1", None),
        ("PUT", "/stages", {"classification": 1, "stages": [{"name": "Um"}, {"name": "Dois"}]}),
        ("POST", "/departments", {"name": "Vendas"}),
        ("PUT", "/departments/2", {"name": "Compras", "is_default": True}),
        ("POST", "/agents", {"email": "z@desk.example", "name": "Zé", "role": "agent"}),
        ("PATCH", "/agents/2", {"name": "José"}),
        ("POST", "/customers", {"name": "Escola", "domains": ["escola-nova.example"]}),
        ("PUT", "/customers/1", {"name": "Escola Velha"}),
        ("POST", "/contacts", {"name": "João", "emails": ["joao@casa.example"]}),
        ("PUT", "/contacts/1", {"name": "Maria S."}),
        ("POST", "/channel-accounts", {"channel": "paper", "name": "Outra", "settings": {"secret": "s"}}),
        ("PATCH", "/channel-accounts/2", {"name": "Mais uma"}),
        ("DELETE", "/channel-accounts/2", None),
    ]
    for number, (method, path, body) in enumerate(orders):
        await _twice(bia, method, path, body, f"key {number}")


async def _twice(caller: Caller, method: str, path: str, body: Any, key: str) -> None:
    first = await caller.raw(method, path, body, key=key)
    assert first.is_success, (method, path, first.text)
    again = await caller.raw(method, path, body, key=key)
    assert again.headers.get("idempotency-replayed") == "true", (method, path, again.text)
    assert (again.status_code, again.content) == (first.status_code, first.content)


async def test_an_upload_under_a_key_is_stored_once(office: Office) -> None:
    ana = await office.caller()
    first = await ana("POST", "/attachments?name=a", content=b"x", key="a", expect=201)
    assert await ana("POST", "/attachments?name=a", content=b"x", key="a", expect=201) == first
    assert await ana.problem("POST", "/attachments?name=a", content=b"y", key="a") == (409, "idempotency_conflict")
