"""Waits that start anew, waits that count from their own step, and when the `if` of a wait is asked."""

from pydantic import JsonValue
from tests.rule_files import campaign
from tests.worlds import HOUR, World, world

PUSH: JsonValue = {"send": "push", "title": "Viewed"}


def watching(*arms: JsonValue, **keys: JsonValue) -> World:
    """Ada is inside a campaign that waits two hours for something."""
    steps: JsonValue = [{"wait_for": list(arms), "up_to": "2h", **keys}]
    made = world(campaign("views", "start", whereupon=steps))
    made.track("start", "ada", at=0)
    return made


def passed(made: World) -> list[str]:
    """The addresses of the waits that were passed, in turn."""
    (entry,) = made.entries()
    return [mark.address for mark in entry.trail if mark.kind == "passed"]


def test_again_on_an_arm_starts_the_wait_anew_and_each_message_counts_once() -> None:
    """The message that the wait was passed by is no evidence for the next round, also at that very instant."""
    made = watching({"event": "view", "again": True, "then": [PUSH]})
    made.track("view", "ada", at=10)
    assert passed(made) == ["0"]
    made.track("view", "ada", at=20)
    assert passed(made) == ["0", "0#1"]
    made.run(5 * HOUR)
    assert len(made.deliveries()) == 2


def test_what_happens_while_the_steps_of_an_arm_wait_counts_for_the_next_round() -> None:
    """Messages count from the one by which the wait was passed; of several the first comes first."""
    made = watching({"event": "view", "again": True, "then": [{"wait": "30m"}, PUSH]})
    for at in (10, 15, 20):
        made.track("view", "ada", at=at)
    made.run(5 * HOUR)
    assert passed(made) == ["0", "0#1", "0#2"]


def test_a_wait_starts_anew_at_most_ten_times() -> None:
    """Then the entry goes on after it."""
    made = watching({"event": "view", "again": True, "then": [PUSH]})
    for at in range(1, 15):
        made.track("view", "ada", at=at)
    (entry,) = made.entries()
    assert (len(passed(made)), entry.state.value) == (11, "completed")


def test_since_step_counts_only_from_when_the_wait_was_reached() -> None:
    """The purchase that passed the first wait is not the second purchase."""
    second: JsonValue = {"wait_for": [{"event": "view"}], "up_to": "1h", "since": "step"}
    made = watching({"event": "view", "then": [second]})
    made.track("view", "ada", at=10)
    assert passed(made) == ["0"]
    made.track("view", "ada", at=9, arrives=11)
    assert passed(made) == ["0"]
    made.track("view", "ada", at=12)
    assert passed(made) == ["0", "0.0.0"]


def test_the_if_of_a_wait_is_asked_when_the_wait_is_reached_and_not_when_it_is_over() -> None:
    """A wait that has begun takes its arm, however the person has changed since."""
    steps: JsonValue = [
        {"wait_for": [{"event": "view"}], "up_to": "1h", "if": {"plan": "pro"}, "else": [PUSH]}
    ]
    made = world(campaign("views", "start", whereupon=steps))
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("start", "ada", at=0)
    made.identify("ada", {"plan": "free"}, at=10)
    made.run(2 * HOUR)
    (entry,) = made.entries()
    assert [mark.kind.value for mark in entry.trail] == ["waits", "expired"]
    assert len(made.deliveries()) == 1


def test_of_what_happened_before_a_claim_the_first_counts_first() -> None:
    """What the claim brings and what was the person's already are counted by their own time, each once."""
    steps: JsonValue = [
        {"wait_for": [{"event": "view", "again": True, "then": [PUSH]}], "up_to": "2h"}
    ]
    made = world(campaign("views", "start", whereupon=steps))
    made.track("start", anonymous="phone", at=0)
    made.track("view", anonymous="phone", at=5)
    made.track("view", "ada", at=10)
    made.identify("ada", anonymous="phone", at=20)
    assert passed(made) == ["0", "0#1"]


def test_a_wait_within_a_new_round_counts_from_the_entry_on() -> None:
    """Only the wait that starts anew counts from its last round."""
    inner: JsonValue = {"wait_for": [{"event": "buy"}], "up_to": "10m"}
    made = watching({"event": "view", "again": True, "then": [inner, {"wait": "30m"}]})
    made.track("view", "ada", at=1)
    made.run(20)
    made.track("view", "ada", at=21)
    made.track("buy", "ada", at=22)
    made.run(60)
    assert passed(made) == ["0", "0#1", "0.0.0#1"]
