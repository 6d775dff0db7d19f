"""A shop with its door, and what may stand between it and a client."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.http_receiver import Received, Reply, http_receiver
from tests.rule_files import book_of
from tests.shop import thanks
from tests.web_server import served

from whereupon import Engine

RULES = book_of(
    thanks(
        where={"price": {"gt": 20}},
        whereupon=[{"send": "push", "title": "Thanks for the {{ properties.product }}"}],
    )
)
_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "date", "server"}


@dataclass(frozen=True, slots=True)
class Shop:
    """A running door.

    Attributes:
        url: where clients send to.
        key: the secret of a server's key.
    """

    engine: Engine
    url: str
    key: str


@contextmanager
def open_shop(
    place: str = "memory://", *, patience: timedelta = timedelta(seconds=30)
) -> Iterator[Shop]:
    """An engine with a rule that thanks for what costs more than 20, behind a server on a port of its own."""
    with (
        Engine.open(place, rules=RULES, digest_key=b"of-the-test", patience=patience) as engine,
        served(engine) as server,
    ):
        yield Shop(
            engine,
            f"http://127.0.0.1:{server.port}",
            engine.keys.create("shop", kind="server").secret,
        )


class Break(Enum):
    """What becomes of a request on the way."""

    NOTHING = "it passes"
    BEFORE = "the connection breaks before the door has it"
    AFTER = "the door has answered, and the connection breaks before the client knows"


@dataclass(slots=True)
class Between:
    """A proxy between clients and a door: it breaks connections as planned, and keeps what was said.

    Attributes:
        url: where clients send to.
        plan: what becomes of the next requests; afterwards all pass.
        requests: as they came from the clients.
        answers: as they came from the door.
        on_answer: called with each answer before the client gets it.
    """

    door: str
    url: str = ""
    plan: deque[Break] = field(default_factory=deque)
    requests: list[Received] = field(default_factory=list)
    answers: list[Reply] = field(default_factory=list)
    on_answer: Callable[[Reply], None] = lambda _: None

    @property
    def statuses(self) -> list[int]:
        """The statuses of the door's answers."""
        return [answer.status for answer in self.answers]

    def pass_on(self, request: Received) -> Reply:
        """Ask the door, and answer what it says, unless the connection is to break."""
        self.requests.append(request)
        planned = self.plan.popleft() if self.plan else Break.NOTHING
        if planned is Break.BEFORE:
            return Reply(mode="hang up")
        answer = ask(self.door, request)
        self.answers.append(answer)
        self.on_answer(answer)
        return Reply(mode="hang up") if planned is Break.AFTER else answer


@contextmanager
def between(door: str, *plan: Break) -> Iterator[Between]:
    """A proxy in front of a door."""
    proxy = Between(door, plan=deque(plan))
    with http_receiver(respond=proxy.pass_on) as receiver:
        proxy.url = receiver.url("").rstrip("/")
        yield proxy


def ask(door: str, request: Received) -> Reply:
    """Send a request to a door, as it is."""
    connection = HTTPConnection(urlsplit(door).netloc, timeout=60)
    try:
        connection.putrequest(
            request.method, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers.items():
            if name != "connection":
                connection.putheader(name, value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        said = {
            name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP
        }
        return Reply(answer.status, said, answer.read())
    finally:
        connection.close()
