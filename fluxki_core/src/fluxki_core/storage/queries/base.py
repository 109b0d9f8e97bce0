"""What all queries share: writing rows, reading one, and records made of rows."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)})"


@lru_cache(maxsize=256)
def _update(table: str, columns: tuple[str, ...]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{each} = {{}}' for each in columns)} WHERE id = {{}}"


def insert(table: str, **values: Any) -> Steps[int]:
    """Writes a row, gives its id."""
    rows = yield Statement(_insert(table, tuple(values)) + " RETURNING id", tuple(values.values()))
    return int(rows[0]["id"])


def add(table: str, **values: Any) -> Statement:
    """Writes a row whose id nobody asks for."""
    return Statement(_insert(table, tuple(values)), tuple(values.values()))


def update(table: str, record: int, **values: Any) -> Statement:
    return Statement(_update(table, tuple(values)), (*values.values(), record))


def one(statement: Statement) -> Steps[Row | None]:
    """The first row, if there is one."""
    rows = yield statement
    return rows[0] if rows else None


def where(conditions: Sequence[tuple[str, tuple[Any, ...]]]) -> tuple[str, tuple[Any, ...]]:
    """Conditions joined by AND, with their arguments in order."""
    if not conditions:
        return "", ()
    text = " AND ".join(condition for condition, _ in conditions)
    return f" WHERE {text}", tuple(each for _, args in conditions for each in args)


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


def by_id(rows: Sequence[Row], column: str) -> dict[int, list[Row]]:
    """Rows gathered by the id in one of their columns."""
    gathered: dict[int, list[Row]] = {}
    for row in rows:
        gathered.setdefault(row[column], []).append(row)
    return gathered


def select(columns: str, table: str, conditions: Mapping[str, Any]) -> Statement:
    """Rows of one table by equality; a None asks for null."""
    parts = [
        (f"{name} IS NULL", ()) if value is None else (f"{name} = {{}}", (value,)) for name, value in conditions.items()
    ]
    text, args = where(parts)
    return sql(f"SELECT {columns} FROM {table}{text} ORDER BY id", *args)
