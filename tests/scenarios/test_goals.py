"""`goal`: what an entry converts by, for how long it is watched, and whom it keeps out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign
from tests.worlds import DAY, HOUR, NOON, World, after, world

from whereupon.ports import Store
from whereupon.records import Entry, Mark, MarkKind, RetainedKind, RetentionCutoff

WAITS: list[JsonValue] = [
    {"send": "push", "title": "First"},
    {"wait": "1d"},
    {"send": "push", "title": "Second"},
]


def cart(home: Store | str, goal: JsonValue, /, **keys: JsonValue) -> World:
    """A campaign that sends twice, a day apart."""
    rule = campaign("cart", "Cart Updated", goal=goal, whereupon=WAITS) | keys
    return world(rule, store=home)


def entries(made: World) -> list[Entry]:
    """Every entry, oldest first."""
    with made.home.session() as session:
        return sorted(session.scan(Entry), key=lambda entry: entry.key)


def conversions(made: World) -> list[tuple[float, str | None, str | None]]:
    """Of each entry that converted: the minute, by which message, and after which step."""
    marks = (m for entry in entries(made) for m in entry.trail if m.kind is MarkKind.CONVERTED)
    return [((m.at - NOON).total_seconds() / 60, m.message_id, m.address) for m in marks]


def minutes(made: World) -> list[float]:
    """When each entry that converted did, in minutes."""
    return [minute for minute, _, _ in conversions(made)]


# --- what counts ----------------------------------------------------------------------------------


def test_a_goal_may_be_the_name_of_an_event_alone(home: Store) -> None:
    """`goal: Order Completed` counts for seven days, ends the entry, and says so."""
    made = cart(home, "Order Completed")
    made.track("Cart Updated", "ada", at=0)
    made.track("Order Completed", "ada", at=HOUR, message_id="order")
    made.run(2 * DAY)
    (entry,) = entries(made)
    assert made.titles() == ["First"]
    assert entry.ended is not None
    assert (entry.ended.reason, entry.ended.detail, entry.ended.message_id) == (
        "goal",
        "Order Completed",
        "order",
    )
    assert (entry.converted_at, entry.watched_until) == (after(HOUR), None)


def test_a_goal_is_watched_until_the_opening_time_plus_within_also_after_the_steps_are_over(
    home: Store,
) -> None:
    """The last moment of the window counts; the next second does not."""
    made = cart(home, {"event": "Order", "within": "3d"})
    for name in ("ada", "ben"):
        made.track("Cart Updated", name, at=0)
    made.run(2 * DAY)
    assert {entry.state for entry in entries(made)} == {"completed"}
    made.track("Order", "ada", at=3 * DAY)
    made.track("Order", "ben", at=3 * DAY + 1 / 60)
    assert minutes(made) == [3 * DAY]


def test_within_is_seven_days_if_it_is_not_said(home: Store) -> None:
    """A week after the opening message."""
    made = cart(home, {"event": "Order"})
    made.track("Cart Updated", "ada", at=0)
    made.track("Cart Updated", "ben", at=0)
    made.run(2 * DAY)
    made.track("Order", "ada", at=7 * DAY)
    made.track("Order", "ben", at=7 * DAY + 1)
    assert minutes(made) == [7 * DAY]


def test_a_conversion_is_recorded_once_an_entry(home: Store) -> None:
    """The first order counts, and the second changes nothing."""
    made = cart(home, {"event": "Order", "exit": False})
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1, message_id="one")
    made.track("Order", "ada", at=2, message_id="two")
    made.run(3 * DAY)
    made.track("Order", "ada", at=3 * DAY, message_id="three")
    assert conversions(made) == [(1, "one", "0")]


def test_each_entry_of_a_person_has_its_own_goal(home: Store) -> None:
    """Two carts, one order: both entries convert without `same`."""
    made = cart(home, {"event": "Order"})
    made.track("Cart Updated", "ada", at=0)
    made.track("Cart Updated", "ada", at=1)
    made.track("Order", "ada", at=2)
    assert minutes(made) == [2, 2]


def test_a_goal_with_same_counts_the_order_of_that_cart_alone(home: Store) -> None:
    """Keys compare as ids do; a blank one is no key."""
    made = cart(home, {"event": "Order", "same": {"cart": "id"}})
    keys: list[JsonValue] = [1001, "1002", " "]
    for place, key in enumerate(keys):
        made.track("Cart Updated", "ada", {"id": key}, at=place)
    made.track("Order", "ada", {"cart": " "}, at=3)
    made.track("Order", "ada", {"cart": "1001.0"}, at=4)
    made.track("Order", "ada", {"cart": 1002.0}, at=5)
    made.track("Order", "ada", {"cart": "1001"}, at=6)
    assert sorted(minutes(made)) == [5, 6]


def test_a_goal_with_where_asks_the_event_s_properties(home: Store) -> None:
    """An order of nothing is no goal."""
    made = cart(home, {"event": "Order", "where": {"total": {"gt": 0}}})
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", {"total": 0}, at=1)
    made.track("Order", "ada", {"total": 9}, at=2)
    assert minutes(made) == [2]


def test_the_opening_message_never_meets_its_own_goal(home: Store) -> None:
    """A rule of orders whose goal is the next order."""
    made = cart(home, {"event": "Order", "exit": False}, when="Order")
    made.track("Order", "ada", at=0)
    made.track("Order", "ben", at=0)
    made.track("Order", "ada", at=5)
    assert minutes(made) == [5]


def test_what_happened_before_the_opening_message_is_no_conversion(home: Store) -> None:
    """Not even if it arrives after the entry began."""
    made = cart(home, {"event": "Order"})
    made.track("Order", "ada", at=0)
    made.track("Cart Updated", "ada", at=5)
    made.track("Order", "ada", at=4, arrives=6)
    assert minutes(made) == []


def test_a_conversion_that_arrives_late_counts_by_its_own_time(home: Store) -> None:
    """It happened inside the window, and came a week after its end."""
    made = cart(
        home, {"event": "Order", "within": "1d"}, whereupon=[{"send": "push", "title": "x"}]
    )
    made.track("Cart Updated", "ada", at=0)
    made.run(2 * DAY)
    made.track("Order", "ada", at=2 * DAY - 1, arrives=9 * DAY)
    made.track("Order", "ada", at=HOUR, arrives=9 * DAY + 1, message_id="late")
    assert conversions(made) == [(HOUR, "late", "0")]


def test_nobody_else_s_order_converts_an_entry(home: Store) -> None:
    """Only the person's own."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ben", at=1)
    assert minutes(made) == []


