"""Journeys: steps that branch, wait and end, each as a sentence of the reference says it, on every store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import File, campaign
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.ports import Store
from whereupon.records import Entry, EntryState, MarkKind

INVITE: File = {
    "wait_for": [
        {"event": "Teammate Invited", "same": ["project_id"], "then": ["exit"]},
        {"who": {"plan": ["pro", "team"]}, "then": [{"track": "Upgraded In Trial"}]},
    ],
    "up_to": "3d",
    "else": [{"send": "in_app", "title": "Invite a colleague"}],
}


def push(title: str) -> dict[str, JsonValue]:
    """A step that sends a push."""
    return {"send": "push", "title": title}


def journey(home: Store, *steps: JsonValue, **keys: JsonValue) -> World:
    """A world with one campaign, which ``start`` opens, and in which Ada is known."""
    made = world(campaign("journey", "start", whereupon=[*steps], **keys), store=home)
    made.identify("ada", {"plan": "free"}, at=0)
    return made


def entries(made: World, *, over: bool = True) -> list[Entry]:
    """The entries by key, those that are over included."""
    states = [None, *(EntryState if over else ())]
    found = {
        e.key: e for s in states for e in made.engine.entries.list(rule="journey", state=s).entries
    }
    return [entry for _, entry in sorted(found.items())]


def marks(entry: Entry) -> list[tuple[str, str, str | None]]:
    """The kind, the address and the arm of each mark of an entry."""
    return [(mark.kind.value, mark.address, mark.arm) for mark in entry.trail]


# --- addresses --------------------------------------------------------------------------------------


def test_a_steps_address_is_its_name_or_its_path(home: Store) -> None:
    """Steps of arms stand behind the label of the arm; a name takes the place of the path."""
    inner: File = {
        "branch": [{"if": {"plan": "pro"}}, {"else": [push("x"), {"wait": "1h"}, push("y")]}]
    }
    made = journey(home, {"wait": "1h", "name": "pause"}, push("z"), inner)
    route = made.engine.pipeline.index.by_id["journey"].route
    assert list(route.places) == ["pause", "1", "2", "2.else.0", "2.else.1", "2.else.2"]
    made.track("start", "ada", at=0)
    assert [e.address for e in entries(made)] == ["1"]
    made.run(HOUR)
    assert [e.address for e in entries(made)] == ["2.else.2"]


def test_keys_of_stored_deliveries_stay_valid(home: Store) -> None:
    """The key of a step of the top level is what it was when steps had numbers."""
    made = journey(home, push("a"), push("b"))
    made.track("start", "ada", at=0, message_id="m-1")
    assert [d.idempotency_key for d in made.deliveries()] == [
        "259918f0d88046d02a262deb37cdd6d3",
        "c397fb737d216810fba38a2f7207c37c",
    ]


# --- if ---------------------------------------------------------------------------------------------


def test_a_step_whose_if_does_not_hold_is_left_out(home: Store) -> None:
    """This step only; it is recorded as step-if, with the condition and what it saw."""
    made = journey(home, {**push("news"), "if": {"newsletter": True}}, push("all"))
    made.track("start", "ada", at=0)
    assert made.titles() == ["all"]
    ((mark,),) = [entry.trail for entry in entries(made)]
    assert (mark.kind, mark.address, mark.values) == (
        MarkKind.STEP_IF,
        "0",
        {"person.newsletter": None},
    )
    made.identify("ada", {"newsletter": True}, at=1)
    made.track("start", "ada", at=2)
    assert made.titles() == ["all", "news", "all"]


@pytest.mark.parametrize(
    "step",
    [
        {"wait": "1h"}, {"set": {"x": 1}}, {"track": "X"}, {"exit": True}, INVITE,
        {"branch": [{"else": ["exit"]}]},
        {"split": {"name": "s", "arms": {"a": {"share": 100, "then": ["exit"]}}}},
        {"webhook": "https://hooks.example.com/x"},
    ],
    ids=lambda step: next(iter(step)),
)  # fmt: skip
def test_every_step_may_have_an_if(home: Store, step: dict[str, JsonValue]) -> None:
    """A step that is left out does nothing, and the entry goes on at once."""
    made = journey(home, {**step, "if": {"plan": "pro"}}, push("next"))
    made.track("start", "ada", at=0)
    assert made.titles() == ["next"]
    assert [marks(e) for e in entries(made)] == [[("step-if", "0", None)]]


# --- wait -------------------------------------------------------------------------------------------


def test_a_wait_counts_from_when_the_step_before_was_really_done(home: Store) -> None:
    """After a standstill two sends a day apart stay a day apart."""
    made = journey(home, {"wait": "1d"}, push("first"), {"wait": "1d"}, push("second"))
    made.track("start", "ada", at=0)
    made.clock.move_to(after(10 * DAY))
    list(made.engine.run_due().decisions)
    made.clock.move_to(after(30 * DAY))
    made.engine.run_due()
    first, second = (d.due_at for d in made.deliveries())
    assert (first, second) == (after(10 * DAY), after(30 * DAY))


@pytest.mark.parametrize(
    ("started", "until", "sent"),
    [
        ("2026-03-02T07:00", {"until": "09:00"}, "2026-03-02T08:00"),  # 09:00 in Paris
        ("2026-03-02T08:00", {"until": "09:00"}, "2026-03-03T08:00"),  # the next one
        ("2026-03-06T12:00", {"until": "09:00", "on": ["mon-fri"]}, "2026-03-09T08:00"),
        ("2026-03-06T12:00", {"until": "09:00", "on": ["sat"]}, "2026-03-07T08:00"),
        ("2026-03-06T12:00", {"until": "09:00", "on": ["sun-mon", "wed"]}, "2026-03-08T08:00"),
        ("2026-03-28T12:00", {"until": "02:30"}, "2026-03-29T01:00"),  # skipped: when the gap ends
        ("2026-10-24T12:00", {"until": "02:30"}, "2026-10-25T00:30"),  # twice: the first
    ],
)
def test_a_wait_until_a_time_of_day_ends_at_the_next_one_on_the_persons_clock(
    home: Store, started: str, until: JsonValue, sent: str
) -> None:
    """A local time that a clock change skips is the first moment after the gap; one that comes twice is its first."""
    made = journey(
        home, {"wait": until}, push("morning"), timezone={"attribute": "tz", "else": "UTC"}
    )
    made.identify("ada", {"tz": "Europe/Paris"}, at=0)
    begins = _minutes(started)
    made.track("start", "ada", at=begins)
    made.run(begins + 30 * DAY)
    assert [d.due_at for d in made.deliveries()] == [after(_minutes(sent))]


def test_a_wait_until_a_time_of_day_goes_by_the_clock_when_it_is_reached(home: Store) -> None:
    """Whoever flies to where nine o'clock comes later gets it when it would have come at home."""
    made = journey(
        home,
        {"wait": {"until": "09:00"}},
        push("morning"),
        timezone={"attribute": "tz", "else": "UTC"},
    )
    made.identify("ada", {"tz": "Europe/Paris"}, at=0)
    made.track("start", "ada", at=HOUR)
    made.identify("ada", {"tz": "America/New_York"}, at=2 * HOUR)
    made.run(3 * DAY)
    assert [d.due_at for d in made.deliveries()] == [after(20 * HOUR)]


