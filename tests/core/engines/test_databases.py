"""The tests' own databases: a copy of a template holds what the template holds, and is its own."""

from core.engines.counting import Counter, added, identities
from fluxki_core.storage.engines import engine_for
from fluxki_core.storage.registry import install
from servers.databases import Databases


async def test_a_database_copied_from_a_template_is_its_own(databases: Databases) -> None:
    template = await databases.fresh()
    engine = engine_for(template)
    await engine.start()
    install(engine, [])
    await Counter.create_table()
    await engine.run(lambda: added(1))
    await engine.close()

    urls = [await databases.fresh(template) for _ in range(2)]
    assert await after_adding(2, urls[0]) == [1, 2]
    assert await after_adding(3, urls[1]) == [1, 3]
    for url in (*urls, template):
        await databases.drop(url)


async def after_adding(identity: int, url: str) -> list[int]:
    engine = engine_for(url)
    await engine.start()
    await engine.run(lambda: added(identity))
    found = await identities(engine)
    await engine.close()
    return found
