"""The database under test: `--db=sqlite` or `--db=postgres`, one server a session, one fresh database a test."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from fluxki_core.hooks.loader import assemble
from fluxki_core.services.assembly import opened_core
from fluxki_core.services.core import CoreSettings
from fluxki_core.storage.engines import Engine, engine_for
from house import SECRET, House, opened_house
from servers.databases import Databases, PostgresDatabases, SQLiteDatabases
from servers.postgres import Cluster

KINDS = ("sqlite", "postgres")
SERVER_URL = pytest.StashKey[str]()
CLUSTER = pytest.StashKey[Cluster]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--db", choices=KINDS, default="sqlite", help="the database that the tests run on")
    parser.addoption("--soak", action="store_true", help="also run the long loops, which take minutes")


def pytest_configure(config: pytest.Config) -> None:
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}_only: concerns {kind} alone; not collected for the other database")
    if config.getoption("--db") != "postgres" or config.option.collectonly:
        return
    handed_over: dict[str, str] | None = getattr(config, "workerinput", None)
    if handed_over is not None:
        config.stash[SERVER_URL] = handed_over["server_url"]
        return
    config.stash[CLUSTER] = cluster = Cluster()
    config.stash[SERVER_URL] = cluster.url()


def pytest_unconfigure(config: pytest.Config) -> None:
    cluster = config.stash.get(CLUSTER, None)
    if cluster is not None:
        cluster.remove()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells each of xdist's workers where the one server is."""
    if SERVER_URL in node.config.stash:
        node.workerinput["server_url"] = node.config.stash[SERVER_URL]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    other = next(kind for kind in KINDS if kind != config.getoption("--db"))
    unwanted = [f"{other}_only"] if config.getoption("--soak") else [f"{other}_only", "soak"]
    foreign = [item for item in items if any(item.get_closest_marker(name) for name in unwanted)]
    if foreign:
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if item not in set(foreign)]


@pytest.fixture(scope="session")
def database_kind(pytestconfig: pytest.Config) -> str:
    """`sqlite` or `postgres`."""
    return str(pytestconfig.getoption("--db"))


@pytest.fixture(scope="session")
def databases(
    pytestconfig: pytest.Config, database_kind: str, tmp_path_factory: pytest.TempPathFactory, worker: str
) -> Databases:
    if database_kind == "sqlite":
        return SQLiteDatabases(tmp_path_factory.mktemp("databases"))
    return PostgresDatabases(pytestconfig.stash[SERVER_URL], f"test_{worker}")


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this test process among xdist's."""
    workerinput: dict[str, str] = getattr(request.config, "workerinput", {})
    return workerinput.get("workerid", "main")


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """A new, empty database."""
    url = await databases.fresh()
    yield url
    await databases.drop(url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """A started engine on a new, empty database."""
    engine = engine_for(database_url, synchronous="NORMAL")
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(databases: Databases) -> str:
    """The URL of a migrated database with the starting set, to be copied."""
    url = await databases.fresh()
    engine = engine_for(url, synchronous="NORMAL")
    with TemporaryDirectory() as folder:
        settings = CoreSettings(data_dir=Path(folder))
        async with opened_core(engine, assemble({}), settings, [SECRET]):
            pass
    return url


@pytest.fixture
async def house_url(databases: Databases, migrated: str) -> AsyncIterator[str]:
    """A fresh copy of the migrated database."""
    url = await databases.fresh(migrated)
    yield url
    await databases.drop(url)


@pytest.fixture
async def house(house_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A core with the paper channel."""
    async with opened_house(house_url, tmp_path) as house:
        yield house
