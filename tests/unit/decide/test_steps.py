"""Steps: what entries do, what they wait for, and how they end."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign, segment
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.records import DeliveryState, EntryState
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

PUSH: JsonValue = {"send": "push", "title": "Hi"}
WAIT: JsonValue = {"wait": "10m"}


def inside(**keys: JsonValue) -> World:
    """Ada is inside a campaign that sends a push in ten minutes."""
    made = world(campaign("thanks", "purchase", whereupon=[WAIT, PUSH], **keys))
    made.track("purchase", "ada", at=0)
    return made


def states(made: World) -> list[EntryState]:
    """The states of all entries."""
    return [entry.state for entry in made.entries()]


# --- the steps --------------------------------------------------------------------------------------


def test_steps_run_in_order_until_a_wait() -> None:
    """Steps before a wait are done at once, steps behind it when the wait is over."""
    made = world(
        campaign("thanks", "purchase", whereupon=[PUSH, WAIT, {"send": "email", "subject": "Yo"}])
    )
    made.track("purchase", "ada", at=0)
    assert [(d.channel, d.due_at) for d in made.deliveries()] == [("push", after(0))]
    made.run(9)
    assert states(made) == [EntryState.ACTIVE]
    made.run(60)
    assert [(d.channel, d.due_at) for d in made.deliveries()][1:] == [("email", after(10))]
    assert states(made) == [EntryState.COMPLETED]


def test_waits_add_up_whenever_the_machine_wakes() -> None:
    """A step's time is the time at which it was due, not the time at which it was done."""
    made = world(campaign("thanks", "purchase", whereupon=[WAIT, WAIT, PUSH]))
    made.track("purchase", "ada", at=0)
    made.run(500)
    assert [d.due_at for d in made.deliveries()] == [after(20)]


def test_a_late_message_waits_from_its_arrival() -> None:
    """A wait begins when the step is reached."""
    made = world(campaign("thanks", "purchase", whereupon=[WAIT, PUSH]))
    made.track("purchase", "ada", at=0, arrives=60)
    made.run(100)
    assert [d.due_at for d in made.deliveries()] == [after(70)]


def test_a_delivery_holds_what_its_channel_needs() -> None:
    """Rendered content, the person's attributes at that time, and the trigger."""
    made = world(
        campaign(
            "thanks",
            "purchase",
            whereupon=[
                WAIT,
                {
                    "send": "push",
                    "title": "{{ person.first_name }} {{ properties.product }} {{ event }}",
                    "data": {
                        "at": "{{ timestamp }} {{ now }}",
                        "n": 7,
                        "who": "{{ person.user_id }}",
                    },
                },
            ],
        )
    )
    made.identify("ada", {"first_name": "Ada"})
    made.track("purchase", "ada", {"product": "socks"}, at=0, message_id="m")
    made.identify("ada", {"first_name": "Countess"}, at=5)
    made.run(10)
    (delivery,) = made.deliveries()
    assert delivery.content == {
        "title": "Countess socks purchase",
        "data": {"at": "2026-03-01T12:00:00Z 2026-03-01T12:10:00Z", "n": 7, "who": "ada"},
    }
    assert (delivery.person, delivery.rule, delivery.message_id) == ("ada", "thanks", "m")
    assert delivery.recipient == {"first_name": "Countess"}


def test_a_template_that_lacks_a_value_withholds_the_delivery() -> None:
    """No text is sent with a gap; the record says why, and the entry goes on."""
    steps: JsonValue = [{"send": "push", "title": "{{ person.first_name }}"}, PUSH]
    made = world(campaign("thanks", "purchase", whereupon=steps))
    made.track("purchase", "ada")
    first, second = made.deliveries()
    assert (first.state, second.state) == (DeliveryState.WITHHELD, DeliveryState.PENDING)
    assert first.reason is not None
    assert first.reason.startswith("template: ")
    assert "first_name" in first.reason


