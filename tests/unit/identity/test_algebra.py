"""The owner of an anonymous message: the runs of claims against the plain set of claims."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.worlds import message

from whereupon.identity.algebra import (
    Claimants,
    IdentityPolicy,
    affected,
    changed_runs,
    claimant,
    claimed_by,
    settled_until,
    with_claim,
)
from whereupon.messages.model import Message, MessageType
from whereupon.records import ClaimRun, StoredMessage

POLICY = IdentityPolicy(retention=timedelta(minutes=10), late_window=timedelta(minutes=3))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: float) -> datetime:
    """An instant so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def claim(person: int, at: float, message_id: str | None = None) -> ClaimRun:
    """A claim at one instant."""
    return ClaimRun(99, person, minute(at), minute(at), message_id or f"m-{at}")


def oracle(claims: list[tuple[float, int]], at: float) -> int | None:
    """The rule of claims: the first claim that reaches the instant, unless it came too late."""
    for moment, person in sorted(claims):
        if at <= moment + 3:
            return person if at >= moment - 10 else None
    return None


def runs_of(claims: list[tuple[float, int]]) -> tuple[ClaimRun, ...]:
    """The runs after these claims in this order of arrival, if every single claim is loaded."""
    return runs_after([claim(person, moment) for moment, person in claims])


def runs_after(claims: list[ClaimRun]) -> tuple[ClaimRun, ...]:
    """The runs after claims that are given as they are."""
    runs: tuple[ClaimRun, ...] = ()
    for number, made in enumerate(claims):
        runs = with_claim(runs, made, POLICY, claims[:number])
    return runs


claims_in_any_order = st.lists(
    st.tuples(st.integers(0, 60).map(float), st.integers(1, 3)),
    max_size=12,
    unique_by=lambda made: made[0],
)


@examples(300)
@given(claims_in_any_order)
def test_runs_say_what_the_plain_set_of_claims_says(claims: list[tuple[float, int]]) -> None:
    """For every instant the owner is that of the first claim within reach, if there is one."""
    runs = runs_of(claims)
    assert [run.since for run in runs] == sorted(run.since for run in runs)
    for half in range(-30, 150):
        run = claimant(runs, minute(half / 2), POLICY)
        assert (run.person_key if run else None) == oracle(claims, half / 2), half / 2


@given(claims_in_any_order, st.lists(st.integers(-30, 150), max_size=6))
def test_many_instants_are_asked_as_each_is_alone(
    claims: list[tuple[float, int]], halves: list[int]
) -> None:
    """Whatever their order, and whether one run covers all of them or not."""
    runs, instants = runs_of(claims), [minute(half / 2) for half in halves]
    alone = [claimant(runs, instant, POLICY) for instant in instants]
    assert list(Claimants(runs, POLICY).of_each(instants)) == alone


claims_with_ties = st.lists(
    st.builds(claim, st.integers(1, 3), st.integers(0, 9).map(float), st.uuids().map(str)),
    max_size=12,
)


@examples(300)
@given(claims_with_ties, st.data())
def test_the_order_of_claims_means_nothing(claims: list[ClaimRun], data: st.DataObject) -> None:
    """The runs and their opening messages are the same, also for claims at one instant."""
    as_come = runs_after(data.draw(st.permutations(claims)))
    assert as_come == runs_after(sorted(claims, key=lambda each: (each.since, each.message_id)))


def test_claims_by_one_person_are_one_run() -> None:
    """A logged-in browser claims with every message; no message in between belongs to another person."""
    assert runs_of([(0, 1), (13, 1), (5, 1)]) == (ClaimRun(99, 1, minute(0), minute(13), "m-0"),)


