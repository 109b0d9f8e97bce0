"""A throw-away PostgreSQL server for tests, on a free loopback port, gone with the tests."""

import ctypes
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGE = "postgresql"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
# What is lost in a crash is thrown away anyhow.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "deadlock_timeout": "100ms",
    **FAST,
}
_PR_SET_PDEATHSIG = 1


class Cluster:
    """One server with its own data folder. Trusts everybody on loopback; its superuser is `postgres`."""

    def __init__(self) -> None:
        self._programs = _programs() or _installed_programs()
        self._user = _unprivileged_user()
        self.folder = Path(tempfile.mkdtemp(prefix="fluxki-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        try:
            self._initdb()
            self.port = _free_port()
            self.start()
        except BaseException:
            self.remove()
            raise

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts the server, on the same port and data as before, and waits until it takes connections."""
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                start_new_session=True,  # Ctrl-C is for the tests, which stop the server themselves
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops the server at once, ending its connections; the data stay."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_SECONDS)

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initdb(self) -> None:
        command: list[str | Path] = [self._programs / "initdb", "-D", self.folder / "data", "-U", "postgres"]
        command += ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(command, cwd=self.folder, user=self._user, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stderr}")

    def _ready(self) -> bool:
        probe: list[str | Path] = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, cwd=self.folder, check=False).returncode == 0


def _programs() -> Path | None:
    """The folder of the newest server programs."""
    folders = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _installed_programs() -> Path:
    """Installs the server where that is possible, without the cluster that Debian would start at once."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"--db=postgres needs PostgreSQL's server programs: install the package {PACKAGE!r}")
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("create_main_cluster = false\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-o", "Dpkg::Options::=--force-confold", PACKAGE]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed; install the package {PACKAGE!r}:\n{done.stderr}")
    programs = _programs()
    if programs is None:
        raise RuntimeError(f"the package {PACKAGE!r} brought no initdb")
    return programs


def _unprivileged_user() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root. None for the user of the tests."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise RuntimeError(f"PostgreSQL cannot run as {getpass.getuser()}, and there is no user postgres or nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