@pytest.mark.parametrize(
    ("unsubscribed", "state"),
    [
        (True, DeliveryState.WITHHELD),
        ("true", DeliveryState.WITHHELD),
        (False, DeliveryState.PENDING),
        (None, DeliveryState.PENDING),
    ],
)
def test_somebody_unsubscribed_enters_and_is_sent_nothing(
    unsubscribed: JsonValue, state: DeliveryState
) -> None:
    """An unsubscribed person stays in the campaign, and is sent nothing."""
    made = world(campaign("thanks", "purchase"))
    made.identify("ada", {"unsubscribed": unsubscribed})
    made.track("purchase", "ada")
    assert made.outcomes == ["entered"]
    assert [d.state for d in made.deliveries()] == [state]


def test_set_sets_attributes_of_the_person() -> None:
    """By a message of its own with the time of the step; rules see it at once."""
    made = world(
        campaign("mark", "purchase", whereupon=[{"set": {"last": "{{ properties.product }}"}}]),
        campaign("thanks", "purchase", who={"last": "socks"}),
        campaign("fans", {"enters": "fans"}),
        segment("fans", last="socks"),
    )
    made.track("purchase", "ada", {"product": "socks"}, at=0)
    made.identify("ada", {"last": "shoes"}, at=-5, arrives=1)
    assert made.attributes("ada") == {"last": "socks"}
    assert made.verdicts == [
        ("ada", "mark", "entered"),
        ("ada", "fans", "entered"),
        ("ada", "thanks", "entered"),
    ]


def test_track_sends_an_event_of_the_persons() -> None:
    """The event is recorded, counts, and triggers like any other; its id follows from its cause."""
    made = world(
        campaign("say", "purchase", whereupon=[{"track": "thanked", "properties": {"n": 1}}]),
        campaign("hear", "thanked", where={"n": 1}),
    )
    made.track("purchase", "ada", at=0, arrives=3, message_id="m")
    (tracked,) = (m for m in made.messages().values() if m.name == "thanked")
    assert (tracked.user_id, tracked.timestamp, tracked.message.depth) == ("ada", after(3), 1)
    assert made.verdicts == [("ada", "say", "entered"), ("ada", "hear", "entered")]
    again = world(*made.files)
    again.track("purchase", "ada", at=0, arrives=3, message_id="m")
    assert again.messages().keys() == made.messages().keys()


def test_a_step_that_fails_is_reported_and_passed_over() -> None:
    """The entry goes on; the notice names the rule and the step."""
    made = world(
        campaign(
            "say",
            "purchase",
            whereupon=[{"track": "t", "properties": {"a": "{{ person.a }}"}}, PUSH],
        )
    )
    result = made.track("purchase", "ada")
    assert [(w.code, w.message.split(":")[0]) for w in result.warnings] == [
        ("step-failed", "say step 0")
    ]
    assert len(made.deliveries()) == 1


def test_exit_among_the_steps_ends_the_entry() -> None:
    """Steps behind it are not done."""
    made = world(campaign("thanks", "purchase", whereupon=["exit", PUSH]))
    made.track("purchase", "ada")
    assert (states(made), made.deliveries()) == ([EntryState.EXITED], [])


def test_an_entry_stands_at_the_step_that_ends_it() -> None:
    """The exit step is done, and the steps after it are not."""
    made = world(campaign("thanks", "purchase", whereupon=[{"set": {"vip": True}}, "exit", PUSH]))
    made.track("purchase", "ada", at=0)
    assert [entry.address for entry in made.entries()] == ["1"]


def test_idempotency_keys_are_stable() -> None:
    """They are the same on every machine and every store, and differ by step, message, rule and person."""
    keys = []
    for store in ("memory://", "sqlite://"):
        made = world(
            campaign("thanks", "purchase", whereupon=[PUSH, PUSH]),
            campaign("other", "purchase"),
            store=store,
        )
        for place, user in enumerate(("ada", "ben", "ada")):
            made.track("purchase", user, message_id=f"m-{place}")
        keys.append([delivery.idempotency_key for delivery in made.deliveries()])
        made.engine.close()
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 9


