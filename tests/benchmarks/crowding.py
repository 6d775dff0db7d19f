"""Connections that do nothing good, held open: a process of its own.

    python -m tests.benchmarks.crowding PORT COUNT idle|headers|body|unread

It prints ``ready`` when all are open, and opens another for each that the server closes, until its standard input
ends. Then it prints how many the server closed.

- ``idle`` says nothing.
- ``headers`` sends a part of its headers, and then nothing.
- ``body`` sends its headers and a part of the body, and then nothing.
- ``unread`` asks for answers and reads none.
"""

import asyncio
import sys
from contextlib import suppress

_HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: shop.example\r\n"
_BODY = _HEAD + b"Content-Length: 10000\r\n\r\n" + b'{"batch": ['
_SENT = {
    "idle": b"",
    "headers": _HEAD,
    "body": _BODY,
    "unread": b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\n\r\n" * 50,
}
_AT_ONCE = 200
_ADDRESSES = 8
"""Addresses of the loopback that connections come from, so that ports suffice."""


class _Crowd:
    def __init__(self, port: int, count: int, kind: str) -> None:
        self._port, self._count, self._sent = port, count, _SENT[kind]
        self._reads = kind != "unread"
        self._opening = asyncio.Semaphore(_AT_ONCE)
        self._open = self.closed = 0
        self.is_ready = asyncio.Event()

    async def stay(self, number: int) -> None:
        """Keep one connection open, a new one whenever it is closed."""
        address = f"127.0.0.{2 + number % _ADDRESSES}"
        while True:
            with suppress(OSError):
                async with self._opening:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", self._port, local_addr=(address, 0)
                    )
                    writer.write(self._sent)
                self._open += 1
                if self._open >= self._count:
                    self.is_ready.set()
                if self._reads:
                    while await reader.read(4096):
                        pass
                else:
                    await writer.wait_closed()
                writer.close()
                self._open -= 1
                self.closed += 1


async def _main(port: int, count: int, kind: str) -> None:
    crowd = _Crowd(port, count, kind)
    tasks = [asyncio.create_task(crowd.stay(number)) for number in range(count)]
    await crowd.is_ready.wait()
    print("ready", flush=True)  # noqa: T201 - it talks to the benchmark
    await asyncio.to_thread(sys.stdin.read)
    print(crowd.closed, flush=True)  # noqa: T201
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