def _minutes(text: str) -> float:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - after(0)) / timedelta(minutes=1)


def test_a_wait_until_a_date_of_the_person_moves_when_the_attribute_does(home: Store) -> None:
    """Earlier or later, however often."""
    until: JsonValue = {"until": "person.trial_ends_at", "before": "3d"}
    made = journey(home, {"wait": until}, push("soon"))
    made.identify("ada", {"trial_ends_at": "2026-03-20"}, at=0)
    made.track("start", "ada", at=1)
    made.identify("ada", {"trial_ends_at": "2026-04-20"}, at=2)
    made.run(_minutes("2026-04-01T00:00"))
    assert made.titles() == []
    made.identify("ada", {"trial_ends_at": "2026-04-10T10:00:00Z"}, at=_minutes("2026-04-02T00:00"))
    made.run(_minutes("2026-05-01T00:00"))
    assert [d.due_at for d in made.deliveries()] == [after(_minutes("2026-04-07T10:00"))]


def test_a_wait_until_a_date_that_is_past_goes_on_at_once(home: Store) -> None:
    """Also one that becomes past while the entry waits."""
    made = journey(home, {"wait": {"until": "person.ends", "after": "1d"}}, push("x"))
    made.identify("ada", {"ends": "2026-01-01"}, at=0)
    made.track("start", "ada", at=1)
    assert made.titles() == ["x"]
    made.identify("ada", {"ends": "2026-06-01"}, at=2)
    made.track("start", "ada", at=3)
    made.identify("ada", {"ends": "2026-01-01"}, at=4)
    assert [d.due_at for d in made.deliveries()] == [after(1), after(4)]