def test_idempotency_keys_survive_a_merge() -> None:
    """A step's key is the same before its person was merged and after."""
    keys = []
    for merged in (False, True):
        made = world(campaign("thanks", "purchase", whereupon=[WAIT, PUSH]))
        made.identify("ben")
        made.track("purchase", "ada", at=0, message_id="m")
        if merged:
            made.alias("ben", "ada", at=5)
            made.alias("cy", "ben", at=6)
        made.run(10)
        keys.append([delivery.idempotency_key for delivery in made.deliveries()])
    assert keys[0] == keys[1]
    assert keys[0]


# --- leaving ----------------------------------------------------------------------------------------


def test_an_event_ends_the_entry() -> None:
    """The event is the same person's, with the properties that the rule asks for."""
    made = inside(exit={"event": "refund", "where": {"price": {"gt": 5}}})
    made.track("purchase", "ben", at=0)
    made.track("refund", "ada", {"price": 1}, at=1)
    assert states(made) == [EntryState.ACTIVE] * 2
    made.track("refund", "ada", {"price": 9}, at=2)
    made.run(HOUR)
    assert states(made) == [EntryState.EXITED, EntryState.COMPLETED]
    assert [d.person for d in made.deliveries()] == ["ben"]


def test_an_event_from_before_the_trigger_ends_nothing() -> None:
    """A refund of last week that arrives today does not answer this purchase."""
    made = inside(exit="refund")
    made.track("refund", "ada", at=-5, arrives=1)
    assert states(made) == [EntryState.ACTIVE]


@pytest.mark.parametrize("exits", ["refund", ["other", "refund"]])
def test_an_event_that_arrived_before_a_late_trigger_ends_the_entry(exits: JsonValue) -> None:
    """The order of arrival does not matter: the person left after they entered."""
    made = world(campaign("thanks", "purchase", exit=exits, whereupon=[WAIT, PUSH]))
    made.track("refund", "ada", at=5)
    made.track("purchase", "ada", at=0, arrives=6)
    made.track("purchase", "ada", at=5.5, arrives=6)
    made.run(HOUR)
    assert states(made) == [EntryState.EXITED, EntryState.COMPLETED]


def test_what_a_claim_brings_ends_entries_too() -> None:
    """A refund in an anonymous browser counts once its person is known."""
    made = inside(exit="refund")
    made.track("refund", anonymous="anon-1", at=1)
    made.identify("ada", anonymous="anon-1", at=2)
    assert states(made) == [EntryState.EXITED]


def test_a_trigger_does_not_end_what_it_opens() -> None:
    """The triggering event ends earlier entries only."""
    made = inside(exit="purchase")
    made.track("purchase", "ada", at=1)
    assert states(made) == [EntryState.EXITED, EntryState.ACTIVE]


def test_leaving_a_segment_ends_the_entry() -> None:
    """Any change of an attribute counts, wherever it comes from."""
    made = world(
        segment("pros", plan="pro"),
        campaign("thanks", "purchase", exit={"leaves": "pros"}, whereupon=[WAIT, PUSH]),
    )
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("purchase", "ada", at=1)
    made.identify("ada", {"city": "Oslo"}, at=2)
    assert states(made) == [EntryState.ACTIVE]
    made.identify("ada", {"plan": "free"}, at=3)
    assert states(made) == [EntryState.EXITED]


def test_a_condition_come_true_ends_the_entry() -> None:
    """The condition may be on attributes and on what the person did."""
    made = inside(exit=[{"plan": "gone"}, {"performed": {"event": "login", "at_least": 2}}])
    made.track("purchase", "ben", at=0)
    made.identify("ada", {"plan": "gone"}, at=1)
    made.track("login", "ben", at=2)
    assert states(made) == [EntryState.EXITED, EntryState.ACTIVE]
    made.track("login", "ben", at=3)
    assert states(made) == [EntryState.EXITED, EntryState.EXITED]


