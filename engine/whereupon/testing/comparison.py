"""The comparison of expected with observed effects: every difference in a sentence.

The order does not matter. Each observed effect meets at most one expected effect, and the pairs are chosen
so that as many as possible are met. What a person has is no effect that is used up.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from pydantic import JsonValue

from whereupon.rules.spelling import nearest
from whereupon.testing.cases import Effect, EffectKind
from whereupon.testing.effect_words import SENT, at_times, listed_attributes, phrase, shown

_SPACES = str.maketrans("\u00a0\u2009\u202f", "   ")
_IDENTIFYING = ("person", "channel", "action", "event", "function", "of", "rule")


def compare(
    expected: Sequence[Effect], happened: Sequence[Effect], *, complete: Collection[EffectKind]
) -> tuple[str, ...]:
    """Every difference, as sentences.

    Args:
        expected: the effects that the test names, in any order.
        happened: all effects that were observed, skips included.
        complete: the kinds of which every observed effect must be expected, unless another rule did it.
    """
    lasting = [wanted for wanted in expected if wanted.kind is EffectKind.HAS]
    passing = [wanted for wanted in expected if wanted.kind is not EffectKind.HAS]
    ranked = sorted(passing, key=lambda wanted: wanted.count is not None)
    single = [each for wanted in ranked for each in [wanted] * _copies(wanted)]
    met = _pairs(single, happened)
    left = [effect for place, effect in enumerate(happened) if place not in met]
    found = set(met.values())
    unmet = [wanted for place, wanted in enumerate(single) if place not in found]
    failures = list(_miscounted(passing, unmet, left, happened))
    unmet = [wanted for wanted in unmet if wanted.count is None]
    failures += [_unmet(wanted, left, happened) for wanted in unmet]
    failures += list(chain.from_iterable(_not_had(wanted, happened) for wanted in lasting))
    failures += [
        f"not expected: {phrase(effect)}{f' ({effect.because})' if effect.because else ''}"
        for effect in left
        if effect.kind in complete and "rule" not in effect.facts
    ]
    return tuple(failures)


def _copies(wanted: Effect) -> int:
    return 1 if wanted.count is None else wanted.count


def _pairs(expected: Sequence[Effect], happened: Sequence[Effect]) -> dict[int, int]:
    """Which observed effect meets which expected one, with as many pairs as possible (augmenting paths).

    One expectation may stand there many times. All that it could gain by another's place is tried once.
    """
    met: dict[int, int] = {}
    fits = _fitting(expected, happened)
    begun: dict[int, int] = defaultdict(int)

    def free(wanted: int) -> int | None:
        """The first observed effect that fits and that nothing is met by."""
        key, places = id(expected[wanted]), fits[wanted]
        while begun[key] < len(places) and places[begun[key]] in met:
            begun[key] += 1
        return places[begun[key]] if begun[key] < len(places) else None

    def meet(wanted: int, tried: set[int]) -> bool:
        if id(expected[wanted]) in tried:
            return False
        tried.add(id(expected[wanted]))
        place = free(wanted)
        if place is None:
            place = next((each for each in fits[wanted] if meet(met[each], tried)), None)
        if place is not None:
            met[place] = wanted
        return place is not None

    for wanted in range(len(expected)):
        meet(wanted, set())
    return met


def _fitting(expected: Sequence[Effect], happened: Sequence[Effect]) -> list[list[int]]:
    """Of each expected effect the observed ones that would meet it."""
    known: dict[int, list[int]] = {}
    for wanted in expected:  # of which some are one expectation many times
        if id(wanted) not in known:
            known[id(wanted)] = [n for n, effect in enumerate(happened) if _meets(wanted, effect)]
    return [known[id(wanted)] for wanted in expected]


def _meets(wanted: Effect, effect: Effect) -> bool:
    return _is_of_kind(wanted, effect) and not any(_differences(wanted, effect))


def _is_of_kind(wanted: Effect, effect: Effect) -> bool:
    """Whether the kinds agree: a delivery that is withheld is a skip of the person, too."""
    skipped = wanted.kind is EffectKind.SKIPPED and effect.kind is EffectKind.WITHHELD
    return wanted.kind is effect.kind or skipped


def _differences(wanted: Effect, effect: Effect) -> Iterator[str]:
    """Every difference from the expected effect, as a clause."""
    if wanted.facts.get("rule") != effect.facts.get("rule"):
        yield f"it was of {effect.facts.get('rule', 'the rule under test')}"
    for name, value in wanted.facts.items():
        if name != "rule" and not _is_fact(name, value, effect):
            yield _otherwise(name, effect)
    for name, value in wanted.content.items():
        if name not in effect.content:
            yield f"it has no {name}{nearest(name, effect.content)}"
        elif not _is_same(effect.content[name], value):
            yield f"{name} was {shown(name, effect.content[name])}"


def _is_fact(name: str, value: JsonValue, effect: Effect) -> bool:
    seen = effect.facts.get(name)
    if seen == value or (name == "reason" and _is_sort_of(seen, value)):
        return True
    return isinstance(value, str) and value in effect.aliases.get(name, ())


def _is_same(seen: JsonValue, value: JsonValue) -> bool:
    """Whether two values of JSON are equal; true is not 1, and a space is a space of any kind.

    Numbers of many languages have spaces that do not break, which look like others in a file.
    """
    plain = seen == value or _with_plain_spaces(seen) == _with_plain_spaces(value)
    return plain and isinstance(seen, bool) is isinstance(value, bool)


def _with_plain_spaces(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _with_plain_spaces(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_plain_spaces(inner) for inner in value]
    return value.translate(_SPACES) if isinstance(value, str) else value


def _otherwise(name: str, effect: Effect) -> str:
    seen, reason = effect.facts.get(name), effect.facts.get("reason")
    if name == "retroactive":
        return f"it was {'' if seen else 'not '}retroactive"
    if name == "outcome" and reason is not None:
        return f"outcome was {seen} for reason {reason}"
    return f"{name} was {shown(name, seen)}"


def _is_sort_of(reason: JsonValue, sort: JsonValue) -> bool:
    """Whether a detailed reason, such as ``template: …``, begins with that word."""
    return isinstance(reason, str) and reason.startswith(f"{sort}:")


# --- how many -------------------------------------------------------------------------------------


def _miscounted(
    expected: Sequence[Effect],
    unmet: Sequence[Effect],
    left: list[Effect],
    happened: Sequence[Effect],
) -> Iterator[str]:
    """A sentence for each expectation of which there are more or fewer; what is too many is not left."""
    for wanted in expected:
        if wanted.count is None:
            continue
        more = [effect for effect in left if _meets(wanted, effect)]
        for effect in more:
            left.remove(effect)
        missing = sum(each is wanted for each in unmet)
        if not more and not missing:
            continue
        there = wanted.count - missing + len(more)
        those = [effect for effect in happened if _meets(wanted, effect)]
        why = at_times(those) or _why_not(wanted, happened)
        said = f"there {'was' if there == 1 else 'were'} {there or 'none'}"
        yield f"expected {phrase(wanted)}, but {said}{f': {why}' if why else ''}"


# --- sentences ------------------------------------------------------------------------------------


def _unmet(wanted: Effect, left: list[Effect], happened: Sequence[Effect]) -> str:
    """The sentence for an expected effect; the effect that nearly meets it is removed from what is left."""
    near = _nearest(wanted, left)
    if near is None:
        why = _why_not(wanted, happened)
        return f"expected {phrase(wanted)}, but there was none{f': {why}' if why else ''}"
    left.remove(near)
    if not _is_of_kind(wanted, near):
        return f"expected {phrase(wanted)}, but there was {phrase(near)}"
    return f"expected {phrase(wanted)}, but {' and '.join(_differences(wanted, near))}"


def _nearest(wanted: Effect, left: Sequence[Effect]) -> Effect | None:
    """The effect of the same kind for the same person that has the fewest differences."""
    if wanted.kind is EffectKind.SKIPPED:
        return None
    near = [effect for effect in left if _is_akin(wanted, effect)]
    return min(near, key=lambda effect: _distance(wanted, effect), default=None)


def _is_akin(wanted: Effect, effect: Effect) -> bool:
    same_kind = wanted.kind is effect.kind or {wanted.kind, effect.kind} == SENT
    return same_kind and all(
        _is_fact(name, wanted.facts.get(name), effect)
        for name in _IDENTIFYING
        if name in wanted.facts or name == "rule"
    )


def _distance(wanted: Effect, effect: Effect) -> tuple[bool, int]:
    return wanted.kind is not effect.kind, len(list(_differences(wanted, effect)))


def _why_not(wanted: Effect, happened: Sequence[Effect]) -> str:
    """What the rule decided about the person instead, message by message."""
    if wanted.kind is EffectKind.REQUEST:
        return ""
    person, rule = wanted.facts["person"], wanted.facts.get("rule")
    theirs = [
        effect
        for effect in happened
        if effect.facts.get("person") == person and effect.facts.get("rule") == rule
    ]
    entries = [effect for effect in theirs if effect.kind is EffectKind.ENTERED]
    if wanted.kind is EffectKind.TRACKED:
        return _instead(theirs, EffectKind.TRACKED, "their steps sent")
    if wanted.kind in SENT and entries:
        return "the entry did not come to it"
    if wanted.kind is EffectKind.EXITED and entries:
        return _instead(theirs, EffectKind.EXITED, "there was") or "the entry did not end early"
    if wanted.kind is EffectKind.CONVERTED and entries:
        return _instead(theirs, EffectKind.CONVERTED, "there was") or "they did not reach the goal"
    if wanted.kind is EffectKind.ARM and entries:
        return _instead(theirs, EffectKind.ARM, "they took") or "they came to no arm"
    skips = [effect for effect in theirs if effect.kind is EffectKind.SKIPPED]
    said = [*entries, *skips] if wanted.kind is EffectKind.SKIPPED else skips
    return (
        "; ".join(effect.because for effect in said) or "no message of theirs was put to the rule"
    )


def _instead(theirs: Sequence[Effect], kind: EffectKind, words: str) -> str:
    """The effects of that kind that there were."""
    said = [
        phrase(replace(effect, facts={k: v for k, v in effect.facts.items() if k != "person"}))
        for effect in theirs
        if effect.kind is kind
    ]
    return f"{words} {'; '.join(said)}" if said else ""


# --- what a person has ------------------------------------------------------------------------------


def _not_had(wanted: Effect, happened: Sequence[Effect]) -> Iterator[str]:
    """A sentence if the person does not have the attributes."""
    person = wanted.facts["person"]
    known = {e.facts["person"]: e.content for e in happened if e.kind is EffectKind.HAS}
    said = f"expected {person} to have {listed_attributes(wanted.content)}"
    had = known.get(person)
    if had is None:
        names = [str(name) for name in known]
        yield f"{said}, but nobody is known by that user id{nearest(str(person), names)}"
        return
    wrong = [
        f"{name} was {shown(name, had[name])}"
        if name in had
        else f"there is no {name}{nearest(name, had)}"
        for name, value in wanted.content.items()
        if not _is_same(had.get(name), value)
    ]
    if wrong:
        yield f"{said}, but {' and '.join(wrong)}"
