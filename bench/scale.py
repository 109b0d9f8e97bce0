"""Fills a database with tickets and measures whether REST's list and ticket keep their pace as it grows.

    uv run python bench/scale.py [--db sqlite|postgres] [--sizes 10000,100000,1000000]

Prints one JSON line: for each size the seconds it took to fill, and the milliseconds of `GET /tickets`,
`GET /tickets/N` and `GET /tickets/N/messages` of a ticket with 50 messages, over loopback from `fluxki serve`: the
median of the best of several rounds, since other work on the machine comes and goes. Three messages a ticket on
average, 5 % of the tickets open. PostgreSQL is a throw-away cluster.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from servers.postgres import Cluster

FLUXKI = [sys.executable, "-m", "fluxki.cli"]
ROUNDS, REQUESTS = 6, 60

# One ticket in twenty is open; activity falls one a minute back from now. Both databases read this.
SERIES = "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) "
CUSTOMERS = "INSERT INTO customer (name, created_at) {series} SELECT 'Cliente ' || i, {now} FROM n"
CONTACTS = (
    "INSERT INTO contact (name, customer_id, created_at) {series} SELECT 'Contato ' || i, 1 + i % 2000, {now} FROM n"
)
TICKETS = (
    "INSERT INTO ticket (subject, kind, state, stage_id, requester_id, customer_id, department_id, priority,"
    " created_at, last_activity_at) {series} SELECT 'Chamado de teste ' || i, 'standard',"
    " CASE WHEN i % 20 = 0 THEN 'open' ELSE 'finished' END, CASE WHEN i % 20 = 0 THEN 1 ELSE 4 END,"
    " 1 + i % 20000, 1 + i % 2000, 1, 'normal', {at}, {at} FROM n"
)
MESSAGES = (
    "INSERT INTO message (ticket_id, author_kind, author_name, contact_id, visibility, body_html, body_text, sent_at,"
    " nature, stranger, notices) {series} SELECT {ticket}, 'contact', 'Contato', 1 + i % 20000, 'public',"
    " '<p>' || {text} || '</p>', {text}, {at}, 'person', {false}, '[]' FROM n"
)
TEXT = "'Bom dia, o relatório mensal não é gerado desde a atualização de ontem. Já tentei de novo, caso ' || i"


class Filler:
    """Runs the statements on one of the databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self.now = "strftime('%Y-%m-%d %H:%M:%S', 'now') || '+00:00'" if self.sqlite else "now()"
        minutes = "strftime('%Y-%m-%d %H:%M:%S', 'now', '-' || ({rank}) || ' minutes') || '+00:00'"
        self.minutes_ago = minutes if self.sqlite else "now() - ({rank}) * interval '1 minute'"

    async def run(self, *statements: str) -> None:
        if self.sqlite:
            with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                connection.execute("PRAGMA foreign_keys = OFF")
                for each in statements:
                    connection.execute(each)
                connection.commit()
                connection.execute("ANALYZE")
            return
        connection = await asyncpg.connect(self.url)
        for each in statements:
            await connection.execute(each)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    async def people(self) -> None:
        await self.run(
            CUSTOMERS.format(series=SERIES.format(first=1, last=2000), now=self.now),
            CONTACTS.format(series=SERIES.format(first=1, last=20000), now=self.now),
        )

    async def tickets(self, first: int, last: int, size: int) -> None:
        """Tickets of these numbers with three messages each."""
        ago = self.minutes_ago.format(rank=f"{size} - i")
        false = "0" if self.sqlite else "false"
        shared = {"text": TEXT, "at": self.minutes_ago.format(rank=f"{size} - i / 3"), "false": false}
        messages = SERIES.format(first=3 * first, last=3 * last + 2)
        await self.run(
            TICKETS.format(series=SERIES.format(first=first, last=last), at=ago),
            MESSAGES.format(series=messages, ticket="i / 3", **shared),
        )

    async def long_one(self, ticket: int) -> None:
        """Brings a ticket to 50 messages."""
        false = "0" if self.sqlite else "false"
        shared = {"text": TEXT, "at": self.minutes_ago.format(rank="60 - i"), "false": false}
        await self.run(MESSAGES.format(series=SERIES.format(first=4, last=50), ticket=str(ticket), **shared))


def fluxki(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([*FLUXKI, *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextlib.contextmanager
def served(environment: dict[str, str]) -> Iterator[str]:
    """`fluxki serve` without its worker; gives the address."""
    base = f"http://127.0.0.1:{environment['FLUXKI_WEB__PORT']}"
    process = subprocess.Popen([*FLUXKI, "serve", "--no-worker"], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{base}/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(10)


def median_ms(client: httpx.Client, path: str) -> float:
    return round(min(_round_ms(client, path) for _ in range(ROUNDS)), 2)


def _round_ms(client: httpx.Client, path: str) -> float:
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        client.get(path).raise_for_status()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def measure(url: str, folder: Path, sizes: list[int]) -> dict[str, dict[str, float]]:
    environment = os.environ | {
        "FLUXKI_DATABASE__URL": url,
        "FLUXKI_DATA_DIR": str(folder),
        "FLUXKI_WEB__PORT": "8765",
    }
    fluxki(environment, "migrate")
    fluxki(environment, "agent", "add", "bench@desk.example", "--name", "Bench", "--role", "agent")
    token = fluxki(environment, "token", "add", "--agent", "bench@desk.example", "--name", "bench")
    filler = Filler(url)
    await filler.people()
    result: dict[str, dict[str, float]] = {}
    filled = 0
    for size in sizes:
        began = time.perf_counter()
        await filler.tickets(filled + 1, size, size)
        long = size - size % 20
        await filler.long_one(long)
        took = round(time.perf_counter() - began, 1)
        filled = size
        with served(environment) as base, httpx.Client(base_url=base, timeout=30) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            result[str(size)] = {
                "fill_s": took,
                "list_ms": median_ms(client, "/api/v1/tickets"),
                "ticket_ms": median_ms(client, f"/api/v1/tickets/{long}"),
                "messages_ms": median_ms(client, f"/api/v1/tickets/{long}/messages?limit=50"),
            }
        print(f"{size}: {result[str(size)]}", file=sys.stderr)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--sizes", default="10000,100000,1000000")
    chosen = parser.parse_args()
    sizes = [int(each) for each in chosen.sizes.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.db == "sqlite":
            result = asyncio.run(measure(f"sqlite:///{folder}/scale.db", folder, sizes))
        else:
            cluster = Cluster()
            try:
                result = asyncio.run(measure(cluster.url(), folder, sizes))
            finally:
                cluster.remove()
    print(json.dumps({"bench": "scale", "db": chosen.db, "sizes": result}))


if __name__ == "__main__":
    main()