@pytest.mark.parametrize("value", [None, "soon", True, [], {}])
def test_a_wait_until_a_date_that_is_missing_ends_the_entry(home: Store, value: JsonValue) -> None:
    """With the reason no-date; also if the date goes while the entry waits."""
    made = journey(home, {"wait": {"until": "person.ends"}}, push("x"))
    made.identify("ada", {"ends": value}, at=0)
    made.track("start", "ada", at=1)
    made.identify("ada", {"ends": "2026-06-01"}, at=2)
    made.track("start", "ada", at=3)
    made.identify("ada", {"ends": value}, at=4)
    assert [e.ended and e.ended.reason for e in entries(made)] == ["no-date", "no-date"]
    assert made.titles() == []


# --- wait_for: evidence -----------------------------------------------------------------------------


def test_a_wait_for_goes_on_by_the_arm_of_the_event(home: Store) -> None:
    """The event's property equals the opening message's; another project's does not count."""
    made = journey(home, INVITE, push("after"))
    made.track("start", "ada", {"project_id": 7}, at=0)
    made.track("Teammate Invited", "ada", {"project_id": 8}, at=1)
    assert [e.state for e in entries(made)] == [EntryState.ACTIVE]
    made.track("Teammate Invited", "ada", {"project_id": "7"}, at=2)
    assert [(e.state, e.address) for e in entries(made)] == [(EntryState.EXITED, "0.0.0")]
    made.run(9 * DAY)
    assert made.titles() == []


def test_a_wait_for_looks_at_the_person_as_now(home: Store) -> None:
    """When the wait is reached, and whenever the person changes; arms rejoin after it."""
    made = journey(home, INVITE, push("after"))
    made.track("start", "ada", at=0)
    made.identify("ada", {"plan": "team"}, at=1)
    assert made.titles() == ["after"]
    made.track("start", "ada", at=2)
    assert made.titles() == ["after", "after"]


def test_when_the_time_is_up_a_wait_for_takes_its_else(home: Store) -> None:
    """From when the wait was reached."""
    made = journey(home, {"wait": "1h"}, INVITE, push("after"))
    made.track("start", "ada", at=0)
    made.run(9 * DAY)
    assert [(d.content["title"], d.due_at) for d in made.deliveries()] == [
        ("Invite a colleague", after(3 * DAY + HOUR)),
        ("after", after(3 * DAY + HOUR)),
    ]
    assert [marks(e) for e in entries(made)] == [[("waits", "1", None), ("expired", "1", "else")]]


