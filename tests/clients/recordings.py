"""What official clients sent, as it was recorded on the loopback: headers and bodies."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.http_receiver import Reply

KEY = "wk-test"
"""The write key of the recordings."""

_WIRE = Path(__file__).parents[2] / "fixtures" / "wire"


@dataclass(frozen=True, slots=True)
class Recording:
    """One request.

    Attributes:
        headers: as they were sent, in their order.
        body: as it was sent, but for gzip, which the recorder had undone.
    """

    client: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def said(self, name: str) -> str:
        """The value of a header, whatever the case of its name; empty if there is none."""
        found = (value for each, value in self.headers.items() if each.lower() == name)
        return next(found, "")

    @property
    def wire(self) -> bytes:
        """The body as it goes over the wire."""
        is_packed = self.said("content-encoding") == "gzip"
        return gzip.compress(self.body) if is_packed else self.body


@cache
def recordings() -> dict[str, list[Recording]]:
    """The requests of each client, in their order."""
    bodies = [each["body"].encode() for each in _lines_of("bodies.jsonl.gz")]
    clients: dict[str, list[Recording]] = {}
    for each in _lines_of("requests.jsonl.gz"):
        body = bodies[each["line"]] if "line" in each else b""
        found = Recording(each["client"], each["method"], each["path"], each["headers"], body)
        clients.setdefault(found.client, []).append(found)
    return clients


def _lines_of(name: str) -> list[dict[str, Any]]:
    text = gzip.decompress((_WIRE / name).read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def replay(door: str, recording: Recording) -> Reply:
    """Send a request to a door with the headers and the body that were recorded; only their length may differ."""
    connection = HTTPConnection(urlsplit(door).netloc, timeout=60)
    try:
        connection.putrequest(
            recording.method, recording.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in recording.headers.items():
            length = name.lower() == "content-length"
            connection.putheader(name, str(len(recording.wire)) if length else value)
        connection.endheaders(recording.wire)
        answer = connection.getresponse()
        return Reply(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()
