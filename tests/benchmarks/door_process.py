"""A server whose CPU is measured: the door before an engine, or an endpoint that only parses.

    python -m tests.benchmarks.door_process door|parse STORE

It prints its port and a key, as JSON; then, for each line of its standard input, what it has used until then: the CPU
seconds of the process, and those within `Engine.ingest`.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec
import uvicorn
from typing_extensions import override

from whereupon import Engine
from whereupon.pipeline.ingestion import Ingested
from whereupon.web.adapters import Event, Receive, Send
from whereupon.web.serving import Server, ServerOptions
from whereupon.web.serving.sockets import listen

_SAID = b'{"success":true}'


class _Measured(Engine):
    """An engine that adds up the CPU of `ingest`, which runs in threads of the server."""

    used = 0.0
    _lock = threading.Lock()

    @override
    def ingest(self, batch: Any, **more: Any) -> Ingested:
        began = time.thread_time()
        try:
            return super().ingest(batch, **more)
        finally:
            spent = time.thread_time() - began
            with self._lock:
                _Measured.used += spent


def _door(store: str, stack: ExitStack) -> dict[str, object]:
    """The door, served as `whereupon serve` does."""
    engine = stack.enter_context(_Measured.open(store))
    secret = engine.keys.create("benchmark", kind="server").secret
    server = stack.enter_context(Server(engine, ServerOptions(port=0)))
    return {"port": server.port, "secret": secret}


def _parse(_: str, stack: ExitStack) -> dict[str, object]:
    """An endpoint of the same kind that reads the JSON, and does nothing with it."""
    decode: Callable[[bytes], object] = msgspec.json.Decoder().decode

    async def application(_scope: Event, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        decode(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"16")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _SAID})

    config = uvicorn.Config(
        application, log_config=None, access_log=False, ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=[[listening]], daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    stack.callback(stop)
    return {"port": listening.getsockname()[1], "secret": "none"}


def main() -> None:
    """Serve until standard input ends."""
    kind, store = sys.argv[1:]
    with ExitStack() as stack:
        begun = {"door": _door, "parse": _parse}[kind](store, stack)
        print(json.dumps(begun), flush=True)  # noqa: T201 - it talks to the benchmark
        for _ in sys.stdin:
            used = {"cpu": time.process_time(), "ingest": _Measured.used}
            print(json.dumps(used), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