def test_a_wait_for_forever_has_no_end(home: Store) -> None:
    """It costs nothing until what it waits for happens."""
    made = journey(home, {"wait_for": [{"event": "Paid"}], "up_to": "forever"}, push("thanks"))
    made.track("start", "ada", at=0)
    made.run(5000 * DAY)
    assert made.titles() == []
    made.track("Paid", "ada", at=5001 * DAY)
    assert made.titles() == ["thanks"]


ORDER: File = {
    "wait_for": [{"event": "Order Completed", "then": ["exit"]}],
    "up_to": "2h",
    "else": [push("You left something")],
}


def test_a_cart_that_was_filled_and_paid_for_anonymously_sends_no_reminder(home: Store) -> None:
    """Recorded messages count by their own time, from the message that opened the entry on."""
    made = journey(home, ORDER)
    made.track("start", anonymous="a-1", at=1)
    made.track("Order Completed", anonymous="a-1", at=30)
    made.identify("ada", anonymous="a-1", at=5 * HOUR)
    made.run(9 * DAY)
    assert made.titles() == []
    assert [e.ended and e.ended.reason for e in entries(made)] == ["step"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 300])
def test_what_a_long_claim_brings_later_is_evidence_at_once(home: Store, chunk: int) -> None:
    """Also where the claim is carried out in chunks: no chunk sends what a later one would forbid."""
    made = journey(home, push("first"), ORDER, exit={"event": "Cancelled"})
    made.engine.pipeline.claim_chunk = chunk
    made.track("start", anonymous="a-1", at=1)
    for number in range(4):
        made.track("Viewed", anonymous="a-1", at=2 + number)
    made.track("Order Completed", anonymous="a-1", at=30)
    made.identify("ada", anonymous="a-1", at=5 * HOUR)
    made.run(9 * DAY)
    assert made.titles() == ["first"]
    made.track("start", anonymous="a-2", at=10 * DAY)
    for number in range(4):
        made.track("start", anonymous="a-2", at=10 * DAY + 2 + number)
    made.track("Cancelled", anonymous="a-2", at=10 * DAY + 30)
    made.identify("bob", anonymous="a-2", at=10 * DAY + 60)
    made.run(19 * DAY)
    assert made.titles() == ["first"]


def test_what_happened_before_the_opening_message_is_no_evidence(home: Store) -> None:
    """An order of yesterday does not pay for the cart of today."""
    made = journey(home, ORDER)
    made.track("Order Completed", "ada", at=0)
    made.track("start", "ada", at=1)
    made.run(9 * DAY)
    assert made.titles() == ["You left something"]


def test_the_opening_message_never_satisfies_its_own_wait(home: Store) -> None:
    """The next of the same name does, even at the same instant."""
    made = journey(
        home, {"wait_for": [{"event": "start"}], "up_to": "1h", "else": ["exit"]}, push("x")
    )
    made.track("start", "ada", at=0)
    made.run(30)
    assert made.titles() == []
    made.track("start", "ada", at=30)
    assert made.titles() == ["x"]


def test_what_holds_already_passes_at_once(home: Store) -> None:
    """An event between the opening message and the wait."""
    made = journey(home, {"wait": "1h"}, INVITE, push("after"))
    made.track("start", "ada", at=0)
    made.track("Teammate Invited", "ada", at=5)
    made.run(HOUR)
    assert [e.state for e in entries(made)] == [EntryState.ACTIVE]  # it has no project in common
    made.track("start", "ada", {"project_id": 1}, at=HOUR)
    made.track("Teammate Invited", "ada", {"project_id": 1}, at=HOUR + 5)
    made.run(2 * HOUR)
    assert [e.state for e in entries(made)] == [EntryState.ACTIVE, EntryState.EXITED]


