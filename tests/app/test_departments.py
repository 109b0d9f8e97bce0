"""What belongs to another department is not there, wherever one looks."""

from app.clients import Office
from app.streams import listening
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.traffic import SendRejected
from paper import letter


async def test_s81_another_departments_ticket_is_found_nowhere_until_one_takes_part(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    sales = (await bia("POST", "/departments", {"name": "Vendas"}, expect=201))["id"]
    eva = await office.caller("Eva Sá", departments=(sales,))
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)
    token = await ana.upload("a.txt", b"segredo")
    body = {"body_html": "<p>Olá</p>", "attachments": [token]}
    message = await ana("POST", f"/tickets/{ticket}/messages", body, expect=201)

    async def refuse(_: object) -> None:
        raise SendRejected("full")

    office.house.paper.sending = refuse  # type: ignore[assignment]
    await office.house.send()
    delivery = message["delivery"][0]["id"]
    hidden = (404, "not_found")
    path = f"/tickets/{ticket}"
    assert await eva.problem("GET", path) == hidden
    assert await eva.problem("PATCH", path, {"priority": "low"}) == hidden
    assert await eva.problem("GET", f"{path}/messages") == hidden
    assert await eva.problem("POST", f"{path}/messages", {"body_html": "<p>a</p>"}) == hidden
    assert await eva.problem("GET", f"{path}/analysis") == hidden
    assert await eva.problem("PUT", f"{path}/analysis", {"classification": 1}) == hidden
    for order, given in (("stage", {"stage": 1}), ("finish", None), ("reopen", None)):
        assert await eva.problem("POST", f"{path}/{order}", given) == hidden
    assert await eva.problem("GET", f"/attachments/{token}") == hidden
    assert await eva.problem("POST", f"/deliveries/{delivery}/retry") == hidden
    assert await eva.problem("POST", f"/deliveries/{delivery}/discard") == hidden
    assert (await eva("GET", "/deliveries"))["items"] == []
    assert (await eva("GET", "/tickets"))["items"] == []
    assert (await eva("GET", f"/tickets?department={1}"))["items"] == []
    async with listening(eva, after=0) as stream:
        await office.house.join(eva.desk, ticket, PermissionLevel.VIEW)
        await office.house.reply(ana.desk, ticket, "de novo")
        assert (await stream.next())["ticket"] == ticket
    assert (await eva("GET", path))["level"] == "view"
    assert await eva.problem("POST", f"{path}/finish") == (403, "forbidden")
    assert await eva.problem("POST", f"/deliveries/{delivery}/retry") == (403, "forbidden")
    assert len((await eva("GET", "/deliveries"))["items"]) == 1
    new = {"subject": "x", "requester": {"name": "M"}, "body": "y", "department": 1}
    assert await eva.problem("POST", "/tickets", new) == (403, "forbidden")
