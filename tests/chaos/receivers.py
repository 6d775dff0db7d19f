"""Receivers that are not killed: a mail server and an HTTP server, which count what arrives under each key.

Some requests are refused when their key comes for the first time, so that there are retries, too.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tests.http_receiver import HttpReceiver, Received, Reply, http_receiver
from tests.smtp import MailServer, mail_server

from whereupon.messages.codec import encode


class Receivers:
    """Both servers."""

    def __init__(self, mail: MailServer, http: HttpReceiver) -> None:
        self._mail, self._http = mail, http

    @property
    def places(self) -> list[str]:
        """Where they listen: the port of the mail server, and the URL of the other."""
        return [str(self._mail.port), self._http.url("/hook")]

    def write(self, log: Path) -> None:
        """Write what arrived, as the log of the channels that write one by themselves."""
        lines = [*self._mails(), *self._requests()]
        log.write_bytes(b"".join(encode(line) + b"\n" for line in lines))

    def _mails(self) -> Iterator[list[str]]:
        for mail in self._mail.messages:
            said = [*mail.recipients, mail.parsed["Subject"], mail.part("plain")]
            key = mail.parsed["Message-ID"].strip("<>").partition("@")[0]
            yield [key, _digest(*said), "taken"]

    def _requests(self) -> Iterator[list[str]]:
        seen: Counter[str] = Counter()
        for request in self._http.requests:
            is_refused = not seen[request.key] and is_refused_at_first(request.key)
            seen[request.key] += 1
            if len(request.body) < int(request.headers.get("content-length", 1)):
                continue  # the process was killed while it sent; nothing was taken
            data = request.json["data"]
            outcome = "refused" if is_refused else "taken"
            yield [
                request.key,
                _digest(str(data["person"]), encode(data["content"]).decode()),
                outcome,
            ]


def is_refused_at_first(key: str) -> bool:
    """Whether the first request under a key is refused."""
    return int(key, 16) % 5 == 0


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Both servers, for one block."""
    seen: set[str] = set()

    def respond(request: Received) -> Reply | None:
        is_first = request.key not in seen
        seen.add(request.key)
        return Reply(503) if is_first and is_refused_at_first(request.key) else None

    with mail_server() as mail, http_receiver(respond=respond) as http:
        yield Receivers(mail, http)


def _digest(*said: str) -> str:
    return sha256(encode(list(said))).hexdigest()