def test_since_step_counts_only_from_when_the_wait_was_reached(home: Store) -> None:
    """What happened before is left to others."""
    wait: File = {"wait_for": [{"event": "Paid", "then": ["exit"]}], "up_to": "1h", "since": "step"}
    made = journey(home, {"wait": "1h"}, wait, push("unpaid"))
    made.track("start", "ada", at=0)
    made.track("Paid", "ada", at=30)
    made.run(3 * HOUR)
    assert made.titles() == ["unpaid"]
    made.track("start", "ada", at=4 * HOUR)
    made.run(5 * HOUR)
    made.track("Paid", "ada", at=5 * HOUR + 1)
    made.run(9 * HOUR)
    assert made.titles() == ["unpaid"]


def test_arms_are_asked_top_down(home: Store) -> None:
    """Where several hold, the first is taken."""
    arms: list[JsonValue] = [
        {"event": "Paid", "where": {"total": {"gt": 100}}, "then": [push("big")]},
        {"event": "Paid", "then": [push("small")]},
        {"who": {"plan": "free"}, "then": [push("free")]},
    ]
    made = journey(home, {"wait": "1h"}, {"wait_for": arms, "up_to": "1h"})
    made.track("start", "ada", at=0)
    made.track("Paid", "ada", {"total": 500}, at=1)
    made.run(HOUR)
    made.track("start", "ada", at=HOUR)
    made.run(2 * HOUR)
    assert made.titles() == ["big", "free"]


def test_again_starts_the_wait_anew(home: Store) -> None:
    """At most ten times; the deadline counts anew, too, and one message counts once."""
    poke: File = {"event": "Poke", "then": [push("poked")], "again": True}
    made = journey(home, {"wait_for": [poke], "up_to": "1h", "else": [push("quiet")]}, push("end"))
    made.track("start", "ada", at=0)
    for number in range(3):
        made.track("Poke", "ada", at=40 * (number + 1))
    made.run(9 * HOUR)
    assert made.titles() == ["poked", "poked", "poked", "quiet", "end"]
    assert made.deliveries()[-1].due_at == after(120 + 60)
    assert len({d.idempotency_key for d in made.deliveries()}) == 5


def test_a_wait_starts_anew_at_most_ten_times(home: Store) -> None:
    """After that the entry goes on behind it."""
    poke: File = {"event": "Poke", "then": [push("poked")], "again": True}
    made = journey(home, {"wait_for": [poke], "up_to": "1h", "else": [push("quiet")]}, push("end"))
    made.track("start", "ada", at=0)
    for number in range(15):
        made.track("Poke", "ada", at=number + 1)
    made.run(9 * HOUR)
    assert made.titles() == ["poked"] * 11 + ["end"]


def test_messages_of_a_claim_start_a_wait_anew_one_after_another(home: Store) -> None:
    """Each counts once, as if it had arrived when it happened."""
    poke: File = {"event": "Poke", "then": [push("poked")], "again": True}
    made = journey(home, {"wait_for": [poke], "up_to": "1d", "else": [push("quiet")]})
    made.track("start", anonymous="a-1", at=1)
    for number in range(3):
        made.track("Poke", anonymous="a-1", at=number + 2)
    made.identify("ada", anonymous="a-1", at=30)
    assert made.titles() == ["poked"] * 3


@pytest.mark.parametrize("how", ["paused", "switched off", "unknown"])
def test_what_happens_while_a_rule_stands_still_counts_when_it_goes_on(
    home: Store, how: str
) -> None:
    """Nothing is sent meanwhile, and the wait is over at once then, not at its deadline."""
    steps: list[JsonValue] = [{"wait_for": [{"event": "Paid"}], "up_to": "forever"}, push("thanks")]
    rule = campaign("journey", "start", whereupon=steps)
    made = journey(home, *steps)
    made.track("start", "ada", at=0)
    if how == "paused":
        made.engine.entries.pause("journey", by="tim")
    else:
        off = [{**rule, "active": False}] if how == "switched off" else []
        made.change_rules(*off, campaign("other", "Paid", whereupon=[push("other")]))
    made.track("Paid", "ada", at=1)
    made.run(5)
    assert "thanks" not in made.titles()
    if how == "paused":
        made.engine.entries.resume("journey", by="tim")
    else:
        made.change_rules(rule)
    made.run(10)
    assert made.titles()[-1] == "thanks"


