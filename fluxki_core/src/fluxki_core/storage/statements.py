"""SQL as values, and scripts: transactions written as plain generators.

A script yields statements and gets their rows back; it cannot await, so nothing slow can stand inside a transaction.
SQLite runs a whole script in one hop to its writer thread; PostgreSQL runs it statement by statement on one
connection. The same script serves both.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = dict[str, Any]


class Statement(NamedTuple):
    """SQL with `{}` for each argument. Lock clauses (`FOR UPDATE [OF t] [SKIP LOCKED]`) stand as on PostgreSQL;
    SQLite's engine leaves them out, since its transactions hold the one write lock from their start.
    """

    template: str
    args: tuple[Any, ...]


Steps: TypeAlias = Generator[Statement, list[Row], T]


def sql(template: str, *args: Any) -> Statement:
    return Statement(template, args)


def savepoint(steps: Steps[T]) -> Steps[T]:
    """Runs steps so that their failure undoes them alone, and is raised again."""
    yield sql("SAVEPOINT step")
    try:
        result = yield from steps
    except Exception:
        yield sql("ROLLBACK TO SAVEPOINT step")
        yield sql("RELEASE SAVEPOINT step")
        raise
    yield sql("RELEASE SAVEPOINT step")
    return result


def marks(values: Sequence[Any]) -> str:
    """`{}, {}, {}` for a list of values; `IN (…)` needs at least one."""
    if not values:
        raise ValueError("an empty list has no place in IN (…)")
    return ", ".join(["{}"] * len(values))
