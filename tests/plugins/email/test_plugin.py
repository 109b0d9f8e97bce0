"""The channel's hooks, called as the host calls them."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from fluxki_core.domain.ids import AccountId
from fluxki_core.domain.people import Address
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import Account, RawItem, SendRejected
from fluxki_email.plugin import EmailPlugin
from fluxki_email.settings import EmailAccount
from plugins.email.letters import TOKEN, account, outgoing, stored_file
from servers.smtp import Server, smtp_server


class FakeDesk:
    """As much of a desk as the channel uses."""

    timezone = "America/Sao_Paulo"

    def verify(self, token: str) -> None:
        """Knows no token."""


def plugin() -> EmailPlugin:
    made = EmailPlugin()
    made.desk_ready(cast("Desk", FakeDesk()))
    return made


def mailbox(server: Server | None = None, **changes: Any) -> Account:
    given: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": server.port if server else 1, "smtp_tls": "none"}
    settings = account(**{**given, **changes})
    return Account(id=AccountId(1), channel="email", name="mail", department=None, settings=settings)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.02)


def test_the_manifest_names_the_channel_its_settings_and_its_secret() -> None:
    manifest = EmailPlugin().plugin_manifest()
    channel = manifest.channels[0]

    assert (channel.key, channel.label, channel.address_kind, channel.account) == (
        "email",
        "E-mail",
        "email",
        EmailAccount,
    )
    assert channel.secrets == {"smtp_password"}
    assert manifest.commands == {"email": "fluxki_email.commands:email"}


async def test_messages_share_a_connection_until_the_account_changes_or_stops() -> None:
    async with smtp_server() as server:
        channel = plugin()
        receiving = asyncio.create_task(channel.channel_receive(mailbox(server), cast("Any", None)))
        await channel.channel_send(mailbox(server), outgoing())
        sent = await channel.channel_send(mailbox(server), outgoing())
        assert (sent.outside_id, server.connections) == (f"{TOKEN}@acme.com.br", 1)
        await channel.channel_send(mailbox(server, from_name="Outro"), outgoing())
        assert server.connections == 2
        assert not receiving.done()
        await stop(receiving)

    assert server.commands.count("QUIT") == 2
    assert b"Outro" in server.messages[2].content


async def test_a_letter_that_cannot_be_composed_is_rejected(tmp_path: Path) -> None:
    file = stored_file(tmp_path, "a.txt", b"x", "text/plain")
    file.path.unlink()
    with pytest.raises(SendRejected, match="address is not a valid"):
        await plugin().channel_send(mailbox(), outgoing(recipient=Address("email", "not an address")))
    with pytest.raises(SendRejected, match="remove it and send again"):
        await plugin().channel_send(mailbox(), outgoing(files=(file,)))


async def test_mail_is_taken_from_the_maildir(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.host").write_bytes(b"mail")
    arrived: asyncio.Future[RawItem] = asyncio.get_running_loop().create_future()

    class Inbox:
        async def put(self, *items: RawItem) -> None:
            arrived.set_result(items[0])

    receiving = asyncio.create_task(plugin().channel_receive(mailbox(maildir=str(tmp_path)), Inbox()))
    item = await asyncio.wait_for(arrived, 5)
    await stop(receiving)

    assert item.content == b"mail"


async def test_the_check_has_a_line_for_each_direction(tmp_path: Path) -> None:
    async with smtp_server() as server:
        good = await plugin().channel_check(mailbox(server, maildir=str(tmp_path)))
        bad = await plugin().channel_check(mailbox(maildir=str(tmp_path / "a" / "b")))
        only_in = await plugin().channel_check(mailbox(smtp_host=None, maildir=str(tmp_path)))

    assert (good.ok, len(good.lines)) == (True, 2)
    assert bad.ok is False
    assert "cannot be made" in bad.lines[0]
    assert "cannot be reached" in bad.lines[1]
    assert (only_in.ok, only_in.lines) == (True, (f"Mail is taken from the folder — {tmp_path}",))
    assert not (tmp_path / "new").exists()
