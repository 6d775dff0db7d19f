"""A generated year of people: who they are, and what they send, for the events and attributes that a folder knows.

A household follows from the seed and its number alone, so that a million of them need no memory.
"""

from datetime import UTC, datetime, timedelta
from random import Random  # noqa: TID251 - seeded
from typing import Any

from tests.properties.year_clock import DAY, SECOND, instant_of
from tests.properties.year_rules import Rules
from tests.properties.year_words import Data, Said

START = instant_of(datetime(2026, 1, 1, tzinfo=UTC))
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
ZONES = [
    "Pacific/Kiritimati", "Pacific/Auckland", "Pacific/Chatham", "Australia/Lord_Howe", "Australia/Adelaide",
    "Asia/Tokyo", "Asia/Shanghai", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tehran", "Africa/Nairobi",
    "Africa/Cairo", "Europe/Berlin", "Europe/Paris", "Europe/London", "Africa/Casablanca", "Atlantic/Azores",
    "America/St_Johns", "America/Sao_Paulo", "America/New_York", "America/Chicago", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Marquesas", "Pacific/Pago_Pago", "UTC",
    "Somewhere/Else", None,
]  # fmt: skip
"""Of the whole earth; one is no timezone, and some people say none."""
_PLACE = {name: place for place, name in enumerate(["ada", "ben"])}
_GAPS = (MINUTE, 20 * MINUTE, HOUR, 3 * HOUR, DAY)
_DELAYS = (2 * MINUTE, 3 * HOUR, 2 * DAY, 5 * DAY)
_NUMBERS = (0, 2.5, 15, 20, 39.5, 100, 120, "64")
_GUARDED = {"staff", "legal_hold"}
"""Attributes that keep people from being deleted."""


