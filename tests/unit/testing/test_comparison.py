"""Matching expectations with what happened: in any order, and as many as possible."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from whereupon.testing.cases import Effect, EffectKind
from whereupon.testing.comparison import compare
from whereupon.testing.effect_words import phrase

PEOPLE = st.sampled_from(["ada", "bob"])
TIMES = st.sampled_from(["+0s", "+1h", "+2h"])
WORDS = st.dictionaries(st.sampled_from(["title", "body"]), st.sampled_from(["a", "b"]))
DELIVERIES = st.builds(
    lambda person, at, content: Effect(
        EffectKind.DELIVERY, {"channel": "push", "person": person, "at": at}, content
    ),
    PEOPLE,
    TIMES,
    WORDS,
)
ENTRIES = st.builds(
    lambda person, at: Effect(
        EffectKind.ENTERED, {"person": person, "at": at, "retroactive": False}
    ),
    PEOPLE,
    TIMES,
)
DOINGS = st.lists(DELIVERIES | ENTRIES, max_size=8)
ALL = frozenset(EffectKind)


@st.composite
def _expectations(draw: st.DrawFn) -> tuple[list[Effect], list[Effect]]:
    """Things that happened, and expectations of them, in another order and with fewer fields."""
    happened = draw(DOINGS)
    expected = []
    for effect in draw(st.permutations(happened)):
        kept = draw(st.sets(st.sampled_from(["at", "retroactive"])))
        facts = {
            name: value
            for name, value in effect.facts.items()
            if name in kept or name in ("person", "channel")
        }
        content = effect.content if draw(st.booleans()) else {}
        expected.append(replace(effect, facts=facts, content=content))
    return happened, expected


@given(_expectations())
def test_what_leaves_things_out_is_met_in_any_order(
    case: tuple[list[Effect], list[Effect]],
) -> None:
    """Vague expectations leave to exact ones the things that only these match."""
    happened, expected = case
    assert compare(expected, happened, complete=ALL) == ()


@given(DOINGS, DOINGS)
def test_each_thing_is_in_one_sentence_at_most(
    expected: list[Effect], happened: list[Effect]
) -> None:
    """For any expectations and any things that happened, none is counted twice and none is lost."""
    failures = compare(expected, happened, complete=ALL)
    assert len(failures) >= abs(len(expected) - len(happened))
    assert len(failures) <= len(expected) + len(happened)


@given(DOINGS)
def test_without_expectations_everything_is_unexpected(happened: list[Effect]) -> None:
    """An empty list asserts that nothing happened; kinds that need not be complete are not reported."""
    failures = compare([], happened, complete=ALL)
    assert failures == tuple(f"not expected: {phrase(effect)}" for effect in happened)
    assert compare([], happened, complete=()) == ()


def test_the_nearest_of_several_is_reported() -> None:
    """A wrong title is reported for the delivery at the right time, not for another."""
    wanted = Effect(
        EffectKind.DELIVERY, {"channel": "push", "person": "ada", "at": "+2h"}, {"title": "Hi"}
    )
    early = replace(wanted, facts={**wanted.facts, "at": "+0s"}, content={"title": "No"})
    right = replace(wanted, content={"title": "Ho"})
    first, second = compare([wanted], [early, right], complete=ALL)
    assert first.endswith('but title was "Ho"')
    assert second == 'not expected: a delivery by push to ada at +0s with title "No"'


def test_thousands_of_alike_effects_are_counted() -> None:
    """One more and one fewer than there are, beside an expectation that could take the place of another."""
    happened = [
        Effect(EffectKind.ENTERED, {"person": "ada", "at": f"+{n}s", "retroactive": False})
        for n in range(3_000)
    ]
    vague = Effect(EffectKind.ENTERED, {"person": "ada"}, count=2_999)
    exact = Effect(EffectKind.ENTERED, {"person": "ada", "at": "+0s"})
    assert compare([vague, exact], happened, complete=ALL) == ()
    (few,) = compare([replace(vague, count=2_998), exact], happened, complete=ALL)
    assert few.startswith("expected 2998 entries of ada, but there were 2999: at +")
    (many,) = compare([replace(vague, count=3_000), exact], happened, complete=ALL)
    assert many.startswith("expected 3000 entries of ada, but there were 2999: at +")