def test_a_condition_that_holds_when_they_enter_ends_the_entry_at_once() -> None:
    """Nothing is sent to a person who left, whether that was known before the purchase or after it."""
    made = world(
        campaign("thanks", "purchase", exit={"plan": "gone"}, whereupon=[PUSH]),
        campaign("often", "purchase", exit={"performed": {"event": "login"}}, whereupon=[PUSH]),
    )
    made.identify("ada", {"plan": "gone"}, at=0)
    made.track("login", "ben", at=0)
    made.track("purchase", "ada", at=1)
    made.track("purchase", "ben", at=1)
    sent = {(delivery.rule, delivery.person) for delivery in made.deliveries()}
    assert sent == {("thanks", "ben"), ("often", "ada")}


def test_a_broadcast_is_not_sent_to_whom_its_exit_would_end_at_once() -> None:
    """Their history is loaded as it is for `who`."""
    made = world(
        broadcast("news", "drop", exit={"performed": {"event": "login"}}, whereupon=[PUSH])
    )
    made.track("login", "ada", at=0)
    made.identify("ben", at=0)
    made.track("drop", "cy", at=1)
    made.run(HOUR)
    assert {delivery.person for delivery in made.deliveries()} == {"ben", "cy"}


def test_a_deleted_persons_waiting_steps_never_run() -> None:
    """The entry is erased with the person."""
    made = inside()
    made.track("Delete Person", "ada", at=5)
    made.run(HOUR)
    assert (made.deliveries(), made.entries()) == ([], [])


# --- segments ---------------------------------------------------------------------------------------


def test_entering_and_leaving_a_segment_trigger() -> None:
    """Once for each change, by the message that makes it; a person who stays in does not enter again."""
    made = world(
        segment("pros", plan=["pro", "team"]),
        campaign("in", {"enters": "pros"}),
        campaign("out", {"leaves": "pros"}),
    )
    for plan in ("free", "pro", "team", "pro", "free", None):
        made.identify("ada", {"plan": plan})
    assert made.verdicts == [("ada", "in", "entered"), ("ada", "out", "entered")]
    made.identify("ben", {"plan": "team"})
    assert made.verdicts[2:] == [("ben", "in", "entered")]


def test_what_people_do_moves_them_between_segments() -> None:
    """An event that changes a count moves people into a segment over the past."""
    made = world(
        segment("buyers", performed={"event": "purchase", "at_least": 2}),
        campaign("in", {"enters": "buyers"}),
    )
    for at in (0, 1, 2):
        made.track("purchase", "ada", at=at, message_id=f"m-{at}")
    assert made.entered == ["m-1"]


def test_a_claim_moves_people_into_segments() -> None:
    """By their attributes and by their events."""
    made = world(
        segment("pros", plan="pro"),
        segment("buyers", performed={"event": "purchase", "at_least": 1}),
        campaign("pro", {"enters": "pros"}),
        campaign("buyer", {"enters": "buyers"}),
    )
    made.identify(None, {"plan": "pro"}, anonymous="anon-1", at=0, message_id="said")
    made.track("purchase", anonymous="anon-1", at=1, message_id="did")
    made.identify("ada", anonymous="anon-1", at=2)
    assert made.entered == ["said", "did"]


# --- edits to a live rule ---------------------------------------------------------------------------


def test_people_inside_an_edited_rule_follow_the_old_version() -> None:
    """An entry keeps its version; people who enter now follow the new one."""
    made = inside()
    made.change_rules(campaign("thanks", "purchase", whereupon=[{"send": "push", "title": "New"}]))
    made.track("purchase", "ben", at=1)
    made.run(HOUR)
    assert [(d.person, d.content["title"]) for d in made.deliveries()] == [
        ("ben", "New"),
        ("ada", "Hi"),
    ]


def test_people_inside_an_edited_rule_leave_by_its_old_exits() -> None:
    """Although no current rule asks for that event or segment."""
    made = world(
        segment("pros", plan="pro"),
        campaign("thanks", "purchase", exit=["refund", {"leaves": "pros"}], whereupon=[WAIT, PUSH]),
    )
    made.identify("ben", {"plan": "pro"}, at=0)
    for user in ("ada", "ben", "cy"):
        made.track("purchase", user, at=0)
    made.change_rules(segment("pros", plan="pro"), campaign("thanks", "purchase"))
    made.track("refund", "ada", at=1)
    made.identify("ben", {"plan": "free"}, at=2)
    made.run(HOUR)
    assert states(made) == [EntryState.EXITED, EntryState.EXITED, EntryState.COMPLETED]


