"""The core's migrations make exactly the tables that the code describes."""

from fluxki_core.services.assembly import CORE_APP
from fluxki_core.storage import migrating, registry
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.migrations import core_2026_11_22t18_00_00_000000 as indexes
from fluxki_core.storage.piccolo_app import APP_CONFIG
from fluxki_core.storage.statements import sql
from piccolo.apps.migrations.commands.new import AutoMigrationManager


async def test_the_migrations_leave_nothing_of_the_tables_out(engine: Engine) -> None:
    registry.install(engine, [CORE_APP])

    statements = await AutoMigrationManager().get_alter_statements(APP_CONFIG)

    assert [each.statements for each in statements if each.statements] == []


async def test_migrating_twice_finds_nothing_to_do(engine: Engine) -> None:
    registry.install(engine, [CORE_APP])
    assert len(await migrating.migrate(engine)) == len(await migrating_all(engine))
    assert await migrating.pending(engine) == []
    assert await migrating.migrate(engine) == []


async def migrating_all(engine: Engine) -> list[dict[str, object]]:
    return await engine.read(sql("SELECT name FROM migration"))


async def test_every_index_that_the_queries_rely_on_is_there(engine: Engine, database_kind: str) -> None:
    registry.install(engine, [CORE_APP])
    await migrating.migrate(engine)
    catalog = (
        "SELECT indexname AS name FROM pg_indexes" if database_kind == "postgres" else "SELECT name FROM sqlite_master"
    )

    present = {row["name"] for row in await engine.read(sql(catalog))}

    assert set(indexes.INDEXES) <= present
