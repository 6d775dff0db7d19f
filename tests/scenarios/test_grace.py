"""`grace`: a skip by `who` stays open, and an attribute that changes in time decides it once more."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign, segment
from tests.worlds import HOUR, World, after, world

from whereupon.ports import Store
from whereupon.records import OpenSkip, RetainedKind, RetentionCutoff
from whereupon.rules.reader import parse_rule_file

STEPS: list[JsonValue] = [{"send": "push", "title": "{{ properties.n | default: 'Welcome' }}"}]


def welcome(home: Store, who: JsonValue = None, **keys: JsonValue) -> World:
    """A campaign for people of the plan pro, with half an hour of grace."""
    asked: JsonValue = {"plan": "pro"} if who is None else who
    usual: File = {"grace": "30m", "reentry": "once", "whereupon": STEPS}
    return world(campaign("welcome", "Signed Up", who=asked, **(usual | keys)), store=home)


def open_skips(home: Store) -> list[OpenSkip]:
    """What is kept open."""
    with home.session() as session:
        return list(session.scan(OpenSkip))


def test_an_attribute_that_comes_after_the_message_decides_it_again(home: Store) -> None:
    """The identify of the same minute says the plan; both decisions are told."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=1)
    assert made.outcomes == ["who", "entered"]
    assert made.titles() == ["Welcome"]
    told = made.engine.explain("ada", "welcome")
    assert sorted(str(each.reason or each.outcome) for each in told) == ["entered", "who"]
    assert open_skips(home) == []


def test_it_is_decided_again_once(home: Store) -> None:
    """The second change comes too late, though the time is not over."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "free"}, at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    assert made.outcomes == ["who", "who"]
    assert made.titles() == []
    told = made.engine.explain("ada", "welcome")
    assert [each.reason for each in told] == ["who", "who"]


def test_nothing_but_an_attribute_that_who_reads_decides_it_again(home: Store) -> None:
    """Neither other attributes, nor the same value again, nor other messages."""
    made = welcome(home)
    made.identify("ada", {"plan": "free"}, at=-1)
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"city": "Oslo"}, at=1)
    made.identify("ada", {"plan": "free"}, at=2)
    made.track("other", "ada", at=3)
    assert made.outcomes == ["who"]
    assert len(open_skips(home)) == 1
    made.identify("ada", {"plan": "pro"}, at=4)
    assert made.outcomes == ["who", "entered"]


@pytest.mark.parametrize(("at", "outcomes"), [(30, ["who", "entered"]), (31, ["who"])])
@pytest.mark.parametrize("late", [0, HOUR])
def test_the_time_goes_by_the_messages_own_times(
    home: Store, at: float, late: float, outcomes: list[str]
) -> None:
    """Half an hour is included, and a message that arrives late counts by when it happened."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=at, arrives=at + late)
    assert made.outcomes == outcomes


@pytest.mark.parametrize("first", ["identify", "track"])
def test_with_grace_the_order_of_arrival_makes_no_difference(home: Store, first: str) -> None:
    """Who signs up and says the plan within the time gets in, whichever message comes first."""
    made = welcome(home)
    if first == "identify":
        made.identify("ada", {"plan": "pro"}, at=5, arrives=5)
        made.track("Signed Up", "ada", at=0, arrives=6)
    else:
        made.track("Signed Up", "ada", at=0, arrives=5)
        made.identify("ada", {"plan": "pro"}, at=5, arrives=6)
    assert made.outcomes[-1] == "entered"
    assert made.titles() == ["Welcome"]


@pytest.mark.parametrize("heard", ["Seen", "other"])
def test_it_is_decided_again_behind_all_that_the_change_leads_to(home: Store, heard: str) -> None:
    """A step's message does not decide it in between, whether any rule hears that message or not."""
    welcome_back = campaign(
        "welcome",
        "Signed Up",
        who={"plan": "pro"},
        grace="30m",
        whereupon=[{"send": "push", "title": "{{ person.noted }}"}],
    )
    made = world(
        segment("pros", plan="pro"),
        welcome_back,
        campaign("a", {"enters": "pros"}, whereupon=[{"track": "Seen"}]),
        campaign("b", {"enters": "pros"}, whereupon=[{"set": {"noted": "noted"}}]),
        campaign("c", heard, whereupon=[{"wait": "1d"}]),
        store=home,
    )
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=1)
    assert made.titles() == ["noted"]


