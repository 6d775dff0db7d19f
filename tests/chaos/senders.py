"""Clients that send messages over HTTP while the server is killed: each goes on until its request is acknowledged.

They speak as the clients of the field do: batches of a server with its key by Basic, single messages of a browser
with the key in the body, events of Customer.io's Track API. A request that fails is sent again as it was.
"""

import json
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from random import Random
from threading import Condition, Event, Thread

from whereupon.messages.model import SenderClass, ref_of

CLIENT = SenderClass.CLIENT
EVENT = "Order Completed"
PEOPLE = 20


@dataclass(frozen=True, slots=True)
class Keys:
    """The key id and secret of a server, and the secret of a client."""

    server_id: str
    server: str
    client: str


@dataclass(frozen=True, slots=True)
class Sending:
    """One request, and the references of its messages (see `ref_of`)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    refs: tuple[str, ...]


@dataclass
class Ledger:
    """What was sent and acknowledged.

    Attributes:
        acknowledged: references of messages whose request was answered with 200, in the order of the answers.
        resent: how many requests were sent more than once.
        answers: how often each status came.
    """

    acknowledged: list[str] = field(default_factory=list)
    resent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    changed: Condition = field(default_factory=Condition)

    def acknowledge(self, sending: Sending, attempts: int) -> None:
        """Note an acknowledged request."""
        with self.changed:
            self.acknowledged += sending.refs
            self.resent += attempts > 1
            self.changed.notify_all()

    def wait_for(self, more: int, longest: float) -> bool:
        """Wait until so many more messages are acknowledged."""
        with self.changed:
            until = len(self.acknowledged) + more
            return self.changed.wait_for(lambda: len(self.acknowledged) >= until, longest)


class Sender(Thread):
    """One client with one connection.

    Args:
        is_up: set while a server can be reached.
        is_over: set when no new request is to be begun.
    """

    def __init__(
        self, number: int, port: int, keys: Keys, ledger: Ledger, is_up: Event, is_over: Event
    ) -> None:
        super().__init__(name=f"sender-{number}", daemon=True)
        self._number, self._port, self._keys, self._ledger = number, port, keys, ledger
        self._is_up, self._is_over = is_up, is_over
        self._chance = Random(number)
        self._connection: HTTPConnection | None = None

    def run(self) -> None:
        """Send until it is over; what was begun is sent until it is acknowledged."""
        for place in count():
            if self._is_over.is_set():
                self._hang_up()
                return
            sending = self._sending(place)
            for attempts in count(1):
                self._is_up.wait()
                if self._is_acknowledged(sending):
                    self._ledger.acknowledge(sending, attempts)
                    break

    def _is_acknowledged(self, sending: Sending) -> bool:
        try:
            if self._connection is None:
                self._connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._connection.request(sending.method, sending.path, sending.body, sending.headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._hang_up()
            return False
        with self._ledger.changed:
            self._ledger.answers[answer.status] += 1
        if answer.status not in {200, 429, 503}:
            message = f"{sending.path} was answered with {answer.status}"
            raise AssertionError(message)
        return answer.status == 200

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _sending(self, place: int) -> Sending:
        name = f"{self._number}-{place}"
        match self._number % 3:
            case 0:
                return self._batch(name)
            case 1:
                return self._single(name)
            case _:
                return self._of_customerio(name)

    def _person(self) -> str:
        return f"person-{self._number}-{self._chance.randrange(PEOPLE)}"

    def _message(self, name: str) -> dict[str, object]:
        properties = {"order_id": name, "total": self._chance.randrange(100)}
        message = {"event": EVENT, "messageId": name, "userId": self._person()}
        return {**message, "type": "track", "properties": properties}

    def _batch(self, name: str) -> Sending:
        ids = tuple(f"{name}-{place}" for place in range(self._chance.randint(1, 20)))
        body = json.dumps({"batch": [self._message(each) for each in ids]}).encode()
        headers = {"Authorization": _basic(self._keys.server, "")}
        return Sending("POST", "/v1/batch", headers, body, ids)

    def _single(self, name: str) -> Sending:
        body = json.dumps({**self._message(name), "writeKey": self._keys.client}).encode()
        return Sending(
            "POST", "/v1/t", {"Content-Type": "text/plain"}, body, (ref_of(name, CLIENT),)
        )

    def _of_customerio(self, name: str) -> Sending:
        body = json.dumps({"name": EVENT, "id": name, "data": {"order_id": name}}).encode()
        headers = {"Authorization": _basic(self._keys.server_id, self._keys.server)}
        path = f"/api/v1/customers/{self._person()}/events"
        return Sending("POST", path, headers, body, (name,))


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
