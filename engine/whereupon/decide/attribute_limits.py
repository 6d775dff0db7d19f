"""How many attributes a person may have, and how much they may hold.

A person is read and written as a whole with each message, so a sender must not be able to add without end.
Attributes that exist may change; those that would exceed the limits are not set, no matter which sender sends them.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from whereupon.messages.codec import encode

MOST_ATTRIBUTES = 1_000
"""How many attributes a person may have."""
MOST_CHARACTERS = 100_000
"""How many characters they may have together, names included. A list or object counts as its JSON."""
ESSENTIAL = frozenset(
    {
        "cio_subscription_preferences",
        "email",
        "locale",
        "phone",
        "timezone",
        "topics",
        "unsubscribed",
    }
)
"""Attributes that are always set: whether and where a person may be contacted."""

_PLAIN = 8
"""The characters that a number, true, false and null count as."""


def within_limits(
    there: Mapping[str, JsonValue], new: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    """The new attributes, in their order, that a person may have beside the existing ones."""
    if len(there) + len(new) <= MOST_ATTRIBUTES and _size({**there, **new}) <= MOST_CHARACTERS:
        return new
    count, size = len(there), _size(there)
    taken: dict[str, JsonValue] = {}
    for name, value in new.items():
        is_new = name not in there
        before = 0 if is_new else _size({name: there[name]})
        after = size - before + _size({name: value})
        has_room = after <= max(MOST_CHARACTERS, size) and (not is_new or count < MOST_ATTRIBUTES)
        if has_room or name in ESSENTIAL:
            taken[name] = value
            count, size = count + is_new, after
    return taken


def _size(attributes: Mapping[str, JsonValue]) -> int:
    size = 0
    for name, value in attributes.items():
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict | list):
            size += len(encode(value))
        else:
            size += _PLAIN
        size += len(name)
    return size
