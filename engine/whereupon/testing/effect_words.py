"""Effects in words."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from whereupon.messages.codec import encode
from whereupon.testing.cases import Effect, EffectKind

_NOUNS: Final = {
    EffectKind.ENTERED: ("an entry", "entries"),
    EffectKind.SKIPPED: ("a skip", "skips"),
    EffectKind.DELIVERY: ("a delivery", "deliveries"),
    EffectKind.WITHHELD: ("a withheld delivery", "withheld deliveries"),
    EffectKind.REQUEST: ("a request", "requests"),
    EffectKind.TRACKED: ("an event", "events"),
    EffectKind.EXITED: ("an exit", "exits"),
    EffectKind.CONVERTED: ("a conversion", "conversions"),
    EffectKind.RAN: ("a call", "calls"),
    EffectKind.ARM: ("an arm", "arms"),
    EffectKind.HAS: ("a profile", "profiles"),
}
SENT: Final = frozenset({EffectKind.DELIVERY, EffectKind.WITHHELD})
_LINKS: Final = (("channel", "by"), ("action", "for"))
_PLAIN: Final = frozenset(
    {"at", "reason", "outcome", "person", "rule", "event", "by", "arm", "of", "step"}
)
_MOST_TIMES = 5
_CAUSED: Final = frozenset({EffectKind.EXITED, EffectKind.CONVERTED})
_PERSON_LINKS: Final = {EffectKind.ARM: "by", EffectKind.RAN: "for"}


def phrase(effect: Effect) -> str:
    """An effect in words."""
    facts = dict(effect.facts)
    words = [_noun(effect), *_which(effect.kind, facts)]
    if "person" in facts:
        words += _whose(effect.kind, facts.pop("person"))
    if "rule" in facts:
        words.append(f"in {facts.pop('rule')}")
    if "at" in facts:
        words.append(f"at {facts.pop('at')}")
    if facts.pop("retroactive", False):
        words.append("retroactively")
    rest = _listed({**facts, **effect.content})
    return " ".join([*words, *([f"with {rest}"] if rest else [])])


def _noun(effect: Effect) -> str:
    one, several = _NOUNS[effect.kind]
    if effect.count is None or effect.count == 1:
        return one if effect.count is None else f"one {one.partition(' ')[2]}"
    return f"{effect.count or 'no'} {several}"


def _which(kind: EffectKind, facts: dict[str, JsonValue]) -> list[str]:
    """The words that say which one; the facts that they say are taken out."""
    words = [f"{link} {facts.pop(name)}" for name, link in _LINKS if name in facts]
    if kind is EffectKind.TRACKED:
        words.append(str(facts.pop("event")))
    if kind is EffectKind.RAN:
        words.append(f"of {facts.pop('function')}")
    if kind is EffectKind.ARM:
        words += [str(facts.pop("arm")), f"of {facts.pop('of')}"]
    if kind in _CAUSED and (by := facts.pop("by", None)) is not None:
        words.append(f"by {by}")
    return words


def _whose(kind: EffectKind, person: JsonValue) -> list[str]:
    link = "to" if kind in SENT else _PERSON_LINKS.get(kind, "of")
    return [f"{link} {'nobody known' if person is None else person}"]


def listed_attributes(values: Mapping[str, JsonValue]) -> str:
    """Attributes with their values; one that is to be missing as such."""
    return " and ".join(
        f"no {name}" if value is None else f"{name} {shown(name, value)}"
        for name, value in values.items()
    )


def at_times(effects: Sequence[Effect]) -> str:
    """When these effects were, the first few of many."""
    said = [f"at {effect.facts['at']}" for effect in effects[:_MOST_TIMES] if "at" in effect.facts]
    more = len(effects) - len(said)
    return ", ".join([*said, *([f"and {more} more"] if said and more else [])])


def _listed(values: Mapping[str, JsonValue]) -> str:
    said = (f"{name} {shown(name, value)}" for name, value in values.items() if value is not None)
    return " and ".join(said)


def shown(name: str, value: JsonValue) -> str:
    """A value as a sentence shows it."""
    if value is None:
        return "nothing"
    plain = name in _PLAIN and isinstance(value, str)
    return str(value) if plain else encode(value).decode()
