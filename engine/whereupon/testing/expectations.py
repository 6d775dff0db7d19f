"""Comparing what a test expects with what happened, and saying every difference in a sentence.

The order does not matter. Each thing that happened meets at most one expectation, and as many are
met as can be.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import JsonValue

from whereupon.messages.codec import encode
from whereupon.rules.spelling import nearest
from whereupon.testing.cases import Doing, Kind

_NOUNS = {
    Kind.ENTERED: "an entry",
    Kind.SKIPPED: "a skip",
    Kind.DELIVERY: "a delivery",
    Kind.WITHHELD: "a withheld delivery",
    Kind.REQUEST: "a request",
}
_SENT = frozenset({Kind.DELIVERY, Kind.WITHHELD})
_IDENTIFYING = ("person", "channel", "action")


def compare(
    expected: Sequence[Doing], happened: Sequence[Doing], *, complete: Collection[Kind]
) -> tuple[str, ...]:
    """Every difference, as sentences.

    Args:
        expected: what the test names, in any order.
        happened: everything that is looked at, skips included.
        complete: the kinds of which nothing may happen that is not expected.
    """
    met = _pairs(expected, happened)
    left = [doing for place, doing in enumerate(happened) if place not in met]
    unmet = [wanted for place, wanted in enumerate(expected) if place not in met.values()]
    failures = [_unmet(wanted, left, happened) for wanted in unmet]
    failures += [_unexpected(doing) for doing in left if doing.kind in complete]
    return tuple(failures)


def _pairs(expected: Sequence[Doing], happened: Sequence[Doing]) -> dict[int, int]:
    """Which of what happened meets which expectation: as many as can be (augmenting paths)."""
    met: dict[int, int] = {}

    def meet(wanted: int, tried: set[int]) -> bool:
        for place, doing in enumerate(happened):
            if place in tried or not _meets(expected[wanted], doing):
                continue
            tried.add(place)
            if place not in met or meet(met[place], tried):
                met[place] = wanted
                return True
        return False

    for wanted in range(len(expected)):
        meet(wanted, set())
    return met


def _meets(wanted: Doing, doing: Doing) -> bool:
    return wanted.kind is doing.kind and not list(_differences(wanted, doing))


def _differences(wanted: Doing, doing: Doing) -> Iterator[str]:
    """What is otherwise than wanted, each as a clause."""
    for name, value in wanted.facts.items():
        seen = doing.facts.get(name)
        if seen != value and not (name == "reason" and _is_sort_of(seen, value)):
            yield _otherwise(name, doing)
    for name, value in wanted.content.items():
        if name not in doing.content:
            yield f"it has no {name}{nearest(name, doing.content)}"
        elif doing.content[name] != value:
            yield f"{name} was {_shown(name, doing.content[name])}"


def _otherwise(name: str, doing: Doing) -> str:
    seen, reason = doing.facts.get(name), doing.facts.get("reason")
    if name == "retroactive":
        return f"it was {'' if seen else 'not '}retroactive"
    if name == "outcome" and reason is not None:
        return f"outcome was {seen} for reason {reason}"
    return f"{name} was {_shown(name, seen)}"


def _is_sort_of(reason: JsonValue, sort: JsonValue) -> bool:
    """Whether a detailed reason, such as ``template: …``, begins with the word given."""
    return isinstance(reason, str) and reason.startswith(f"{sort}:")


# --- sentences ------------------------------------------------------------------------------------


def _unmet(wanted: Doing, left: list[Doing], happened: Sequence[Doing]) -> str:
    """The sentence for an expectation; what nearly meets it is taken out of what is left."""
    near = _nearest(wanted, left)
    if near is None:
        why = _why_not(wanted, happened)
        return f"expected {phrase(wanted)}, but there was none{f': {why}' if why else ''}"
    left.remove(near)
    if near.kind is not wanted.kind:
        return f"expected {phrase(wanted)}, but there was {phrase(near)}"
    return f"expected {phrase(wanted)}, but {' and '.join(_differences(wanted, near))}"


def _nearest(wanted: Doing, left: Sequence[Doing]) -> Doing | None:
    """Of what is left, the same thing for the same person with the fewest differences."""
    if wanted.kind is Kind.SKIPPED:
        return None
    near = [doing for doing in left if _is_akin(wanted, doing)]
    return min(near, key=lambda doing: _distance(wanted, doing), default=None)


def _is_akin(wanted: Doing, doing: Doing) -> bool:
    same_kind = wanted.kind is doing.kind or {wanted.kind, doing.kind} == _SENT
    return same_kind and all(
        doing.facts.get(name) == wanted.facts[name] for name in _IDENTIFYING if name in wanted.facts
    )


def _distance(wanted: Doing, doing: Doing) -> tuple[bool, int]:
    return wanted.kind is not doing.kind, len(list(_differences(wanted, doing)))


def _why_not(wanted: Doing, happened: Sequence[Doing]) -> str:
    """What the rule said of the person instead, message by message."""
    if wanted.kind is Kind.REQUEST:
        return ""
    person = wanted.facts["person"]
    theirs = [doing for doing in happened if doing.facts.get("person") == person]
    entries = [doing for doing in theirs if doing.kind is Kind.ENTERED]
    skips = [doing for doing in theirs if doing.kind is Kind.SKIPPED]
    if wanted.kind in _SENT and entries:
        return "the entry did not come to it"
    said = [*entries, *skips] if wanted.kind is Kind.SKIPPED else skips
    return "; ".join(doing.because for doing in said) or "no message of theirs was put to the rule"


def _unexpected(doing: Doing) -> str:
    how = f" ({doing.because})" if doing.because else ""
    return f"not expected: {phrase(doing)}{how}"


def phrase(doing: Doing) -> str:
    """A thing that is expected, or that happened, in words."""
    facts = dict(doing.facts)
    words = [_NOUNS[doing.kind]]
    for name, link in (("channel", "by"), ("action", "for")):
        if name in facts:
            words.append(f"{link} {facts.pop(name)}")
    if "person" in facts:
        person = facts.pop("person")
        link = "to" if doing.kind in _SENT else "of"
        words.append(f"{link} {'nobody known' if person is None else person}")
    if "at" in facts:
        words.append(f"at {facts.pop('at')}")
    if facts.pop("retroactive", False):
        words.append("retroactively")
    rest = _listed({**facts, **doing.content})
    return " ".join([*words, *([f"with {rest}"] if rest else [])])


def _listed(values: Mapping[str, JsonValue]) -> str:
    said = (f"{name} {_shown(name, value)}" for name, value in values.items() if value is not None)
    return " and ".join(said)


def _shown(name: str, value: JsonValue) -> str:
    if value is None:
        return "nothing"
    plain = name in ("at", "reason", "outcome", "person") and isinstance(value, str)
    return str(value) if plain else encode(value).decode()
