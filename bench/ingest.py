"""Measures `fluxki email ingest`: 500 realistic mails into SQLite with synchronous FULL.

    uv run python bench/ingest.py FOLDER_OF_EML [--count 500]

Prints one JSON line: mails a second through the whole way in (raw store, parsing, cleaning, files, the intake
transaction), and beside it the rate at which the standard library alone parses and fully decodes the same mails with
`policy.default`, in the same process. The goal is 200 a second or 60 % of that rate, whichever is less.
"""

import argparse
import asyncio
import email
import email.policy
import json
import tempfile
import time
from pathlib import Path

from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.traffic import Taken
from fluxki_core.hooks.loader import assemble
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountDraft
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import CoreSettings
from fluxki_core.services.desk import CoreDesk
from fluxki_core.storage.engines import engine_for
from fluxki_email.archives import items
from fluxki_email.plugin import EmailPlugin

CHUNK = 50


def standard_library(paths: list[Path]) -> float:
    """Mails a second when `email` decodes every part of every mail."""
    began = time.perf_counter()
    for path in paths:
        with path.open("rb") as file:
            message = email.message_from_binary_file(file, policy=email.policy.default)
        for header in ("From", "To", "Subject", "Date", "Message-ID"):
            str(message[header])
        for part in message.walk():
            if not part.is_multipart():
                part.get_content()
    return len(paths) / (time.perf_counter() - began)


async def ours(paths: list[Path]) -> float:
    """Mails a second into a new database on disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = engine_for(f"sqlite:///{folder}/bench.db", synchronous="FULL")
        host = assemble({"email": EmailPlugin})
        async with opened_core(engine, host, CoreSettings(data_dir=folder), ["a secret for the benchmark"]) as core:
            settings = {"address": "support@helpdesk.example", "maildir": str(folder / "Maildir")}
            await accounts.add(core, SYSTEM, AccountDraft(channel="email", name="Suporte", settings=settings))
            desk = CoreDesk(core, SYSTEM)
            began = time.perf_counter()
            found = [item for path in paths for item in items(path)]
            outcomes: list[Taken] = []
            for start in range(0, len(found), CHUNK):
                outcomes += await desk.take_in("Suporte", found[start : start + CHUNK])
            took = time.perf_counter() - began
    parked = [each.detail for each in outcomes if each.outcome == "parked"]
    assert not parked, parked
    return len(paths) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    chosen = parser.parse_args()
    paths = sorted(chosen.folder.rglob("*.eml"))[: chosen.count]
    standard = standard_library(paths)
    rate = asyncio.run(ours(paths))
    goal = min(200.0, 0.6 * standard)
    print(
        json.dumps(
            {
                "bench": "ingest",
                "mails": len(paths),
                "per_second": round(rate, 1),
                "standard_library_per_second": round(standard, 1),
                "goal": round(goal, 1),
                "met": rate >= goal,
            }
        )
    )


if __name__ == "__main__":
    main()
