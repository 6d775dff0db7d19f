"""The messages of a run: rounds of batches made from a seed, and the rules they meet.

Every round has one batch a worker, and one time. People and devices belong to one worker each, so
that what becomes of them does not depend on which of the workers is faster. Everything that the
rules make due is due at the time of a round, and the minutes between are for dispatching (see `LEASE`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from zlib import crc32

from pydantic import JsonValue
from tests.rule_files import book_of
from tests.shop import news, thanks

from whereupon.delivery.retries import Retry
from whereupon.messages.times import format_instant

Wire = dict[str, JsonValue]

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
ROUND = timedelta(minutes=10)
LEASE = timedelta(seconds=20)
POLICY = Retry(
    first=LEASE, longest=LEASE, lease=LEASE, timeout=8
)  # a longer one makes a longer lease

RULES = book_of(
    thanks(
        campaign="cart",
        when="Product Added",
        exit="Order Completed",
        reentry="not_while_active",
        whereupon=[
            {"wait": "10m"},
            {"send": "push", "title": "{{ properties.name }}"},
            {"wait": "1h"},
            {"send": "email", "subject": "Still {{ properties.name }}"},
        ],
    ),
    thanks(
        campaign="order",
        when="Order Completed",
        reentry={"once_per_key": "properties.order_id"},
        whereupon=[
            {"set": {"buyer": True}},
            {"track": "Bought", "properties": {"order_id": "{{ properties.order_id }}"}},
            {"send": "push", "title": "Thanks for {{ properties.order_id }}"},
        ],
    ),
    thanks(campaign="bought", when="Bought", who={"buyer": True}, reentry={"once_per": "3h"}),
    thanks(campaign="pro", when="Product Added", who={"plan": "pro"}, reentry={"once_per": "1h"}),
    thanks(
        campaign="loyal",
        when="Order Completed",
        who={"performed": {"event": "Order Completed", "at_least": 3, "within": "1d"}},
        reentry="once",
    ),
    news(broadcast="launch", when="Launched", who={"plan": "pro"}),
    news(broadcast="hourly", when={"cron": "0 * * * *", "timezone": "UTC"}, who={"buyer": True}),
)

JOURNEYS = book_of(
    thanks(
        campaign="cart",
        when="Product Added",
        reentry="not_while_active",
        whereupon=[
            {
                "wait_for": [
                    {"event": "Order Completed", "then": [{"track": "Bought Soon"}, "exit"]},
                    {"who": {"plan": "pro"}, "then": [{"set": {"hurried": True}}]},
                ],
                "up_to": "20m",
                "else": [{"send": "push", "title": "Still {{ properties.name }}"}],
            },
            {
                "branch": [
                    {"if": {"plan": "pro"}, "then": [{"send": "email", "subject": "For you"}]},
                    {"else": [{"wait": "10m"}, {"track": "Nudged"}]},
                ]
            },
            {
                "split": {
                    "name": "last-word",
                    "arms": {
                        "push": {"share": 60, "then": [{"send": "push", "title": "One more"}]},
                        "mail": {"share": 40, "then": [{"send": "email", "subject": "One more"}]},
                    },
                }
            },
            {"wait": "30m"},
            {"send": "push", "title": "Gone", "if": {"plan": "free"}},
        ],
    ),
    thanks(
        campaign="orders",
        when="Order Completed",
        reentry={"once_per_key": "properties.order_id"},
        whereupon=[
            {
                "wait_for": [
                    {"event": "Order Completed", "again": True, "then": [{"track": "Came Back"}]},
                    {"event": "Nudged", "then": [{"set": {"nudged": True}}]},
                ],
                "up_to": "40m",
                "else": [{"send": "email", "subject": "Thanks for {{ properties.order_id }}"}],
            },
            {"track": "Settled"},
        ],
    ),
    thanks(
        campaign="back",
        when=["Came Back", "Bought Soon", "Settled"],
        reentry={"once_per": "1h"},
        exit={"event": "Nudged"},
        whereupon=[{"wait": "10m"}, {"send": "push", "title": "{{ event }}"}],
    ),
    news(broadcast="launch", when="Launched", who={"plan": "pro"}),
)
"""Journeys that wait for what the messages of a run say, at the time of a round or many rounds later."""


BROADCASTS = book_of(
    thanks(campaign="order", when="Order Completed", reentry={"once_per": "3h"}),
    news(
        broadcast="digest",
        when={"cron": "20 */4 * * *", "timezone": "person"},
        who={"performed": {"event": "Product Added", "at_least": 1}},
        whereupon=[{"send": "push", "title": "Yours"}, {"wait": "10m"}, {"track": "Read"}],
    ),
    news(broadcast="slowly", when="Launched", rate="3 per 10m"),
    news(
        broadcast="hourly", when={"cron": "0 * * * *"}, rate="10 per 20m", holdout=20, goal="Read"
    ),
)
"""Broadcasts at each person's own time, and at a rate."""

