"""The tests of lists, ``any_item``, ``all_items`` and ``no_item``, and their operators in JSONLogic (see `items`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from whereupon.conditions.values import JsonValue

OUTER: Final = "@outer"
"""The operator that reads outside of an item: ``{"@outer": [PATH, DEFAULT, ZONE]}``."""


@dataclass(frozen=True, slots=True)
class ItemTest:
    """One of the three tests of a list.

    Attributes:
        operator: its name in JSONLogic: ``{OPERATOR: [LIST, LOGIC OF ONE ITEM]}``.
        words: between the name of the list and what its items satisfy, in a sentence.
        hint: the sentence that editors show.
        example: a list's condition, for editors and the reference.
    """

    operator: str
    words: str
    hint: str
    example: JsonValue


ITEM_TESTS: Final[Mapping[str, ItemTest]] = MappingProxyType(
    {
        "any_item": ItemTest(
            "@any_item",
            "has an item where",
            "It is a list, and at least one of its items satisfies all of this.",
            {"category": "socks", "price": {"gt": 20}},
        ),
        "all_items": ItemTest(
            "@all_items",
            "has only items where",
            "It is a list, and each of its items satisfies all of this; of an empty list, each does.",
            {"in_stock": True},
        ),
        "no_item": ItemTest(
            "@no_item",
            "has no item where",
            "It is a list, and none of its items satisfies all of this.",
            {"category": "gift-card"},
        ),
    }
)
"""The tests by their keys in rule files."""
ITEM_OPERATORS: Final = frozenset(test.operator for test in ITEM_TESTS.values())
NO_ITEM: Final = ITEM_TESTS["no_item"].operator
