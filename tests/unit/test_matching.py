"""Which rules a message names, and what of the past it may lead to."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import book_of, broadcast, campaign, segment

from whereupon.matching import RuleIndex
from whereupon.messages import MessageType
from whereupon.rules import OnMessage

TRACK, PAGE, IDENTIFY = MessageType.TRACK, MessageType.PAGE, MessageType.IDENTIFY
names = st.text("ab", max_size=3)
patterns = st.tuples(names, st.sampled_from(["", "*"])).map("".join).filter(bool)


@given(st.lists(st.lists(patterns, min_size=1, max_size=3), max_size=5), names)
def test_the_index_names_what_a_plain_loop_names(whens: list[list[str]], name: str) -> None:
    """Each rule once, exact names and prefixes alike."""
    files = [campaign(f"r-{place}", list(when)) for place, when in enumerate(whens)]
    index = RuleIndex(book_of(*files))
    named = [rule.id for rule in index.naming(TRACK, name)]
    plainly = [
        rule.id
        for rule in index.book.rules
        if any(isinstance(t, OnMessage) and t.names_message(TRACK, name) for t in rule.triggers)
    ]
    assert sorted(named) == sorted(plainly)
    assert not index.naming(PAGE, name)


def test_a_message_leads_to_rules_through_their_steps() -> None:
    """Through `track` to the rules of that event, through `set` to those of segments."""
    index = RuleIndex(
        book_of(
            segment("pros", plan="pro"),
            campaign("one", "a", whereupon=[{"track": "b"}]),
            campaign("two", "b", whereupon=[{"track": "a"}, {"set": {"plan": "pro"}}]),
            campaign("three", {"enters": "pros"}, whereupon=[{"track": "c"}]),
            campaign("four", "c"),
            campaign("five", "d"),
        )
    )
    assert sorted(rule.id for rule in index.reachable([(TRACK, "a")])) == [
        "four",
        "one",
        "three",
        "two",
    ]
    assert [rule.id for rule in index.reachable([(TRACK, "d")])] == ["five"]
    assert sorted(rule.id for rule in index.reachable([(IDENTIFY, "")])) == ["four", "three"]


def test_what_is_asked_of_the_past_is_the_widest_of_all() -> None:
    """Each name as far back as any rule that the message may lead to asks."""
    index = RuleIndex(
        book_of(
            campaign("one", "a", who={"performed": {"event": "x", "within": "2d"}}),
            campaign("two", "a", who={"performed": {"event": "x", "within": "7d"}}, exit="y"),
            campaign("three", "b", who={"performed": {"event": "x"}}),
            campaign("four", "c"),
        )
    )
    assert index.meaning(TRACK, "a").watch == {"x": timedelta(days=7), "y": timedelta(0)}
    assert index.meaning(TRACK, "b").watch == {"x": None}
    assert not index.meaning(TRACK, "c").watch
    assert index.counted_names == {"x", "y"}


def test_what_means_nothing_to_any_rule_is_silent() -> None:
    """Unless it is named, counted, or ends something; an identify never is."""
    index = RuleIndex(book_of(campaign("one", "a", who={"performed": {"event": "x"}}, exit="y")))
    assert [index.meaning(TRACK, name).is_silent for name in ("a", "x", "y", "z")] == [
        False,
        False,
        False,
        True,
    ]
    assert not index.meaning(IDENTIFY, "").is_silent


def test_only_a_broadcasts_event_starts_one() -> None:
    """A campaign of the same name does not."""
    index = RuleIndex(book_of(broadcast("sale", "a"), campaign("one", "b")))
    assert index.meaning(TRACK, "a").broadcasts
    assert not index.meaning(TRACK, "b").broadcasts
