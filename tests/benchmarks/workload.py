"""The pipeline's workload: 1,000 rules over fifty event names, and a stream in which one message in twenty enters.

Twenty rules have each name. A fifth of the messages are anonymous, and claimed later by an `identify` of the
same device. Messages carry what an official client sends along, about 500 bytes each, and ids at random.
The same for the same seed, of any length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson

NAMES, RULES = 50, 1_000
_CATEGORIES = 50
_COUNTRIES = ("fr", "de", "it", "es", "us", "gb", "nl", "be", "at", "ch", "pl", "se")
_REENTRY = ("every_time", {"once_per": "7d"}, "not_while_active")
_START = datetime(2026, 3, 1, tzinfo=UTC)
PACE = timedelta(milliseconds=100)
_VISIT, _TOGETHER = 20, 50
"""Messages of one visit, and visits that go on at a time."""

_CONTEXT = {
    "library": {"name": "analytics.js", "version": "2.11.1"},
    "locale": "en-GB",
    "ip": "203.0.113.7",
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "page": {"path": "/socks", "title": "Socks", "url": "https://shop.example/socks"},
}


def rules(count: int = RULES) -> Iterator[dict[str, Any]]:
    """Rule files as plain data; of the messages of a rule's name one in four hundred satisfies it."""
    draw = Random(1)
    for place in range(count):
        yield {
            "campaign": f"rule-{place}",
            "description": "One of many.",
            "when": f"event-{place % NAMES}",
            "where": {
                "category": f"category-{draw.randrange(_CATEGORIES)}",
                "country": draw.sample(_COUNTRIES, 3),
                "price": {"gt": 100},
                "currency": "EUR",
            },
            "reentry": _REENTRY[place % len(_REENTRY)],
            "whereupon": [
                {"send": "push", "title": "Thanks!", "body": "Size {{ properties.size }}."}
            ],
        }


@dataclass(frozen=True, slots=True)
class _Visit:
    """One person's visit.

    Attributes:
        device: where the visitor is not logged in until the last message.
    """

    user_id: str
    device: str | None

    def sender(self, step: int) -> dict[str, Any]:
        """Type and ids of its n-th message."""
        if self.device is None:
            return {"type": "track", "userId": self.user_id}
        if step < _VISIT - 1:
            return {"type": "track", "anonymousId": self.device}
        return {"type": "identify", "userId": self.user_id, "anonymousId": self.device}


def messages(count: int, *, seed: int = 2, people: int | None = None) -> Iterator[bytes]:
    """Wire-form messages as JSON texts.

    Args:
        people: how many user ids there are; by default one for twenty messages.
    """
    draw = Random(seed)
    known = people or max(1, count // 20)
    made = 0
    while True:
        visits = [_visit(draw, known, f"{seed}-{made + n}") for n in range(_TOGETHER)]
        for step in range(_VISIT):
            for visit in visits:
                if made == count:
                    return
                body = _message(draw, visit.sender(step), f"{draw.getrandbits(96):024x}", made)
                yield bytes(memoryview(orjson.dumps(body)))  # which itself keeps 4 KB for each
                made += 1


def _visit(draw: Random, people: int, name: str) -> _Visit:
    logged_in = draw.random() < 0.79  # a visit's last message is not anonymous
    return _Visit(f"user-{draw.randrange(people)}", None if logged_in else f"device-{name}")


def _message(draw: Random, sender: dict[str, Any], message_id: str, place: int) -> dict[str, Any]:
    at = (_START + place * PACE).isoformat(timespec="milliseconds")[:-6] + "Z"
    body = {**sender, "messageId": message_id, "timestamp": at, "context": _CONTEXT}
    if sender["type"] == "identify":
        return {**body, "traits": {"plan": draw.choice(("free", "pro", "team"))}}
    properties = {
        "category": f"category-{draw.randrange(_CATEGORIES)}",
        "country": draw.choice(_COUNTRIES),
        "price": draw.randrange(20_000) / 100,
        "currency": "EUR",
        "quantity": draw.randrange(1, 20),
        "size": draw.randrange(30, 50),
        "order_id": f"o-{draw.randrange(10**6)}",
    }
    return {**body, "event": f"event-{draw.randrange(NAMES)}", "properties": properties}


def tracked(number: int) -> dict[str, Any]:
    """One call of one of twenty persons, in wire form."""
    properties = {
        "category": "category-1",
        "country": "fr",
        "price": number % 200,
        "currency": "EUR",
        "size": number % 50,
        "order_id": f"o-{number}",
    }
    event, user_id = f"event-{number % 50}", f"u{number % 20}"
    return {"type": "track", "event": event, "userId": user_id, "properties": properties}
