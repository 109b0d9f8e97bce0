"""`fluxki` as a real process."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SECONDS = 60


class Deployment:
    """A folder and a database in which commands run, with secrets of their own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("FLUXKI_")} | {
            "FLUXKI_DATABASE__URL": database_url,
            # Compiled once for all of them: a start takes a second less.
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "fluxki-tests-pycache"),
            "PYTHONDONTWRITEBYTECODE": "",
            "FLUXKI_DATABASE__SYNCHRONOUS": "NORMAL",
        }

    def run(
        self, *arguments: str, given: str = "", expect: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; no command may ever end in a traceback."""
        ended = subprocess.run(
            (sys.executable, "-m", "fluxki.cli", *arguments),
            cwd=self.folder,
            env=self.environ | environ,
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == expect, (arguments, ended.stdout, ended.stderr)
        assert "Traceback" not in ended.stderr
        return ended

    def out(self, *arguments: str, given: str = "", expect: int = 0, **environ: str) -> str:
        return self.run(*arguments, given=given, expect=expect, **environ).stdout.strip()

    def error(self, *arguments: str, given: str = "", expect: int = 1, **environ: str) -> str:
        """The one line that a command which failed gave."""
        ended = self.run(*arguments, given=given, expect=expect, **environ)
        [line] = ended.stderr.strip().splitlines()
        assert line.startswith("Error: ")
        return line

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """A command that goes on until it is told to end, and the line it said when it was ready."""
        process = subprocess.Popen(
            (sys.executable, "-m", "fluxki.cli", *arguments),
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.communicate()

    def agent(self, email: str = "ana@desk.example", role: str = "admin") -> str:
        """A new agent's token."""
        self.run("agent", "add", email, "--name", "Ana Lima", "--role", role)
        return self.out("token", "add", "--agent", email, "--name", "t")
