"""The files of a rules folder as plain data, for the model of a year."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from tests.properties.year_clock import days_named, zone_named
from tests.properties.year_words import Data, Said, is_timed

_KINDS = ("campaign", "broadcast", "segment", "settings", "event", "guard")
_CLOCK = "UTC"
_UNKNOWN = ("grace", "rate")
"""Keys that the model does not know; a rate is shared by all households, which share nothing else."""


@dataclass(frozen=True)
class Rule:
    """A campaign or a broadcast.

    Attributes:
        place: among the rules, in the order of their files.
        triggers: a kind of trigger and what it says; of events and pages, a name or a beginning with ``*``.
    """

    id: str
    kind: str
    place: int
    data: Data
    triggers: tuple[tuple[str, Any], ...]

    def names(self, message: Said) -> bool:
        """Whether the message is one that triggers the rule."""
        return any(
            kind == message.kind and fits(name, message.name)
            for kind, name in self.triggers
            if kind in {"track", "page", "screen"}
        )

    def of_kind(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        """The triggers of these kinds."""
        return (each for each in self.triggers if each[0] in kinds)


def listed(value: Any) -> list[Any]:
    """A list, or the list of one."""
    return value if isinstance(value, list) else [value]


def fits(pattern: str, name: str) -> bool:
    """Whether a name is the one that is meant, or begins as is meant."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _triggers(when: Any) -> Iterator[tuple[str, Any]]:
    for each in when if isinstance(when, list) else [when]:
        if isinstance(each, str):
            yield ("api", None) if each == "api" else ("track", each)
        else:
            kinds = ("page", "screen", "enters", "leaves", "known", "date", "quiet", "cron")
            kind = next(name for name in kinds if name in each)
            yield kind, each if kind in {"date", "quiet", "cron"} else each[kind]


class Rules:
    """A folder's rules, segments, settings and events.

    Args:
        folder: the rules folder.
    """

    def __init__(self, folder: Path) -> None:
        files: dict[str, list[Data]] = {kind: [] for kind in _KINDS}
        for path in sorted(folder.rglob("*.yaml")):
            if not path.name.endswith(".test.yaml"):
                data = yaml.load(path.read_text(), Loader=_Plain)  # noqa: S506 - a safe loader
                files[next(kind for kind in _KINDS if kind in data)].append(data)
        self.settings: Data = (files["settings"] or [{}])[0]
        self.segments = {each["segment"]: each["who"] for each in files["segment"]}
        self.events, self.guards = files["event"], files["guard"]
        named = [(k, each[k], each) for k in ("campaign", "broadcast") for each in files[k]]
        self.every = [
            Rule(name, kind, place, data, tuple(_triggers(data["when"])))
            for place, (kind, name, data) in enumerate(sorted(named, key=lambda each: each[1]))
        ]
        if unknown := [r.id for r in self.every for key in _UNKNOWN if key in r.data]:
            message = f"the model knows neither {' nor '.join(_UNKNOWN)}, which {unknown} have"
            raise NotImplementedError(message)
        self.watched = self._watched()
        timed = (name for name in self.watched if is_timed(self.segments[name], self.segments))
        self.timed_segments = tuple(timed)
        self.by_time = [rule for rule in self.every if any(rule.of_kind("date", "quiet"))]

    def _watched(self) -> tuple[str, ...]:
        found = {name for rule in self.every for _, name in rule.of_kind("enters", "leaves")}
        for rule in self.every:
            exits = rule.data.get("exit", [])
            for way in exits if isinstance(exits, list) else [exits]:
                found |= {way["leaves"]} if isinstance(way, dict) and "leaves" in way else set()
        return tuple(sorted(found))

    def clock(self, rule: Rule | None, values: Mapping[str, Any]) -> ZoneInfo:
        """The clock by which days and times go for a person, in a rule or for segments."""
        said = rule.data.get("timezone") if rule else None
        said_at: list[Any] = [said, self.settings.get("timezone"), {}]
        for each in said_at:
            names: list[Any] = [each] if isinstance(each, str) else []
            if isinstance(each, dict):
                names = [values.get(each.get("attribute", "timezone")), each.get("else", _CLOCK)]
            for name in names:
                zone = zone_named(name) if isinstance(name, str) else None
                if zone is not None:
                    return zone
        return ZoneInfo(_CLOCK)

    def steps_of(self, rule: Rule) -> Iterator[Data]:
        """Every step of a rule, also those in arms."""
        yield from _steps(rule.data["whereupon"])


def _steps(value: Any) -> Iterator[Data]:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict):
            yield each
            for part in each.values():
                yield from _steps(part)
                if isinstance(part, dict):
                    for arm in part.get("arms", {}).values():
                        yield from _steps(arm["then"])


class _Plain(yaml.SafeLoader):
    """Reads a date as the text that it is written as, and ``on`` and ``off`` as words."""


_WORDS = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _WORDS]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def days_on(wait: Data) -> list[str]:
    """The days of the week of a wait until a time of day."""
    return days_named(wait.get("on", "mon-sun"))


_PLACE = re.compile(r"\{\{(.+?)\}\}")


def filled(text: Any, seen: Data) -> Any:
    """A text with its paths filled in; of filters only ``default`` is known."""
    if not isinstance(text, str):
        return text
    return _PLACE.sub(lambda place: _filled(place[1], seen), text)


def _filled(inside: str, seen: Data) -> str:
    path, *filters = (part.strip() for part in inside.split("|"))
    value: Any = seen
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    for each in filters:
        name, _, argument = each.partition(":")
        if name == "default" and value in (None, "", False):
            value = argument.strip().strip("'\"")
    return "" if value is None else str(value)
