"""An engine whose database holds the tables of `counting`."""

import pytest
from core.engines.counting import Counter, Sample
from fluxki_core.storage.engines import Engine
from fluxki_core.storage.registry import install


@pytest.fixture
async def counters(engine: Engine) -> Engine:
    """An engine with the empty tables counter, which then has row 1 at 0, and sample."""
    install(engine, [])
    await Counter.create_table()
    await Sample.create_table()
    await Counter.insert(Counter(id=1, n=0))
    return engine