def test_what_a_step_sets_late_decides_again_as_of_then(home: Store) -> None:
    """Long before the due work ends that does the step."""
    rule = campaign("welcome", "Signed Up", who={"plan": "pro"}, grace="30m", whereupon=STEPS)
    later = campaign("later", "Paid", whereupon=[{"wait": "5m"}, {"set": {"plan": "pro"}}])
    made = world(rule, later, store=home)
    made.track("Paid", "ada", at=0)
    made.track("Signed Up", "ada", at=1)
    made.run(HOUR)
    assert made.titles() == ["Welcome"]
    assert {each.due_at for each in made.deliveries()} == {after(5)}


def test_without_grace_a_skip_is_for_good(home: Store) -> None:
    """It is off by default."""
    rule = campaign("welcome", "Signed Up", who={"plan": "pro"})
    made = world(rule, store=home)
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=1)
    assert made.outcomes == ["who"]
    assert open_skips(home) == []


@pytest.mark.parametrize("batched", [False, True])
def test_it_makes_no_difference_whether_both_come_in_one_batch(home: Store, batched: bool) -> None:
    """What a batch has skipped is found by the batch itself."""
    made = welcome(home)
    wires: list[dict[str, object]] = [
        {"type": "track", "userId": "ada", "event": "Signed Up", "messageId": "m1"},
        {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}, "messageId": "m2"},
    ]
    for part in [wires] if batched else [[each] for each in wires]:
        made.decided += made.engine.ingest(part).decisions
    assert made.outcomes == ["who", "entered"]
    assert made.titles() == ["Welcome"]


def test_a_segment_and_the_past_are_asked_again_as_of_the_message(home: Store) -> None:
    """The history that `who` asks for is loaded; what happened after the message does not count."""
    who: JsonValue = {"segment": "pro", "performed": {"event": "visit", "at_least": 2}}
    rule = campaign("welcome", "Signed Up", who=who, grace="30m", whereupon=STEPS)
    made = world(segment("pro", plan="pro"), rule, store=home)
    made.track("visit", "ada", at=-9)
    made.track("visit", "ada", at=-8)
    made.track("Signed Up", "ada", at=0)
    made.track("visit", "bob", at=1)
    made.track("Signed Up", "bob", at=2)
    made.track("visit", "bob", at=3)
    for user in ("ada", "bob"):
        made.identify(user, {"plan": "pro"}, at=4)
    assert [(person, outcome) for person, _, outcome in made.verdicts] == [
        ("ada", "who"),
        ("bob", "who"),
        ("ada", "entered"),
        ("bob", "who"),
    ]


