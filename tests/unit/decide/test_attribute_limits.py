"""Limits on a person's attributes: the message is accepted, and what is too much is not set."""

from hypothesis import given
from hypothesis import strategies as st
from tests.rule_files import book_of
from tests.shop import NOON, thanks

from whereupon import Engine
from whereupon.decide import Notice
from whereupon.decide.attribute_limits import (
    ESSENTIAL,
    MOST_ATTRIBUTES,
    MOST_CHARACTERS,
    within_limits,
)
from whereupon.records import Person
from whereupon.scheduling.clocks import FrozenClock

FULL = {f"a-{number}": number for number in range(MOST_ATTRIBUTES)}


def ada(engine: Engine) -> Person:
    """Ada as she is stored."""
    with engine.store.session() as session:
        (known,) = session.identifiers(["ada"], [])
        (person,) = session.persons([known.key])
    return person


def opened(**rule: object) -> Engine:
    """An engine whose rule is this."""
    return Engine.open("memory://", rules=book_of(thanks(**rule)), clock=FrozenClock(NOON))


def fill(engine: Engine) -> None:
    """Set as many attributes as are allowed, in several messages."""
    names = list(FULL)
    for first in range(0, len(names), 200):
        engine.identify("ada", traits={name: FULL[name] for name in names[first : first + 200]})


def test_attributes_beyond_the_cap_are_not_set_and_are_reported() -> None:
    """The message is accepted; known attributes may still change; consent is always read."""
    with opened() as engine:
        fill(engine)
        result = engine.identify(
            "ada", traits={"one-more": 1, "a-1": "changed", "unsubscribed": True}
        )
        (notice,) = (each for each in result.warnings if isinstance(each, Notice))
        assert (result.accepted, notice.code) == (1, "attributes-full")
        assert notice.message.startswith("1 of the attributes")
        found = ada(engine).attributes
        assert len(found) == MOST_ATTRIBUTES + 1
        assert (found["a-1"], found["unsubscribed"]) == ("changed", True)
        assert "one-more" not in ada(engine).stamps


def test_a_step_sets_no_more_than_a_message_does() -> None:
    """An attribute that a rule sets is set as by any identify call."""
    with opened(whereupon=[{"set": {"bought": True}}]) as engine:
        fill(engine)
        result = engine.track("purchase", user_id="ada")
        assert [each.code for each in result.warnings] == ["attributes-full"]
        assert "bought" not in ada(engine).attributes


def test_text_has_an_end_as_well() -> None:
    """Three attributes can hold as much text as a thousand."""
    with opened() as engine:
        result = [
            engine.identify("ada", traits={f"essay-{number}": "x" * 30_000}) for number in range(4)
        ]
        assert [each.code for each in result[-1].warnings] == ["attributes-full"]
        assert len(ada(engine).attributes) == MOST_CHARACTERS // 30_000


def test_a_merge_fills_up_to_the_cap() -> None:
    """The survivor keeps their attributes, and takes over as many of the other's as fit."""
    with opened() as engine:
        fill(engine)
        engine.identify("bob", traits={"plan": "pro", "email": "bob@example.com"})
        result = engine.alias("ada", previous_id="bob")
        assert [each.code for each in result.warnings] == ["attributes-full"]
        found = ada(engine).attributes
        assert ("plan" in found, found["email"]) == (False, "bob@example.com")


values = st.one_of(st.text(max_size=9), st.integers(), st.lists(st.integers(), max_size=3))


@given(st.dictionaries(st.text(max_size=3), values), st.dictionaries(st.text(max_size=3), values))
def test_below_the_cap_everything_is_admitted(
    there: dict[str, object], new: dict[str, object]
) -> None:
    """Asking twice gives the same answer."""
    assert within_limits(there, new) == new  # type: ignore[arg-type]
    many = FULL | there
    taken = within_limits(many, new)  # type: ignore[arg-type]
    assert {name for name in taken if name not in many} <= ESSENTIAL
    assert all(name in taken for name in new if name in many)