def test_an_event_that_a_step_sends_may_be_the_goal(home: Store) -> None:
    """A `track` of another rule is a message as any other."""
    upgrades = campaign(
        "upgrades", "Plan Chosen", whereupon=[{"wait": "1h"}, {"track": "Upgraded"}]
    )
    made = world(
        campaign("trial", "Trial Started", goal="Upgraded", whereupon=WAITS), upgrades, store=home
    )
    made.track("Trial Started", "ada", at=0)
    made.run(2 * DAY)
    made.track("Plan Chosen", "ada", at=2 * DAY)
    made.run(3 * DAY)
    assert minutes(made) == [2 * DAY + HOUR]


# --- what it does -----------------------------------------------------------------------------------


def test_with_exit_false_the_entry_goes_on(home: Store) -> None:
    """It converts, and is sent the rest."""
    made = cart(home, {"event": "Order", "exit": False})
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    made.run(2 * DAY)
    assert (made.titles(), minutes(made)) == (["First", "Second"], [1])


def test_a_conversion_is_attributed_to_the_last_delivery_before_it(home: Store) -> None:
    """By the message's own time; what was withheld is no delivery."""
    steps: list[JsonValue] = [
        {"send": "push", "title": "One", "name": "hello"},
        {"wait": "1d"},
        {"send": "push", "title": "Two"},
        {"wait": "1d"},
        {"send": "push", "title": "{{ properties.missing }}"},
    ]
    made = cart(home, "Order", whereupon=steps)
    for name in ("ada", "ben", "eve"):
        made.track("Cart Updated", name, at=0)
    made.run(3 * DAY)
    sent = {(d.person, d.content.get("title")): d.idempotency_key for d in made.deliveries()}
    made.track("Order", "ada", at=DAY - 1, arrives=3 * DAY + 1)
    made.track("Order", "ben", at=DAY)
    made.track("Order", "eve", at=3 * DAY + 2)
    marks = [entry.trail[-1] for entry in entries(made)]
    assert [mark.address for mark in marks] == ["hello", "2", "2"]
    keys = [mark.values["delivery"] for mark in marks]
    assert keys == [sent["ada", "One"], sent["ben", "Two"], sent["eve", "Two"]]


