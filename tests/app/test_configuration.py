"""The configuration, the people and the accounts over REST: what works, and what is refused."""

from typing import Any

import pytest
from app.clients import Caller, Office


async def refused(caller: Caller, calls: list[tuple[str, str, Any, int]]) -> None:
    for method, path, body, status in calls:
        found, _ = await caller.problem(method, path, body)
        assert found == status, (method, path, body)


async def test_classifications_form_a_tree(office: Office) -> None:
    bia = await office.admin()
    top = await bia("POST", "/classifications", {"name": " Rede  interna "}, expect=201)
    assert top == {"id": top["id"], "name": "Rede interna", "parent": None}
    below = await bia("POST", "/classifications", {"name": "Wi-Fi", "parent": top["id"]}, expect=201)
    assert below in (await bia("GET", "/classifications"))["items"]
    path = f"/classifications/{top['id']}"
    await refused(
        bia,
        [
            ("PUT", path, {"name": "Rede", "parent": below["id"]}, 422),
            ("PUT", path, {"name": "Rede", "parent": 999}, 422),
            ("PUT", path, {"name": ""}, 422),
            ("PUT", "/classifications/999", {"name": "x"}, 404),
            ("DELETE", path, None, 409),
            ("DELETE", "/classifications/999", None, 404),
        ],
    )
    await bia("DELETE", f"/classifications/{below['id']}", expect=204)
    await bia("DELETE", path, expect=204)
    assert top not in (await bia("GET", "/classifications"))["items"]


async def test_d4_questions_of_every_type(office: Office) -> None:
    bia = await office.admin()
    for kind in ("text", "number", "yes_no", "date"):
        made = await bia("POST", "/questions", {"text": kind, "type": kind, "required": True}, expect=201)
        assert (made["type"], made["required"], made["options"]) == (kind, True, [])
    for kind in ("choice", "choices"):
        body = {"text": kind, "type": kind, "options": ["a", "b"], "classification": 1, "position": 3}
        made = await bia("POST", "/questions", body, expect=201)
        assert {key: made[key] for key in body} == body
    await refused(
        bia,
        [
            ("POST", "/questions", {"text": "x", "type": "choice"}, 422),
            ("POST", "/questions", {"text": "x", "type": "text", "options": ["a", "b"]}, 422),
            ("POST", "/questions", {"text": "x", "type": "essay"}, 422),
            ("POST", "/questions", {"text": "x", "type": "text", "classification": 999}, 422),
            ("PUT", "/questions/999", {"text": "x", "type": "text"}, 404),
            ("DELETE", "/questions/999", None, 404),
        ],
    )
    changed = await bia("PUT", f"/questions/{made['id']}", {"text": "Quando?", "type": "date"})
    assert changed in (await bia("GET", "/questions"))["items"]
    await bia("DELETE", f"/questions/{made['id']}", expect=204)
    assert changed not in (await bia("GET", "/questions"))["items"]


async def test_keywords_have_names_of_their_own(office: Office) -> None:
    bia = await office.admin()
    made = await bia("POST", "/keywords", {"name": "roteador"}, expect=201)
    assert made in (await bia("GET", "/keywords"))["items"]
    path = f"/keywords/{made['id']}"
    await refused(
        bia,
        [
            ("POST", "/keywords", {"name": "roteador"}, 409),
            ("PUT", path, {"name": "senha"}, 409),
            ("PUT", "/keywords/999", {"name": "x"}, 404),
        ],
    )
    assert (await bia("PUT", path, {"name": "modem"}))["name"] == "modem"
    await bia("DELETE", path, expect=204)
    assert await bia.problem("DELETE", path) == (404, "not_found")


async def test_d8_a_list_of_stages_is_set_as_a_whole(office: Office) -> None:
    bia = await office.admin()
    own = {"classification": 1, "stages": [{"name": "Triagem"}, {"name": "Espera", "waiting": True}, {"name": "Fim"}]}
    made = (await bia("PUT", "/stages", own))["items"]
    assert [(each["name"], each["waiting"], each["position"]) for each in made] == [
        ("Triagem", False, 0),
        ("Espera", True, 1),
        ("Fim", False, 2),
    ]
    kept = [{"id": made[0]["id"], "name": "Início"}, {"name": "Fim"}]
    again = (await bia("PUT", "/stages", {"classification": 1, "stages": kept}))["items"]
    assert again[0]["id"] == made[0]["id"]
    listed = (await bia("GET", "/stages"))["items"]
    assert [each["name"] for each in listed if each["classification"] == 1] == ["Início", "Fim"]
    await refused(
        bia,
        [
            ("PUT", "/stages", {"classification": 1, "stages": [{"name": "Só"}]}, 422),
            ("PUT", "/stages", {"classification": 1, "stages": [{"name": "a"}, {"name": "A"}]}, 422),
            ("PUT", "/stages", {"classification": 1, "stages": [{"id": 999, "name": "a"}, {"name": "b"}]}, 422),
            ("PUT", "/stages", {"classification": None, "stages": []}, 422),
            ("PUT", "/stages", {"classification": 999, "stages": kept[1:]}, 422),
            ("PUT", "/stages", {"classification": 999, "stages": [{"name": "a"}, {"name": "b"}]}, 404),
            ("PUT", "/stages", {"stages": kept}, 422),
        ],
    )
    assert (await bia("PUT", "/stages", {"classification": 1, "stages": []}))["items"] == []


