"""What ends an entry while it waits, also conditions that become true by time alone."""

import pytest
from pydantic import JsonValue
from tests.rule_files import campaign, segment
from tests.worlds import DAY, HOUR, World, world

from whereupon.ports import Store

RECENT = segment("recent", performed={"event": "visit", "within": "1h"})


def reminders(home: Store, leave: JsonValue) -> World:
    """A campaign with a reminder of a cart after half an hour, and another an hour later."""
    steps: list[JsonValue] = []
    for wait in ("30m", "1h"):
        steps += [{"wait": wait}, {"send": "push", "title": wait}]
    return world(RECENT, campaign("cart", "cart", exit=leave, whereupon=steps), store=home)


def sent(made: World) -> list[JsonValue]:
    """The titles of all deliveries at the end, in order."""
    made.run(30 * DAY)
    return made.titles()


@pytest.mark.parametrize(
    ("visits", "titles"),
    [([], []), ([-1], ["30m"]), ([-1, 40], ["30m", "1h"]), ([-1, 20], ["30m"]), ([20], [])],
)
def test_an_entry_ends_when_its_condition_comes_true_by_time(
    home: Store, visits: list[float], titles: list[str]
) -> None:
    """No message says that an hour passed without a visit; each step checks it, the first at the entry."""
    made = reminders(home, {"performed": {"event": "visit", "within": "1h", "never": True}})
    for at in sorted([*visits, 0.0]):
        made.run(at)
        made.track("visit" if at else "cart", "ada", at=at)
    assert sent(made) == titles
    (explanation,) = made.engine.explain("ada", "cart")
    assert explanation.state == ("completed" if titles == ["30m", "1h"] else "exited")


@pytest.mark.parametrize(
    ("visits", "titles"),
    [([], ["30m", "1h"]), ([-10], ["30m"]), ([10], ["30m"]), ([10, 45], ["30m", "1h"])],
)
def test_an_entry_ends_when_a_segment_is_left_by_time(
    home: Store, visits: list[float], titles: list[str]
) -> None:
    """An entry ends for a person who was in the segment at the entry and left it; others go on."""
    made = reminders(home, {"leaves": "recent"})
    for at in sorted([*visits, 0.0]):
        made.run(at)
        made.track("visit" if at else "cart", "ada", at=at)
    assert sent(made) == titles


def test_what_a_merge_brings_ends_an_entry(home: Store) -> None:
    """A merge fills an attribute without a message."""
    made = reminders(home, {"plan": "pro"})
    made.identify("ben", {"plan": "pro"}, at=0)
    made.track("cart", "ada", at=0)
    made.alias("ada", "ben", at=40)
    assert sent(made) == ["30m"]


def test_what_both_did_counts_when_they_are_merged(home: Store) -> None:
    """What one of them did keeps an entry of the other alive, from the alias on."""
    made = reminders(home, {"performed": {"event": "visit", "within": "1h", "never": True}})
    made.track("visit", "ada", at=-30)
    made.track("visit", "ben", at=0)
    made.track("cart", "ada", at=10)
    made.identify(None, {"city": "Oslo"}, anonymous="phone", at=20)
    made.alias("ada", "ben", anonymous="phone", at=22)
    assert sent(made) == ["30m"]


def test_nothing_that_is_late_ends_an_entry_for_what_was_before_it(home: Store) -> None:
    """A condition is evaluated as of the entry, and later."""
    made = reminders(home, {"performed": {"event": "visit", "within": "1h", "never": True}})
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    made.identify("ada", {"city": "Oslo"}, at=-2 * HOUR, arrives=5)
    assert sent(made) == ["30m"]


def test_a_condition_on_a_message_waits_for_one(home: Store) -> None:
    """A waking entry has no message, and a missing message proves nothing."""
    made = reminders(home, {"logic": {"!=": [{"var": "properties.city"}, "Oslo"]}})
    made.track("cart", "ada", at=0)
    assert sent(made) == ["30m", "1h"]


@pytest.mark.parametrize(
    "leave",
    [
        "order",
        {"event": "order", "same": ["id"]},
        {"performed": {"event": "order"}},
        {"performed": {"event": "order", "same": ["id"]}},
        {"paid": True},
    ],
)
def test_an_entry_that_a_claim_opens_sees_what_happened_between_the_message_and_the_claim(
    home: Store, leave: JsonValue
) -> None:
    """A cart that was filled and paid for anonymously sends nothing, not even at once."""
    steps: JsonValue = [{"send": "push", "title": "{{ properties.id }}"}]
    made = world(campaign("cart", "cart", exit=leave, whereupon=steps), store=home)
    made.track("cart", None, {"id": 1}, anonymous="a", at=0)
    made.track("order", None, {"id": "1"}, anonymous="a", at=5)
    made.identify("ada", {"paid": True}, anonymous="a", at=9)
    made.run(DAY)
    assert made.titles() == []
    (explanation,) = made.engine.explain("ada", "cart")
    assert explanation.state == "exited"


def test_a_claim_that_brings_another_order_ends_nothing(home: Store) -> None:
    """The order came before the cart, or is about another one."""
    leave: JsonValue = {"event": "order", "same": ["id"]}
    steps: JsonValue = [{"send": "push", "title": "{{ properties.id }}"}]
    made = world(campaign("cart", "cart", exit=leave, whereupon=steps), store=home)
    made.track("order", None, {"id": 1}, anonymous="a", at=-5)
    made.track("cart", None, {"id": 1}, anonymous="a", at=0)
    made.track("order", None, {"id": 2}, anonymous="a", at=5)
    made.identify("ada", {}, anonymous="a", at=9)
    assert made.titles() == ["1"]


def test_a_merge_that_leads_out_of_a_segment_ends_the_entry(home: Store) -> None:
    """One of the two was in it, and both together are not, since the survivor's word counts."""
    rule = campaign(
        "offer",
        {"enters": "pros"},
        exit={"leaves": "pros"},
        whereupon=[{"wait": "1d"}, {"send": "push", "title": "Hi"}],
    )
    made = world(segment("pros", plan="pro"), rule, store=home)
    made.identify("ada", {"plan": "free"}, at=0)
    made.identify("ben", {"plan": "pro"}, at=1)
    made.alias("ada", "ben", at=2)
    made.run(2 * 24 * 60)
    assert made.titles() == []
    (told,) = made.engine.explain("ada", "offer")
    assert told.ended is not None
    assert told.ended.reason == "segment"
