"""Whether a person may be sent a delivery: asked when a step is done, and right before each call of a channel."""

from collections.abc import Mapping

from pydantic import JsonValue

from whereupon.records import SendKind

UNSUBSCRIBED = "unsubscribed"
TOPIC = "topic"
ERASED = "erased"
"""Reasons for which a delivery is withheld."""

_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
_PREFERENCES = "cio_subscription_preferences"


def reason_to_withhold(
    attributes: Mapping[str, JsonValue] | None, kind: SendKind, topic: str | None
) -> str | None:
    """Why a person may not be sent a delivery of this kind and topic; None if the person may.

    Args:
        attributes: the person's, as they are now; None if the person was erased.
    """
    if attributes is None:
        return ERASED
    if kind is not SendKind.MARKETING:
        return None
    if says_yes(attributes.get(UNSUBSCRIBED)):
        return UNSUBSCRIBED
    if topic is not None and any(map(says_no, _words_on(topic, attributes))):
        return TOPIC
    return None


def says_yes(value: JsonValue) -> bool:
    """Whether a value is true, 1, "1", or the word *true* or *yes* in any case."""
    return _word(value) in _YES


def says_no(value: JsonValue) -> bool:
    """Whether a value is false, 0, "0", or the word *false* or *no* in any case."""
    return _word(value) in _NO


def _word(value: JsonValue) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value)) if value in (0, 1) else None
        case str():
            return value.strip().lower()
        case _:
            return None


def _words_on(topic: str, attributes: Mapping[str, JsonValue]) -> list[JsonValue]:
    """What the person's attributes say of a topic: in ``topics``, and as Customer.io writes it, nested or dotted."""
    preferences = attributes.get(_PREFERENCES)
    places = [attributes.get("topics")]
    if isinstance(preferences, Mapping):
        places.append(preferences.get("topics"))
    found = [place.get(topic) for place in places if isinstance(place, Mapping)]
    dotted = (f"topics.{topic}", f"{_PREFERENCES}.topics.{topic}")
    return [*found, *(attributes.get(name) for name in dotted)]
