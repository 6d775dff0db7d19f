"""`when: {known: person}`: once for each person, at the first message that makes them known."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign, segment
from tests.worlds import DAY, World, message, world

from whereupon.messages.model import MessageType
from whereupon.ports import Store
from whereupon.rules.reader import parse_rule_file

WELCOME = campaign(
    "welcome",
    {"known": "person"},
    whereupon=[{"send": "push", "title": "Hi {{ person.user_id }}"}],
)


@pytest.fixture
def made(home: Store) -> World:
    """A world without people."""
    return world(WELCOME, store=home)


@pytest.mark.parametrize(
    "wire",
    [
        {"type": "identify"},
        {"type": "track", "event": "anything"},
        {"type": "page", "name": "Home"},
        {"type": "screen", "name": "Home"},
        {"type": "group", "groupId": "acme"},
        {"type": "alias", "previousId": "anon-1"},
        {"type": "track", "event": "x", "anonymousId": "anon-1"},
        {
            "type": "track",
            "event": "Device Created or Updated",
            "context": {"device": {"token": "t-1", "type": "ios"}},
        },
    ],
    ids=lambda wire: str(wire.get("event") or wire["type"]),
)
def test_the_first_message_makes_somebody_known_whichever_call_it_is(
    made: World, wire: dict[str, JsonValue]
) -> None:
    """Later messages do not trigger."""
    for number in (1, 2):
        ingested = made.engine.ingest([{**wire, "userId": "ada", "messageId": f"m-{number}"}])
        made.decided += ingested.decisions
    made.identify("ada", {"plan": "pro"})
    made.track("anything", "ada")
    assert [(d.message_id, d.rule, d.reason) for d in made.decided] == [("m-1", "welcome", None)]
    assert made.titles() == ["Hi ada"]


def test_each_person_is_met_once(made: World) -> None:
    """In one batch as in many; an anonymous id is not a known person."""
    made.track("x", anonymous="anon-1")
    result = made.engine.ingest(
        [{"type": "track", "event": "x", "userId": user} for user in ("ada", "ben", "ada")]
    )
    assert [d.person for d in result.decisions] == ["ada", "ben"]
    made.identify("ben", anonymous="anon-1")
    assert made.titles() == ["Hi ada", "Hi ben"]


def test_who_claims_what_they_did_before_is_met_by_the_message_that_claims(made: World) -> None:
    """Their anonymous messages did not make them known."""
    made.track("x", anonymous="anon-1", at=0)
    made.identify("ada", anonymous="anon-1", at=1, message_id="i-1")
    assert [(d.message_id, d.retroactive) for d in made.decided] == [("i-1", False)]


def test_who_asks_of_the_same_identify_is_heard(home: Store) -> None:
    """The attributes are set before the rule is evaluated; each person is evaluated once."""
    made = world(WELCOME | {"who": {"plan": "pro"}}, store=home)
    made.identify("ada", {"plan": "pro"})
    made.identify("ben", {"plan": "free"})
    made.identify("ben", {"plan": "pro"})
    assert made.verdicts == [("ada", "welcome", "entered"), ("ben", "welcome", "who")]
    (explanation,) = made.engine.explain("ben", "welcome")
    assert explanation.reason == "who"


def test_another_id_of_somebody_who_is_known_makes_nobody_known(made: World) -> None:
    """An alias to a new id merges: its person was known before."""
    made.identify("old")
    made.alias("new", "old")
    made.identify("new")
    assert [(d.person, d.reason) for d in made.decided] == [("old", None)]


def test_two_who_are_met_and_merge_stay_met(made: World) -> None:
    """Inherited messages trigger nothing."""
    made.identify("old")
    made.identify("new")
    made.alias("new", "old")
    assert made.titles() == ["Hi old", "Hi new"]


def test_who_comes_back_after_a_deletion_is_a_new_person(home: Store) -> None:
    """Nothing shows that they were known before."""
    made = world(WELCOME | {"reentry": "once"}, store=home)
    made.identify("ada", at=0)
    made.track("Delete Person", "ada", at=1)
    made.track("x", "ada", at=0.5, arrives=2)
    made.track("x", "ada", at=3)
    assert [outcome for _, _, outcome in made.verdicts] == ["entered", "entered"]


def test_history_makes_people_known_without_a_word(made: World) -> None:
    """Messages older than `max_age` trigger nothing, as for other triggers."""
    made.track("x", "ada", at=-4 * DAY, arrives=0)
    made.track("x", "ada", at=0)
    assert made.verdicts == [("ada", "welcome", "too-old")]


def test_a_large_claim_makes_them_known_in_its_turn(home: Store) -> None:
    """The claimed messages are evaluated in chunks, after earlier ones."""
    made = world(WELCOME, campaign("x", "x"), store=home)
    made.engine.pipeline.claim_chunk = 2
    for number in range(5):
        made.track("x", anonymous="anon-1", at=number, message_id=f"m-{number}")
    parted = made.engine.take(
        [message("i", type_=MessageType.IDENTIFY, user="ada", anonymous="anon-1", at=2.5)]
    )
    entered = [(d.message_id, d.rule) for d in parted.decisions]
    assert entered.index(("i", "welcome")) == 3
    assert len(entered) == 6


def test_a_step_makes_nobody_known_again(home: Store) -> None:
    """A step acts for a person who is known already."""
    made = world(WELCOME | {"whereupon": [{"track": "met"}, {"set": {"met": True}}]}, store=home)
    made.identify("ada")
    assert made.outcomes == ["entered"]


def test_segments_and_knowing_do_not_hinder_each_other(home: Store) -> None:
    """One identify can trigger both."""
    pros = segment("pros", plan="pro")
    made = world(WELCOME, pros, campaign("pro", {"enters": "pros"}), store=home)
    made.identify("ada", {"plan": "pro"})
    assert sorted(d.rule for d in made.decided) == ["pro", "welcome"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (campaign("welcome", {"known": "nobody"}), "wrong-value"),
        (campaign("welcome", {"known": "person", "page": "x"}), "unknown-key"),
        (broadcast("welcome", {"known": "person"}), "unknown-trigger"),
    ],
)
def test_nothing_else_can_be_known(file: dict[str, JsonValue], code: str) -> None:
    """A broadcast goes to an audience: a new person does not start one."""
    _, diagnostics = parse_rule_file(file, stem="welcome", segments={})
    assert [diagnostic.code for diagnostic in diagnostics] == [code]
