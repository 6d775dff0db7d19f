"""A real server for tests, on a free port of the loopback.

with open_shop() as engine, served(engine) as server:
    HTTPConnection("127.0.0.1", server.port).request(…)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from whereupon import Engine
from whereupon.web.serving import Server, ServerOptions


@contextmanager
def served(engine: Engine, options: ServerOptions | None = None) -> Iterator[Server]:
    """The site of an engine, served until the end of the block. The port is free, whatever the options say."""
    with Server(engine, replace(options or ServerOptions(), port=0)) as server:
        yield server
