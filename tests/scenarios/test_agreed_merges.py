"""A merge that an operator agrees to later changes what a merge changes that happens at once."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, campaign, segment
from tests.worlds import World, world

from whereupon.ports import Store
from whereupon.records import Entry

OFTEN = segment("often", performed={"event": "login", "within": "60d", "at_least": 2})
PRO = segment("pro", plan="pro")
FREE = segment("free", plan={"exists": False})
PUSH: File = {"send": "push", "title": "Socks"}
LATER: list[JsonValue] = [{"wait": "9d"}, PUSH]

WAY = pytest.mark.parametrize("way", ["at once", "later"])


def become_one(made: World, way: str, *, at: float) -> None:
    """Let Ada and Ben become one person: by the word of a server, or of a browser and an operator."""
    if way == "at once":
        made.alias("ada", "ben", at=at)
        return
    made.alias("ada", "ben", at=at - 1, source="client")
    (request,) = made.engine.requests()
    made.run(at)
    made.engine.requests.approve(request.key, by="olga")
    made.run(at)


def entries(made: World) -> list[Entry]:
    """Every entry, in the order in which they were opened."""
    with made.home.session() as session:
        return sorted(session.scan(Entry), key=lambda entry: (entry.entered_at, entry.key))


def opened(made: World) -> list[str]:
    """The rules of every entry, in their order."""
    return [entry.rule for entry in entries(made)]


@WAY
def test_who_is_in_a_segment_only_as_both_enters_it(home: Store, way: str) -> None:
    """What both did together is enough for a segment that neither was in."""
    made = world(OFTEN, campaign("hello", {"enters": "often"}, whereupon=[PUSH]), store=home)
    made.track("login", "ada", at=0)
    made.track("login", "ben", at=1)
    assert opened(made) == []
    become_one(made, way, at=5)
    assert opened(made) == ["hello"]
    assert made.titles() == ["Socks"]


@WAY
def test_who_was_in_a_segment_as_one_of_the_two_does_not_enter_it(home: Store, way: str) -> None:
    """Nothing has changed for a person who was there already."""
    made = world(PRO, campaign("hello", {"enters": "pro"}, whereupon=[PUSH]), store=home)
    made.identify("ada", {"name": "Ada"}, at=0)
    made.identify("ben", {"plan": "pro"}, at=1)
    become_one(made, way, at=5)
    assert opened(made) == ["hello"]


@WAY
def test_who_was_in_a_segment_as_one_of_the_two_leaves_it(home: Store, way: str) -> None:
    """The attribute that the other one has takes them out, of the segment and of the rule that ends by it."""
    stay = campaign("stay", "buy", exit={"leaves": "free"}, whereupon=LATER)
    made = world(FREE, stay, campaign("bye", {"leaves": "free"}, whereupon=[PUSH]), store=home)
    made.identify("ben", {"plan": "pro"}, at=0)
    made.track("buy", "ada", at=1)
    assert opened(made) == ["stay"]
    become_one(made, way, at=5)
    assert opened(made) == ["stay", "bye"]
    ended = entries(made)[0].ended
    assert ended is not None
    assert ended.reason == "segment"


@WAY
def test_what_the_other_one_did_ends_converts_and_lets_go_on(home: Store, way: str) -> None:
    """Exits, goals and waits hear of what the person has inherited."""
    exits = campaign("exits", "buy", exit="pay", whereupon=LATER)
    goal = campaign("goal", "buy", goal={"event": "pay", "within": "7d"}, whereupon=LATER)
    waits = campaign(
        "waits",
        "buy",
        whereupon=[{"wait_for": [{"event": "pay", "then": [PUSH]}], "up_to": "7d", "else": []}],
    )
    made = world(exits, goal, waits, store=home)
    made.track("buy", "ada", at=0)
    made.track("pay", "ben", at=1)
    become_one(made, way, at=5)
    by_rule = {entry.rule: entry for entry in entries(made)}
    ended = by_rule["exits"].ended
    assert ended is not None
    assert ended.reason == "event"
    assert any(mark.kind.value == "converted" for mark in by_rule["goal"].trail)
    assert made.titles() == ["Socks"]


def test_an_entry_that_an_agreement_led_to_is_explained(home: Store) -> None:
    """It names the request, since the message came before, and says why another rule let nobody in."""
    steps: list[JsonValue] = [{"track": "greeted"}]
    often: File = {"enters": "often"}
    hello = campaign("hello", often, who={"plan": {"exists": False}}, whereupon=steps)
    other = campaign("other", often, who={"plan": "pro"}, whereupon=steps)
    greeted = campaign("greeted", "greeted", whereupon=[PUSH])
    made = world(OFTEN, hello, other, greeted, store=home)
    made.track("login", "ada", at=0)
    made.track("login", "ben", at=1)
    become_one(made, "later", at=5)
    assert opened(made) == ["hello", "greeted"]
    (entered,) = made.engine.explain("ada", "hello")
    assert "when they became one person with somebody, as request" in entered.sentence
    (skipped,) = made.engine.explain("ada", "other")
    assert skipped.reason == "who"
