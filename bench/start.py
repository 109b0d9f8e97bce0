"""How long `fluxki serve` takes to its first answer, and what it holds when idle: one JSON line.

On a migrated SQLite database, as medians of RUNS starts: `first_answer_s` from the process's start to an answer of
`/healthz`, `api_answer_s` to one of `/api/v1/tickets`, `idle_rss_mib` IDLE seconds after that, with the worker running.
`first_start_s` is the very first one, which makes the database.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil  # type: ignore[import-untyped]

RUNS = 5
IDLE = 3.0
FLUXKI = (sys.executable, "-m", "fluxki.cli")


def started(folder: Path) -> tuple[subprocess.Popen[str], str, float]:
    """The server, its address, and the seconds until it answered."""
    began = time.perf_counter()
    process = subprocess.Popen((*FLUXKI, "serve", "--port", "0"), cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    urllib.request.urlopen(f"{address}/healthz").read()
    return process, address, time.perf_counter() - began


def ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=10)


def said(folder: Path, *arguments: str) -> str:
    """What a command prints."""
    done = subprocess.run((*FLUXKI, *arguments), cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def measure(folder: Path) -> dict[str, float]:
    process, _, first = started(folder)
    ended(process)
    said(folder, "agent", "add", "ana@bench.example", "--name", "Ana", "--role", "admin")
    token = said(folder, "token", "add", "--agent", "ana@bench.example", "--name", "bench")
    answers, calls, sizes = [], [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        process, address, seconds = started(folder)
        request = urllib.request.Request(f"{address}/api/v1/tickets", headers={"Authorization": f"Bearer {token}"})
        urllib.request.urlopen(request).read()
        calls.append(time.perf_counter() - began)
        answers.append(seconds)
        time.sleep(IDLE)
        sizes.append(psutil.Process(process.pid).memory_info().rss / (1 << 20))
        ended(process)
    return {
        "first_start_s": first,
        "first_answer_s": statistics.median(answers),
        "api_answer_s": statistics.median(calls),
        "idle_rss_mib": statistics.median(sizes),
    }


def main() -> None:
    with TemporaryDirectory() as folder:
        for key in [each for each in os.environ if each.startswith("FLUXKI_") or each == "PYTHONDONTWRITEBYTECODE"]:
            del os.environ[key]
        # As installed: what the first start compiles is there for the others.
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/pycache"
        figures = {key: round(value, 3) for key, value in measure(Path(folder)).items()}
    print(json.dumps({"bench": "start", **figures}))


if __name__ == "__main__":
    main()
