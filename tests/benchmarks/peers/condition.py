"""One condition of three tests, and messages for it; needs nothing but Python.

The values are of the types that the tests expect, so that every library gives the same answers.
"""

from typing import Any

LOGIC: dict[str, Any] = {
    "and": [
        {"==": [{"var": "properties.product"}, "socks"]},
        {">": [{"var": "properties.price"}, 20]},
        {"in": [{"var": "properties.country"}, ["fr", "de", "it"]]},
    ]
}
EXPRESSION = 'product == "socks" and price > 20 and country in ["fr", "de", "it"]'


def message(product: str, price: float, country: str) -> dict[str, Any]:
    """A purchase, as conditions see it."""
    return {
        "event": "purchase",
        "type": "track",
        "timestamp": "2026-03-01T12:00:00Z",
        "properties": {"product": product, "price": price, "country": country, "quantity": 2},
        "context": {"page": {"path": "/shop"}},
        "person": {"plan": "pro", "first_name": "Ada"},
    }


MESSAGES = [
    message("socks", 23.45, "de"),
    message("socks", 30, "us"),
    message("socks", 5, "fr"),
    message("shoes", 80, "fr"),
    message("socks", 20.5, "it"),
    message("socks", 120, "fr"),
]
ANSWERS = [True, False, False, False, True, True]