class Author:
    """Writes the years of households.

    Args:
        rules: the folder, whose events and attributes are used.
        seed: what everything follows from.
        days: how long the year is.
        deleted: of so many households one has somebody deleted, two hours after the one before.
    """

    def __init__(self, rules: Rules, seed: int, days: int = 365, deleted: int = 97) -> None:
        self._seed, self._days, self._deleted = seed, days, deleted
        self._events: list[tuple[str, Data]] = [
            (str(each.get("name") or each["event"]), dict(each.get("properties") or {}))
            for each in rules.events
        ]
        self._attributes = {
            name: kind
            for name, kind in rules.settings.get("attributes", {}).items()
            if name not in _GUARDED | {"timezone", "locale", "email", "unsubscribed", "topics"}
        }
        steps = [step for rule in rules.every for step in rules.steps_of(rule)]
        self._topics = sorted({step["topic"] for step in steps if "topic" in step})
        triggers = [trigger for rule in rules.every for trigger in rule.triggers]
        self._pages: list[str] = sorted(
            {str(name).rstrip("*") for kind, name in triggers if kind == "page"}
        ) or ["Home"]
        self._broadcasts = {
            n for r in rules.every if r.kind == "broadcast" for k, n in r.triggers if k == "track"
        }
        self._events = [each for each in self._events if each[0] not in self._broadcasts]

    def year(self, number: int) -> list[Said]:
        """What the people of a household send, in no order."""
        year = Year(self, Random(f"{self._seed}-{number}"), number).messages  # noqa: S311
        turn, rest = divmod(number, self._deleted)
        return (
            year if rest else _cut_short(year, f"p{number}", START + 40 * DAY + turn * 2 * HOUR + 3)
        )

    def catalogue(self) -> list[Said]:
        """What a server says to all, some times in the year: what the broadcasts by event are about."""
        chance = Random(f"{self._seed}-catalogue")  # noqa: S311
        said: list[Said] = []
        for n in range(self._days // 20 if self._broadcasts else 0):
            name = chance.choice(sorted(self._broadcasts))
            at = START + (20 * n + chance.randrange(1, 20)) * DAY + 10 * HOUR + 1
            properties = {
                "product_id": f"K{chance.randrange(1, 5)}",
                "discount_percent": chance.choice([5, 10, 30]),
            }
            said.append(
                Said(
                    f"all-{n}",
                    "track",
                    name,
                    None,
                    "catalogue",
                    properties,
                    at,
                    at,
                )
            )
        return said


class Year:
    """One household's year.

    Args:
        author: knows the folder.
        chance: what everything follows from.
        number: of the household.
    """

    def __init__(self, author: Author, chance: Random, number: int) -> None:
        self._author, self._chance, self._number = author, chance, number
        self.messages: list[Said] = []
        people = 2 if chance.random() < 0.15 else 1
        last = START
        for which in range(people):
            last = max(last, self._life(f"p{number}" if which == 0 else f"q{number}"))
        if people == 2 and chance.random() < 0.5:
            at = START + chance.randrange(30, author._days) * DAY  # noqa: SLF001
            self._say(at, "alias", "alias", f"p{number}", data={"previousId": f"q{number}"})

    def _life(self, user: str) -> int:
        chance = self._chance
        start = START + chance.choice((0, 0, chance.randrange(self._author._days))) * DAY  # noqa: SLF001
        now = start + chance.randrange(DAY // SECOND) * SECOND
        device = f"d-{user}" if chance.random() < 0.3 else None
        for _ in range(chance.choice((1, 2, 4)) if device else 0):
            self._act(now, None, device)
            now += chance.choice(_GAPS)
        zone = chance.choice(ZONES)
        about: Data = {"first_name": user.title()} | ({"timezone": zone} if zone else {})
        about |= {"email": f"{user}@example.com"} if chance.random() < 0.9 else {}
        about |= self._traits(now, 0.5)
        self._say(now, "identify", "", user, device, about)
        for _ in range(chance.randrange(1, 14)):
            now += (
                chance.choice((HOUR, DAY, 9 * DAY, 30 * DAY, 70 * DAY))
                + chance.randrange(DAY // SECOND) * SECOND
            )
            moment = now
            for _ in range(chance.choice((1, 1, 2, 4))):
                self._act(moment, user, None)
                moment += chance.choice(_GAPS)
        return now

    def _act(self, at: int, user: str | None, device: str | None) -> None:
        chance = self._chance
        draw = chance.random()
        if user is not None and draw < 0.25:
            self._say(at, "identify", "", user, None, self._traits(at, 0.15))
        elif draw < 0.32:
            self._say(at, "page", chance.choice(self._author._pages), user, device)  # noqa: SLF001
        else:
            event, schema = chance.choice(self._author._events)  # noqa: SLF001
            self._say(at, "track", event, user, device, self._properties(schema))

    def _say(
        self,
        at: int,
        kind: str,
        name: str,
        user: str | None,
        device: str | None = None,
        data: Data | None = None,
    ) -> None:
        """Send a message at an instant that no other of the household has."""
        at += 1009 * (len(self.messages) + 1)
        is_late = device is None and kind == "track" and self._chance.random() < 0.04
        arrives = at + (self._chance.choice(_DELAYS) + 17 if is_late else 0)
        if arrives < START + self._author._days * DAY:  # noqa: SLF001
            number = f"{self._number}-{len(self.messages)}"
            self.messages.append(Said(number, kind, name, user, device, data or {}, at, arrives))

    def _properties(self, schema: Data) -> Data:
        chance = self._chance
        return {
            name: self._value(name, each) for name, each in schema.items() if chance.random() < 0.9
        }

    def _value(self, name: str, schema: Any) -> Any:
        chance = self._chance
        if isinstance(schema, dict) and "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type", "string") if isinstance(schema, dict) else "string"
        kind = kind[0] if isinstance(kind, list) else kind
        if name == "id" or name.endswith("_id"):
            return f"K{chance.randrange(1, 5)}"
        match kind:
            case "number" | "integer":
                return chance.choice(_NUMBERS)
            case "boolean":
                return chance.random() < 0.5
            case "array":
                return [
                    {"product_id": f"K{n}", "price": chance.choice(_NUMBERS)}
                    for n in range(chance.randrange(3))
                ]
            case "object":
                return {}
        return chance.choice(["socks", "wishlist", "EUR", "192.0.2.7"])

    def _traits(self, at: int, share: float) -> Data:
        """Some of the attributes, and now and then a word on consent."""
        chance = self._chance
        said = {
            name: self._trait(name, kind, at)
            for name, kind in self._author._attributes.items()  # noqa: SLF001
            if chance.random() < share
        }
        if chance.random() < 0.06:
            said["unsubscribed"] = chance.choice([True, False, "yes"])
        if self._author._topics and chance.random() < 0.1:  # noqa: SLF001
            said["topics"] = {topic: chance.random() < 0.5 for topic in self._author._topics}  # noqa: SLF001
        return said

    def _trait(self, name: str, kind: Any, at: int) -> Any:
        chance = self._chance
        if isinstance(kind, dict) and "enum" in kind:
            return chance.choice(kind["enum"])
        word = kind if isinstance(kind, str) else kind.get("type", "text")
        match word:
            case "boolean":
                return chance.random() < 0.5
            case "number":
                return chance.choice(_NUMBERS)
            case "list":
                return [f"K{chance.randrange(1, 5)}" for _ in range(chance.randrange(3))]
            case "date":
                return self._date(name, at)
        return chance.choice(["Ada", "K1", "K2"])

    def _date(self, name: str, at: int) -> str:
        """A day, or a time, of the past or the future."""
        chance = self._chance
        if "birth" in name or "born" in name:
            day = datetime(chance.randrange(1950, 2006), 1, 1, tzinfo=UTC) + timedelta(
                days=chance.randrange(366)
            )
            return str(chance.choice([day.date(), day.date(), "1996-02-29"]))
        moment = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(
            days=chance.randrange(-20, 120)
        )
        moment = moment.replace(minute=chance.randrange(60), second=0, microsecond=0)
        return str(moment.date()) if chance.random() < 0.5 else moment.isoformat()


def _cut_short(year: list[Said], user: str, at: int) -> list[Said]:
    """A year until a person is deleted, by whichever name; those whom nobody knows by then are not."""
    known = [each for each in year if each.user == user and each.arrives < at]
    if not known or at >= max(each.arrives for each in year):
        return year
    other = user.replace("p", "q")
    gone = {user, f"d-{user}"}
    if any(each.kind == "alias" and each.arrives < at for each in year):
        gone |= {other, f"d-{other}"}
    left = [each for each in year if each.arrives < at or not gone & {each.user, each.device}]
    left = [each for each in left if each.arrives < at or each.kind != "alias"]
    return [*left, Said(f"{user}-gone", "track", "Delete Person", user, None, {}, at, at)]
