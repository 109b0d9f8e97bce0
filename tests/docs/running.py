"""Runs the shell blocks of a page in an empty folder, with the installed `fluxki` and on free ports."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from docs.blocks import blocks

END = "the script has ended"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ran(NamedTuple):
    """How a script ended, and what it printed."""

    code: int
    printed: str


def run_shell(script: str, folder: Path, **environment: str) -> Ran:
    """Runs the script with bash, then stops what it left running."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLUXKI_")}
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=kept | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    # What the script leaves in the background holds the pipe, so its end is told by a line of its own.
    with process:
        assert process.stdout is not None
        printed = list(takewhile(lambda line: not line.startswith(END), process.stdout))
        process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    return Ran(process.returncode, "".join(printed))


def page_script(page: str, *, before: str = "", replaced: dict[str, str]) -> str:
    """All shell blocks of a page as one script, with some words replaced."""
    script = "\n".join([f"trap 'echo; echo {END}' EXIT", before, *blocks(page, "bash")])
    for old, new in replaced.items():
        script = script.replace(old, new)
    return script
