"""From a statement's template and arguments to what each driver takes."""

import re
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

# Upper case only, so that no text literal is taken for a clause.
_LOCK_CLAUSE = re.compile(
    r"\s+FOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)(?:\s+OF\s+[\w\", ]+?)?(?:\s+(?:SKIP\s+LOCKED|NOWAIT))?(?=\s*(?:\)|;|$))"
)
_PLAIN = frozenset({int, str, bool, float, bytes, type(None)})


@lru_cache(maxsize=2048)
def for_sqlite(template: str) -> str:
    return _LOCK_CLAUSE.sub("", template).replace("{}", "?")


@lru_cache(maxsize=2048)
def for_postgres(template: str) -> str:
    first, *rest = template.split("{}")
    return first + "".join(f"${number}{text}" for number, text in enumerate(rest, 1))


def bind(args: tuple[Any, ...]) -> list[Any]:
    """Arguments as both drivers take them. Raises ValueError for a naive datetime."""
    return [arg if type(arg) in _PLAIN else _adapted(arg) for arg in args]


def _adapted(arg: Any) -> Any:
    if isinstance(arg, Enum):
        return arg.value
    if isinstance(arg, datetime) and arg.utcoffset() is None:
        raise ValueError(f"{arg!r} is naive: a time in a statement must be aware, best in UTC")
    return arg
