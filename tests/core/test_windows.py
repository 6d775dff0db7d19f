"""The edges of every window, to a microsecond."""

from datetime import timedelta

import pytest
from pydantic import JsonValue
from tests.core.batches import DAY, MINUTE, NOON, TICK, decide_batch, message, verdicts
from tests.rule_files import File, campaign

from whereupon.conditions import NO_HISTORY, Condition, parse_condition
from whereupon.decide import Settings
from whereupon.identity.algebra import IdentityPolicy, claimant
from whereupon.records import ClaimRun, EntryState, IdKind, Tombstone

NOTHING = timedelta()
HOUR = 60 * MINUTE


def condition(expected: JsonValue) -> Condition:
    """Parse a condition."""
    parsed, diagnostics = parse_condition(expected, root="properties")
    assert not diagnostics
    return parsed


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("away", "holds"), [(HOUR, True), (HOUR + TICK, False)])
def test_within_reaches_to_its_end_on_either_side(
    side: int, away: timedelta, *, holds: bool
) -> None:
    """A time exactly that far from the message's is within it; a microsecond more is not."""
    who = condition({"due": {"within": "1h"}})
    data: dict[str, JsonValue] = {
        "properties": {"due": (NOON + side * away).isoformat()},
        "timestamp": NOON.isoformat(),
    }
    assert who.holds(data, NO_HISTORY) is holds


@pytest.mark.parametrize(
    ("earlier", "counts"),
    [(DAY + TICK, False), (DAY, False), (DAY - TICK, True), (NOTHING, True), (-TICK, False)],
)
def test_performed_within_counts_what_is_younger_than_its_span(
    earlier: timedelta, *, counts: bool
) -> None:
    """An event exactly a day old is no longer within one day; the instant of the message itself is."""
    rule = campaign(
        "rule", "ask", who={"performed": {"event": "visit", "at_least": 1, "within": "1d"}}
    )
    visit = message("visit", "visit", user="ada", at=-earlier, arrives=NOTHING)
    result = decide_batch([rule], visit, message("ask", "ask", user="ada"))
    assert verdicts(result) == {"ask": "entered" if counts else "who"}


@pytest.mark.parametrize(
    ("at", "ends"), [(-TICK, False), (NOTHING, True), (TICK, True)], ids=["before", "at", "after"]
)
def test_an_exit_at_the_instant_of_the_entry_ends_it(at: timedelta, *, ends: bool) -> None:
    """Its event ends the entries that are open at that instant; an earlier event does not."""
    rule = campaign("rule", "start", exit={"event": "stop"}, whereupon=_LATER)
    stop = message("stop", "stop", user="ada", at=at, arrives=MINUTE)
    result = decide_batch([rule], message("start", "start", user="ada"), stop)
    (entry,) = result.changes.entries.values()
    assert (entry.state is not EntryState.ACTIVE) is ends


@pytest.mark.parametrize(
    ("at", "ends"), [(-TICK, False), (NOTHING, False), (TICK, True)], ids=["before", "at", "after"]
)
def test_what_arrives_before_its_entry_ends_it_only_when_it_happened_later(
    at: timedelta, *, ends: bool
) -> None:
    """Of two messages at one instant, the one that arrived first came first."""
    rule = campaign("rule", "start", exit={"event": "stop"}, whereupon=_LATER)
    stop = message("stop", "stop", user="ada", at=at, arrives=MINUTE)
    start = message("start", "start", user="ada", arrives=2 * MINUTE)
    (entry,) = decide_batch([rule], stop, start).changes.entries.values()
    assert (entry.state is not EntryState.ACTIVE) is ends


@pytest.mark.parametrize(("at", "heard"), [(-TICK, False), (NOTHING, False), (TICK, True)])
def test_a_tombstone_covers_its_own_instant(at: timedelta, *, heard: bool) -> None:
    """A message at the very instant of a deletion belongs to the deleted person."""
    mark = Settings().digest(IdKind.USER, "ada")
    tombstone = Tombstone(mark, mark, NOON, "deleted")
    visit = message("visit", "visit", user="ada", at=at, arrives=MINUTE)
    result = decide_batch([campaign("rule", "visit")], visit, tombstones=[tombstone])
    assert verdicts(result) == {"visit": "entered" if heard else "deleted"}


@pytest.mark.parametrize(("age", "verdict"), [(DAY, "entered"), (DAY + TICK, "too-old")])
def test_a_message_as_old_as_max_age_still_triggers(age: timedelta, verdict: str) -> None:
    """Age is measured to the arrival; a microsecond more is too old."""
    visit = message("visit", "visit", user="ada", arrives=age)
    assert verdicts(decide_batch([campaign("rule", "visit", max_age="1d")], visit)) == {
        "visit": verdict
    }


@pytest.mark.parametrize(("age", "verdict"), [(HOUR, "entered"), (HOUR + TICK, "too-old")])
def test_what_is_claimed_counts_for_as_long_as_retroactive_says(
    age: timedelta, verdict: str
) -> None:
    """`within` limits the messages that a claim may trigger, measured back from the claim."""
    rule = campaign("rule", "visit", retroactive={"take": "all", "within": "1h"})
    visit = message("visit", "visit", anonymous="anon-1")
    who = message("who", user="ada", anonymous="anon-1", at=age)
    assert verdicts(decide_batch([rule], visit, who)) == {"visit": verdict}


@pytest.mark.parametrize(
    ("at", "is_theirs"),
    [(-30 * DAY - TICK, False), (-30 * DAY, True), (5 * MINUTE, True), (5 * MINUTE + TICK, False)],
)
def test_a_claim_reaches_thirty_days_back_and_five_minutes_on(
    at: timedelta, *, is_theirs: bool
) -> None:
    """To the microsecond, on both sides."""
    claim = ClaimRun(7, 3, NOON, NOON, "claims")
    found = claimant([claim], NOON + at, IdentityPolicy())
    assert (found is not None) is is_theirs


@pytest.mark.parametrize(
    ("late", "verdict"), [(5 * MINUTE, "retroactive-take"), (5 * MINUTE + TICK, "entered")]
)
def test_taking_the_first_of_a_claim_leaves_out_what_is_late_by_the_late_window(
    late: timedelta, verdict: str
) -> None:
    """A message later than that belongs to the person's next claim, as its first."""
    rule = campaign("rule", "visit", retroactive={"take": "first"})
    result = decide_batch(
        [rule],
        message("first", "visit", anonymous="anon-1", at=-MINUTE),
        message("claims", user="ada", anonymous="anon-1"),
        message("again", user="ada", anonymous="anon-1", at=late),
        message("late", "visit", anonymous="anon-1", at=late, arrives=10 * MINUTE),
    )
    assert verdicts(result) == {"first": "entered", "late": verdict}


_LATER: list[JsonValue] = [{"wait": "2h"}, {"send": "push", "title": "Hello"}]


def test_a_period_of_reentry_ends_when_it_is_over() -> None:
    """Exactly a day later the person may enter again; a microsecond earlier they may not."""
    rule: File = campaign("rule", "visit", reentry={"once_per": "1d"})
    result = decide_batch(
        [rule],
        message("first", "visit", user="ada"),
        message("sooner", "visit", user="ada", at=DAY - TICK),
        message("a day later", "visit", user="ada", at=DAY),
    )
    assert verdicts(result) == {"first": "entered", "sooner": "reentry", "a day later": "entered"}
