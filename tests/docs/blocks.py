"""The code blocks of the docs, so that tests can run them."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of one language in a page of the repository, in their order."""
    text = (ROOT / page).read_text()
    return [found[2] for found in _BLOCK.finditer(text) if found[1] == language]
