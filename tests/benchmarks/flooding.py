"""One key's flood: a process that sends requests as fast as they are answered.

    python -m tests.benchmarks.flooding PORT SECRET CONNECTIONS

It prints ``ready`` after its first answer, goes on until its standard input ends, and then prints how many answers
came with each status, as JSON.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections import Counter
from itertools import count

_BATCH = 100


async def _flood(
    port: int, secret: str, number: int, answers: Counter[int], is_begun: asyncio.Event
) -> None:
    """Send batches on one connection, one after another."""
    basic = b64encode(f"{secret}:".encode()).decode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for place in count():
        body = _body(f"{number}-{place}")
        head = f"POST /v1/batch HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic {basic}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            status = await _status(reader)
        except (OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        answers[status] += 1
        is_begun.set()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
    await reader.readexactly(length)
    if "connection: close" in lines:
        raise ConnectionResetError
    return int(lines[0].split()[1])


def _body(name: str) -> bytes:
    messages = [
        {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"person-{place}",
            "messageId": f"flood-{name}-{place}",
            "properties": {"price": 12.5, "name": "socks"},
        }
        for place in range(_BATCH)
    ]
    return json.dumps({"batch": messages}).encode()


async def _main(port: int, secret: str, connections: int) -> None:
    answers, is_begun = Counter[int](), asyncio.Event()
    tasks = [
        asyncio.create_task(_flood(port, secret, number, answers, is_begun))
        for number in range(connections)
    ]
    await is_begun.wait()
    print("ready", flush=True)  # noqa: T201 - it talks to the benchmark
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(answers), flush=True)  # noqa: T201
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