async def test_departments_and_their_default(office: Office) -> None:
    bia = await office.admin()
    made = await bia("POST", "/departments", {"name": "Vendas", "is_default": True}, expect=201)
    listed = (await bia("GET", "/departments"))["items"]
    assert [each["name"] for each in listed if each["is_default"]] == ["Vendas"]
    await refused(
        bia,
        [
            ("POST", "/departments", {"name": "Vendas"}, 409),
            ("PUT", f"/departments/{made['id']}", {"name": "Vendas", "is_default": False}, 409),
            ("PUT", "/departments/999", {"name": "x"}, 404),
            ("DELETE", f"/departments/{made['id']}", None, 405),
        ],
    )


async def test_agents_are_added_and_changed(office: Office) -> None:
    bia = await office.admin()
    body = {"email": "Zé@Desk.example", "name": "Zé", "role": "supervisor", "password": "uma senha longa"}
    made = await bia("POST", "/agents", body, expect=201)
    assert made == {
        "id": made["id"],
        "email": "zé@desk.example",
        "name": "Zé",
        "role": "supervisor",
        "active": True,
        "departments": [1],
    }
    path = f"/agents/{made['id']}"
    assert (await bia("PATCH", path, {"role": "agent", "departments": []}))["departments"] == []
    assert (await bia("PATCH", path, {"active": False}))["active"] is False
    assert len((await bia("GET", "/agents"))["items"]) == 2
    await refused(
        bia,
        [
            ("POST", "/agents", {**body, "role": "king"}, 422),
            ("POST", "/agents", {**body, "password": "short"}, 422),
            ("POST", "/agents", {**body, "email": "nowhere"}, 422),
            ("POST", "/agents", body, 409),
            ("PATCH", path, {"departments": [999]}, 422),
            ("PATCH", "/agents/999", {"name": "x"}, 404),
            ("PATCH", f"/agents/{bia.desk.actor.agent}", {"role": "agent"}, 409),
            ("PATCH", f"/agents/{bia.desk.actor.agent}", {"active": False}, 409),
        ],
    )


async def test_customers_and_contacts(office: Office) -> None:
    ana = await office.caller()
    school = await ana("POST", "/customers", {"name": "Escola", "domains": ["@Escola.example"]}, expect=201)
    assert school == {"id": school["id"], "name": "Escola", "domains": ["escola.example"]}
    maria = await ana("POST", "/contacts", {"name": "Maria", "emails": ["Maria@Casa.example"]}, expect=201)
    assert maria["addresses"] == [{"kind": "email", "value": "maria@casa.example"}]
    path = f"/contacts/{maria['id']}"
    moved = await ana("PUT", path, {"name": "Maria S.", "customer": school["id"]})
    assert (moved["name"], moved["customer"], moved["addresses"]) == ("Maria S.", school["id"], [])
    assert await ana("GET", path) == moved
    assert (await ana("GET", f"/customers/{school['id']}"))["name"] == "Escola"
    page = await ana("GET", "/customers?limit=1")
    rest = await ana("GET", "/customers", params={"cursor": page["next"]})
    assert [each["name"] for each in page["items"] + rest["items"]] == ["Escola", "Maria"]
    assert (await ana("GET", "/contacts"))["items"] == [moved]
    await refused(
        ana,
        [
            ("POST", "/customers", {"name": "Outra", "domains": ["escola.example"]}, 409),
            ("POST", "/customers", {"name": "Outra", "domains": ["gmail.com"]}, 422),
            ("PUT", "/customers/999", {"name": "x"}, 404),
            ("GET", "/customers/999", None, 404),
            ("POST", "/contacts", {"name": "x", "customer": 999}, 422),
            ("POST", "/contacts", {"name": "x", "emails": ["nowhere"]}, 422),
            ("PUT", "/contacts/999", {"name": "x"}, 404),
            ("GET", "/contacts/999", None, 404),
            ("GET", f"/contacts?cursor={2**63}", None, 422),
        ],
    )