def test_who_is_inside_an_old_version_does_not_enter_the_new_one_twice() -> None:
    """Re-entry follows the current version of the rule, for entries of any version."""
    made = inside()
    made.change_rules(campaign("thanks", "purchase", reentry="once", whereupon=[WAIT, PUSH]))
    made.track("purchase", "ada", at=1)
    assert made.outcomes == ["entered", "reentry"]


def test_a_removed_rule_stands_still() -> None:
    """A removed rule sends nothing; if it comes back, its entries go on."""
    made = inside()
    files = made.files
    made.change_rules(campaign("other", "purchase"))
    made.run(HOUR)
    assert (made.deliveries(), states(made)) == ([], [EntryState.ACTIVE])
    made.change_rules(*files)
    made.run(HOUR)
    assert states(made) == [EntryState.COMPLETED]


def test_an_edited_broadcast_is_finished_as_it_began() -> None:
    """Its audience is chosen by, and follows, the version with which the run started."""
    made = world(broadcast("news", "api", whereupon=[PUSH]))
    made.identify("ada")
    made.engine.trigger("news", key="today")
    made.change_rules(broadcast("news", "api", whereupon=[{"send": "push", "title": "New"}]))
    made.run(1)
    assert made.titles() == ["Hi"]
    made.engine.trigger("news", key="tomorrow")
    made.run(2)
    assert made.titles() == ["Hi", "New"]


def test_entries_survive_a_restart() -> None:
    """A wait is a row in the store, not a timer."""
    clock = FrozenClock(after(0))
    home = open_store("memory://")
    made = world(campaign("thanks", "purchase", whereupon=[WAIT, PUSH]))
    made.home, made.clock = home, clock
    made.change_rules(*made.files)
    made.track("purchase", "ada", at=0)
    made.change_rules(*made.files)
    made.run(3 * DAY)
    assert [d.due_at for d in made.deliveries()] == [after(10)]


def test_what_people_do_moves_them_out_of_segments() -> None:
    """A segment that only an exit uses is counted over the whole past, in every batch."""
    made = world(
        segment("quiet", performed={"event": "login", "at_most": 2}),
        segment("fresh", plan="pro", performed={"event": "login", "at_most": 3}),
        campaign("thanks", "purchase", exit={"leaves": "quiet"}, whereupon=[WAIT, PUSH]),
        campaign("other", "view", exit={"leaves": "fresh"}, whereupon=[WAIT, PUSH]),
    )
    made.identify("ada", {"plan": "pro"})
    made.track("login", "ada", at=0)
    made.track("login", "ada", at=1)
    made.track("purchase", "ada", at=2)
    made.track("view", "ada", at=2)
    made.track("login", "ada", at=3)
    assert states(made) == [EntryState.EXITED, EntryState.ACTIVE]
    made.identify("ada", {"city": "Oslo"}, at=4)
    assert states(made) == [EntryState.EXITED, EntryState.ACTIVE]
    made.track("login", "ada", at=5)
    assert states(made) == [EntryState.EXITED, EntryState.EXITED]


def test_an_event_that_a_step_tracks_moves_people_into_segments() -> None:
    """After any number of steps: a segment's history is loaded for such events, too."""
    made = world(
        segment("fans", performed={"event": "thanked", "at_least": 2}),
        campaign("fan", {"enters": "fans"}),
        campaign("one", "purchase", whereupon=[{"track": "middle"}]),
        campaign("two", "middle", whereupon=[{"track": "thanked"}]),
    )
    made.track("purchase", "ada", at=0)
    assert made.verdicts.count(("ada", "fan", "entered")) == 0
    made.track("purchase", "ada", at=1)
    assert made.verdicts.count(("ada", "fan", "entered")) == 1
    made.track("purchase", "ada", at=2)
    assert made.verdicts.count(("ada", "fan", "entered")) == 1
