"""What a claim brings without evaluating it comes to what it comes to message by message."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.properties.histories import (
    PEOPLE,
    Happening,
    contents_of,
    happenings,
    messages_of,
    world_after,
)
from tests.rule_files import campaign
from tests.worlds import World

from whereupon.messages.model import Message

RULES = (
    campaign("aged", "purchase", max_age="3m", where={"price": {"gt": 2}}),
    campaign("off", "view", retroactive=False, who={"plan": "pro"}),
    campaign("near", "click", retroactive={"take": "first", "within": "2m"}),
    campaign("near-too", "click", max_age="1m", reentry={"once_per_key": "properties.price"}),
    campaign(
        "personal",
        "order",
        max_age="2m",
        where={"logic": {"==": [{"var": "person.trait-1"}, 1]}},
    ),
    campaign("cart", "add", max_age="1m", exit="visit", whereupon=[{"wait": "9m"}]),
    campaign("regular", "greet", max_age="2m", who={"performed": {"event": "sign", "at_least": 2}}),
)
KINDS = (
    *("purchase", "view", "click", "order", "add", "visit", "greet", "sign", "browse"),
    "identify",
)
anonymous = happenings(KINDS, users=[None])
claims = happenings(("identify", "browse", "alias-anonymous"), users=PEOPLE[:2])
histories = st.builds(
    lambda *parts: [each for part in parts for each in part],
    st.lists(anonymous, min_size=4, max_size=12),
    st.lists(claims, min_size=1, max_size=2),
    st.lists(st.one_of(anonymous, claims), max_size=6),
)
cuts = st.none() | st.sets(st.integers(1, 20))


def _explained(made: World) -> list[tuple[str, datetime, str]]:
    """What is said of every person, rule and message."""
    return [
        (each.message_id, each.decided_at, each.sentence)
        for person in sorted(each.user_id for each in made.memory.schema.persons.rows.values())
        for rule in made.engine.pipeline.index.book.rules
        for each in made.engine.explain(person, rule.id, limit=99)
    ]


def _made(messages: Sequence[Message], cuts: Iterable[int], claim_chunk: int = 99) -> World:
    return world_after(messages, cuts, rules=RULES, claim_chunk=claim_chunk)


@examples(300)
@given(histories, cuts, st.integers(1, 2))
def test_what_is_not_evaluated_would_have_come_to_nothing(
    happened: list[Happening], places: set[int] | None, claim_chunk: int
) -> None:
    """Names, ages and retroactive policies of every kind; the same is stored, and explained."""
    messages = messages_of(happened)
    ends = range(len(messages)) if places is None else {n for n in places if n < len(messages)}
    whole, parted = _made(messages, ends), _made(messages, ends, claim_chunk)
    expected, found = contents_of(whole.memory), contents_of(parted.memory)
    for name in expected.keys() - {"skips", "rule versions"}:
        assert found[name] == expected[name], name
    assert _explained(parted) == _explained(whole)
