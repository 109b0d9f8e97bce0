"""The tables and scripts that the tests of the engines share."""

from fluxki_core.storage.engines import Engine
from fluxki_core.storage.statements import Steps, sql
from piccolo.columns import JSONB, BigInt, Boolean, Bytea, Timestamptz, Varchar
from piccolo.table import Table

LONG_READ = sql(
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {}) SELECT count(*) AS n FROM c", 10**9
)


class Counter(Table):
    id = BigInt(primary_key=True)
    n = BigInt()


class Sample(Table):
    at = Timestamptz(null=True, default=None)
    flag = Boolean(null=True, default=None)
    body = Bytea(null=True, default=None)
    data = JSONB(null=True, default=None)
    kind = Varchar(null=True, default=None)


def added(identity: int, n: int = 0) -> Steps[None]:
    yield sql("INSERT INTO counter (id, n) VALUES ({}, {})", identity, n)


def incremented(identity: int = 1) -> Steps[int]:
    """Reads, then writes what it has read plus one: lost updates show."""
    (row,) = yield sql("SELECT n FROM counter WHERE id = {} FOR UPDATE", identity)
    yield sql("UPDATE counter SET n = {} WHERE id = {}", row["n"] + 1, identity)
    return int(row["n"]) + 1


async def counted(engine: Engine, identity: int = 1) -> int:
    (row,) = await engine.read(sql("SELECT n FROM counter WHERE id = {}", identity))
    return int(row["n"])


async def identities(engine: Engine) -> list[int]:
    return [row["id"] for row in await engine.read(sql("SELECT id FROM counter ORDER BY id"))]
