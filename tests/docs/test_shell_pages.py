"""README.md, docs/admin.md and docs/api.md: what stands in their shell blocks works as written."""

from pathlib import Path

import pytest
from docs.blocks import ROOT
from docs.running import free_port, page_script, run_shell

SERVED = """
fluxki migrate
fluxki agent add ana@desk.example --name "Ana Lima" --role admin
TOKEN=$(fluxki token add --agent ana@desk.example --name docs)
fluxki channels add email --name Suporte address=suporte@desk.example smtp_host=127.0.0.1 smtp_port=9 smtp_tls=none
fluxki serve > serve.log 2>&1 &
curl -sS --retry 50 --retry-connrefused --retry-delay 1 -o /dev/null "$BASE/readyz"
"""


@pytest.mark.sqlite_only
def test_the_quick_start_takes_a_mail_through_to_the_finished_ticket(tmp_path: Path) -> None:
    web, smtp = str(free_port()), str(free_port())
    replaced = {"pip install uv": ":", "uv run ": "", "localhost:8000": f"localhost:{web}", "1025": smtp}

    done = run_shell(page_script("README.md", replaced=replaced), tmp_path, FLUXKI_WEB__PORT=web)

    assert done.code == 0, done.printed
    assert '"state":"finished"' in done.printed
    letter = (tmp_path / "var" / "smtp.log").read_text()
    assert "To: Maria Souza <maria@escola.example>" in letter
    assert "[#1]" in letter


@pytest.mark.sqlite_only
def test_the_admin_page_works(tmp_path: Path) -> None:
    done = run_shell(page_script("docs/admin.md", replaced={}), tmp_path, FLUXKI_WEB__PORT=str(free_port()))
    assert done.code == 0, done.printed


@pytest.mark.sqlite_only
def test_the_api_page_works(tmp_path: Path) -> None:
    port = str(free_port())
    script = page_script("docs/api.md", before=SERVED, replaced={"curl -sS": "curl --fail-with-body -sS"})

    done = run_shell(script, tmp_path, FLUXKI_WEB__PORT=port, BASE=f"http://localhost:{port}")

    assert done.code == 0, done.printed


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install uv && uvx nox"
    assert command in (ROOT / "README.md").read_text()
    assert command in (ROOT / ".ci" / "run").read_text()
