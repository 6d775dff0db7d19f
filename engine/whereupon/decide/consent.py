"""Whether a person may be sent a delivery: asked when a step is done, and right before each call of a channel."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.records import SendKind

UNSUBSCRIBED = "unsubscribed"
TOPIC = "topic"
ERASED = "erased"
"""Reasons for which a delivery is withheld."""

_MARKETING = SendKind.MARKETING  # an attribute of an enumeration is looked up slowly
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
_TOPICS = "topics"
_PREFERENCES = "cio_subscription_preferences"
_NESTING = frozenset({_TOPICS, _PREFERENCES})
_CONSENT = _NESTING | {UNSUBSCRIBED}
_EMPTY: tuple[JsonValue, ...] = (None, "")


def reason_to_withhold(
    attributes: Mapping[str, JsonValue] | None, kind: SendKind, topic: str | None
) -> str | None:
    """Why a person may not be sent a delivery of this kind and topic; None if the person may.

    Args:
        attributes: the person's, as they are now; None if the person was erased.
    """
    if attributes is None:
        return ERASED
    if kind is not _MARKETING:
        return None
    said = attributes.get(UNSUBSCRIBED)
    if said is not None and says_yes(said):
        return UNSUBSCRIBED
    if topic is not None and not is_subscribed(topic, attributes):
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


def is_subscribed(topic: str, attributes: Mapping[str, JsonValue]) -> bool:
    """Whether nothing that the person said opts out of a topic."""
    return not any(map(says_no, _words_on(topic, attributes)))


def attributes_that_say(
    attributes: Mapping[str, JsonValue], *, unsubscribed: bool | None, topics: Mapping[str, bool]
) -> dict[str, JsonValue]:
    """The attributes to set so that a person has said this; none if they have said it.

    A word on a topic goes into ``topics``, beside the other topics there. It replaces every word on the topic in
    another spelling, since one *no* in any spelling opts out.

    Args:
        attributes: the person's, as they are.
        unsubscribed: what to say of everything; None for nothing.
        topics: what to say of topics: whether the person is subscribed.
    """
    said: dict[str, JsonValue] = {}
    if unsubscribed is not None and says_yes(attributes.get(UNSUBSCRIBED)) is not unsubscribed:
        said[UNSUBSCRIBED] = unsubscribed
    for topic, wanted in topics.items():
        now = {**attributes, **said}
        if is_subscribed(topic, now) is not wanted:
            said |= _word_everywhere(topic, now, wanted=wanted)
    return said


def _word_everywhere(
    topic: str, attributes: Mapping[str, JsonValue], *, wanted: bool
) -> dict[str, JsonValue]:
    """A word on one topic: as our own attribute, and in every other spelling that has a word on it."""
    own = attributes.get(_TOPICS)
    said: dict[str, JsonValue] = {}
    if own is None or isinstance(own, Mapping):
        said[_TOPICS] = {**(own or {}), topic: wanted}
    else:  # a list or a text of the host's own, which stays
        said[f"{_TOPICS}.{topic}"] = wanted
    preferences = attributes.get(_PREFERENCES)
    nested = preferences.get(_TOPICS) if isinstance(preferences, Mapping) else None
    if isinstance(preferences, Mapping) and isinstance(nested, Mapping) and topic in nested:
        said[_PREFERENCES] = {**preferences, _TOPICS: {**nested, topic: wanted}}
    return said | dict.fromkeys(_dotted(topic) & attributes.keys(), wanted)


def _words_on(topic: str, attributes: Mapping[str, JsonValue]) -> list[JsonValue]:
    """What the person's attributes say of a topic: in ``topics``, and as Customer.io writes it, nested or dotted."""
    preferences = attributes.get(_PREFERENCES)
    places = [attributes.get(_TOPICS)]
    if isinstance(preferences, Mapping):
        places.append(preferences.get(_TOPICS))
    found = [place.get(topic) for place in places if isinstance(place, Mapping)]
    return [*found, *(attributes.get(name) for name in _dotted(topic))]


