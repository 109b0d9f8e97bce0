"""Running the web app: its socket, its signals, and an end that no open stream holds up."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fluxki_core.domain.errors import SettingsError
from litestar import Litestar

from fluxki.asgi import create_app
from fluxki.lifespan import background, stop
from fluxki.settings import Settings
from fluxki.wiring import opened

GRACE = 3  # seconds that requests under way have to end when the server stops
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Ends open streams before it waits for requests, and leaves signals to `serve`, which closes the core after."""

    def __init__(self, config: uvicorn.Config, app: Litestar, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stop(self._app)
        await super().shutdown(sockets)


async def serve(settings: Settings, host: str, port: int, *, worker: bool, ready: Callable[[str], None]) -> None:
    """Serves until a signal ends it. `ready` hears the address once requests are taken.

    Raises `SettingsError` for an address that cannot be had, or what opening the core raises.
    """
    with bound(host, port) as listening:
        async with opened(settings) as core:
            app = create_app(core, settings, worker=worker)
            config = uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACE,
                server_header=False,
            )
            server = Server(config, app, lambda: ready(_address(listening)))
            with on_signal(lambda: setattr(server, "should_exit", True)):
                await server.serve(sockets=[listening])


async def work(settings: Settings, ready: Callable[[], None]) -> None:
    """Receives, sends and announces until a signal ends it."""
    async with opened(settings) as core, background(core, worker=True):
        ended = asyncio.Event()
        with on_signal(ended.set):
            ready()
            await ended.wait()


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at that address. Raises `SettingsError` where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"web.host: {host} is no address of this machine ({error.strerror}).") from error
    with made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError as error:
            raise SettingsError(
                f"web.port: {host}:{port} cannot be used ({error.strerror}); stop what uses it, or choose"
                " another --port."
            ) from error
        yield made


@contextlib.contextmanager
def on_signal(act: Callable[[], None]) -> Iterator[None]:
    """Acts on the signals that end a process, instead of ending it at once."""
    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        loop.add_signal_handler(each, act)
    try:
        yield
    finally:
        for each in SIGNALS:
            loop.remove_signal_handler(each)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
