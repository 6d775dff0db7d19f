"""Generated journeys: a few rules, and a stream of messages that arrive early, late and together.

A journey is plain data, the same for the same seed, so that it can be printed, and cut down when the engine and
the model disagree about it.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random  # noqa: TID251 - seeded
from typing import Any

import yaml
from tests.properties.journey_world import DAY, HOUR, MINUTE, Data

START = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp())  # a Monday
EVENTS = ("cart", "cart", "order", "visit")
PEOPLE, DEVICES = ("ada", "ben"), ("anon-1", "anon-2")
_WAITS = ("10m", "1h", "2h", "1d")
_SPANS = (0, MINUTE, 10 * MINUTE, HOUR, HOUR, 2 * HOUR, DAY)
_DELAYS = (0, 0, 0, 0, 2, 7 * MINUTE, HOUR + 3, DAY + 11, 4 * DAY)


@dataclass(frozen=True, slots=True)
class Journey:
    """Rules, and what happens, in order.

    Attributes:
        happens: ``{pass: SECONDS}``, in which due work is done at its time; ``{stall: SECONDS}``, after which
            it is done late; ``{arrive: MESSAGES}``, at one instant; ``{deliver: true}``. A message is its
            fields on the wire, with ``at``, the second at which it happened.
    """

    rules: list[Data]
    happens: list[Data]

    def __str__(self) -> str:
        return yaml.safe_dump_all([*self.rules, self.happens], sort_keys=False, width=120)


# --- rules ----------------------------------------------------------------------------------------


class Author:
    """Writes rules.

    Args:
        chance: what everything follows from.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._names = iter(f"s{n}" for n in range(100))

    def rules(self) -> list[Data]:
        """A few rules; the last one may be opened by what the others track."""
        count = self._chance.choice((1, 1, 2, 2, 3))
        rules = [
            self._rule(f"r{n}", self._chance.choice(EVENTS), tracks=True) for n in range(count)
        ]
        if self._chance.random() < 0.3:
            rules.append(self._rule("told", "done", tracks=False))
        return rules

    def _rule(self, name: str, when: str, *, tracks: bool) -> Data:
        rule: Data = {
            "campaign": name,
            "description": "A journey.",
            "when": when,
            "reentry": self._chance.choice(
                [
                    "every_time",
                    "every_time",
                    "once",
                    "not_while_active",
                    {"once_per": "1h"},
                    {"once_per_key": "properties.n"},
                ]
            ),
        }
        if self._chance.random() < 0.2:
            rule["where"] = {"n": [1, 2]}
        if self._chance.random() < 0.3:
            rule["who"] = self._who()
            if self._chance.random() < 0.5:
                rule["stay"] = True
        if self._chance.random() < 0.3:
            rule["exit"] = [self._chance.choice([self._event(), self._event(), self._who()])]
        if self._chance.random() < 0.3:
            rule["goal"] = self._goal()
        if self._chance.random() < 0.15:
            rule["holdout"] = self._chance.choice([10, 50])
        rule["whereupon"] = self._steps(2, tracks=tracks)
        return rule

    def _goal(self) -> Data:
        goal: Data = {**self._event(), "within": self._chance.choice(["2h", "2d"])}
        for key, value in (("after", "first_send"), ("exit", False), ("already", "skip")):
            if self._chance.random() < 0.3:
                goal[key] = value
        return goal

    def _who(self) -> Data:
        return self._chance.choice(
            [{"plan": "pro"}, {"plan": ["pro", "team"]}, {"level": 2}, {"plan": "pro", "level": 1}]
        )

    def _event(self) -> Data:
        asked: Data = {"event": self._chance.choice(("order", "visit"))}
        if self._chance.random() < 0.2:
            asked["where"] = {"n": self._chance.choice((1, 2))}
        elif self._chance.random() < 0.4:
            asked["same"] = self._chance.choice([["n"], {"k": "n"}])
        return asked

    def _steps(self, depth: int, *, tracks: bool) -> list[Any]:
        steps = [
            self._step(depth, tracks=tracks) for _ in range(self._chance.choice((1, 2, 2, 3, 4)))
        ]
        if depth == 2 and all("send" not in step for step in steps if isinstance(step, dict)):
            steps.append({"send": "push", "title": "end"})
        ends = [n for n, step in enumerate(steps) if step == "exit"]
        return steps[: ends[0] + 1] if ends else steps

    def _step(self, depth: int, *, tracks: bool) -> Any:
        kinds = ["send", "send", "wait", "wait", "set", "until", "date"]
        kinds += ["track"] * tracks + ["wait_for", "wait_for", "branch", "split"] * (depth > 0)
        kinds += ["exit"] * (depth < 2)
        kind = self._chance.choice(kinds)
        if kind == "exit":
            return "exit"
        step: Data = getattr(self, f"_{kind}")(depth, tracks)
        if self._chance.random() < 0.15:
            step["if"] = self._who()
        if self._chance.random() < 0.1:
            step["name"] = next(self._names)
        return step

    def _send(self, _depth: int, _tracks: bool) -> Data:
        return {"send": "push", "title": next(self._names)}

    def _wait(self, _depth: int, _tracks: bool) -> Data:
        return {"wait": self._chance.choice(_WAITS)}

    def _until(self, _depth: int, _tracks: bool) -> Data:
        clock: Data = {"until": self._chance.choice(("09:00", "13:00"))}
        on = self._chance.choice([None, None, ["mon", "thu"]])
        return {"wait": clock | ({"on": on} if on else {})}

    def _date(self, _depth: int, _tracks: bool) -> Data:
        moved = self._chance.choice([{}, {"before": "1h"}, {"after": "10m"}])
        return {"wait": {"until": "person.ends_at", **moved}}

    def _set(self, _depth: int, _tracks: bool) -> Data:
        return {"set": self._chance.choice([{"plan": "pro"}, {"level": 2}, {"plan": "free"}])}

    def _track(self, _depth: int, _tracks: bool) -> Data:
        return {"track": "done"}

    def _branch(self, depth: int, tracks: bool) -> Data:
        arms: list[Data] = [
            {"if": condition, "then": self._steps(depth - 1, tracks=tracks)}
            for condition in self._chance.sample(
                [{"plan": "pro"}, {"level": 2}, {"level": [1, 2]}], self._chance.choice((1, 2))
            )
        ]
        if self._chance.random() < 0.6:
            arms.append({"else": self._steps(depth - 1, tracks=tracks)})
        return {"branch": arms}

    def _split(self, depth: int, tracks: bool) -> Data:
        shares = self._chance.choice([(50, 50), (45, 45, 10), (33.34, 66.66)])
        arms = {
            label: {"share": share, "then": self._steps(depth - 1, tracks=tracks)}
            for label, share in zip("abc", shares, strict=False)
        }
        return {"split": {"name": next(self._names), "arms": arms}}

    def _wait_for(self, depth: int, tracks: bool) -> Data:
        arms: list[Data] = []
        for _ in range(self._chance.choice((1, 1, 2))):
            asked: Data = self._event() if self._chance.random() < 0.7 else {"who": self._who()}
            if "event" in asked and depth == 2 and self._chance.random() < 0.25:
                asked["again"] = True
            if asked.get("again") or self._chance.random() < 0.7:
                asked["then"] = self._steps(depth - 1, tracks=tracks)
            arms.append(asked)
        step: Data = {"wait_for": arms, "up_to": self._chance.choice(("10m", "1h", "1d"))}
        if self._chance.random() < 0.3:
            step["since"] = "step"
        if self._chance.random() < 0.5:
            step["else"] = self._steps(depth - 1, tracks=tracks)
        return step


