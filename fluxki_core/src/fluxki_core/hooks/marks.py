"""The markers by which specs and plugins name their hooks.

A marker only writes an attribute on the function: a plugin's module can be imported without anything happening.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import pluggy

F = TypeVar("F", bound=Callable[..., Any])

PROJECT = "fluxki"
FAMILY = "fluxki_family"

_spec = pluggy.HookspecMarker(PROJECT)
_impl = pluggy.HookimplMarker(PROJECT)


class Family(StrEnum):
    DECLARE = "declare"
    ADDRESS = "address"
    ANNOUNCE = "announce"


def _family(name: Family) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, FAMILY, name)
        return _spec(function)

    return mark


declare = _family(Family.DECLARE)
address = _family(Family.ADDRESS)
announce = _family(Family.ANNOUNCE)


def hookimpl(function: F) -> F:
    """Marks a plugin's method as the implementation of the hook of the same name."""
    return _impl(function)