async def test_an_account_keeps_its_secrets_to_itself(office: Office) -> None:
    bia = await office.admin()
    body = {"channel": "paper", "name": "Segunda", "settings": {"box": "b", "secret": "s3cret"}, "department": 1}
    made = await bia("POST", "/channel-accounts", body, expect=201)
    assert made["settings"] == {"box": "b", "secret": "********"}
    path = f"/channel-accounts/{made['id']}"
    changed = await bia("PATCH", path, {"settings": {"box": "c", "secret": "********"}, "is_default": True})
    assert (changed["settings"]["box"], changed["is_default"]) == ("c", True)
    assert await bia("GET", path) == changed
    assert [each["is_default"] for each in (await bia("GET", "/channel-accounts"))["items"]] == [False, True]
    assert await bia("POST", f"{path}/check") == {"ok": True, "lines": ["paper is patient"]}
    rows = await office.house.core.unit.look(lambda: _stored(made["id"]))
    assert "s3cret" not in rows
    await refused(
        bia,
        [
            ("POST", "/channel-accounts", body, 409),
            ("POST", "/channel-accounts", {**body, "name": "T", "channel": "pigeon"}, 422),
            ("POST", "/channel-accounts", {**body, "name": "T", "settings": {"wings": 2}}, 422),
            ("POST", "/channel-accounts", {**body, "name": "T", "department": 999}, 422),
            ("POST", "/channel-accounts", {**body, "name": " "}, 422),
            ("PATCH", path, {"name": "Papel"}, 409),
            ("PATCH", path, {"name": " "}, 422),
            ("PATCH", path, {"department": 999}, 422),
            ("PATCH", path, {"settings": {"wings": 2}}, 422),
            ("PATCH", "/channel-accounts/999", {"name": "x"}, 404),
            ("DELETE", "/channel-accounts/999", None, 404),
            ("POST", "/channel-accounts/999/check", None, 404),
        ],
    )
    await bia("DELETE", path, expect=204)
    assert await bia.problem("GET", path) == (404, "not_found")


def _stored(account: int) -> Any:
    from fluxki_core.storage.statements import sql

    rows = yield sql("SELECT settings FROM account WHERE id = {}", account)
    return rows[0]["settings"]


@pytest.mark.parametrize("role", ["agent", "supervisor"])
async def test_only_admins_configure(office: Office, role: str) -> None:
    bia = await office.admin()
    email = "z@desk.example"
    made = await bia("POST", "/agents", {"email": email, "name": "Zé", "role": role}, expect=201)
    from fluxki_core.domain.people import SYSTEM
    from fluxki_core.services import directory

    token = await directory.add_token(office.house.core, SYSTEM, made["id"], "t")
    zeca = Caller(await office.client(token), bia.desk)
    account = {"channel": "paper", "name": "x", "settings": {}}
    await refused(
        zeca,
        [
            ("POST", "/classifications", {"name": "x"}, 403),
            ("PUT", "/classifications/1", {"name": "x"}, 403),
            ("DELETE", "/classifications/1", None, 403),
            ("POST", "/questions", {"text": "x", "type": "text"}, 403),
            ("PUT", "/questions/1", {"text": "x", "type": "text"}, 403),
            ("DELETE", "/questions/1", None, 403),
            ("POST", "/keywords", {"name": "x"}, 403),
            ("PUT", "/keywords/1", {"name": "x"}, 403),
            ("DELETE", "/keywords/1", None, 403),
            ("PUT", "/stages", {"classification": None, "stages": [{"name": "a"}, {"name": "b"}]}, 403),
            ("POST", "/departments", {"name": "x"}, 403),
            ("PUT", "/departments/1", {"name": "x", "is_default": True}, 403),
            ("POST", "/agents", {"email": "y@desk.example", "name": "Y", "role": "admin"}, 403),
            ("PATCH", f"/agents/{made['id']}", {"role": "admin"}, 403),
            ("GET", "/channel-accounts", None, 403),
            ("GET", "/channel-accounts/1", None, 403),
            ("POST", "/channel-accounts", account, 403),
            ("PATCH", "/channel-accounts/1", {"name": "x"}, 403),
            ("DELETE", "/channel-accounts/1", None, 403),
            ("POST", "/channel-accounts/1/check", None, 403),
        ],
    )
    for path in ("/classifications", "/questions", "/keywords", "/stages", "/departments", "/agents"):
        assert (await zeca("GET", path))["next"] is None
