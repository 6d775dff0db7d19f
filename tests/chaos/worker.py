"""A process with an engine: it carries out orders, and prints how far it is.

It reads orders from standard input, a JSON object a line, and writes to standard output, one line
each, marks (a word: the point it has reached) and answers (``=`` and JSON). An order may name a point
to stop at for good, so that a kill finds it exactly there. Its clock has the time of the last order.
"""

import json
import logging
import os
import signal
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy import event
from tests.chaos.script import BROADCASTS, JOURNEYS, POLICY, RULES

from whereupon import Delivery, Engine, RetryLater, StoreError
from whereupon.channels import Email, Webhook
from whereupon.messages.codec import encode
from whereupon.messages.times import parse_instant
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

SECRET = "whsec_" + b64encode(bytes(32)).decode()  # of a receiver that checks nothing

BOOKS = {"shop": RULES, "journeys": JOURNEYS, "broadcasts": BROADCASTS}

_WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "COPY")


class Points:
    """The points that the process reaches; it may have to stop at one of them."""

    def __init__(self) -> None:
        self._stop: tuple[str, int] | None = None
        self._wrote = False

    def stop_at(self, stop: list[Any] | None) -> None:
        """Stop at a point when it is reached for the n-th time from now on."""
        self._stop = (str(stop[0]), int(stop[1])) if stop else None
        self._wrote = False

    def reach(self, point: str) -> None:
        """Print the point; if it is the one to stop at, wait to be killed."""
        os.write(1, f"{point}\n".encode())
        if self._stop is None or self._stop[0] != point:
            return
        self._stop = (point, self._stop[1] - 1)
        if self._stop[1] == 0:
            os.write(1, b"stopped\n")
            signal.pause()

    def watch(self) -> None:
        """Reach ``write`` before every statement that writes, ``commit`` before every commit."""
        event.listen(Database, "before_cursor_execute", self._before_statement)
        event.listen(Database, "commit", lambda _: self._before_statement(None, None, "COMMIT"))

    def _before_statement(self, _connection: object, _cursor: object, sql: str, *_: object) -> None:
        verb = sql.lstrip()[:6].upper()
        if verb.startswith(_WRITES):
            self._wrote = True
            self.reach("write")
        elif verb == "COMMIT" and self._wrote:
            self._wrote = False
            self.reach("commit")
        elif verb.startswith("BEGIN"):
            self._wrote = False


class Log:
    """A log of deliveries; a line is on the disk before the channel returns."""

    def __init__(self, path: Path, points: Points) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._points = points

    def channel(self, delivery: Delivery) -> None:
        """Log the delivery; refuse some on their first attempt."""
        self._points.reach("called")
        refused = delivery.attempts == 0 and int(delivery.idempotency_key, 16) % 5 == 0
        content = sha256(encode([delivery.person, delivery.channel, delivery.content])).hexdigest()
        outcome = "refused" if refused else "taken"
        os.write(self._file, encode([delivery.idempotency_key, content, outcome]) + b"\n")
        os.fsync(self._file)
        self._points.reach("written")
        if refused:
            raise RetryLater(after=timedelta(0), reason="not now")


class OverTheNetwork:
    """Channels that call a mail server and an HTTP server, and say which calls are under way."""

    def __init__(self, places: list[str], points: Points) -> None:
        port, url = places
        self._points = points
        origin = url.removesuffix("/hook")
        self._email = Email(
            "127.0.0.1", int(port), sender="shop@example.com", security="none", unsubscribe=False
        )
        self._webhook = Webhook(url, secrets=[SECRET], allow=[origin])

    def register(self, engine: Engine) -> None:
        """Register both."""
        self._webhook.attach(engine)
        self._email.attach(engine)
        engine.channel("push")(partial(self._send, self._webhook.send))
        engine.channel("email")(partial(self._send, self._mail))
        for end in ("sent", "failed"):
            engine.on(f"delivery-{end}", lambda delivery: _say("-", delivery))

    def _send(self, send: Callable[[Delivery], object], delivery: Delivery) -> None:
        _say("+", delivery)
        self._points.reach("called")
        try:
            send(delivery)
        finally:
            self._points.reach("written")

    def _mail(self, delivery: Delivery) -> None:
        """Send a mail to an address that the person of the script does not have."""
        recipient = {**delivery.recipient, "email": f"{delivery.person}@example.com"}
        content = {**delivery.content, "text": str(delivery.person)}
        self._email.send(delivery.changed(recipient=recipient, content=content))


def _say(mark: str, delivery: Delivery) -> None:
    os.write(1, f"{mark}{delivery.idempotency_key}\n".encode())


def work(url: str, log: str, places: list[str] | None = None, book: str = "shop") -> None:
    """Carry out orders until there are no more."""
    logging.getLogger("whereupon").addHandler(logging.NullHandler())  # kills bring many warnings
    clock, points, engine = FrozenClock(), Points(), None
    points.watch()
    channel = Log(Path(log), points).channel
    for line in sys.stdin:
        order = json.loads(line)
        clock.move_to(parse_instant(order["now"]) or clock.now())
        points.stop_at(order.get("stop"))
        points.reach(order["do"])
        try:
            if engine is None:
                engine = Engine.open(url, rules=BOOKS[book], clock=clock, retry=POLICY)
                if places is not None:
                    OverTheNetwork(places, points).register(engine)
                else:
                    engine.channel("push")(channel)
                    engine.channel("email")(channel)
            answer = _obey(engine, order, points)
        except StoreError as error:
            answer = {"failed": error.code, "reason": error.reason}
        os.write(1, b"=" + encode(answer) + b"\n")


def _obey(engine: Engine, order: dict[str, Any], points: Points) -> dict[str, Any]:
    match order["do"]:
        case "open":
            points.reach("committed")
            return {}
        case "ingest":
            taken = engine.ingest(order["batch"])
            points.reach("committed")
            return {"accepted": taken.accepted, "rejected": len(taken.rejected)}
        case "wake":
            return {"woken": sum(1 for _ in _woken(engine, points))}
        case _:
            dispatched = engine.run_due().dispatched
            points.reach("committed")
            left = engine.deliveries(DeliveryState.PENDING, limit=1)
            return {"sent": dispatched.sent, "left": len(left)}


def _woken(engine: Engine, points: Points) -> Iterator[object]:
    for result in engine.wake(engine.clock.now()):
        points.reach("committed")
        yield result
