"""`fluxki serve` and `fluxki worker` as real processes: how they start, work and end."""

import signal
import socket
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from app.commands import Deployment

LETTER = (
    b"From: Maria <maria@escola.example>\r\nTo: suporte@desk.example\r\nSubject: Impressora\r\n"
    b"Message-ID: <1@escola.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 -0300\r\n\r\nParou.\r\n"
)


@pytest.fixture
def deployment(tmp_path: Path, house_url: str) -> Deployment:
    return Deployment(tmp_path, house_url)


def mailbox(deployment: Deployment) -> Path:
    """An account that takes in from a folder."""
    folder = deployment.folder / "mail"
    for each in ("new", "cur", "tmp"):
        (folder / each).mkdir(parents=True)
    deployment.run("channels", "add", "email", "--name", "Suporte", "address=suporte@desk.example", f"maildir={folder}")
    return folder


def answered(address: str, token: str, wanted: int, seconds: float = 15) -> int:
    """The number of open tickets, as soon as it is what is wanted."""
    until = monotonic() + seconds
    while True:
        answer = httpx.get(f"{address}/api/v1/tickets", headers={"Authorization": f"Bearer {token}"})
        found = len(answer.json()["items"])
        if found == wanted or monotonic() > until:
            return found
        sleep(0.1)


def test_s5_serve_works_too_and_ends_at_once_with_an_open_stream(deployment: Deployment) -> None:
    token = deployment.agent()
    folder = mailbox(deployment)
    with deployment.running("serve", "--port", "0") as (process, said):
        address = said.split()[-1]
        assert said == f"Fluxki serves at {address}"
        (folder / "new" / "1").write_bytes(LETTER)
        assert answered(address, token, 1) == 1
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{address}/api/v1/events?after=0", headers=headers, timeout=30) as stream:
            assert next(stream.iter_lines()) == "retry: 2000"
            began = monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert monotonic() - began < 5
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_serve_without_worker_leaves_the_mail_to_one(deployment: Deployment) -> None:
    token = deployment.agent()
    folder = mailbox(deployment)
    with deployment.running("serve", "--port", "0", "--no-worker") as (_, said):
        address = said.split()[-1]
        (folder / "new" / "1").write_bytes(LETTER)
        assert answered(address, token, 1, seconds=3) == 0
        with deployment.running("worker") as (worker, ready):
            assert ready == "Fluxki works"
            assert answered(address, token, 1) == 1
            began = monotonic()
            worker.send_signal(signal.SIGINT)
            assert worker.wait(10) == 0
            assert monotonic() - began < 5


def test_what_another_process_wrote_reaches_an_open_stream(deployment: Deployment) -> None:
    token = deployment.agent()
    headers = {"Authorization": f"Bearer {token}"}
    with (
        deployment.running("serve", "--port", "0") as (_, said),
        httpx.stream("GET", f"{said.split()[-1]}/api/v1/events", headers=headers, timeout=20) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        deployment.run("agent", "add", "rui@desk.example", "--name", "Rui", "--role", "agent")
        assert next(line for line in lines if line.startswith("event:")) == "event: settings_changed"


def test_a_port_in_use_is_told_in_one_line(deployment: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = deployment.error("serve", "--port", port)
    assert f"web.port: 127.0.0.1:{port} cannot be used" in line
    assert "--port" in line
    assert "web.host" in deployment.error("serve", "--host", "nowhere.invalid", "--port", "0")


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody:hunter2@127.0.0.1:1/nothing", "sqlite:////proc/nowhere/fluxki.db", "mysql://x/y"],
)
@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "agent"])
def test_a_database_that_cannot_be_reached_is_told_in_one_line(deployment: Deployment, url: str, command: str) -> None:
    more = {"serve": ("--port", "0"), "agent": ("add", "a@b.example", "--name", "A", "--role", "agent")}
    line = deployment.error(command, *more.get(command, ()), FLUXKI_DATABASE__URL=url)
    assert "hunter2" not in line
