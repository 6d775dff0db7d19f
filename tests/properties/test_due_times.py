"""What a batch says of the due work that may come of it: never too late, so that the background wakes in time."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.histories import (
    EVERYTHING,
    TAKE_ONE_RULES,
    Happening,
    happenings,
    messages_of,
)
from tests.rule_files import campaign
from tests.worlds import World, message

from whereupon import Engine
from whereupon.messages.times import FIRST_INSTANT

_RULES = (
    *TAKE_ONE_RULES,
    campaign("missed", {"quiet": ["purchase", "view"], "for": "9m"}, max_age="90d"),
    campaign("dated", {"date": "person.due", "before": "2d"}, max_age="90d"),
    campaign("waits", {"enters": "pros"}, whereupon=[{"wait": "2m"}, {"track": "seen"}]),
)
_LATEST = datetime.max.replace(tzinfo=UTC)


def _next_due(engine: Engine) -> datetime:
    return engine._work.next_due() or _LATEST  # noqa: SLF001 - what its thread asks


@given(st.lists(happenings(EVERYTHING), min_size=1, max_size=15))
def test_nothing_is_due_before_a_batch_says_so(happened: list[Happening]) -> None:
    """Whatever rules and messages there are."""
    made = World(list(_RULES))
    for each in messages_of(happened):
        made.clock.move_to(each.received_at)
        made.engine.run_due()
        before = _next_due(made.engine)
        said = made.engine.take([each]).due_at
        assert _next_due(made.engine) >= min(before, said or _LATEST)


def test_a_message_that_only_is_recorded_makes_nothing_due() -> None:
    """And one by which a person is missed one day says that day."""
    made = World(list(_RULES))
    made.engine.take([message("m-1", name="view", user="ada")])
    assert made.engine.take([message("m-2", name="seen", user="ada")]).due_at is None
    said = made.engine.take([message("m-3", name="view", user="ada")]).due_at
    assert said is not None
    assert FIRST_INSTANT < made.clock.now() < said