def _dotted(topic: str) -> set[str]:
    return {f"{_TOPICS}.{topic}", f"{_PREFERENCES}.{_TOPICS}.{topic}"}


def later_word(attribute: str, newer: JsonValue, older: JsonValue) -> JsonValue:
    """What holds of two values of an attribute on consent: the newer word. What is no word never beats a word.

    Words on topics are compared topic by topic.
    """
    nests = attribute in _NESTING
    if nests and isinstance(newer, dict) and isinstance(older, dict):
        return _later_words(newer, older)
    is_older_said = _has_word(older) and isinstance(older, dict) is nests
    is_newer_said = _has_word(newer) and isinstance(newer, dict) is nests
    is_kept = is_older_said or (newer in _EMPTY and older is not None)
    return older if is_kept and not is_newer_said else newer


def _later_words(newer: dict[str, JsonValue], older: dict[str, JsonValue]) -> dict[str, JsonValue]:
    names = dict.fromkeys((*newer, *older))
    return {name: _later_member(newer.get(name), older.get(name)) for name in names}


def _later_member(newer: JsonValue, older: JsonValue) -> JsonValue:
    if isinstance(newer, dict) and isinstance(older, dict):
        return _later_words(newer, older)
    is_kept = _has_word(older) or (newer in _EMPTY and older is not None)
    return older if is_kept and not _has_word(newer) else newer


def _has_word(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(map(_has_word, value.values()))
    return says_yes(value) or says_no(value)


class Said(NamedTuple):
    """What a person's attributes say, and when each was set (see `records.Person.stamps`)."""

    attributes: Mapping[str, JsonValue]
    stamps: Mapping[str, int]


def later_topics(
    attributes: Mapping[str, JsonValue], survivor: Said, loser: Said
) -> dict[str, JsonValue]:
    """The attributes to set in a merged person so that on each topic the newer of the two persons' words holds.

    The two may have said it in different spellings, of which one *no* would be enough.

    Args:
        attributes: the merged ones; values in one spelling are joined already (see `later_word`).
    """
    named = [topic for said in (survivor, loser) for topic in _topics_named(said.attributes)]
    topics: dict[str, bool] = {}
    for topic in dict.fromkeys(named):
        mine, theirs = _said_at(topic, survivor), _said_at(topic, loser)
        if mine is not None and theirs is not None:
            later = loser if theirs > mine else survivor
            topics[topic] = is_subscribed(topic, later.attributes)
    return attributes_that_say(attributes, unsubscribed=None, topics=topics)


def _topics_named(attributes: Mapping[str, JsonValue]) -> list[str]:
    preferences = attributes.get(_PREFERENCES)
    nested = preferences.get(_TOPICS) if isinstance(preferences, Mapping) else None
    places = (attributes.get(_TOPICS), nested)
    found = [topic for place in places if isinstance(place, Mapping) for topic in place]
    heads = (f"{_TOPICS}.", f"{_PREFERENCES}.{_TOPICS}.")
    dotted = [name[len(head) :] for name in attributes for head in heads if name.startswith(head)]
    return [*found, *dotted]


def _said_at(topic: str, said: Said) -> int | None:
    """When a person last said something on a topic, as far as is known; None if they never did."""
    places = (_TOPICS, _PREFERENCES, *_dotted(topic))
    times = [
        said.stamps.get(place, 0)
        for place in places
        if place in said.attributes
        and any(map(_has_word, _words_on(topic, {place: said.attributes[place]})))
    ]
    return max(times, default=None)


def is_consent(attribute: str) -> bool:
    """Whether an attribute is one by which a person says what may be sent."""
    return attribute in _CONSENT or attribute.startswith((f"{_TOPICS}.", f"{_PREFERENCES}."))
