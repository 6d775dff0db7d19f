"""The mix of rules and messages that matching is measured with.

Four conjuncts a rule over twelve attributes of the message: a text that is equal, one of several, a
lower bound, and one of the rest. Rules and messages have fifty names by Zipf's law, so that a few
names have most of the rules and get most of the messages, as in a shop. Needs nothing but Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

NAMES = 50
_COUNTRIES = ("fr", "de", "it", "es", "us", "gb", "nl", "be", "at", "ch", "pl", "se")
_COLOURS = ("red", "green", "blue", "black", "white", "grey", "pink", "brown")
_CHANNELS = ("web", "ios", "android", "store")


@dataclass(frozen=True, slots=True)
class Mix:
    """Rules and messages, the same for the same seed.

    Attributes:
        names: how many event names there are; with one, every rule has it.
    """

    names: int = NAMES

    def rules(self, count: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
        """Rule files as plain data."""
        draw = Random(seed)
        for place, name in enumerate(self._drawn(draw, count)):
            yield {
                "campaign": f"rule-{place}",
                "description": "One of many.",
                "when": name,
                "where": self._where(draw),
                "reentry": "every_time",
                "whereupon": [{"send": "push", "title": "Thanks!"}],
            }

    def messages(self, count: int, *, seed: int = 2) -> list[tuple[str, dict[str, Any]]]:
        """Names of events, and data as conditions see it."""
        draw = Random(seed)
        return [(name, self._data(draw, name)) for name in self._drawn(draw, count)]

    def _drawn(self, draw: Random, count: int) -> list[str]:
        weights = [1 / (place + 1) for place in range(self.names)]
        return [f"event-{n}" for n in draw.choices(range(self.names), weights, k=count)]

    @staticmethod
    def _where(draw: Random) -> dict[str, Any]:
        rest: dict[str, Any] = draw.choice(
            [
                {"quantity": {"lte": draw.randrange(1, 20)}},
                {"colour": draw.choice(_COLOURS)},
                {"vip": draw.random() < 0.5},
                {"rating": {"gte": draw.randrange(1, 6)}},
                {"coupon": {"exists": True}},
                {"channel": {"ne": draw.choice(_CHANNELS)}},
            ]
        )
        return {
            "category": f"category-{draw.randrange(100)}",
            "country": list(draw.sample(_COUNTRIES, 3)),
            "price": {"gt": draw.randrange(0, 20_000) / 100},
            **rest,
        }

    @staticmethod
    def _data(draw: Random, name: str) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "category": f"category-{draw.randrange(100)}",
            "country": draw.choice(_COUNTRIES),
            "price": draw.randrange(0, 20_000) / 100,
            "quantity": draw.randrange(1, 20),
            "colour": draw.choice(_COLOURS),
            "vip": draw.random() < 0.5,
            "rating": draw.randrange(1, 6),
            "channel": draw.choice(_CHANNELS),
            "order_id": f"o-{draw.randrange(10**6)}",
            "size": draw.randrange(30, 50),
            "currency": "EUR",
        }
        if draw.random() < 0.2:
            properties["coupon"] = "SPRING"
        return {
            "type": "track",
            "event": name,
            "properties": properties,
            "context": {},
            "timestamp": "2026-03-01T12:00:00Z",
            "person": {"plan": draw.choice(("free", "pro", "team"))},
        }
