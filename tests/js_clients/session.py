"""What has to arrive of the visit in session.mjs, and what each client adds to it or changes.

A message that arrives is compared with what was sent field by field: it has to have each field that was sent, and
each that its client adds, and no other one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue

Members: TypeAlias = dict[str, JsonValue]
Like: TypeAlias = Callable[[JsonValue], bool]
"""What a value has to be like, where nobody can say beforehand what it is."""
Tree: TypeAlias = "Mapping[str, Expected]"
Expected: TypeAlias = JsonValue | Like | Tree
"""What has to arrive: values, and what values have to be like."""

VISIT: tuple[Members, ...] = (
    {"type": "page", "name": "Membership", "properties": {"section": "join"}},
    {
        "type": "track",
        "event": "Product Viewed",
        "properties": {
            "product": "socks",
            "price": 23.45,
            "price_text": "23.45",
            "sum": 0.30000000000000004,
            "tiny": 5e-324,
            "most": 9007199254740991,
            "big": 9223372036854776000,  # how JavaScript writes 2 to the power of 63
            "nan": None,  # JSON.stringify
            "when": "2024-03-12T10:00:00.123Z",
            "none": None,
            "flag": True,
            "tags": ["a", ["b", {"c": [1, 2.5, None, None]}]],  # undefined is null in a list
            "text": "žluťoučký 🐴",
            "half": "\N{REPLACEMENT CHARACTER}",  # the only repair of ours
            "empty": {},
            "nothing": [],
            "map": {},  # JSON.stringify
        },
    },
    {
        "type": "identify",
        "userId": "ada",
        "traits": {
            "email": "ada@example.com",
            "first_name": "Ada",
            "plan": "pro",
            "created_at": "2024-03-01T09:30:00.000Z",
            "nothing": None,
            "age": 34,
            "address": {"city": "Zürich", "lines": ["Bahnhofstrasse 1"]},
        },
    },
    {"type": "track", "event": "purchase", "properties": {"product": "socks", "price": 23.45}},
    {
        "type": "track",
        "event": "backdated",
        "properties": {"n": 1},
        "timestamp": "2024-03-12T08:00:00.000Z",
    },
    {"type": "screen", "name": "Cart", "properties": {"items": 2}},
    {"type": "group", "groupId": "acme", "traits": {"name": "Acme", "employees": 420}},
    {"type": "alias", "userId": "ada", "previousId": "ada@example.com"},
)
KNOWN_FROM = 2
"""The first message of the visit that names the person."""


def text(value: JsonValue) -> bool:
    """A text that is not empty."""
    return isinstance(value, str) and value != ""


def instant(value: JsonValue) -> bool:
    """A time as `Date.toISOString` writes it."""
    return isinstance(value, str) and bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value)
    )


def number(value: JsonValue) -> bool:
    """A number."""
    return isinstance(value, int | float)


def filled(value: JsonValue) -> bool:
    """A list that is not empty."""
    return isinstance(value, list) and value != []


def members(value: JsonValue) -> Members:
    """A value that is an object."""
    assert isinstance(value, dict)
    return value


@dataclass(frozen=True, kw_only=True)
class Client:
    """What a client adds and changes.

    Attributes:
        adds: dotted paths of fields that it adds to every message that has none, and their values.
        adds_to: likewise, by the type of message.
        changes: makes of a message that is sent what this client makes of it, before it adds its fields.
        lacks: types that it has no call for.
    """

    adds: Mapping[str, Expected]
    adds_to: Mapping[str, Mapping[str, Expected]] = field(default_factory=dict)
    changes: Callable[[Members], Members] = lambda message: message
    lacks: frozenset[str] = frozenset()

    def expected(self, visit: Sequence[Members]) -> list[Tree]:
        """What has to arrive of messages that are sent."""
        return [self._expected(deepcopy(m)) for m in visit if m["type"] not in self.lacks]

    def _expected(self, message: Members) -> Tree:
        tree: Tree = self.changes(message)
        for path, value in {**self.adds, **self.adds_to.get(str(tree["type"]), {})}.items():
            tree = _with(tree, path.split("."), value)
        return tree


def _with(tree: Tree, path: Sequence[str], value: Expected) -> Tree:
    """A tree with a value at a path, unless it has one there."""
    name, *rest = path
    if not rest:
        return {name: value, **tree}
    inner = tree.get(name, {})
    assert isinstance(inner, Mapping)
    return {**tree, name: _with(inner, rest, value)}


def differences(expected: Iterable[Tree], arrived: Iterable[Mapping[str, JsonValue]]) -> list[str]:
    """Where messages that arrived are not what they have to be; both are ordered by their type and name."""
    pairs = zip(sorted(expected, key=_kind), sorted(arrived, key=_kind), strict=True)
    return [found for one, other in pairs for found in _differing(one, dict(other), _kind(one))]


def _kind(message: Mapping[str, object]) -> str:
    return f"{message['type']} {message.get('event') or message.get('name') or ''}"


def _differing(expected: Expected, arrived: JsonValue, path: str) -> Iterator[str]:
    if callable(expected):
        if not expected(arrived):
            yield f"{path} is {arrived!r}, which is not {expected.__name__}"
    elif isinstance(expected, Mapping) and isinstance(arrived, dict):
        yield from (f"{path}.{name} is missing" for name in expected.keys() - arrived.keys())
        yield from (
            f"{path}.{n} is there: {arrived[n]!r}" for n in arrived.keys() - expected.keys()
        )
        for name in expected.keys() & arrived.keys():
            yield from _differing(expected[name], arrived[name], f"{path}.{name}")
    elif expected != arrived or type(expected) is not type(arrived):
        yield f"{path} is {arrived!r}, not {expected!r}"
