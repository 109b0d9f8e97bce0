"""Sending through a real SMTP server on loopback, one that can be told to misbehave."""

import asyncio
from datetime import timedelta

import pytest
from fluxki_core.domain.people import Address
from fluxki_core.domain.traffic import SendLater, SendRejected, SendUncertain, Sent
from fluxki_email import replies
from fluxki_email.compose import compose
from fluxki_email.connection import Timeouts
from plugins.email.letters import TOKEN, ZONE, outgoing
from plugins.email.sending import NOW, send, sender_to
from servers.smtp import Script, smtp_server


async def test_a_message_arrives_byte_for_byte_and_says_under_which_id() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        letter = outgoing(body_text=".\n.ponto no início\n..dois\n" + "x" * 5000)
        sent = await send(sender, letter)

    assert sent == Sent(outside_id=f"{TOKEN}@acme.com.br", detail="250 2.0.0 queued as ABC123")
    message = server.messages[0]
    assert (message.sender, message.recipients) == ("suporte@acme.com.br", ["maria@cliente.com.br"])
    assert message.content == compose(letter, sender.account, ZONE)
    assert "SMTPUTF8" not in message.options


async def test_one_connection_serves_many_messages_one_after_the_other() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        await asyncio.gather(*(send(sender, outgoing(token=f"t{number}")) for number in range(5)))

    assert server.connections == 1
    assert [command for command in server.commands if command in {"MAIL", "DATA"}] == ["MAIL", "DATA"] * 5


async def test_a_refused_message_does_not_cost_the_connection() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        server.script.replies = {"RCPT": "550 5.1.1 no such user"}
        with pytest.raises(SendRejected):
            await send(sender)
        server.script.replies = {}
        await send(sender)

    assert server.connections == 1


async def test_the_connection_is_closed_when_idle_and_opened_again() -> None:
    async with smtp_server() as server, sender_to(server, idle=0.05) as sender:
        await send(sender)
        await asyncio.sleep(0.2)
        assert server.commands[-1] == "QUIT"
        await send(sender)

    assert server.connections == 2


async def test_a_retired_sender_finishes_the_message_on_its_way() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        sending = asyncio.create_task(send(sender))
        await asyncio.sleep(0)
        sender.retire()
        await sending
        await asyncio.sleep(0.05)

    assert server.commands[-1] == "QUIT"


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced_unseen() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        await send(sender)
        server.drop_connections()
        await asyncio.sleep(0.05)
        await send(sender)

    assert (server.connections, len(server.messages)) == (2, 2)


async def test_a_connection_that_breaks_at_mail_from_is_replaced_unseen() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        await send(sender)
        server.script = Script(closes_at="MAIL", once=True)
        await send(sender)

    assert (server.connections, len(server.messages)) == (2, 2)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("MAIL", replies.REFUSED_SENDER),
        ("RCPT", replies.REFUSED_RECIPIENT),
        ("DATA", replies.REFUSED_MESSAGE),
        ("MESSAGE", replies.REFUSED_MESSAGE),
    ],
)
async def test_mail_39_a_permanent_refusal_is_final_and_says_why(command: str, words: str) -> None:
    script = Script(replies={command: "550 5.1.1 mailbox unknown"})
    async with smtp_server(script) as server, sender_to(server) as sender:
        with pytest.raises(SendRejected) as caught:
            await send(sender)

    assert str(caught.value) == f"{words} — 550 5.1.1 mailbox unknown"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "MESSAGE"])
async def test_mail_39_a_temporary_refusal_waits_longer_each_time(command: str) -> None:
    script = Script(replies={command: "451 4.7.1 greylisted"})
    pauses = []
    async with smtp_server(script) as server, sender_to(server) as sender:
        for attempt in (1, 3, 20):
            with pytest.raises(SendLater, match="greylisted") as caught:
                await send(sender, outgoing(attempt=attempt))
            assert not caught.value.account_wide
            pauses.append((caught.value.until - NOW) / timedelta(minutes=1))

    assert 0.8 <= pauses[0] <= 1.2
    assert 3.2 <= pauses[1] <= 4.8
    assert 48 <= pauses[2] <= 72


