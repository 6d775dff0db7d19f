"""The Python clients of Segment, Customer.io and RudderStack, as their users install them, and what each adds or changes.

with SEGMENT.client(key, url) as client:
    SEGMENT.say(client, call)
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from importlib.metadata import version
from types import ModuleType
from typing import Any

import customerio.analytics
import customerio.analytics.request
import rudderstack.analytics
import rudderstack.analytics.request
import segment.analytics
import segment.analytics.request
from tests.clients.expected import message_of
from tests.clients.session import PARIS, Call, Everything, Json


class Plan(Enum):
    """An app's own enumeration."""

    PRO = "pro"


PYTHON = Everything(
    given={
        "text": "socks",
        "unicode": "Grüße aus Łódź, 靴下 🧦",
        "half_an_emoji": "cut \ud83e",
        "control": "a\tb\nc\x00d",
        "empty": "",
        "bytes": b"decoded by the client",
        "integer": 42,
        "beyond_a_double": 2**53 + 1,
        "beyond_64_bits": 2**64 + 1,
        "negative": -7,
        "float": 23.45,
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "nan": float("nan"),
        "infinity": float("inf"),
        "decimal": Decimal("23.45"),
        "long_decimal": Decimal("0.1234567890123456789"),
        "true": True,
        "false": False,
        "none": None,
        "date": date(2026, 11, 23),
        "datetime": datetime(2026, 11, 23, 10, 4, 5, 678901, tzinfo=PARIS),
        "naive_datetime": datetime(2026, 11, 23, 9, 4, 5),  # noqa: DTZ001 - apps do send them
        "enum": Plan.PRO,
        "list": ["socks", 2, None, [Decimal("1.5"), [[]]], {"deep": [float("-inf")]}],
        "tuple": ("red", "blue"),
        "set": {"only"},
        "nested": {"size": {"eu": 43}, "empty": {}, "a.b": "dotted", "$x": "dollar"},
        "unsendable": object(),
    },
    arrives={
        "text": "socks",
        "unicode": "Grüße aus Łódź, 靴下 🧦",
        "half_an_emoji": "cut \ufffd",  # the engine: no text of a database can hold the half
        "control": "a\tb\nc\x00d",
        "empty": "",
        "bytes": "decoded by the client",
        "integer": 42,
        "beyond_a_double": 2**53 + 1,
        "beyond_64_bits": 2**64 + 1,
        "negative": -7,
        "float": 23.45,
        "tiny": 5e-324,
        "huge": 1.7976931348623157e308,
        "nan": None,  # the engine: JSON has no NaN
        "infinity": None,
        "decimal": 23.45,  # the clients: a float
        "long_decimal": 0.12345678901234568,
        "true": True,
        "false": False,
        "none": None,
        "date": "2026-11-23",
        "datetime": "2026-11-23T10:04:05.678901+01:00",
        "naive_datetime": "2026-11-23T09:04:05",
        "enum": "pro",
        "list": ["socks", 2, None, [1.5, [[]]], {"deep": [None]}],
        "tuple": ["red", "blue"],
        "set": ["only"],
        "nested": {"size": {"eu": 43}, "empty": {}, "a.b": "dotted", "$x": "dollar"},
        # the clients leave out what they cannot send, and log a warning
    },
)
"""One value of each kind that a Python app may hand over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonClient:
    """One of the clients.

    Attributes:
        distribution: its name at PyPI.
        module: what an app imports.
        session: the module that keeps its connections open.
        resolution: of the times of messages; a client cuts off what is finer.
        integrations: what it says of integrations, if the app says nothing.
        also: other fields that it adds to each message.
        moves_traits: whether the traits of an identify arrive in its context alone.
    """

    distribution: str
    module: ModuleType
    session: ModuleType
    resolution: timedelta
    integrations: Mapping[str, bool] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)
    moves_traits: bool = False

    @contextmanager
    def client(self, key: str, url: str, **options: object) -> Iterator[Any]:
        """A client with its threads and its queue; at the end it sends what waits."""
        client = self.module.Client(key, host=url, **options)
        try:
            yield client
            client.shutdown()
        finally:
            client.join()
            self.let_go()

    def let_go(self) -> None:
        """Close the connections that the client keeps open for the next request."""
        vars(self.session)["_session"].close()
        gc.collect()  # a socket that was left open is told here, and not in another test

    @staticmethod
    def say(client: object, call: Call) -> None:
        """Make a call of the session, as an app makes it."""
        named: dict[str, object] = {
            "user_id": call.user_id,
            "anonymous_id": call.anonymous_id,
            "event" if call.type == "track" else "name": call.name,
            "category": call.category,
            "group_id" if call.type == "group" else "previous_id": call.target,
            "context": dict(call.context) or None,
        }
        arguments: dict[str, object] = {
            name: value for name, value in named.items() if value is not None
        }
        if call.data:
            of_page = call.type in ("track", "page", "screen")
            arguments["properties" if of_page else "traits"] = dict(call.data)
        said, _ = getattr(client, call.type)(
            **arguments, timestamp=call.timestamp, message_id=call.message_id
        )
        assert said

    def sends(self, call: Call) -> Json:
        """The message of a call as it must arrive."""
        message = message_of(call) | {"integrations": dict(self.integrations)} | dict(self.also)
        for name in ("userId", "anonymousId"):  # what the app does not say is null
            message.setdefault(name, None)
        for name in {"page": ("name", "category"), "screen": ("name", "category")}.get(
            call.type, ()
        ):
            message.setdefault(name, None)
        library: Json = {"name": "analytics-python", "version": version(self.distribution)}
        context = dict(call.context) | {"library": library}
        if self.moves_traits and call.type == "identify":
            context["traits"] = message.pop("traits")
        since = call.timestamp - datetime.min.replace(tzinfo=UTC)
        sent = call.timestamp - since % self.resolution
        return message | {"context": context, "timestamp": sent.isoformat()}


SEGMENT = PythonClient(
    distribution="segment-analytics-python",
    module=segment.analytics,
    session=segment.analytics.request,
    resolution=timedelta(milliseconds=1),
)
CUSTOMERIO = PythonClient(
    distribution="customerio-cdp-analytics",
    module=customerio.analytics,
    session=customerio.analytics.request,
    resolution=timedelta(milliseconds=1),
)
RUDDERSTACK = PythonClient(
    distribution="rudder-sdk-python",
    module=rudderstack.analytics,
    session=rudderstack.analytics.request,
    resolution=timedelta(microseconds=1),
    integrations={"All": True},
    also={"channel": "server"},
    moves_traits=True,
)
ALL = (SEGMENT, CUSTOMERIO, RUDDERSTACK)