def test_re_entry_is_asked_the_second_time_too(home: Store) -> None:
    """Two messages wait for one attribute: a rule that takes people once takes one of them."""
    made = welcome(home)
    made.track("Signed Up", "ada", {"n": 1}, at=0)
    made.track("Signed Up", "ada", {"n": 2}, at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    assert made.outcomes == ["who", "who", "entered", "reentry"]
    assert made.titles() == ["1"]


def test_a_key_keeps_a_second_message_out_when_it_is_decided_again(home: Store) -> None:
    """The earlier entry with that key is loaded."""
    made = welcome(home, reentry={"once_per_key": "properties.n"})
    made.identify("ada", {"plan": "pro"}, at=-9)
    made.track("Signed Up", "ada", {"n": 1}, at=-8)
    made.identify("ada", {"plan": "free"}, at=-7)
    made.track("Signed Up", "ada", {"n": 1}, at=0)
    made.track("Signed Up", "ada", {"n": 2}, at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    assert made.outcomes == ["entered", "who", "who", "reentry", "entered"]
    assert made.titles() == ["1", "2"]


def test_a_set_step_is_a_change_as_any_other(home: Store) -> None:
    """Another rule says the plan."""
    files = [
        campaign("upgrade", "Paid", whereupon=[{"set": {"plan": "pro"}}]),
        campaign("welcome", "Signed Up", who={"plan": "pro"}, grace="30m", whereupon=STEPS),
    ]
    made = world(*files, store=home)
    made.track("Signed Up", "ada", at=0)
    made.track("Paid", "ada", at=1)
    assert made.titles() == ["Welcome"]


def test_a_merge_that_brings_the_attribute_decides_again(home: Store) -> None:
    """What either of them was skipped for is decided for the one whom they become."""
    made = welcome(home, reentry="every_time")
    made.identify("ben", {"plan": "pro"}, at=-1)
    made.track("Signed Up", "ada", {"n": 1}, at=0)
    made.alias("ada", "ben", at=1)
    assert made.titles() == ["1"]
    made.track("Signed Up", "cem", {"n": 2}, at=2)
    made.alias("ada", "cem", at=3)
    assert made.titles() == ["1", "2"]


def test_an_open_skip_follows_a_merge(home: Store) -> None:
    """The attribute comes to the survivor."""
    made = welcome(home)
    made.identify("ada", {}, at=-1)
    made.track("Signed Up", "ben", {"n": 1}, at=0)
    made.alias("ada", "ben", at=1)
    made.identify("ada", {"plan": "pro"}, at=2)
    assert made.titles() == ["1"]


def test_a_claimed_message_has_grace_too(home: Store) -> None:
    """The claim comes without the plan, which comes a minute later."""
    made = welcome(home)
    made.track("Signed Up", None, anonymous="a", at=0)
    made.identify("ada", {}, anonymous="a", at=5)
    made.identify("ada", {"plan": "pro"}, at=6)
    assert made.outcomes == ["who", "entered"]


@pytest.mark.parametrize("chunk", [1, 2, 99])
def test_a_long_claim_decides_again_when_all_of_it_has_happened(home: Store, chunk: int) -> None:
    """A later message of the claim comes before the one that is decided once more, however the claim is divided."""
    made = welcome(home)
    made.engine.pipeline.claim_chunk = chunk
    made.track("Signed Up", None, {"n": "first"}, anonymous="anon-1", at=0)
    made.identify(None, {"plan": "pro"}, anonymous="anon-1", at=1)
    made.track("Signed Up", None, {"n": "second"}, anonymous="anon-1", at=2)
    made.identify("ada", anonymous="anon-1", at=3)
    made.run(4)
    assert made.outcomes == ["who", "entered", "reentry"]
    assert made.titles() == ["second"]
    assert open_skips(home) == []


@pytest.mark.parametrize("chunk", [1, 99])
def test_what_the_claiming_message_closes_is_decided_behind_the_claim(
    home: Store, chunk: int
) -> None:
    """The identify that says the plan also brings a message: that one comes first."""
    made = welcome(home)
    made.engine.pipeline.claim_chunk = chunk
    for place, number in enumerate(("anonymous", "other")):
        made.track("Signed Up", None, {"n": number}, anonymous="anon-1", at=place)
    made.track("Signed Up", "ada", {"n": "known"}, at=2)
    made.identify("ada", {"plan": "pro"}, anonymous="anon-1", at=3)
    made.run(4)
    assert made.outcomes == ["who", "entered", "reentry", "reentry"]
    assert made.titles() == ["anonymous"]


def test_who_is_erased_has_no_open_skip_left(home: Store) -> None:
    """The person's rows go with the person."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.track("Signed Up", "bob", at=0)
    assert len(open_skips(home)) == 2
    made.track("Delete Person", "ada", at=1)
    assert len(open_skips(home)) == 1


def test_an_open_skip_is_pruned_when_the_rule_would_not_take_its_message_any_more(
    home: Store,
) -> None:
    """Its time is over when the time of the grace and the age that the rule takes are."""
    made = welcome(home, max_age="1h")
    made.track("Signed Up", "ada", at=0)
    for minutes, left in ((60, 1), (61, 0)):
        cutoff = RetentionCutoff(RetainedKind.OPEN_SKIPS, after(minutes - 1 / 60), after(0))
        with home.session() as session:
            assert session.count_prunable(cutoff).gone == 1 - left
            assert session.prune(cutoff, 0, 9).gone == 1 - left
        assert len(open_skips(home)) == left


def test_a_rule_that_is_gone_decides_nothing_again(home: Store) -> None:
    """The skip stays, and nothing becomes of it."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.change_rules(campaign("other", "x", who={"plan": "pro"}, grace="30m"))
    made.identify("ada", {"plan": "pro"}, at=1)
    assert made.outcomes == ["who"]


def test_the_rule_of_today_decides(home: Store) -> None:
    """Like any message that arrives now."""
    made = welcome(home)
    made.track("Signed Up", "ada", at=0)
    made.change_rules(
        campaign("welcome", "Signed Up", who={"plan": "team"}, grace="30m", whereupon=STEPS)
    )
    made.identify("ada", {"plan": "pro"}, at=1)
    assert made.outcomes == ["who", "who"]


def test_what_is_too_old_is_too_old_the_second_time(home: Store) -> None:
    """The age is measured when the message is decided."""
    made = welcome(home, max_age="1h", grace="1d")
    made.track("Signed Up", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=2 * HOUR)
    assert made.outcomes == ["who", "too-old"]


def test_grace_is_of_campaigns_alone() -> None:
    """A broadcast asks its audience when it runs."""
    file = broadcast("x", "sale", who={"plan": "pro"}, grace="30m")
    _, found = parse_rule_file(file, stem="x", segments={})
    assert [each.code for each in found] == ["unsupported-key"]
