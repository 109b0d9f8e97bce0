"""Running `children.py` in processes of their own."""

import asyncio
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent.parent


async def child(what: str, url: str, argument: str, *, ends_with: int = 0) -> object:
    """What the child printed; it must end by itself within 60 seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "children.py"),
        what,
        url,
        argument,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode == ends_with, errors.decode()
    return json.loads(out) if out else None