async def test_mail_39_after_two_days_of_attempts_a_message_is_given_up() -> None:
    waits = sum((replies.wait(attempt) for attempt in range(1, replies.ATTEMPTS)), timedelta())
    assert timedelta(hours=44) < waits < timedelta(hours=52)

    async with smtp_server(Script(replies={"RCPT": "451 later"})) as server, sender_to(server) as sender:
        with pytest.raises(SendLater):
            await send(sender, outgoing(attempt=replies.ATTEMPTS - 1))
        with pytest.raises(SendRejected, match="two days"):
            await send(sender, outgoing(attempt=replies.ATTEMPTS))


@pytest.mark.parametrize("script", [Script(closes_at="MESSAGE"), Script(hangs=True), Script(replies={"MESSAGE": "hm"})])
async def test_mail_39_a_break_after_the_message_was_begun_may_have_sent_it(script: Script) -> None:
    patience = Timeouts(message=1)
    async with smtp_server(script) as server, sender_to(server, timeouts=patience) as sender:
        with pytest.raises(SendUncertain):
            await send(sender)
        server.script = Script()
        await send(sender, outgoing(token="another"))

    assert len(server.messages) == 1
    assert server.connections == 2


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_mail_39_a_break_before_the_message_was_begun_is_tried_again_soon(command: str) -> None:
    async with smtp_server(Script(closes_at=command)) as server, sender_to(server) as sender:
        with pytest.raises(SendLater) as caught:
            await send(sender)

    assert not caught.value.account_wide
    assert caught.value.until - NOW < timedelta(minutes=2)


async def test_a_cancelled_message_does_not_lend_its_answer_to_the_next() -> None:
    async with smtp_server(Script(hangs=True)) as server, sender_to(server) as sender:
        sending = asyncio.create_task(send(sender))
        await server.hanging.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        server.script = Script()
        await send(sender)

    assert server.connections == 2


async def test_mail_39_smtputf8_is_asked_for_only_where_the_address_needs_it() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        await send(sender, outgoing(recipient=Address("email", "maria@açaí.com.br")))
        await send(sender, outgoing(recipient=Address("email", "joão@açaí.com.br")))

    assert [("SMTPUTF8" in one.options) for one in server.messages] == [False, True]
    assert [one.recipients for one in server.messages] == [["maria@xn--aa-4iaz.com.br"], ["joão@xn--aa-4iaz.com.br"]]


async def test_mail_39_a_server_without_smtputf8_means_another_address_is_needed() -> None:
    async with smtp_server(smtputf8=False) as server, sender_to(server) as sender:
        with pytest.raises(SendRejected, match="SMTPUTF8"):
            await send(sender, outgoing(recipient=Address("email", "joão@acme.com.br")))


async def test_mail_39_what_is_no_address_never_reaches_the_server() -> None:
    async with smtp_server() as server, sender_to(server) as sender:
        with pytest.raises(SendRejected, match="correct it"):
            await sender.send(outgoing(recipient=Address("email", "a@b\r\nRCPT TO:<c@d>")), b"x\r\n")

    assert server.commands == []


async def test_too_large_a_message_is_refused_before_it_travels() -> None:
    async with smtp_server(size_limit=1000) as server, sender_to(server) as sender:
        with pytest.raises(SendRejected, match=replies.REFUSED_SENDER):
            await send(sender)

    assert "DATA" not in server.commands


async def test_a_message_does_not_wait_for_its_turn_until_its_own_time_is_over() -> None:
    patience = Timeouts(turn=0.05)
    async with smtp_server(Script(hangs=True)) as server, sender_to(server, timeouts=patience) as sender:
        hanging = asyncio.create_task(send(sender))
        await server.hanging.wait()
        with pytest.raises(SendLater, match="taking long") as caught:
            await send(sender)
        hanging.cancel()
        await asyncio.wait({hanging})

    assert not caught.value.account_wide
