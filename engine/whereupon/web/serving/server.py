"""A server as an object: it listens from a thread of its own until it is closed."""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

import uvicorn

from whereupon.config.server import ServerOptions
from whereupon.engine import Engine
from whereupon.runtime.log_lines import log_event
from whereupon.web.adapters import AsgiApp
from whereupon.web.door.options import DEFAULT, DoorOptions
from whereupon.web.http import Answer
from whereupon.web.management.application import management_app, path_templates
from whereupon.web.page_options import PageOptions
from whereupon.web.serving.application import Application
from whereupon.web.serving.budget import Budget
from whereupon.web.serving.connections import Connections
from whereupon.web.serving.fair_queue import FairQueue
from whereupon.web.serving.limits import Limits
from whereupon.web.serving.operations import Figures, Operations
from whereupon.web.serving.routes import Templates
from whereupon.web.serving.sockets import files_for_connections, listen
from whereupon.web.serving.store_watch import StoreWatch, question_to
from whereupon.web.serving.traffic import Traffic
from whereupon.web.serving.workers import Workers
from whereupon.web.site import NO_CALLBACKS, Callback, Site

_LOG = logging.getLogger("whereupon.web")
_BACKLOG = 2048


class Server:
    """Serves the site of an engine over HTTP.

        with Server(engine, ServerOptions(port=0)) as server:
            print(server.port)

    The engine stays the caller's: it is neither started nor closed here. Signals are the caller's, too.

    Args:
        engine: an open engine.
        options: how requests are taken.
        pages, callbacks, door: see `Site`.
        management: whether the management API is answered below ``/api/``, in threads of its own.
        rules: the folder that a call of that API to reload reads again; None if there is none.
        figures: makes the metrics of this server as a text for Prometheus; then ``/metrics`` has them, for
            management keys.
        listening: a socket that is bound already, in place of the host and the port.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that a host decides
        self,
        engine: Engine,
        options: ServerOptions | None = None,
        *,
        pages: PageOptions | None = None,
        callbacks: Mapping[str, Callback] = NO_CALLBACKS,
        door: DoorOptions | None = DEFAULT,
        management: bool = False,
        rules: Path | None = None,
        figures: Callable[[Traffic], bytes] | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        self.options = options or ServerOptions()
        self._queue = FairQueue(self.options.threads)
        self._budget = Budget(self.options.queue_bytes, self.options.queue_share)
        self.traffic = Traffic(self._budget, self._queue)
        self._site = Site(
            engine, pages=pages, callbacks=callbacks, door=door, is_shared=self._queue.is_shared
        )
        self._management: AsgiApp | None = None
        self._templates = Templates(())
        if management:
            self._management = management_app(engine, rules=rules)
            self._templates = Templates([*path_templates(), "/api/openapi.json"])
        self._listening = listening
        self._watch = StoreWatch(question_to(engine))
        self._operations = Operations(
            self._watch,
            figures=self._figures(figures),
            verify=engine.keys.verify,
        )
        self._begun = Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._connections: Connections | None = None
        self._thread: Thread | None = None

    def _figures(self, make: Callable[[Traffic], bytes] | None) -> Figures | None:
        if make is None:
            return None
        return lambda: make(self.traffic)

    @property
    def port(self) -> int:
        """The port that it listens on; raises `ValueError` before the start."""
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
            self._listening = listen(self.options.host, self.options.port)
        self._watch.start()
        self._thread = Thread(
            target=self._serve, args=[self._listening], name="whereupon-web", daemon=True
        )
        self._thread.start()
        self._begun.wait()
        if self._failure is not None:
            self._watch.close()
            raise self._failure

    def drain(self) -> None:
        """Go on, but say that no more should come: readiness is off, and connections end behind their answers."""
        self._operations.is_draining = True
        if self._loop is not None and self._connections is not None and self._is_alive:
            self._loop.call_soon_threadsafe(self._connections.drain)

    def close(self) -> None:
        """Take no further request, and return when those under way have their answers, or after the grace."""
        self.drain()
        if self._thread is not None and self._loop is not None and self._is_alive:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        self._watch.close()
        if self._listening is not None:
            self._listening.close()

    @property
    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

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

    # --- the thread -------------------------------------------------------------------------------

    def _serve(self, listening: socket.socket) -> None:
        try:
            asyncio.run(self._live(listening))
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            self._failure = error
        finally:
            self._begun.set()

    async def _live(self, listening: socket.socket) -> None:
        loop = self._loop = asyncio.get_running_loop()
        workers = Workers[Answer](self._queue, loop)
        application = Application(
            self._site.answer,
            options=self.options,
            budget=self._budget,
            workers=workers,
            watch=self._watch,
            operations=self._operations,
            traffic=self.traffic,
            management=self._management,
            templates=self._templates,
        )
        connections = self._connections = Connections(
            self._config(application),
            self._limits(),
            self._budget,
            self.traffic,
            loop,
            application.take,
        )
        clock = loop.create_task(_tell_time(connections))
        listener = await loop.create_server(connections.make, sock=listening, backlog=_BACKLOG)
        self._begun.set()
        await self._closing.wait()
        listener.close()
        until = monotonic() + self.options.grace.total_seconds()
        await connections.ended(until)
        clock.cancel()
        await asyncio.to_thread(workers.close, max(0.0, until - monotonic()))

    def _config(self, application: AsgiApp) -> uvicorn.Config:
        config = uvicorn.Config(
            application,
            interface="asgi3",
            log_config=None,
            ws="none",
            lifespan="off",
            http="httptools",
            proxy_headers=self.options.proxy_headers,
            forwarded_allow_ips=self.options.forwarded_allow_ips,
            root_path=self.options.root_path,
        )
        config.load()
        return config

    def _limits(self) -> Limits:
        wanted = self.options.max_connections
        possible = min(wanted, files_for_connections())
        if possible < wanted:
            log_event(_LOG, logging.WARNING, "few-files", connections=possible, wanted=wanted)
        return Limits.from_options(self.options, connections=possible)


async def _tell_time(connections: Connections) -> None:
    """Keep the header ``Date`` of answers."""
    while True:
        date = formatdate(usegmt=True).encode()
        connections.state.default_headers = [(b"date", date)]
        await asyncio.sleep(1)
