"""`same`: what ties an exit, or a question to a person's history, to the message that triggered the rule."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign, segment
from tests.worlds import HOUR, World, world

from whereupon.ports import Store
from whereupon.rules.reader import parse_rule_file


def cart(home: Store, leave: JsonValue) -> World:
    """A campaign that reminds of each cart after an hour."""
    rule = campaign(
        "cart",
        "Cart Updated",
        exit=leave,
        whereupon=[{"wait": "1h"}, {"send": "push", "title": "{{ properties.cart_id }}"}],
    )
    return world(rule, store=home)


@pytest.mark.parametrize("paid", [1001, 1001.0, "1001", " 1001 "])
def test_an_exit_with_same_ends_the_entry_of_that_cart_alone(home: Store, paid: JsonValue) -> None:
    """Two carts are open; one is paid for, and the other is still reminded of."""
    made = cart(home, {"event": "Order Completed", "same": ["cart_id"]})
    made.track("Cart Updated", "ada", {"cart_id": "1001"}, at=0)
    made.track("Cart Updated", "ada", {"cart_id": 1002}, at=1)
    made.track("Order Completed", "ada", {"cart_id": paid}, at=2)
    made.run(2 * HOUR)
    assert made.titles() == ["1002"]


def test_an_exit_with_same_may_name_the_trigger_s_property_otherwise(home: Store) -> None:
    """`same: {basket: cart_id}`: theirs, and the trigger's."""
    made = cart(home, {"event": "Order Completed", "same": {"basket": "cart_id"}})
    made.track("Cart Updated", "ada", {"cart_id": 1}, at=0)
    made.track("Order Completed", "ada", {"cart_id": 1}, at=1)
    made.track("Order Completed", "ada", {"basket": 2}, at=2)
    made.track("Cart Updated", "ada", {"cart_id": 3}, at=3)
    made.track("Order Completed", "ada", {"basket": 3}, at=4)
    made.run(2 * HOUR)
    assert made.titles() == ["1"]


@pytest.mark.parametrize("blank", ["", " ", None])
def test_an_empty_or_blank_key_ends_nothing(home: Store, blank: JsonValue) -> None:
    """A cart without an id and an order without one are not the same cart."""
    made = cart(home, {"event": "Order Completed", "same": ["cart_id"]})
    made.track("Cart Updated", "ada", {"cart_id": blank}, at=0)
    made.track("Order Completed", "ada", {"cart_id": blank}, at=1)
    made.track("Order Completed", "ada", {}, at=2)
    made.run(2 * HOUR)
    (explanation,) = made.engine.explain("ada", "cart")
    assert explanation.state != "exited"


def test_an_exit_with_same_and_where_asks_for_both(home: Store) -> None:
    """The order of that cart, and only if it is paid for."""
    leave: JsonValue = {"event": "Order", "same": ["cart_id"], "where": {"paid": True}}
    made = cart(home, leave)
    made.track("Cart Updated", "ada", {"cart_id": 1}, at=0)
    made.track("Cart Updated", "ada", {"cart_id": 2}, at=0)
    made.track("Order", "ada", {"cart_id": 1, "paid": False}, at=1)
    made.track("Order", "ada", {"cart_id": 2, "paid": True}, at=1)
    made.run(2 * HOUR)
    assert made.titles() == ["1"]


def test_a_claimed_cart_is_not_reminded_of_if_that_cart_was_paid_for_anonymously(
    home: Store,
) -> None:
    """The order is on record when the claim comes, and tells of one of the two carts."""
    made = cart(home, {"event": "Order Completed", "same": ["cart_id"]})
    made.track("Cart Updated", None, {"cart_id": 1}, at=0, anonymous="a")
    made.track("Cart Updated", None, {"cart_id": 2}, at=1, anonymous="a")
    made.track("Order Completed", None, {"cart_id": "1"}, at=2, anonymous="a")
    made.identify("ada", {}, at=10, anonymous="a")
    made.run(3 * HOUR)
    assert made.titles() == ["2"]


def test_performed_with_same_counts_the_events_about_the_same_thing(home: Store) -> None:
    """A second reminder of the same invoice is a second reminder; of another it is the first."""
    twice: File = {"event": "Reminder Sent", "same": {"invoice": "id"}, "at_least": 2}
    made = world(campaign("strict", "Invoice Overdue", who={"performed": twice}), store=home)
    reminded: list[JsonValue] = [7, "7", 8]
    for at, invoice in enumerate(reminded):
        made.track("Reminder Sent", "ada", {"invoice": invoice}, at=at)
    made.track("Invoice Overdue", "ada", {"id": 8}, at=5)
    made.track("Invoice Overdue", "ada", {"id": "7"}, at=6)
    assert made.outcomes == ["who", "entered"]
    failing = made.decided[0]
    assert failing.condition == (
        "has performed Reminder Sent with invoice as the trigger's id at least 2 times"
    )
    assert failing.values == {"performed Reminder Sent": 1}


