"""Refusals go out at a pace, so that a key that floods does not take the time of the others."""

import pytest

from whereupon.web.http import Answer
from whereupon.web.serving.budget import Sharer
from whereupon.web.serving.refusal_pace import RefusalPace

FLOOD, OTHER = Sharer("flood", "", True), Sharer("other", "", True)
REFUSED = Answer(status=429)


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_refusal_of_a_key_goes_out_at_once() -> None:
    """Whoever waits as long as he is told never waits for it."""
    clock = _Clock()
    pace = RefusalPace(clock)
    for _ in range(5):
        assert pace.wait(OTHER, REFUSED) == 0
        clock.now += 1


def test_a_hundred_refusals_of_a_key_go_out_in_a_second() -> None:
    """However many connections it has; those of other keys do not wait behind them."""
    pace = RefusalPace(_Clock())
    waits = [pace.wait(FLOOD, REFUSED) for _ in range(100)]
    assert waits == pytest.approx([number / 100 for number in range(100)])
    assert pace.wait(OTHER, REFUSED) == 0


def test_no_refusal_waits_for_more_than_five_seconds() -> None:
    """Clients give up after ten, and would send again without having been told when."""
    pace = RefusalPace(_Clock())
    assert max(pace.wait(FLOOD, REFUSED) for _ in range(1_000)) == pytest.approx(5)


@pytest.mark.parametrize("status", [200, 400, 401, 503])
def test_no_other_answer_waits(status: int) -> None:
    """A store that is away refuses everybody, who did nothing wrong."""
    pace = RefusalPace(_Clock())
    assert [pace.wait(FLOOD, Answer(status=status)) for _ in range(9)] == [0] * 9


def test_addresses_without_a_known_key_have_a_pace_each() -> None:
    """One that guesses at keys does not hold up its neighbours."""
    pace = RefusalPace(_Clock())
    guesser, other = Sharer("", "192.0.2.1"), Sharer("", "192.0.2.2")
    assert [pace.wait(guesser, REFUSED) > 0 for _ in range(3)] == [False, True, True]
    assert pace.wait(other, REFUSED) == 0


def test_what_is_remembered_is_bounded() -> None:
    """Addresses are many, and the oldest are forgotten."""
    pace = RefusalPace(_Clock())
    for number in range(10_001):
        pace.wait(Sharer("", str(number)), REFUSED)
    assert pace.wait(Sharer("", "1"), REFUSED) > 0
    assert pace.wait(Sharer("", "0"), REFUSED) == 0