def test_a_conversion_is_recorded_with_the_arm(home: Store) -> None:
    """The split's name and the arm's."""
    arms: JsonValue = {"a": {"share": 50, "then": WAITS}, "b": {"share": 50, "then": WAITS}}
    made = cart(home, "Order", whereupon=[{"split": {"name": "june", "arms": arms}}])
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    (entry,) = entries(made)
    assert entry.arms in {"june=a", "june=b"}
    assert entry.trail[-1].arm == entry.arms


def test_after_first_send_only_what_follows_a_delivery_counts(home: Store) -> None:
    """An order before the mail is none of the mail's doing."""
    steps: list[JsonValue] = [{"wait": "1d"}, {"send": "push", "title": "x"}]
    made = cart(home, {"event": "Order", "after": "first_send"}, whereupon=steps)
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    made.run(2 * DAY)
    made.track("Order", "ada", at=HOUR, arrives=2 * DAY + 1)
    assert minutes(made) == []
    made.track("Order", "ada", at=2 * DAY + 2)
    assert minutes(made) == [2 * DAY + 2]


def test_a_withheld_delivery_is_no_first_send(home: Store) -> None:
    """Nothing reached the person, so nothing could have led to the order."""
    made = cart(home, {"event": "Order", "after": "first_send"})
    made.identify("ada", {"unsubscribed": True}, at=0)
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    assert minutes(made) == []


def test_after_first_send_counts_within_of_the_opening_message(home: Store) -> None:
    """`after` moves the beginning of the window, not its end."""
    steps: list[JsonValue] = [{"wait": "2d"}, {"send": "push", "title": "x"}]
    made = cart(home, {"event": "Order", "after": "first_send", "within": "3d"}, whereupon=steps)
    made.track("Cart Updated", "ada", at=0)
    made.run(2 * DAY)
    made.track("Order", "ada", at=3 * DAY + 1)
    assert minutes(made) == []


# --- whom it keeps out ------------------------------------------------------------------------------


def test_already_skip_keeps_out_as_goal_met_who_reached_it_before_entering(home: Store) -> None:
    """However long ago; `where` and `same` are regarded."""
    goal: JsonValue = {
        "event": "Order",
        "where": {"paid": True},
        "same": ["cart"],
        "already": "skip",
    }
    made = cart(home, goal)
    made.track("Order", "ada", {"cart": 1, "paid": True}, at=-300 * DAY)
    made.track("Order", "ben", {"cart": 1, "paid": False}, at=0)
    made.track("Order", "eve", {"cart": 2, "paid": True}, at=0)
    for name in ("ada", "ben", "eve", "dan"):
        made.track("Cart Updated", name, {"cart": 1}, at=1)
    assert made.outcomes == ["goal-met", "entered", "entered", "entered"]
    (explanation,) = made.engine.explain("ada", "cart")
    assert explanation.reason == "goal-met"
    assert "they had reached its goal before" in explanation.sentence


def test_already_is_enter_if_it_is_not_said(home: Store) -> None:
    """A customer may enter, and convert again."""
    made = cart(home, "Order")
    made.track("Order", "ada", at=0)
    made.track("Cart Updated", "ada", at=1)
    assert made.outcomes == ["entered"]


def test_already_skip_does_not_count_the_opening_message_itself(home: Store) -> None:
    """The first order enters a rule of orders; the second does not."""
    made = cart(home, {"event": "Order", "already": "skip"}, when="Order")
    made.track("Order", "ada", at=0)
    made.track("Order", "ada", at=1)
    assert made.outcomes == ["entered", "goal-met"]


