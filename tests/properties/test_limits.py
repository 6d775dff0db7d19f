"""The limits of keys agree with a bucket of tokens, counted in fractions."""

from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from whereupon.records import KeyLimit
from whereupon.web.door.limits import SECOND, Pace

LIMITS = st.builds(
    KeyLimit,
    messages=st.integers(1, 10_000),
    span=st.timedeltas(timedelta(microseconds=1), timedelta(days=1)),
    burst=st.integers(1, 3_000),
)
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 1_000), st.integers(0, 100 * SECOND)
        ),  # nanoseconds since the last
        st.integers(1, 5_000),  # messages
    ),
    max_size=50,
)
STARTS = st.integers(0, 2**62)


class Bucket:
    """A bucket that holds a burst, fills at the limit's rate, and may owe what one large batch took."""

    def __init__(self, limit: KeyLimit, now: int) -> None:
        self.burst, self.tokens, self.now = limit.burst, Fraction(limit.burst), now
        micros = limit.span // timedelta(microseconds=1)
        self.rate = Fraction(limit.messages, micros * 1_000)

    def take(self, messages: int, now: int) -> bool:
        """Whether they come in."""
        self.tokens = min(Fraction(self.burst), self.tokens + (now - self.now) * self.rate)
        self.now = now
        if self.tokens < min(messages, self.burst):
            return False
        self.tokens -= messages
        return True


@given(limit=LIMITS, start=STARTS, steps=STEPS)
def test_what_comes_in_is_what_a_bucket_of_tokens_lets_in(
    limit: KeyLimit, start: int, steps: list[tuple[int, int]]
) -> None:
    """Request by request, to the nanosecond."""
    pace, bucket, now = Pace(limit), Bucket(limit, start), start
    for after, messages in steps:
        now += after
        wait = pace.wait(messages, now)
        assert bucket.take(messages, now) is (wait == 0)
        if not wait:
            pace.add(messages, now)


@given(limit=LIMITS, start=STARTS, steps=STEPS, messages=st.integers(1, 5_000))
def test_a_wait_is_exact(
    limit: KeyLimit, start: int, steps: list[tuple[int, int]], messages: int
) -> None:
    """Who waits as long as is said comes in, with any number of messages; a nanosecond earlier is too early."""
    pace, now = Pace(limit), start
    for after, earlier in steps:
        now += after
        if not pace.wait(earlier, now):
            pace.add(earlier, now)
    wait = pace.wait(messages, now)
    assert pace.wait(messages, now + wait) == 0
    assert wait == 0 or pace.wait(messages, now + wait - 1) == 1


@given(limit=LIMITS, start=STARTS, steps=STEPS)
def test_no_more_comes_in_than_the_limit_says(
    limit: KeyLimit, start: int, steps: list[tuple[int, int]]
) -> None:
    """In any time: a burst, what the rate gives, and one batch that is larger than a burst."""
    pace, now, taken = Pace(limit), start, list[tuple[int, int]]()
    for after, messages in steps:
        now += after
        if not pace.wait(messages, now):
            pace.add(messages, now)
            taken.append((now, messages))
    nanos = limit.span // timedelta(microseconds=1) * 1_000
    for place, (first, _) in enumerate(taken):
        came, largest = 0, 0
        for at, messages in taken[place:]:
            came, largest = came + messages, max(largest, messages)
            allowed = limit.burst + Fraction((at - first) * limit.messages, nanos)
            assert came <= allowed + max(0, largest - limit.burst)