@pytest.mark.parametrize(
    "count", [{"never": True}, {"at_least": 1}, {"at_most": 3}, {"exactly": 0}]
)
@pytest.mark.parametrize("blank", [{}, {"id": ""}, {"id": "  "}, {"id": None}])
def test_a_message_without_the_key_is_skipped_as_key_missing(
    home: Store, blank: JsonValue, count: File
) -> None:
    """Without a key nobody can say whether the invoice was paid, so not even `never` holds."""
    asked: File = {"event": "Paid", "same": ["id"], **count}
    made = world(campaign("dunning", "Invoice Overdue", who={"performed": asked}), store=home)
    made.track("Paid", "ada", blank, at=0)
    made.track("Invoice Overdue", "ada", blank, at=1)
    assert made.outcomes == ["key-missing"]
    assert made.decided[0].condition == "properties.id is given"
    (explanation,) = made.engine.explain("ada", "dunning")
    assert (explanation.outcome, explanation.reason) == ("skipped", "key-missing")


def test_what_else_who_asks_is_told_first(home: Store) -> None:
    """Somebody whom the plan excludes is excluded by the plan, with a key or without."""
    asked: File = {
        "plan": "pro",
        "performed": {"event": "Paid", "same": ["id"], "never": True},
    }
    made = world(campaign("dunning", "Invoice Overdue", who=asked), store=home)
    made.track("Invoice Overdue", "ada", {}, at=1)
    assert made.outcomes == ["who"]


def test_an_exit_may_ask_what_was_performed_about_the_same_thing(home: Store) -> None:
    """Two payments of the same invoice end its dunning; payments of two invoices end none."""
    leave: JsonValue = {"performed": {"event": "Paid", "same": ["id"], "at_least": 2}}
    rule = campaign(
        "dunning",
        "Invoice Overdue",
        exit=leave,
        whereupon=[{"wait": "1h"}, {"send": "push", "title": "{{ properties.id }}"}],
    )
    made = world(rule, store=home)
    made.track("Invoice Overdue", "ada", {"id": 1}, at=0)
    made.track("Invoice Overdue", "ada", {"id": 2}, at=0)
    paid: list[JsonValue] = [1, 2, "2"]
    for at, invoice in enumerate(paid, 1):
        made.track("Paid", "ada", {"id": invoice}, at=at)
    made.run(2 * HOUR)
    assert made.titles() == ["1"]


def test_a_broadcast_that_a_message_triggers_compares_with_that_message(home: Store) -> None:
    """Those who watched this product are told of its price."""
    asked: File = {"performed": {"event": "Watched", "same": ["product"]}}
    made = world(broadcast("news", "Price Fell", who=asked), store=home)
    made.track("Watched", "ada", {"product": "socks"}, at=0)
    made.track("Watched", "bob", {"product": "shoes"}, at=0)
    made.track("Price Fell", "shop", {"product": "socks"}, at=1)
    made.run(2)
    assert [each.person for each in made.decided if each.reason is None] == ["ada"]


SAME: File = {"performed": {"event": "Paid", "same": ["id"]}}


@pytest.mark.parametrize(
    "file",
    [
        segment("x", performed={"event": "Paid", "same": ["id"]}),
        broadcast("x", {"cron": "0 9 * * MON"}, who=SAME),
        broadcast("x", {"cron": "0 9 * * MON"}, exit={"event": "Paid", "same": ["id"]}),
        campaign("x", {"known": "person"}, who=SAME),
        campaign("x", {"enters": "y"}, exit=[{"event": "Paid", "same": ["id"]}]),
    ],
)
def test_where_no_message_triggers_same_is_an_error(file: File) -> None:
    """A segment, a schedule, and a change of segment have no message whose properties are known."""
    read, (found,) = parse_rule_file(file, stem="x", segments={"y": {"plan": "pro"}})
    assert read is None
    assert found.code == "same-without-trigger"
    assert "same compares with the triggering message" in found.message


def test_a_wait_with_same_passes_by_the_event_about_the_same_thing_alone(home: Store) -> None:
    """The invitation to the other project does not count, whether it comes before the wait or within it."""
    steps: JsonValue = [
        {"wait": "1h"},
        {
            "wait_for": [{"event": "Invited", "same": {"project": "id"}, "then": ["exit"]}],
            "up_to": "1d",
            "else": [{"send": "push", "title": "{{ properties.id }}"}],
        },
    ]
    made = world(campaign("invite", "Project Created", whereupon=steps), store=home)
    for at, project in enumerate((1, 2, 3)):
        made.track("Project Created", "ada", {"id": project}, at=at)
    made.track("Invited", "ada", {"project": "1"}, at=10)
    made.track("Invited", "ada", {"project": 2.0}, at=3 * HOUR)
    made.run(50 * HOUR)
    assert made.titles() == ["3"]
