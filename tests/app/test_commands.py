"""The other commands, as real processes."""

import json
import sys
from pathlib import Path

import pytest
from app.commands import Deployment
from fluxki_core.hooks.loader import load
from fluxki_core.storage.statements import Steps, sql
from house import House, opened_house
from paper import letter


@pytest.fixture
def deployment(tmp_path: Path, house_url: str) -> Deployment:
    return Deployment(tmp_path, house_url)


def test_help_loads_neither_the_web_nor_the_database(deployment: Deployment) -> None:
    import subprocess

    script = (
        "import sys\nfrom fluxki.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([each for each in ('litestar', 'piccolo', 'uvicorn', 'asyncpg') if each in sys.modules])"
    )
    shown = subprocess.run(
        (sys.executable, "-c", script),
        cwd=deployment.folder,
        env=deployment.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip().splitlines()[-1] == "[]"
    for command in ("serve", "worker", "migrate", "doctor", "agent", "token", "plugins", "channels", "parked", "email"):
        assert f"\n  {command} " in shown
    assert "Traceback" not in deployment.run("--help", FLUXKI_WEB__PORT="x").stderr


def test_settings_that_cannot_be_are_told_in_one_line(deployment: Deployment) -> None:
    assert "web.port" in deployment.error("parked", FLUXKI_WEB__PORT="x")
    assert "fault settings: web.port" in deployment.out("doctor", expect=1, FLUXKI_WEB__PORT="x")
    assert "no settings file" in deployment.error("--config", "missing.toml", "parked")
    assert "did you mean FLUXKI_WEB__PORT" in deployment.error("serve", FLUXKI_WEB__PROT="1")
    assert "at least 16 characters" in deployment.error("channels", FLUXKI_WEB__SECRET_KEY="short")
    assert "less than 16 characters" in deployment.out("doctor", expect=1, FLUXKI_WEB__SECRET_KEY="short")
    assert "data_dir: /proc/none is no folder" in deployment.error("migrate", FLUXKI_DATA_DIR="/proc/none")


def test_migrate_brings_the_schema_up_to_date(tmp_path: Path, database_url: str) -> None:
    deployment = Deployment(tmp_path, database_url)
    pending = deployment.out("migrate", "--check", expect=1).splitlines()
    assert pending[0].startswith("core 2026-")
    assert deployment.out("migrate").splitlines() == pending
    assert deployment.out("migrate") == "Nothing was pending."
    assert deployment.out("migrate", "--check") == "Nothing is pending."


def test_an_agent_and_a_token_are_added(deployment: Deployment) -> None:
    add = ("agent", "add", "Ana@Desk.example", "--name", "Ana", "--role", "admin")
    assert (
        deployment.out(*add, "--password-stdin", given="uma senha longa\n") == "Added Ana <ana@desk.example> as admin."
    )
    assert "already" in deployment.error(*add)
    assert "at least 10" in deployment.error(*add[:2], "x@y.example", *add[3:], "--password-stdin", given="short\n")
    assert "king" in deployment.run(*add[:-1], "king", expect=2).stderr
    token = deployment.run("token", "add", "--agent", "ana@desk.example", "--name", "t")
    assert token.stdout.startswith("fx_")
    assert len(token.stdout.split()) == 1
    assert token.stderr == ""
    assert "no agent" in deployment.error("token", "add", "--agent", "nobody@desk.example", "--name", "t")


def test_plugins_are_listed_with_why_they_are_off(deployment: Deployment) -> None:
    assert deployment.out("plugins").split() == ["email", "0.1.0", "on"]
    assert deployment.out("plugins", "list", FLUXKI_PLUGINS__ENABLED="").split("\t")[2:] == [
        "off",
        "not in plugins.enabled",
    ]
    lines = deployment.out("plugins", FLUXKI_PLUGINS__ENABLED="email,pigeon").splitlines()
    assert lines[1].startswith("pigeon\t-\toff\tPlugin pigeon is enabled but not installed")
    assert "email" in load().plugins
    assert "No such command 'email'" in deployment.run("email", expect=2, FLUXKI_PLUGINS__ENABLED="").stderr


def test_an_account_is_added_checked_and_removed(deployment: Deployment) -> None:
    (deployment.folder / "mail" / "new").mkdir(parents=True)
    (deployment.folder / "mail" / "cur").mkdir()
    (deployment.folder / "mail" / "tmp").mkdir()
    add = ("channels", "add", "email", "--name")
    pairs = ("address=a@desk.example", f"maildir={deployment.folder / 'mail'}")
    assert deployment.out(*add, "Suporte", *pairs) == "Added Suporte (email), the default one."
    secret = ("smtp_host=127.0.0.1", "smtp_port=1", "smtp_tls=none", "smtp_user=a", "smtp_password=-")
    more = ("--department", "Atendimento")
    assert deployment.out(*add, "Vendas", *more, *pairs, *secret, given="hunter2\n") == "Added Vendas (email)."
    listed = deployment.out("channels").splitlines()
    assert [line.split("\t")[2] for line in listed] == ["Suporte", "Vendas"]
    assert deployment.out("channels", "check", "Suporte")
    assert "hunter2" not in deployment.out("channels", "check", "Vendas", expect=1)
    assert "no department" in deployment.error(*add, "X", "--department", "Lua", *pairs)
    assert "already" in deployment.error(*add, "Vendas", *pairs) or "name" in deployment.error(*add, "Vendas", *pairs)
    assert "colour" in deployment.error(*add, "X", *pairs, "colour=blue")
    assert "channel: Choose one of: email" in deployment.error("channels", "add", "pigeon", "--name", "X")
    assert "KEY=VALUE" in deployment.run(*add, "X", "address", expect=2).stderr
    assert deployment.out("channels", "remove", "Vendas") == "Removed Vendas."
    assert "There is no account Vendas" in deployment.error("channels", "remove", "Vendas")


def test_a_plugins_command_works_on_this_deployment(deployment: Deployment) -> None:
    deployment.run("channels", "add", "email", "--name", "S", "address=a@desk.example", "smtp_host=localhost")
    (deployment.folder / "1.eml").write_bytes(b"From: m@escola.example\r\nSubject: Oi\r\n\r\nOi\r\n")
    counts = json.loads(deployment.out("email", "ingest", "--account", "S", "--json", "1.eml"))
    assert (counts["read"], counts["accepted"]) == (1, 1)
    assert "There is no account" in deployment.error("email", "ingest", "--account", "X", "1.eml")
    again = deployment.out(
        "email", "ingest", "--account", "S", "--json", "1.eml", FLUXKI_PLUGINS__ENABLED="email,pigeon"
    )
    assert json.loads(again)["duplicate"] == 1


def test_doctor_says_a_line_for_each_part(tmp_path: Path, database_url: str) -> None:
    deployment = Deployment(tmp_path, database_url)
    assert "fault migrations" in deployment.out("doctor", expect=1)
    deployment.run("migrate")
    lines = deployment.out("doctor").splitlines()
    parts = ["settings", "data_dir", "disk", "secret key", "plugin email", "database", "migrations", "clock"]
    assert [line[6:].partition(":")[0] for line in lines][:8] == parts
    (deployment.folder / "var" / "secret.key").chmod(0o644)
    assert "fault secret key" in deployment.out("doctor", expect=1)
    (deployment.folder / "var" / "secret.key").chmod(0o600)
    smtp = ("smtp_host=127.0.0.1", "smtp_port=1", "smtp_tls=none")
    deployment.run("channels", "add", "email", "--name", "S", "address=a@desk.example", *smtp)
    found = {each["what"]: each["verdict"] for each in json.loads(deployment.out("doctor", "--json", expect=1))}
    assert (found["account S"], found["database"], found["clock"]) == ("fault", "ok", "ok")
    away = deployment.out("doctor", expect=1, FLUXKI_DATABASE__URL="postgresql://a:hunter2@127.0.0.1:1/x")
    assert "fault database" in away
    assert "hunter2" not in away
    assert "fault plugin pigeon" in deployment.out("doctor", expect=1, FLUXKI_PLUGINS__ENABLED="pigeon")


async def test_what_got_stuck_is_listed_and_mended(house_url: str, tmp_path: Path) -> None:
    async with opened_house(house_url, tmp_path / "house") as house:
        await _stuck(house)
    deployment = Deployment(tmp_path, house_url)
    lines = deployment.out("parked").splitlines()
    ids = [line.split("\t")[0] for line in lines]
    assert len(ids) == 2
    assert "illegible" in lines[0]
    assert deployment.out("parked", "discard", ids[0]) == "Discarded 1."
    assert "None of these is parked" in deployment.error("parked", "replay", ids[0])
    assert deployment.out("parked", "replay") == "Replayed 1."
    assert deployment.out("parked", "list") == ""
    [first, second] = [line.split("\t") for line in deployment.out("deliveries").splitlines()]
    assert first[1:] == ["failed", "#1", "maria@escola.example", "1", "mailbox full"]
    assert deployment.out("deliveries", "retry", first[0]) == f"{first[0]}\tqueued"
    assert deployment.out("deliveries", "discard", second[0]) == f"{second[0]}\tdiscarded"
    assert deployment.out("deliveries", "list") == ""
    assert "no such delivery" in deployment.error("deliveries", "retry", "999")


async def _stuck(house: House) -> None:
    from fluxki_core.domain.traffic import SendRejected

    ana = await house.agent()
    ticket = await house.ticket_from(letter())
    await house.analyze(ana, ticket)

    async def refuse(_: object) -> None:
        raise SendRejected("mailbox full")

    async def illegible(_: object) -> None:
        raise ValueError("illegible")

    house.paper.sending = refuse  # type: ignore[assignment]
    await house.reply(ana, ticket, "um")
    await house.reply(ana, ticket, "dois")
    await house.send()
    house.paper.reading = illegible
    for text in ("a", "b"):
        await house.take_in(letter(text=text))


async def test_buried_announcements_are_listed_and_revived(house: House, house_url: str, tmp_path: Path) -> None:
    await house.ticket_from(letter())

    def bury() -> Steps[None]:
        event = (yield sql("SELECT max(id) AS id FROM event"))[0]["id"]
        yield sql(
            "INSERT INTO announcement (event_id, plugin, state, attempts, due_at, error)"
            " VALUES ({}, 'paper', 'buried', 8, {}, 'RuntimeError: no ink')",
            *(event, house.core.unit.now()),
        )

    await house.core.unit.run("bury", bury)
    deployment = Deployment(tmp_path, house_url)

    assert "buried\tpaper\tmessage_received" in deployment.out("announcements")
    assert deployment.out("announcements", "revive") == "Revived 1."
    assert "due\tpaper" in deployment.out("announcements", "list")
