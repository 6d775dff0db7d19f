"""The rate of a broadcast: exact for every stretch of time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from whereupon.decide.rates import free_at, room_at, with_people
from whereupon.records import LetIn
from whereupon.rules.model import AudienceRate

_START = datetime(2026, 6, 1, tzinfo=UTC)
_RATES = st.builds(
    AudienceRate,
    st.integers(1, 50),
    st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=7)]),
)
_TURNS = st.lists(st.tuples(st.floats(0, 1.5), st.integers(0, 60)), max_size=60)


@given(rate=_RATES, turns=_TURNS)
def test_at_most_so_many_people_enter_in_any_stretch_of_that_length(
    rate: AudienceRate, turns: list[tuple[float, int]]
) -> None:
    """Whenever a chunk comes, and however many people it has: a window that ends anywhere holds no more."""
    at, entered = _START, list[LetIn]()
    let_in: tuple[LetIn, ...] = ()
    for waited, wanted in turns:
        at = max(at + rate.per * waited, free_at(rate, let_in, at))
        people = min(wanted, room_at(rate, let_in, at))
        assert room_at(rate, let_in, at) > 0
        let_in = with_people(rate, let_in, at, people)
        entered.append(LetIn(at, people))
        within = [each.people for each in entered if at - rate.per < each.at]
        assert sum(within) <= rate.people
        assert len(let_in) <= 62  # sixty cells, and one at each end


@given(rate=_RATES)
def test_whoever_was_let_in_exactly_so_long_ago_no_longer_counts(rate: AudienceRate) -> None:
    """So a full chunk is let in at every interval, to the microsecond."""
    let_in = with_people(rate, (), _START, rate.people)
    assert free_at(rate, let_in, _START) == _START + rate.per
    assert room_at(rate, let_in, _START + rate.per - timedelta(microseconds=1)) == 0
    assert room_at(rate, let_in, _START + rate.per) == rate.people
