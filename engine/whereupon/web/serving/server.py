"""A server as an object: it listens from a thread of its own until it is closed."""

import asyncio
import socket
from threading import Event, Thread
from types import TracebackType
from typing import Self

import uvicorn

from whereupon.config.server import ServerOptions
from whereupon.engine import Engine
from whereupon.web.adapters import AsgiApp, asgi


class Server:
    """Serves the site of an engine over HTTP.

        with Server(engine, ServerOptions(port=0)) as server:
            print(server.port)

    The engine stays the caller's: it is neither started nor closed here.

    Args:
        engine: an open engine.
        options: how requests are taken.
        listening: a socket that listens already, in place of the host and the port.
    """

    def __init__(
        self,
        engine: Engine,
        options: ServerOptions | None = None,
        *,
        listening: socket.socket | None = None,
    ) -> None:
        self._options = options or ServerOptions()
        self._listening = listening
        self._running = _Running(asgi(engine))
        self._thread = Thread(target=self._serve, name="whereupon-web", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._listening is None:
            message = "the server was not started"
            raise ValueError(message)
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Listen, and return when requests are taken.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        if self._listening is None:
            self._listening = listen(self._options.host, self._options.port)
        self._thread.start()
        self._running.begun.wait()

    def close(self) -> None:
        """Take no further request, and return when those under way have their answers."""
        self._running.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        assert self._listening is not None  # noqa: S101 - `start` has seen to it
        asyncio.run(self._running.serve(sockets=[self._listening]))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


class _Running(uvicorn.Server):
    """uvicorn, which says when it takes requests."""

    def __init__(self, app: AsgiApp) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            server_header=False,
            http="httptools",
        )
        super().__init__(config)
        self.begun = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self.begun.set()
