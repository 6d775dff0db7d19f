"""The comparison of expected with observed effects: every difference in a sentence.

The order does not matter. Each observed effect meets at most one expected effect, and the pairs are chosen
so that as many as possible are met.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import JsonValue

from whereupon.messages.codec import encode
from whereupon.rules.spelling import nearest
from whereupon.testing.cases import Effect, EffectKind

_NOUNS = {
    EffectKind.ENTERED: "an entry",
    EffectKind.SKIPPED: "a skip",
    EffectKind.DELIVERY: "a delivery",
    EffectKind.WITHHELD: "a withheld delivery",
    EffectKind.REQUEST: "a request",
}
_SENT = frozenset({EffectKind.DELIVERY, EffectKind.WITHHELD})
_IDENTIFYING = ("person", "channel", "action")


def compare(
    expected: Sequence[Effect], happened: Sequence[Effect], *, complete: Collection[EffectKind]
) -> tuple[str, ...]:
    """Every difference, as sentences.

    Args:
        expected: the effects that the test names, in any order.
        happened: all effects that were observed, skips included.
        complete: the kinds of which every observed effect must be expected.
    """
    met = _pairs(expected, happened)
    left = [effect for place, effect in enumerate(happened) if place not in met]
    unmet = [wanted for place, wanted in enumerate(expected) if place not in met.values()]
    failures = [_unmet(wanted, left, happened) for wanted in unmet]
    failures += [_unexpected(effect) for effect in left if effect.kind in complete]
    return tuple(failures)


def _pairs(expected: Sequence[Effect], happened: Sequence[Effect]) -> dict[int, int]:
    """Which observed effect meets which expected one, with as many pairs as possible (augmenting paths)."""
    met: dict[int, int] = {}

    def meet(wanted: int, tried: set[int]) -> bool:
        for place, effect in enumerate(happened):
            if place in tried or not _meets(expected[wanted], effect):
                continue
            tried.add(place)
            if place not in met or meet(met[place], tried):
                met[place] = wanted
                return True
        return False

    for wanted in range(len(expected)):
        meet(wanted, set())
    return met


def _meets(wanted: Effect, effect: Effect) -> bool:
    return wanted.kind is effect.kind and not list(_differences(wanted, effect))


def _differences(wanted: Effect, effect: Effect) -> Iterator[str]:
    """Every difference from the expected effect, as a clause."""
    for name, value in wanted.facts.items():
        seen = effect.facts.get(name)
        if seen != value and not (name == "reason" and _is_sort_of(seen, value)):
            yield _otherwise(name, effect)
    for name, value in wanted.content.items():
        if name not in effect.content:
            yield f"it has no {name}{nearest(name, effect.content)}"
        elif effect.content[name] != value:
            yield f"{name} was {_shown(name, effect.content[name])}"


def _otherwise(name: str, effect: Effect) -> str:
    seen, reason = effect.facts.get(name), effect.facts.get("reason")
    if name == "retroactive":
        return f"it was {'' if seen else 'not '}retroactive"
    if name == "outcome" and reason is not None:
        return f"outcome was {seen} for reason {reason}"
    return f"{name} was {_shown(name, seen)}"


def _is_sort_of(reason: JsonValue, sort: JsonValue) -> bool:
    """Whether a detailed reason, such as ``template: …``, begins with that word."""
    return isinstance(reason, str) and reason.startswith(f"{sort}:")


# --- sentences ------------------------------------------------------------------------------------


def _unmet(wanted: Effect, left: list[Effect], happened: Sequence[Effect]) -> str:
    """The sentence for an expected effect; the effect that nearly meets it is removed from what is left."""
    near = _nearest(wanted, left)
    if near is None:
        why = _why_not(wanted, happened)
        return f"expected {phrase(wanted)}, but there was none{f': {why}' if why else ''}"
    left.remove(near)
    if near.kind is not wanted.kind:
        return f"expected {phrase(wanted)}, but there was {phrase(near)}"
    return f"expected {phrase(wanted)}, but {' and '.join(_differences(wanted, near))}"


def _nearest(wanted: Effect, left: Sequence[Effect]) -> Effect | None:
    """The effect of the same kind for the same person that has the fewest differences."""
    if wanted.kind is EffectKind.SKIPPED:
        return None
    near = [effect for effect in left if _is_akin(wanted, effect)]
    return min(near, key=lambda effect: _distance(wanted, effect), default=None)


def _is_akin(wanted: Effect, effect: Effect) -> bool:
    same_kind = wanted.kind is effect.kind or {wanted.kind, effect.kind} == _SENT
    return same_kind and all(
        effect.facts.get(name) == wanted.facts[name]
        for name in _IDENTIFYING
        if name in wanted.facts
    )


def _distance(wanted: Effect, effect: Effect) -> tuple[bool, int]:
    return wanted.kind is not effect.kind, len(list(_differences(wanted, effect)))


def _why_not(wanted: Effect, happened: Sequence[Effect]) -> str:
    """What the rule decided about the person instead, message by message."""
    if wanted.kind is EffectKind.REQUEST:
        return ""
    person = wanted.facts["person"]
    theirs = [effect for effect in happened if effect.facts.get("person") == person]
    entries = [effect for effect in theirs if effect.kind is EffectKind.ENTERED]
    skips = [effect for effect in theirs if effect.kind is EffectKind.SKIPPED]
    if wanted.kind in _SENT and entries:
        return "the entry did not come to it"
    said = [*entries, *skips] if wanted.kind is EffectKind.SKIPPED else skips
    return (
        "; ".join(effect.because for effect in said) or "no message of theirs was put to the rule"
    )


def _unexpected(effect: Effect) -> str:
    how = f" ({effect.because})" if effect.because else ""
    return f"not expected: {phrase(effect)}{how}"


def phrase(effect: Effect) -> str:
    """An effect in words."""
    facts = dict(effect.facts)
    words = [_NOUNS[effect.kind]]
    for name, link in (("channel", "by"), ("action", "for")):
        if name in facts:
            words.append(f"{link} {facts.pop(name)}")
    if "person" in facts:
        person = facts.pop("person")
        link = "to" if effect.kind in _SENT else "of"
        words.append(f"{link} {'nobody known' if person is None else person}")
    if "at" in facts:
        words.append(f"at {facts.pop('at')}")
    if facts.pop("retroactive", False):
        words.append("retroactively")
    rest = _listed({**facts, **effect.content})
    return " ".join([*words, *([f"with {rest}"] if rest else [])])


def _listed(values: Mapping[str, JsonValue]) -> str:
    said = (f"{name} {_shown(name, value)}" for name, value in values.items() if value is not None)
    return " and ".join(said)


def _shown(name: str, value: JsonValue) -> str:
    if value is None:
        return "nothing"
    plain = name in ("at", "reason", "outcome", "person") and isinstance(value, str)
    return str(value) if plain else encode(value).decode()