# --- what happens ---------------------------------------------------------------------------------


class Stream:
    """What happens: messages, each at a second of its own, that arrive in bursts; and time that passes."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._now = START
        self._taken: set[int] = set()
        self._claimed_at = 0
        self._late: list[tuple[int, Data]] = []
        self._ids = iter(f"m{n}" for n in range(1000))

    def happens(self) -> Iterator[Data]:
        """A dozen bursts or so."""
        for _ in range(self._chance.randint(3, 14)):
            yield {"arrive": self._burst()}
            span = self._chance.choice(_SPANS)
            self._now += span
            if span:
                yield {"stall" if self._chance.random() < 0.1 else "pass": span}
            if self._chance.random() < 0.15:
                yield {"deliver": True}
        if self._late:
            self._now += 5 * DAY
            yield {"pass": 5 * DAY}
            yield {"arrive": [message for _, message in self._late]}
        yield {"pass": 40 * DAY}

    def _burst(self) -> list[Data]:
        """What arrives now: new messages, the last of them at this instant, and some that are late."""
        size = self._chance.choice((1, 1, 1, 2, 3, 5))
        new = [self._message(self._now - size + 1 + place) for place in range(size)]
        late = [message for due, message in self._late if due <= self._now]
        self._late = [(due, message) for due, message in self._late if due > self._now]
        burst = []
        for message in new:
            delay = self._chance.choice(_DELAYS)
            if delay and message["type"] != "alias" and not self._claims(message):
                self._late.append((self._now + delay, message))
            else:
                burst.append(message)
        return burst + late

    @staticmethod
    def _claims(message: Data) -> bool:
        return "userId" in message and "anonymousId" in message

    def _message(self, at: int) -> Data:
        while at in self._taken:
            at -= 1
        self._taken.add(at)
        message: Data = {"messageId": next(self._ids), "at": at}
        draw, user = self._chance.random(), self._chance.choice(PEOPLE[:1] * 3 + PEOPLE)
        if draw < 0.03:
            return {"type": "alias", **message, "userId": "ada", "previousId": "ben"}
        if draw < 0.25:
            return {"type": "identify", **message, "userId": user, "traits": self._traits(at)}
        if draw < 0.32 and at > self._claimed_at:  # of two claims the earlier one arrives first
            self._claimed_at = at
            device = self._chance.choice(DEVICES)
            return {"type": "identify", **message, "userId": user, "anonymousId": device}
        sender = {"userId": user} if draw < 0.85 else {"anonymousId": self._chance.choice(DEVICES)}
        said: Data = {"n": self._chance.choice((1, 2, 2, "2", 3.0))}
        if self._chance.random() < 0.5:
            said["k"] = self._chance.choice((1, 2, " "))
        event = self._chance.choice(EVENTS)
        return {"type": "track", **message, **sender, "event": event, "properties": said}

    def _traits(self, at: int) -> Data:
        span = self._chance.choice((-HOUR, 10 * MINUTE, 2 * HOUR, 3 * DAY))
        ends_at = datetime.fromtimestamp(at + span, UTC).isoformat()
        some: list[Data] = [
            {"plan": self._chance.choice(("free", "pro", "team"))},
            {"level": self._chance.choice((1, 2))},
            {"ends_at": self._chance.choice((ends_at, ends_at, ends_at, None))},
        ]
        chosen = self._chance.sample(some, self._chance.choice((1, 1, 2)))
        return {name: value for traits in chosen for name, value in traits.items()}


def drafted(seed: int, draft: int = 0) -> Journey:
    """A journey of a seed; further drafts are for rules that a reader refuses, such as arms that nobody reaches."""
    chance = Random(f"journey-{seed}-{draft}")  # noqa: S311
    return Journey(Author(chance).rules(), list(Stream(chance).happens()))


# --- cutting one down -----------------------------------------------------------------------------


def smallest(found: Journey, fails: Callable[[Journey], bool]) -> Journey:
    """The journey without everything that can go while it still fails; one cut at a time."""
    while True:
        for smaller in _smaller(found):
            if fails(smaller):
                found = smaller
                break
        else:
            return found


def _smaller(whole: Journey) -> Iterator[Journey]:
    for path in _removable([whole.happens, whole.rules]):
        happens, rules = deepcopy([whole.happens, whole.rules])
        place: Any = [happens, rules]
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        yield Journey(rules, happens)


def _removable(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of elements and keys, the largest parts first."""
    items = list(
        enumerate(value)
        if isinstance(value, list)
        else value.items()
        if isinstance(value, dict)
        else ()
    )
    if path:
        yield from ((*path, key) for key, _ in reversed(items) if key not in _NEEDED)
    for key, part in items:
        yield from _removable(part, (*path, key))


_NEEDED = {"campaign", "description", "when", "reentry", "whereupon", "name"}
_NEEDED |= {
    "messageId",
    "at",
    "type",
    "userId",
    "anonymousId",
    "event",
    "previousId",
    "pass",
    "stall",
}
_NEEDED |= {
    "send",
    "title",
    "wait",
    "until",
    "wait_for",
    "up_to",
    "branch",
    "split",
    "arms",
    "share",
}
_NEEDED |= {"set", "track", "within", "arrive", "deliver"}
