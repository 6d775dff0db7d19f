"""Columns of a batch: what is made of all values at once is what is made of each."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.columns import is_uniform
from whereupon.messages.model import SenderClass, ref_of, refs_of
from whereupon.messages.times import all_as_micros, as_micros, from_micros

INSTANTS = st.datetimes(timezones=st.just(UTC)) | st.just(datetime(2026, 3, 1, tzinfo=UTC))
SENT = st.lists(st.tuples(st.text(max_size=3), st.sampled_from(SenderClass)))


@given(st.lists(st.integers(0, 1) | st.integers(), min_size=1))
def test_a_column_is_uniform_if_it_has_one_value(values: list[int]) -> None:
    """Whichever value, and wherever another one stands."""
    assert is_uniform(values) == (len(set(values)) == 1)


@given(st.lists(INSTANTS) | st.builds(lambda one: [one] * 3, INSTANTS))
def test_instants_are_counted_together_as_they_are_one_by_one(instants: list[datetime]) -> None:
    """To the microsecond, from the first year of the calendar to the last."""
    counted = all_as_micros(instants)
    assert counted == [*map(as_micros, instants)]
    assert [*map(from_micros, counted)] == instants


@given(SENT)
def test_references_are_made_together_as_they_are_one_by_one(
    sent: list[tuple[str, SenderClass]],
) -> None:
    """Also if some are clients' messages, and if all are."""
    ids, sources = [each for each, _ in sent], [each for _, each in sent]
    assert [*refs_of(ids, sources)] == [*map(ref_of, ids, sources)]