def test_who_is_asked_before_already(home: Store) -> None:
    """The reason of somebody whom the rule does not mean is `who`; re-entry is asked after the goal."""
    goal: JsonValue = {"event": "Order", "already": "skip"}
    made = cart(home, goal, who={"plan": "pro"}, reentry="once")
    made.identify("ben", {"plan": "pro"}, at=0)
    made.track("Order", "ada", at=0)
    made.track("Cart Updated", "ada", at=1)
    made.track("Cart Updated", "ben", at=1)
    made.track("Order", "ben", at=2)
    made.track("Cart Updated", "ben", at=3)
    assert made.outcomes == ["who", "entered", "goal-met"]


# --- claims, merges, erasure ------------------------------------------------------------------------


def test_a_cart_filled_and_paid_for_anonymously_and_claimed_afterwards_converts_without_a_send(
    home: Store,
) -> None:
    """A retroactive entry looks at what happened between the opening message and the claim."""
    made = cart(home, "Order")
    made.track("Cart Updated", anonymous="anon-1", at=0)
    made.track("Order", anonymous="anon-1", at=5, message_id="paid")
    made.identify("ada", anonymous="anon-1", at=10)
    assert (made.titles(), conversions(made)) == ([], [(5, "paid", "")])


def test_an_order_on_another_device_that_is_claimed_later_converts_by_its_own_time(
    home: Store,
) -> None:
    """It happened inside the window; the claim comes after its end."""
    made = cart(home, {"event": "Order", "within": "3d"})
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", anonymous="phone", at=DAY + HOUR)
    made.run(4 * DAY)
    made.identify("ada", anonymous="phone", at=4 * DAY)
    assert conversions(made) == [(DAY + HOUR, entries(made)[0].trail[-1].message_id, "2")]


def test_a_merge_carries_the_watch_to_the_survivor(home: Store) -> None:
    """The loser's entry is over; the survivor's later order is its goal."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.run(2 * DAY)
    made.identify("ben", at=2 * DAY)
    made.alias("ben", "ada", at=2 * DAY)
    made.track("Order", "ben", at=3 * DAY)
    assert minutes(made) == [3 * DAY]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_merge_brings_the_other_person_s_order(home: Store, *, is_over: bool) -> None:
    """They are one person, who ordered after the cart; whoever of them ordered."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada-2", at=HOUR)
    made.run(2 * DAY if is_over else 2 * HOUR)
    made.alias("ada", "ada-2", at=3 * DAY if is_over else 3 * HOUR)
    assert minutes(made) == [HOUR]


def test_an_entry_that_a_merge_ended_is_watched_no_longer(home: Store) -> None:
    """The person is inside once, and converts once."""
    made = cart(home, "Order", reentry="once")
    made.track("Cart Updated", "ada", at=0)
    made.track("Cart Updated", "ben", at=1)
    made.alias("ada", "ben", at=2)
    made.track("Order", "ada", at=3)
    assert minutes(made) == [3]


def test_an_erasure_takes_the_conversion_along(home: Store) -> None:
    """Nothing of the entry is left."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.run(2 * DAY)
    made.track("Order", "ada", at=2 * DAY)
    made.track("Delete Person", "ada", at=2 * DAY + 1)
    assert entries(made) == []


# --- order --------------------------------------------------------------------------------------------


def test_for_one_message_exits_come_before_the_goal(home: Store) -> None:
    """The entry ends by its exit, and still converts."""
    made = cart(home, "Order", exit="Order")
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    (entry,) = entries(made)
    assert entry.ended is not None
    assert (entry.ended.reason, minutes(made)) == ("event", [1])


def test_for_one_message_the_goal_comes_before_waits_and_triggers(home: Store) -> None:
    """The wait for the same event does not pass, and another rule's trigger comes last."""
    wait: JsonValue = {
        "wait_for": [{"event": "Order", "then": [{"send": "push", "title": "passed"}]}],
        "up_to": "3d",
    }
    thanks = campaign("thanks", "Order", whereupon=[{"send": "push", "title": "thanks"}])
    made = world(
        campaign("cart", "Cart Updated", goal="Order", whereupon=[wait]), thanks, store=home
    )
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=1)
    assert made.titles() == ["thanks"]


