"""Messages, their images and their deliveries over REST."""

from app.clients import Office
from fluxki_core.domain.traffic import SendRejected
from paper import letter

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def test_s28_s29_a_public_message_is_sent_and_a_note_is_not(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    path = f"/tickets/{ticket}/messages"
    note = await ana("POST", path, {"body_text": "ligar antes", "visibility": "private"}, expect=201)
    assert (note["visibility"], note["delivery"]) == ("private", [])
    await office.house.analyze(ana.desk, ticket)
    stage = office.house.stages["Em andamento"]
    written = await ana("POST", path, {"body_html": "<p>Olá</p>", "stage": stage}, expect=201)
    [delivery] = written["delivery"]
    assert (delivery["state"], delivery["recipient"], delivery["ticket"]) == ("queued", "maria@escola.example", ticket)
    assert (written["author"], written["channel"]) == ({"kind": "agent", "name": "Ana Lima"}, "paper")
    assert set(written) == {
        *("id", "author", "visibility", "body_html", "body_text", "sent_at", "channel", "nature", "stranger"),
        *("notices", "delivery", "attachments"),
    }
    assert (await ana("GET", f"/tickets/{ticket}"))["stage"]["name"] == "Em andamento"
    assert await office.house.send() == 1
    assert [each.body_text for each in office.house.paper.pile] == ["Olá"]
    found = await ana("GET", path)
    assert [each["body_text"] for each in found["items"]][1:] == ["ligar antes", "Olá"]
    assert [each["state"] for each in found["items"][2]["delivery"]] == ["sent"]
    first = await ana("GET", f"{path}?limit=2")
    rest = await ana("GET", path, params={"cursor": first["next"]})
    assert [*first["items"], *rest["items"]] == found["items"]


async def test_s54_a_message_can_finish_the_ticket(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)
    await ana("POST", f"/tickets/{ticket}/messages", {"body_html": "<p>Pronto</p>", "finish": True}, expect=201)
    assert (await ana("GET", f"/tickets/{ticket}"))["state"] == "finished"


async def test_s24_an_image_goes_in_and_out_by_its_address(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)
    for prefix in ("/api/v1/attachments/", f"{office.address}/api/v1/attachments/", "cid:"):
        token = await ana.upload("foto.png", PNG, "image/png")
        body = f'<p>Veja <img alt="" src="{prefix}{token}"></p>'
        written = await ana("POST", f"/tickets/{ticket}/messages", {"body_html": body}, expect=201)
        assert f'src="/api/v1/attachments/{token}"' in written["body_html"]
        assert [each["inline"] for each in written["attachments"]] == [True]
        assert f'src="cid:{token}"' in (await office.house.messages(ticket))[-1].body_html
    assert (await ana.raw("GET", f"/attachments/{token}")).content == PNG


async def test_a_message_must_be_one_that_can_be_written(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)
    for body in (
        {},
        {"body_text": " "},
        {"body_html": "<p></p>"},
        {"body_html": "<p>a</p>", "body_text": "a"},
        {"body_text": "a", "attachments": ["nowhere"]},
        {"body_text": "a", "visibility": "secret"},
        {"body_text": "a", "stage": 999},
        {"body_text": "a", "recipients": []},
        {"body_text": None},
        {"body_text": "x" * 1_000_001},
    ):
        assert await ana.problem("POST", f"/tickets/{ticket}/messages", body) == (422, "invalid"), body
    assert len(await office.house.messages(ticket)) == 1


async def test_d41_a_message_that_nothing_can_carry_is_refused(office: Office) -> None:
    ana, bia = await office.caller(), await office.admin()
    new = {"subject": "Sem endereço", "requester": {"name": "Maria"}, "body": "Ligou."}
    ticket = (await ana("POST", "/tickets", new, expect=201))["number"]
    await office.house.analyze(ana.desk, ticket)
    path = f"/tickets/{ticket}/messages"
    assert await ana.problem("POST", path, {"body_text": "Olá"}) == (409, "no_address")
    [account] = (await bia("GET", "/channel-accounts"))["items"]
    await bia("DELETE", f"/channel-accounts/{account['id']}", expect=204)
    assert await ana.problem("POST", path, {"body_text": "Olá"}) == (409, "no_channel")
    assert len(await office.house.messages(ticket)) == 1


async def test_s46_a_chat_takes_plain_text_only(office: Office) -> None:
    ana = await office.caller()
    new = {"subject": "Chat", "kind": "chat", "requester": {"name": "Maria"}, "body": "Oi"}
    path = f"/tickets/{(await ana('POST', '/tickets', new, expect=201))['number']}/messages"
    assert await ana.problem("POST", path, {"body_html": "<p>a</p>", "visibility": "private"}) == (422, "invalid")
    note = await ana("POST", path, {"body_text": "<b>literal</b>", "visibility": "private"}, expect=201)
    assert note["body_html"] == "<p>&lt;b&gt;literal&lt;/b&gt;</p>"


async def test_a_delivery_that_failed_is_listed_and_sent_again_or_given_up(office: Office) -> None:
    ana = await office.caller()
    ticket = await office.house.ticket_from(letter())
    await office.house.analyze(ana.desk, ticket)

    async def refuse(_: object) -> None:
        raise SendRejected("mailbox full")

    paper = office.house.paper
    sending, paper.sending = paper.sending, refuse  # type: ignore[assignment]
    for text in ("um", "dois"):
        await office.house.reply(ana.desk, ticket, text)
    await office.house.send()
    page = await ana("GET", "/deliveries?limit=1")
    [first] = page["items"]
    [second] = (await ana("GET", "/deliveries", params={"cursor": page["next"]}))["items"]
    assert (first["state"], first["reason"]) == ("failed", "mailbox full")
    paper.sending = sending
    assert (await ana("POST", f"/deliveries/{first['id']}/retry"))["state"] == "queued"
    assert (await ana("POST", f"/deliveries/{second['id']}/discard"))["state"] == "discarded"
    await office.house.send()
    assert [each.body_text for each in paper.pile] == ["um"]
    assert (await ana("GET", "/deliveries"))["items"] == []
    assert await ana.problem("POST", f"/deliveries/{first['id']}/retry") == (404, "not_found")
    assert await ana.problem("POST", "/deliveries/999/discard") == (404, "not_found")
    assert await ana.problem("GET", "/deliveries?cursor=x") == (422, "invalid")
