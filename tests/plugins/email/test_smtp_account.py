"""An account whose mail server cannot be used: nothing is lost, and the reason says what to repair."""

import asyncio
import base64
import socket
import traceback
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fluxki_core.domain.traffic import SendLater
from fluxki_email import replies
from fluxki_email.settings import EmailAccount
from fluxki_email.smtp import READY, READY_IN_CLEAR, Sender
from plugins.email.letters import account, outgoing
from plugins.email.sending import NOW, SHORT, send, sender_to
from servers.smtp import Certificates, Script, Server, certificates, smtp_server

PASSWORD = "senha-secreta-123"


def tls_server(tls: str, made: Certificates, script: Script) -> AbstractAsyncContextManager[Server]:
    if tls == "implicit":
        return smtp_server(script, implicit_tls=made.context)
    return smtp_server(script, starttls=made.context)


def tls_account(server: Server, tls: str, made: Certificates, **changes: Any) -> EmailAccount:
    given = {"smtp_host": "localhost", "smtp_port": server.port, "smtp_tls": tls, "smtp_ca_file": str(made.ca_file)}
    return account(**{**given, **changes})


async def test_a_wrong_password_stops_the_account_and_loses_nothing() -> None:
    echo = " " + base64.b64encode(f"\0robo\0{PASSWORD}".encode()).decode() + " " + PASSWORD
    script = Script(user="robo", password="certa", echo=echo)
    async with smtp_server(script) as server, sender_to(server, smtp_user="robo", smtp_password=PASSWORD) as sender:
        with pytest.raises(SendLater) as caught:
            await send(sender, outgoing(attempt=500))
        checked = await sender.check()

    assert caught.value.account_wide
    assert caught.value.until - NOW <= timedelta(minutes=12)
    assert str(caught.value) == f"{replies.LOGIN_REFUSED} — 535 5.7.8 Username and Password not accepted *** ***"
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in repr(sender.account)
    assert (checked.ok, checked.text) == (False, str(caught.value))


async def test_the_pause_of_a_broken_account_grows_with_its_faults_and_not_with_a_letters_tries() -> None:
    script = Script(user="robo", password="certa")
    pauses = []
    async with smtp_server(script) as server, sender_to(server, smtp_user="robo", smtp_password="errada") as sender:
        for _ in range(5):
            with pytest.raises(SendLater) as caught:
                await send(sender, outgoing(attempt=1))
            assert not caught.value.tried
            pauses.append(caught.value.until - NOW)

    assert pauses[0] <= timedelta(minutes=1.2)
    assert timedelta(minutes=8) <= pauses[-1] <= timedelta(minutes=12)


async def test_the_right_password_is_taken() -> None:
    script = Script(user="robo", password=PASSWORD)
    async with smtp_server(script) as server, sender_to(server, smtp_user="robo", smtp_password=PASSWORD) as sender:
        await send(sender)
        checked = await sender.check()

    assert len(server.messages) == 1
    assert (checked.ok, checked.text) == (True, READY_IN_CLEAR)


async def test_a_server_that_wants_a_login_where_none_is_set_stops_the_account() -> None:
    script = Script(replies={"MAIL": "530 5.7.0 Authentication required"})
    async with smtp_server(script) as server, sender_to(server) as sender:
        with pytest.raises(SendLater, match="smtp_user") as caught:
            await send(sender)

    assert caught.value.account_wide


async def test_a_server_without_login_where_one_is_set_stops_the_account() -> None:
    async with smtp_server() as server, sender_to(server, smtp_user="robo", smtp_password=PASSWORD) as sender:
        with pytest.raises(SendLater, match="offers no login") as caught:
            await send(sender)

    assert caught.value.account_wide


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_both_kinds_of_tls_work_with_ones_own_authority(tls: str, tmp_path: Path) -> None:
    made = certificates(tmp_path)
    async with tls_server(tls, made, Script(user="robo", password=PASSWORD)) as server:
        sender = Sender(tls_account(server, tls, made, smtp_user="robo", smtp_password=PASSWORD), timeouts=SHORT)
        await send(sender)
        await send(sender)
        checked = await sender.check()
        sender.close()
        await asyncio.sleep(0.05)

    assert (len(server.messages), server.connections) == (2, 2)
    assert (checked.ok, checked.text) == (True, READY)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("wrong", ["expired", "host", "authority"])
async def test_a_certificate_that_is_not_valid_stops_the_account(tls: str, wrong: str, tmp_path: Path) -> None:
    made = certificates(tmp_path, host="other.test" if wrong == "host" else "localhost", expired=wrong == "expired")
    ca_file = None if wrong == "authority" else str(made.ca_file)
    async with tls_server(tls, made, Script()) as server:
        sender = Sender(tls_account(server, tls, made, smtp_ca_file=ca_file), timeouts=SHORT, now=lambda: NOW)
        with pytest.raises(SendLater, match="certificate") as caught:
            await send(sender)
        checked = await sender.check()
        await asyncio.sleep(0.05)

    assert caught.value.account_wide
    assert (checked.ok, checked.text.split(" — ")[0]) == (False, replies.CERTIFICATE)
    assert server.messages == []


async def test_without_starttls_on_offer_nothing_is_sent_in_the_clear() -> None:
    async with smtp_server() as server, sender_to(server, smtp_tls="starttls") as sender:
        with pytest.raises(SendLater, match="STARTTLS") as caught:
            await send(sender)

    assert caught.value.account_wide
    assert "MAIL" not in server.commands


async def test_tls_at_a_port_without_it_is_told_from_a_bad_certificate(tmp_path: Path) -> None:
    async with smtp_server() as server, sender_to(server, smtp_tls="implicit") as sender:
        checked = await sender.check()

    assert (checked.ok, checked.text) == (False, replies.NOT_TLS)


async def test_an_authority_file_that_is_missing_is_named() -> None:
    async with smtp_server() as server, sender_to(server, smtp_tls="implicit", smtp_ca_file="/none.pem") as sender:
        checked = await sender.check()

    assert (checked.ok, checked.text) == (False, f"{replies.BAD_CA_FILE} — /none.pem")


async def test_a_server_that_cannot_be_reached_stops_the_account() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        sender = Sender(account(smtp_host="127.0.0.1", smtp_port=port), timeouts=SHORT, now=lambda: NOW)
        with pytest.raises(SendLater) as caught:
            await send(sender)

    assert caught.value.account_wide
    assert str(caught.value) == replies.UNREACHABLE


async def test_a_host_name_that_does_not_exist_stops_the_account() -> None:
    sender = Sender(account(smtp_host="nowhere.invalid"), timeouts=SHORT)

    assert (await sender.check()).text == replies.UNREACHABLE


async def test_a_server_that_turns_us_away_stops_the_account() -> None:
    script = Script(replies={"EHLO": "421 4.3.2 shutting down"})
    async with smtp_server(script) as server, sender_to(server) as sender:
        with pytest.raises(SendLater, match="shutting down") as caught:
            await send(sender)

    assert caught.value.account_wide


async def test_without_a_mail_server_the_account_waits_for_one() -> None:
    sender = Sender(account(smtp_host=None, maildir="/mail"), now=lambda: NOW)
    with pytest.raises(SendLater, match="smtp_host"):
        await send(sender)
