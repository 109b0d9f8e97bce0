"""Values go in and come out alike on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum

import msgspec
import pytest
from core.engines.counting import Sample
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.engines.compiling import for_postgres, for_sqlite
from fluxki_core.storage.statements import Row, Statement, Steps, marks, sql

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
TIMES = [
    NOON - timedelta(microseconds=1),
    NOON,
    NOON + timedelta(microseconds=1),
    NOON + timedelta(milliseconds=500),
    NOON + timedelta(seconds=1),
]


class Word(StrEnum):
    YES = "yes"


class Number(IntEnum):
    ONE = 1


class Pair(Enum):
    LEFT = "left"


def only(statement: Statement) -> Steps[list[Row]]:
    return (yield statement)


async def test_times_keep_their_value_and_order(counters: Engine) -> None:
    def write() -> Steps[None]:
        for at in reversed(TIMES):
            yield sql("INSERT INTO sample (at) VALUES ({})", at)

    await counters.run(write)
    rows = await counters.read(sql("SELECT at FROM sample ORDER BY at"))
    assert [row["at"] for row in rows] == TIMES
    assert all(row["at"].tzinfo is UTC for row in rows)
    later = await counters.read(sql("SELECT at FROM sample WHERE at > {} ORDER BY at", NOON))
    assert [row["at"] for row in later] == TIMES[2:]


async def test_a_time_of_another_zone_equals_the_same_moment_in_utc(counters: Engine) -> None:
    lisbon_summer = timezone(timedelta(hours=1))
    await Sample.insert(Sample(at=NOON))
    await counters.run(lambda: only(sql("INSERT INTO sample (at) VALUES ({})", NOON.astimezone(lisbon_summer))))
    (row,) = await counters.read(sql("SELECT count(*) AS n FROM sample WHERE at = {}", NOON))
    assert row["n"] == 2


async def test_a_naive_time_is_refused(counters: Engine) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        await counters.read(sql("SELECT id FROM sample WHERE at = {}", naive))
    with pytest.raises(ValueError, match="aware"):
        await counters.run(lambda: only(sql("INSERT INTO sample (at) VALUES ({})", naive)))


@pytest.mark.parametrize("member", [Word.YES, Pair.LEFT])
async def test_enum_members_are_stored_as_their_values(counters: Engine, member: Enum) -> None:
    await counters.run(lambda: only(sql("INSERT INTO sample (kind) VALUES ({})", member)))
    assert await counters.read(sql("SELECT kind FROM sample WHERE kind = {}", member)) == [{"kind": member.value}]


async def test_a_number_enum_finds_a_number(counters: Engine) -> None:
    assert await counters.read(sql("SELECT id FROM counter WHERE id = {}", Number.ONE)) == [{"id": 1}]


async def test_flags_bytes_text_and_none_come_back_as_they_went(counters: Engine) -> None:
    wanted = {"flag": True, "body": b"\x00\xff", "kind": "Ação {} 'x'", "at": None}
    values = tuple(wanted.values())
    await counters.run(
        lambda: only(sql(f"INSERT INTO sample (flag, body, kind, at) VALUES ({marks(values)})", *values))
    )
    assert await counters.read(sql("SELECT flag, body, kind, at FROM sample")) == [wanted]
    assert await counters.read(sql("SELECT id FROM sample WHERE flag = {}", False)) == []


async def test_json_travels_as_text(counters: Engine) -> None:
    await counters.run(lambda: only(sql("INSERT INTO sample (data) VALUES ({})", '{"a": {}}')))
    (row,) = await counters.read(sql("SELECT data FROM sample"))
    assert isinstance(row["data"], str)
    assert msgspec.json.decode(row["data"]) == {"a": {}}


async def test_returned_columns_convert_to_a_struct_on_both(counters: Engine) -> None:
    class Returned(msgspec.Struct):
        at: datetime
        flag: bool

    rows = await counters.run(
        lambda: only(sql("INSERT INTO sample (at, flag) VALUES ({}, {}) RETURNING at, flag", NOON, True))
    )
    assert msgspec.convert(rows, list[Returned], strict=False) == [Returned(NOON, True)]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("SELECT 1 FROM t WHERE a = {} FOR UPDATE", "SELECT 1 FROM t WHERE a = ?"),
        ("SELECT 1 FROM t JOIN u ON u.id = t.u FOR UPDATE OF t", "SELECT 1 FROM t JOIN u ON u.id = t.u"),
        (
            "UPDATE t SET a = {} WHERE id IN (SELECT id FROM t LIMIT {} FOR UPDATE SKIP LOCKED) RETURNING id",
            "UPDATE t SET a = ? WHERE id IN (SELECT id FROM t LIMIT ?) RETURNING id",
        ),
        ("SELECT 1 FROM t\nFOR NO KEY UPDATE OF t, u NOWAIT", "SELECT 1 FROM t"),
        ("SELECT 'wait for update' AS x", "SELECT 'wait for update' AS x"),
    ],
)
def test_sqlite_gets_no_lock_clauses(template: str, expected: str) -> None:
    assert for_sqlite(template) == expected


def test_postgres_gets_numbered_arguments_and_its_lock_clauses() -> None:
    assert for_postgres("SELECT {} + {} FOR UPDATE") == "SELECT $1 + $2 FOR UPDATE"