# --- lateness and order -----------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [3 * HOUR, 90 * DAY])
def test_a_message_that_arrives_after_the_deadline_undoes_nothing(
    home: Store, arrives: float
) -> None:
    """It is kept on the entry as late, also when the entry is over, and explain says so."""
    made = journey(home, ORDER, {"wait": "7d"}, push("end"))
    made.track("start", "ada", at=0)
    made.run(3 * HOUR)
    made.track("Order Completed", "ada", at=HOUR, arrives=arrives, message_id="late-1")
    made.run(99 * DAY)
    assert made.titles() == ["You left something", "end"]
    (entry,) = entries(made)
    late = entry.trail[-1]
    assert (late.kind, late.address, late.at, late.message_id) == (
        MarkKind.LATE, "0", after(HOUR), "late-1",
    )  # fmt: skip


def test_what_happened_after_the_deadline_is_not_late(home: Store) -> None:
    """It has nothing to do with the wait."""
    made = journey(home, ORDER)
    made.track("start", "ada", at=0)
    made.run(3 * HOUR)
    made.track("Order Completed", "ada", at=3 * HOUR)
    assert [m.kind for e in entries(made) for m in e.trail] == [MarkKind.WAITS, MarkKind.EXPIRED]


def test_for_one_message_exits_come_before_waits_and_waits_before_triggers(home: Store) -> None:
    """Waits go in the order of the rules."""
    steps: Sequence[JsonValue] = [{"wait_for": [{"event": "Paid"}], "up_to": "9d"}]
    rules = [
        campaign("c-last", "start", whereupon=[*steps, push("c")]),
        campaign("a-exit", "start", exit="Paid", whereupon=[*steps, push("never")]),
        campaign("b-first", "start", whereupon=[*steps, push("b")]),
        campaign("d-trigger", "Paid", whereupon=[push("d")]),
    ]
    made = world(*rules, store=home)
    made.track("start", "ada", at=0)
    made.track("Paid", "ada", at=1)
    assert made.titles() == ["c", "b", "d"]


def test_at_one_due_instant_exits_come_before_the_deadline(home: Store) -> None:
    """A message at the very instant is heard before the wait is over; what it triggers comes after."""
    made = world(
        campaign("j", "start", exit="Cancelled", whereupon=[{"wait": "1h"}, push("sent")]),
        store=home,
    )
    made.track("start", "ada", at=0)
    made.track("Cancelled", "ada", at=HOUR)
    made.run(9 * HOUR)
    assert made.titles() == []


def test_at_one_due_instant_what_is_waited_for_comes_before_the_deadline(home: Store) -> None:
    """The event has happened in time."""
    made = journey(home, ORDER)
    made.track("start", "ada", at=0)
    made.track("Order Completed", "ada", at=2 * HOUR)
    made.run(9 * HOUR)
    assert made.titles() == []


def test_what_is_due_at_an_instant_comes_before_what_a_message_of_it_triggers(home: Store) -> None:
    """So the entry is over, and the person may enter again."""
    made = journey(home, {"wait": "1h"}, push("x"), reentry="not_while_active", exit="Never")
    made.track("start", "ada", at=0)
    made.track("start", "ada", at=HOUR)
    made.run(9 * HOUR)
    assert made.titles() == ["x", "x"]


# --- branch and split -------------------------------------------------------------------------------