_ZONES = (
    "Pacific/Kiritimati", "Asia/Kathmandu", "Europe/Paris", "UTC", "America/St_Johns", "Etc/GMT+12",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Round:
    """A round: the batch of each worker, and its time."""

    now: datetime
    batches: tuple[list[Wire], ...]


def rounds(*, seed: int, workers: int, batch: int = 20) -> Iterator[Round]:
    """Endless rounds, the same for the same seed."""
    senders = [_Sender(worker, Random(f"{seed}-{worker}"), batch) for worker in range(workers)]
    for number in count():
        now = START + number * ROUND
        yield Round(now, tuple(sender.batch(number, now) for sender in senders))


class _Sender:
    """Makes one worker's batches, and repeats some of the earlier messages."""

    def __init__(self, worker: int, chance: Random, size: int) -> None:
        self._worker = worker
        self._chance = chance
        self._size = size
        self._sent: list[Wire] = []

    def batch(self, number: int, now: datetime) -> list[Wire]:
        """The messages of a round, with duplicates and bad ones."""
        made: list[Wire] = []
        for place in range(self._size):
            name = f"{self._worker}-{number}-{place}"
            happened = now - timedelta(
                seconds=self._chance.choice([0, 5, 40, 300, 4000]), microseconds=place
            )
            message = {
                **self._body(name, number),
                "messageId": name,
                "timestamp": format_instant(happened),
            }
            made.append(message)
            self._sent.append(message)
        made.append({"type": "track", "event": "Product Added", "userId": "undefined"})
        made += self._chance.sample(self._sent, min(3, len(self._sent)))
        return made

    def _body(self, name: str, number: int) -> Wire:
        kind = self._chance.choices(_KINDS, _WEIGHTS)[0]
        person, device = self._one_of("person", 12, number), self._one_of("device", 12, number)
        match kind:
            case "cart" | "order" as kind:
                return {**_EVENTS[kind], "userId": person, "properties": _bought(name)}
            case "anonymous cart" | "anonymous order":
                event = _EVENTS[kind.removeprefix("anonymous ")]
                return {**event, "anonymousId": device, "properties": _bought(name)}
            case "claim":
                zone = _ZONES[crc32(name.encode()) % len(_ZONES)]
                plan = self._chance.choice(["free", "pro"])
                traits: JsonValue = {"plan": plan, "timezone": zone}
                return _identify(person, {"anonymousId": device, "traits": traits})
            case "alias":
                return {
                    "type": "alias",
                    "userId": person,
                    "previousId": self._one_of("person", 12, number),
                }
            case "group":
                return {"type": "group", "userId": person, "groupId": self._one_of("team", 3)}
            case "device":
                registered: JsonValue = {"device": {"token": self._one_of("token", 4)}}
                event = {"type": "track", "event": "Device Created or Updated"}
                return {**event, "userId": person, "context": registered}
            case "launch":
                return {"type": "track", "event": "Launched", "userId": person}
            case _:
                event = {"type": "track", "event": "Delete Person"}
                return {**event, "userId": person}

    def _one_of(self, kind: str, among: int, first: int = 0) -> str:
        return f"{kind}-{self._worker}-{first + self._chance.randrange(among)}"


_WEIGHTED = {
    "cart": 300,
    "order": 180,
    "anonymous cart": 200,
    "anonymous order": 80,
    "claim": 140,
    "alias": 20,
    "group": 30,
    "device": 30,
    "launch": 10,
    "delete": 5,
}
_KINDS, _WEIGHTS = list(_WEIGHTED), list(_WEIGHTED.values())
_EVENTS: dict[str, Wire] = {
    "cart": {"type": "track", "event": "Product Added"},
    "order": {"type": "track", "event": "Order Completed"},
}


def _bought(name: str) -> JsonValue:
    return {"name": f"sock {name}", "order_id": f"order {name}"}


def _identify(person: str, body: Wire) -> Wire:
    return {"type": "identify", "userId": person, **body}