def test_claims_too_far_apart_are_two_runs() -> None:
    """Messages in between, out of reach of both, wait."""
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
    """The single claims of the run on either side stay its own."""
    runs = runs_of([(0, 1), (4, 1), (8, 1), (6, 2)])
    assert [(run.person_key, run.since, run.until) for run in runs] == [
        (1, minute(0), minute(4)),
        (2, minute(6), minute(6)),
        (1, minute(8), minute(8)),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_people_at_one_instant_the_smaller_message_id_has_it(order: tuple[int, int]) -> None:
    """A tie to the microsecond is decided alike on every machine, in any order of arrival."""
    claims = [claim(1, 0, "m-b"), claim(2, 0, "m-a")]
    assert runs_after([claims[place] for place in order]) == (claims[1],)


def test_a_tie_inside_a_run_takes_out_the_claim_that_loses_it() -> None:
    """The run goes on with its next claim, which opens it."""
    runs = runs_after([*(claim(1, at, f"m-{at}") for at in (0, 4, 8)), claim(2, 4, "m-0")])
    assert [(run.person_key, run.since, run.message_id) for run in runs] == [
        (1, minute(0), "m-0"),
        (2, minute(4), "m-0"),
        (1, minute(8), "m-8"),
    ]


def test_the_end_of_a_run_is_a_claim_of_its_own_message() -> None:
    """A tie there is with the last message, not with the one that opened the run."""
    runs = runs_after([claim(1, 0, "m-a"), claim(1, 4, "m-c"), claim(2, 4, "m-b")])
    assert [(run.person_key, run.since, run.message_id) for run in runs] == [
        (1, minute(0), "m-a"),
        (2, minute(4), "m-b"),
    ]


def test_the_windows_are_thirty_days_and_five_minutes() -> None:
    """Unless the host sets others."""
    assert IdentityPolicy() == IdentityPolicy(timedelta(days=30), timedelta(minutes=5))


def stored(sent: Message) -> StoredMessage:
    """A message as it is recorded."""
    return StoredMessage(1, 1, sent)


@pytest.mark.parametrize(
    ("sent", "claims"),
    [
        (message("m", anonymous="a"), ()),
        (message("m", user="u"), ()),
        (message("m", user="u", anonymous="a"), ("a",)),
        (message("m", type_=MessageType.ALIAS, user="u", target="a"), ("a",)),
        (message("m", type_=MessageType.ALIAS, user="u", anonymous="b", target="a"), ("b", "a")),
        (message("m", type_=MessageType.GROUP, user="u", target="a"), ()),
    ],
)
def test_both_ids_in_one_message_are_a_claim(sent: Message, claims: tuple[str, ...]) -> None:
    """Any message with both, and an alias from an anonymous id."""
    assert claimed_by(stored(sent)) == claims


moments = st.integers(0, 60).map(lambda days: NOON + timedelta(days=days))
points = st.lists(st.tuples(moments, st.integers(1, 3)), max_size=12)


@given(points=points, moment=moments, person=st.integers(1, 3), asked=moments)
def test_only_the_runs_near_a_claim_change_and_only_those_behind_an_instant_are_affected(
    points: list[tuple[datetime, int]], moment: datetime, person: int, asked: datetime
) -> None:
    """Of thousands of claims of one device, only a few are looked at."""
    policy, runs = IdentityPolicy(), tuple[ClaimRun, ...]()
    for number, (at, by) in enumerate(points):
        runs = with_claim(runs, ClaimRun(1, by, at, at, f"m-{number:02}"), policy)
    after = with_claim(runs, ClaimRun(1, person, moment, moment, "m-99"), policy)
    old, new = changed_runs(runs, after, moment)
    assert {*runs} - {*old} == {*after} - {*new}
    assert len(old) <= 3
    assert list(after) == sorted(after, key=lambda run: run.since)
    assert all(one.until < two.since for one, two in pairwise(after))
    covering = claimant(runs, asked, policy)
    assert covering is None or covering in affected(runs, asked, asked, policy)
    plain = next((r for r in runs if asked - r.until <= policy.late_window), None)
    assert covering == (plain if plain and plain.since - asked <= policy.retention else None)


made_before = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 3)), max_size=16)
made_now = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 3)), min_size=1, max_size=4)


@examples(500)
@given(before=made_before, now=made_now, others=st.lists(st.integers(0, 120), max_size=2))
def test_what_claims_make_of_the_affected_runs_they_make_of_all_runs(
    before: list[tuple[int, int]], now: list[tuple[int, int]], others: list[int]
) -> None:
    """The other runs stay, and every message that changes its owner goes to the same person."""
    old = [claim(person, at, f"m-{number:02}") for number, (at, person) in enumerate(before)]
    new = [claim(person, at, f"n-{number:02}") for number, (at, person) in enumerate(now)]
    moments = [each.since for each in new] + [minute(at) for at in others]
    since, until = min(moments), max(moments)
    runs = runs_after(old)
    near = tuple(affected(runs, since, until, POLICY))
    settled = settled_until(near, since, POLICY)
    first = runs.index(near[0]) if near else 0
    whole, part = runs, near
    for number, made in enumerate(new):
        known = [*old, *new[:number]]
        whole = with_claim(whole, made, POLICY, known)
        part = with_claim(part, made, POLICY, known)
    assert whole == (*runs[:first], *part, *runs[first + len(near) :])
    for at in map(minute, range(-15, 130)):
        had, has = (_claimant(each, at) for each in (runs, whole))
        if settled is not None and at <= settled:
            assert has == had
        elif had != has or since <= at <= until:
            assert _claimant(part, at) == has
        else:
            assert _claimant(part, at) in {has, None}


def _claimant(runs: tuple[ClaimRun, ...], at: datetime) -> int | None:
    run = claimant(runs, at, POLICY)
    return None if run is None else run.person_key


def test_a_run_further_back_may_come_before_the_affected_ones() -> None:
    """The affected runs do not give the owner of a message before them, although one of them would reach it."""
    runs = runs_of([(0, 1), (4, 2), (20, 3)])
    near = affected(runs, minute(20), minute(20), POLICY)
    assert [run.person_key for run in near] == [2, 3]
    assert claimant(near, minute(-1), POLICY) == near[0]
    assert claimant(runs, minute(-1), POLICY) == runs[0]
    assert settled_until(near, minute(20), POLICY) == minute(7)
    assert settled_until(runs[1:], minute(4), POLICY) is None