def test_at_one_due_instant_the_goal_comes_before_the_deadline(home: Store) -> None:
    """The order arrives at the very moment at which the second push is due."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.track("Order", "ada", at=DAY)
    made.run(2 * DAY)
    assert (made.titles(), minutes(made)) == (["First"], [DAY])


# --- other versions, broadcasts -----------------------------------------------------------------------


def test_an_entry_keeps_the_goal_that_it_entered_with(home: Store) -> None:
    """The file names another event now, and the steps of the entry were over before."""
    made = cart(home, "Order")
    made.track("Cart Updated", "ada", at=0)
    made.run(2 * DAY)
    made.change_rules(campaign("cart", "Cart Updated", whereupon=WAITS))
    made.track("Order", "ada", at=2 * DAY)
    assert minutes(made) == [2 * DAY]


def test_an_entry_that_is_moved_is_watched_for_the_goal_of_its_new_version(home: Store) -> None:
    """For as long as that says, from its opening message on."""
    made = cart(home, {"event": "Order", "within": "1d"}, whereupon=[{"wait": "9d"}, "exit"])
    made.track("Cart Updated", "ada", at=0)
    goal: JsonValue = {"event": "Payment", "within": "3d"}
    made.change_rules(
        campaign("cart", "Cart Updated", goal=goal, whereupon=[{"wait": "9d"}, "exit"])
    )
    made.engine.entries.move("cart", by="tim")
    made.track("Order", "ada", at=HOUR)
    made.track("Payment", "ada", at=2 * DAY)
    assert minutes(made) == [2 * DAY]


def test_retention_leaves_an_entry_alone_while_its_goal_is_watched(home: Store) -> None:
    """It goes when its time is over, and then as any other that is old enough."""
    made = cart(home, {"event": "Order", "within": "60d"}, whereupon=["exit"])
    made.track("Cart Updated", "ada", at=0)
    for days, left in ((50, 1), (61, 0)):
        cutoff = RetentionCutoff(RetainedKind.ENTRIES, after(days * DAY), after(days * DAY))
        with made.home.session() as session:
            step = session.prune(cutoff, 0, 100)
        assert (step.gone, len(entries(made))) == (1 - left, left)


def test_a_broadcast_has_a_goal_too(home: Store) -> None:
    """From its run on; who reached it before is kept out."""
    goal: JsonValue = {"event": "Order", "within": "1d", "already": "skip"}
    made = world(broadcast("sale", "Sale", goal=goal), store=home)
    for name in ("ada", "ben", "eve"):
        made.identify(name, at=0)
    made.track("Order", "eve", at=1)
    made.track("Sale", "staff", at=2)
    made.run(10)
    made.track("Order", "ada", at=DAY)
    made.track("Order", "ben", at=DAY + 3)
    assert minutes(made) == [DAY]
    met = [each for each in made.verdicts if each[2] == "goal-met"]
    assert met == [("eve", "sale", "goal-met")]
    (explanation,) = made.engine.explain("eve", "sale")
    assert explanation.reason == "goal-met"


# --- orders of arrival ----------------------------------------------------------------------------------

_HAPPENED = [("Cart Updated", 0), ("Order", 10), ("Order", 20), ("Order", -5)]


@given(st.permutations(_HAPPENED), st.integers(1, 4))
def test_whatever_the_order_and_the_batches_the_entry_converts_exactly_once(
    order: list[tuple[str, int]], together: int
) -> None:
    """By an order inside the window; never by one before the cart."""
    made = world(campaign("cart", "Cart Updated", goal="Order", whereupon=WAITS))
    made.clock.move_to(after(30))
    wire: list[File] = [
        {
            "type": "track",
            "event": event,
            "userId": "ada",
            "messageId": f"m-{place}",
            "timestamp": after(minute).isoformat(),
        }
        for place, (event, minute) in enumerate(order)
    ]
    for begun in range(0, len(wire), together):
        batch = wire[begun : begun + together]
        made.engine.ingest([*batch, *batch], source="server")
    (entry,) = entries(made)
    (mark,) = [m for m in entry.trail if m.kind is MarkKind.CONVERTED]
    assert isinstance(mark, Mark)
    assert entry.converted_at in {after(10), after(20)}
    assert entry.ended is not None
    assert entry.ended.reason == "goal"
