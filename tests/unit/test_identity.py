"""Whose an anonymous message is, against the plain set of claims."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.worlds import message

from whereupon.identity import IdentityPolicy, claimant, claimed_by, with_claim
from whereupon.messages import Message, MessageType
from whereupon.state import Claim, StoredMessage

POLICY = IdentityPolicy(retention=timedelta(minutes=10), late_window=timedelta(minutes=3))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: float) -> datetime:
    """That many minutes after noon."""
    return NOON + timedelta(minutes=number)


def claim(person: int, at: float) -> Claim:
    """A claim of one moment."""
    return Claim(99, person, minute(at), minute(at), f"m-{at}")


def oracle(claims: list[tuple[float, int]], at: float) -> int | None:
    """The rule of design §4: the first claim that reaches the instant, unless it came too late."""
    for moment, person in sorted(claims):
        if at <= moment + 3:
            return person if at >= moment - 10 else None
    return None


def runs_of(claims: list[tuple[float, int]]) -> tuple[Claim, ...]:
    """The runs after these claims, in this order of arrival, every single claim being known."""
    runs: tuple[Claim, ...] = ()
    moments: list[datetime] = []
    for moment, person in claims:
        runs = with_claim(runs, claim(person, moment), POLICY, moments)
        moments.append(minute(moment))
    return runs


# No two claims happened at the same instant: there the first to arrive keeps the message.
claims_in_any_order = st.lists(
    st.tuples(st.integers(0, 60).map(float), st.integers(1, 3)),
    max_size=12,
    unique_by=lambda made: made[0],
)


@settings(max_examples=300)
@given(claims_in_any_order)
def test_runs_say_what_the_plain_set_of_claims_says(claims: list[tuple[float, int]]) -> None:
    """For every instant the claimant is that of the first claim within reach, if any."""
    runs = runs_of(claims)
    assert [run.since for run in runs] == sorted(run.since for run in runs)
    for half in range(-30, 150):
        run = claimant(runs, minute(half / 2), POLICY)
        assert (run.person_key if run else None) == oracle(claims, half / 2), half / 2


@given(claims_in_any_order, st.randoms(use_true_random=False))
def test_the_order_of_claims_means_nothing(claims: list[tuple[float, int]], random: object) -> None:
    """Runs made in the order of time cover what runs made in any order do."""
    assert random is not None
    in_turn, as_come = runs_of(sorted(claims)), runs_of(claims)
    for half in range(-30, 150):
        one = claimant(in_turn, minute(half / 2), POLICY)
        other = claimant(as_come, minute(half / 2), POLICY)
        assert (one and one.person_key) == (other and other.person_key)


def test_claims_by_one_person_are_one_run() -> None:
    """A logged-in browser claims with every message; nothing between belongs to anybody else."""
    assert runs_of([(0, 1), (13, 1), (5, 1)]) == (Claim(99, 1, minute(0), minute(13), "m-0"),)


def test_claims_too_far_apart_are_two_runs() -> None:
    """What happened between, out of reach of both, waits."""
    runs = runs_of([(0, 1), (13.5, 1)])
    assert len(runs) == 2
    assert claimant(runs, minute(3.25), POLICY) is None


@pytest.mark.parametrize(
    ("at", "person"), [(-10.001, None), (-10, 1), (0, 1), (3, 1), (3.001, None)]
)
def test_a_claim_reaches_from_the_retention_to_the_late_window(
    at: float, person: int | None
) -> None:
    """Both ends belong to it."""
    run = claimant(runs_of([(0, 1)]), minute(at), POLICY)
    assert (run.person_key if run else None) == person


def test_nobody_claims_without_claims() -> None:
    """An anonymous id that nobody claimed waits."""
    assert claimant((), NOON, POLICY) is None


def test_somebody_between_splits_a_run_between_its_claims() -> None:
    """The run's own claims on either side stay its own."""
    runs = runs_of([(0, 1), (4, 1), (8, 1), (6, 2)])
    assert [(run.person_key, run.since, run.until) for run in runs] == [
        (1, minute(0), minute(4)),
        (2, minute(6), minute(6)),
        (1, minute(8), minute(8)),
    ]


def test_two_people_at_one_instant_leave_it_to_the_first() -> None:
    """A tie to the microsecond is nobody's to judge; what was decided stays."""
    assert runs_of([(0, 1), (0, 2)]) == (claim(1, 0),)


def test_the_windows_are_thirty_days_and_five_minutes() -> None:
    """Unless the host decides otherwise."""
    assert IdentityPolicy() == IdentityPolicy(timedelta(days=30), timedelta(minutes=5))


def stored(said: Message) -> StoredMessage:
    """A message as it is recorded."""
    return StoredMessage(1, 1, said)


@pytest.mark.parametrize(
    ("said", "claims"),
    [
        (message("m", anonymous="a"), ()),
        (message("m", user="u"), ()),
        (message("m", user="u", anonymous="a"), ("a",)),
        (message("m", type_=MessageType.ALIAS, user="u", target="a"), ("a",)),
        (message("m", type_=MessageType.ALIAS, user="u", anonymous="b", target="a"), ("b", "a")),
        (message("m", type_=MessageType.GROUP, user="u", target="a"), ()),
    ],
)
def test_both_ids_in_one_message_are_a_claim(said: Message, claims: tuple[str, ...]) -> None:
    """Any message with both, and an alias from an anonymous id."""
    assert claimed_by(stored(said)) == claims
