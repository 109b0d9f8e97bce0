"""What checks the project: `uvx nox` runs it all, `uvx nox -s NAME` one session.

Every session installs what `requirements.lock` names into an environment of its own.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests", "plugin-email"]

LOCK = "requirements.lock"
REPORTS = Path(".nox") / "reports"
CODE = ["fluxki_core", "app", "plugins", "tests", "bench", "noxfile.py"]


def install(session: nox.Session, *packages: str, groups: tuple[str, ...] = ()) -> None:
    """Installs workspace packages (folders) and dependency groups, at the versions of the lock file."""
    arguments = [each for package in packages for each in ("-e", package)]
    arguments += [each for group in groups for each in ("--group", group)]
    session.run_install("uv", "pip", "install", "--quiet", "--constraint", LOCK, *arguments, silent=True)


def pytest(session: nox.Session, name: str, *arguments: str) -> None:
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{name}.xml"
    session.run("pytest", "-n", "2", f"--junitxml={report}", *arguments, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the floors that imports must not cross."""
    install(session, "fluxki_core", "app", "plugins/fluxki_email", groups=("lint",))
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    install(session, "fluxki_core", "app", "plugins/fluxki_email", groups=("dev",))
    session.run("mypy", "fluxki_core/src", "app/src", "plugins/fluxki_email/src", "tests", "bench")


@nox.session
@nox.parametrize("db", ["sqlite", "postgres"])
def tests(session: nox.Session, db: str) -> None:
    """The whole suite on one database."""
    install(session, "fluxki_core", "app", "plugins/fluxki_email", groups=("test", "app-test"))
    pytest(session, f"tests-{db}", f"--db={db}")


@nox.session(name="plugin-email")
def plugin_email(session: nox.Session) -> None:
    """The core and the e-mail plugin alone, without the app."""
    install(session, "fluxki_core", "plugins/fluxki_email", groups=("test",))
    pytest(session, "plugin-email", "tests/core", "tests/plugins/email")


@nox.session
@nox.parametrize("db", ["sqlite", "postgres"])
def soak(session: nox.Session, db: str) -> None:
    """Long loops: processes killed at random moments while mail comes in and replies go out."""
    install(session, "fluxki_core", "app", "plugins/fluxki_email", groups=("test", "app-test"))
    pytest(session, f"soak-{db}", f"--db={db}", "--soak", "--timeout=3000", "-m", "soak")
