"""`stay`: `who` is asked again for those who are inside, on every store."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign, segment
from tests.worlds import DAY, World, world

from whereupon.errors import Severity
from whereupon.ports import Store
from whereupon.rules.reader import parse_rule_file

SERIES: list[JsonValue] = [
    {"send": "push", "title": "one"},
    {"wait": "1d"},
    {"send": "push", "title": "two"},
    {"wait": "1d"},
    {"send": "push", "title": "three"},
]


def series(home: Store, who: JsonValue, *, stay: bool = True) -> World:
    """A welcome series of three pushes, a day apart."""
    return world(campaign("welcome", "signup", who=who, stay=stay, whereupon=SERIES), store=home)


def how_ended(made: World) -> tuple[str, str]:
    """The state of the only entry, and the sentence about it."""
    (told,) = made.engine.explain("ada", "welcome")
    return str(told.state), told.sentence


def test_no_longer_holding_ends_the_entry_with_the_reason_who(home: Store) -> None:
    """The change itself ends it, and explain says which part failed."""
    made = series(home, {"plan": "free", "city": {"exists": True}})
    made.identify("ada", {"plan": "free", "city": "Oslo"}, at=0)
    made.track("signup", "ada", at=1)
    made.identify("ada", {"city": "Bergen"}, at=2)
    made.run(DAY + 5)
    assert made.titles() == ["one", "two"]
    made.identify("ada", {"plan": "pro"}, at=DAY + 10)
    state, sentence = how_ended(made)
    assert state == "exited"
    assert "who no longer held: plan is free" in sentence
    made.run(9 * DAY)
    assert made.titles() == ["one", "two"]


def test_without_stay_who_is_asked_at_entry_only(home: Store) -> None:
    """The person who upgrades still gets the whole series."""
    made = series(home, {"plan": "free"}, stay=False)
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("signup", "ada", at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    made.run(9 * DAY)
    assert made.titles() == ["one", "two", "three"]


def test_who_is_asked_again_before_every_step_even_if_no_message_says_anything(
    home: Store,
) -> None:
    """Time alone makes *visited within 1d* false."""
    made = series(home, {"performed": {"event": "visit", "within": "36h"}})
    made.track("visit", "ada", at=-1)
    made.track("signup", "ada", at=0)
    made.run(9 * DAY)
    assert made.titles() == ["one", "two"]
    assert how_ended(made)[0] == "exited"


def test_who_is_asked_before_the_first_step_of_an_entry_that_a_claim_opens(home: Store) -> None:
    """It held when the message happened, and no longer does when the person is known."""
    made = series(home, {"performed": {"event": "visit", "within": "1h"}})
    made.track("visit", None, anonymous="a", at=0)
    made.track("signup", None, anonymous="a", at=10)
    made.identify("ada", {}, anonymous="a", at=180)
    assert made.titles() == []
    assert "who no longer held" in how_ended(made)[1]


def test_the_history_that_who_asks_for_is_loaded(home: Store) -> None:
    """A second order is one too many; who counts the first, which another batch brought."""
    made = series(home, {"performed": {"event": "order", "at_most": 1}})
    made.track("order", "ada", at=-5)
    made.track("signup", "ada", at=0)
    made.track("page seen", "ada", at=1)
    made.track("order", "ada", at=2)
    made.run(9 * DAY)
    assert made.titles() == ["one"]


def test_who_reads_the_opening_message_when_it_is_asked_again(home: Store) -> None:
    """Not the message that happens to come in."""
    who: JsonValue = {"logic": {"==": [{"var": "person.plan"}, {"var": "properties.plan"}]}}
    made = series(home, who)
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("signup", "ada", {"plan": "free"}, at=1)
    made.identify("ada", {"city": "Oslo"}, at=2)
    made.run(DAY + 5)
    assert made.titles() == ["one", "two"]
    made.identify("ada", {"plan": "pro"}, at=DAY + 6)
    made.run(9 * DAY)
    assert made.titles() == ["one", "two"]


def test_a_segment_in_who_is_asked_again_too(home: Store) -> None:
    """The condition of the segment counts, whatever it is made of."""
    rule = campaign("welcome", "signup", who={"segment": "new"}, stay=True, whereupon=SERIES)
    made = world(segment("new", plan="free"), rule, store=home)
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("signup", "ada", at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    made.run(9 * DAY)
    assert made.titles() == ["one"]


def test_a_set_step_that_makes_who_false_ends_the_entry_before_the_next_step(home: Store) -> None:
    """Before every step means before the step behind the `set`, too."""
    steps: JsonValue = [{"set": {"plan": "pro"}}, {"send": "push", "title": "never"}]
    rule = campaign("welcome", "signup", who={"plan": "free"}, stay=True, whereupon=steps)
    made = world(rule, store=home)
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("signup", "ada", at=1)
    made.run(DAY)
    assert made.titles() == []
    assert how_ended(made)[0] == "exited"


def test_a_merge_that_makes_who_false_ends_the_entry_before_its_next_step(home: Store) -> None:
    """No message sets the attribute; the merge does."""
    made = series(home, {"plan": {"exists": False}})
    made.identify("ben", {"plan": "pro"}, at=0)
    made.track("signup", "ada", at=1)
    made.alias("ada", "ben", at=2)
    made.run(9 * DAY)
    assert made.titles() == ["one"]


def test_people_in_a_broadcast_stay_as_long_as_who_holds(home: Store) -> None:
    """A broadcast of several steps stops for whoever leaves the audience."""
    rule = broadcast("news", "sale", who={"plan": "free"}, stay=True, whereupon=SERIES)
    made = world(rule, store=home)
    for user in ("ada", "bob"):
        made.identify(user, {"plan": "free"}, at=0)
    made.track("sale", "shop", at=1)
    made.run(2)
    made.identify("ada", {"plan": "pro"}, at=3)
    made.run(9 * DAY)
    assert sorted(map(str, made.titles())) == ["one", "one", "three", "two"]


def test_lint_warns_of_stay_without_who() -> None:
    """There would be nothing to ask again."""
    file = campaign("x", "signup", stay=True)
    _, (found,) = parse_rule_file(file, stem="x", segments={})
    assert (found.code, found.path) == ("stay-without-who", ("stay",))
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize("leave", ["refund", {"plan": "free"}, {"leaves": "pro"}, "stay"])
def test_an_entry_that_exits_withdraws_its_own_deliveries_that_are_pending(
    home: Store, leave: JsonValue
) -> None:
    """Withheld as `withdrawn`, with the reason of the end; what others made for the person stays."""
    keys: dict[str, JsonValue] = {"whereupon": SERIES, "who": {"plan": "pro"}}
    keys |= {"stay": True} if leave == "stay" else {"exit": leave}
    made = world(
        segment("pro", plan="pro"),
        campaign("welcome", "signup", **keys),
        campaign("other", "signup", whereupon=SERIES),
        store=home,
    )
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("signup", "ada", at=1)
    if leave == "refund":
        made.track("refund", "ada", at=2)
    else:
        made.identify("ada", {"plan": "free"}, at=2)
    reason = {"refund": "event", "stay": "who"}.get(str(leave)) or (
        "segment" if leave == {"leaves": "pro"} else "condition"
    )
    found = {(each.rule, each.state.value, each.reason) for each in made.deliveries()}
    assert found == {
        ("welcome", "withheld", f"withdrawn: {reason}"),
        ("other", "pending", None),
    }
    (told,) = made.engine.explain("ada", "welcome")
    assert "its entry ended before it was sent" in told.sentence


@pytest.mark.parametrize("steps", [[{"send": "push"}, "exit"], [{"send": "push"}]])
def test_an_exit_step_and_completion_withdraw_nothing(home: Store, steps: JsonValue) -> None:
    """The rule itself has come to its end."""
    made = world(campaign("welcome", "signup", whereupon=steps), store=home)
    made.track("signup", "ada", at=1)
    assert [each.state.value for each in made.deliveries()] == ["pending"]


def test_what_was_sent_stays_sent_when_the_entry_exits(home: Store) -> None:
    """A delivery that was handed over cannot be taken back."""
    made = world(campaign("welcome", "signup", exit="refund", whereupon=SERIES), store=home)
    made.engine.channel("push", lambda _: None)
    made.track("signup", "ada", at=1)
    made.engine.run_due()
    made.track("refund", "ada", at=2)
    assert [(each.state.value, each.reason) for each in made.deliveries()] == [("sent", None)]