def test_a_branch_takes_the_first_arm_that_holds(home: Store) -> None:
    """The arm is recorded with the condition and the values seen; arms rejoin."""
    arms: list[JsonValue] = [
        {"if": {"plan": "team"}, "then": [push("team")]},
        {"if": {"logic": {">": [{"var": "properties.total"}, 9]}}, "then": [push("big")]},
        {"if": {"seats": {"lt": 5}}, "then": [push("few")]},
        {"else": [push("else")]},
    ]
    made = journey(home, {"branch": arms}, push("joined"))
    for at, (plan, total) in enumerate([("team", 99), ("free", 99), ("free", 1)], 1):
        made.identify("ada", {"plan": plan}, at=at)
        made.track("start", "ada", {"total": total}, at=at)
    assert made.titles() == ["team", "joined", "big", "joined", "else", "joined"]
    taken = [entry.trail[0] for entry in entries(made)]
    assert [mark.arm for mark in taken] == ["0", "1", "else"]
    assert (taken[0].detail, taken[0].values) == ("plan is team", {"person.plan": "team"})


def test_a_branch_without_an_arm_that_holds_is_passed(home: Store) -> None:
    """A missing value does not hold."""
    made = journey(home, {"branch": [{"if": {"seats": {"lt": 5}}, "then": ["exit"]}]}, push("on"))
    made.track("start", "ada", at=0)
    assert made.titles() == ["on"]
    assert [marks(e) for e in entries(made)] == [[("arm", "0", None)]]


def split(**shares: float) -> dict[str, JsonValue]:
    """A split whose arms send their names."""
    arms: dict[str, JsonValue] = {
        label: {"share": share, "then": [push(label)]} for label, share in shares.items()
    }
    return {"split": {"name": "subject-june", "arms": arms}}


def test_the_arm_of_a_split_is_a_stable_hash_of_its_name_and_the_user_id(home: Store) -> None:
    """It stays when the rule changes elsewhere, and is spread as the shares say."""
    made = journey(home, split(a=45, b=45, held=10))
    names = [f"user-{number}" for number in range(400)]
    made.engine.ingest([{"type": "track", "event": "start", "userId": name} for name in names])
    first = {d.person: d.content["title"] for d in made.deliveries()}
    counts = {label: [*first.values()].count(label) for label in ("a", "b", "held")}
    assert 140 < counts["a"] < 220
    assert 140 < counts["b"] < 220
    assert 15 < counts["held"] < 70
    assert {e.arms for e in entries(made)} <= {f"subject-june={label}" for label in counts}
    changed = campaign("journey", "start", whereupon=[split(a=45, b=45, held=10), push("more")])
    made.change_rules(changed)
    made.track("start", names[0], at=2)
    assert made.titles()[-2:] == [first[names[0]], "more"]


def test_the_arm_stays_when_shares_are_edited(home: Store) -> None:
    """It is stored on the entry, which meets the split again in a further round."""
    poke: File = {"event": "Poke", "then": [split(a=100)], "again": True}
    made = journey(home, {"wait_for": [poke], "up_to": "9d"})
    made.track("start", "ada", at=0)
    made.track("Poke", "ada", at=1)
    edited: File = {"event": "Poke", "then": [split(b=100, a=0)], "again": True}
    made.change_rules(
        campaign("journey", "start", whereupon=[{"wait_for": [edited], "up_to": "9d"}])
    )
    made.engine.entries.move("journey", by="tim")
    made.track("Poke", "ada", at=2)
    assert made.titles() == ["a", "a"]
    assert [e.arms for e in entries(made)] == ["subject-june=a"]


def test_who_was_merged_keeps_the_arm_that_they_took(home: Store) -> None:
    """The entry goes on in its arm; a new entry takes the survivor's."""
    made = journey(home, split(a=50, b=50), {"wait": "1d"}, split(a=50, b=50))
    arms = {}
    for name in ("ada", *(f"user-{n}" for n in range(20))):
        made.track("start", name, at=1)
        arms[name] = made.titles()[-1]
    other = next(name for name, arm in arms.items() if arm != arms["ada"])
    made.alias("ada", other, at=2)
    made.run(2 * DAY)
    assert [t for t in made.titles() if t == arms[other]].count(arms[other]) >= 2
    made.track("start", "ada", at=3 * DAY)
    assert made.titles()[-1] == arms["ada"]
