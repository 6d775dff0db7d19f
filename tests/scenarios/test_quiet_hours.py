"""Quiet hours: an entry waits at its send, and a delivery at its hand-over, until the person's clock is past them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import File, book_of, broadcast, campaign
from tests.worlds import DAY, HOUR, NOON, World, after, world

from whereupon import Delivery, Engine, RetryLater
from whereupon.ports import Store
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

EVENING = 10 * HOUR  # 22:00 UTC
MORNING = 20 * HOUR  # 08:00 UTC
HOURS: JsonValue = {"from": "21:00", "until": "08:00"}


def settings(**keys: JsonValue) -> File:
    """A settings file with quiet hours from 21:00 to 08:00."""
    return {"settings": "settings", "quiet_hours": HOURS, **keys}


def sent(made: World) -> list[tuple[str, JsonValue, datetime]]:
    """Channel, title and time of every delivery."""
    return [(each.channel, each.content.get("title"), each.due_at) for each in made.deliveries()]


@pytest.mark.parametrize("at", [EVENING, EVENING - HOUR, EVENING + HOUR * 4, MORNING - 1])
def test_the_entry_waits_at_the_send_until_the_end_of_the_quiet_hours(
    home: Store, at: float
) -> None:
    """From 21:00 on, over midnight, up to the last minute before 08:00."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=at)
    assert sent(made) == []
    made.run(MORNING)
    assert sent(made) == [("push", "Hello", after(MORNING))]


@pytest.mark.parametrize("at", [MORNING, 0, EVENING - HOUR - 1])
def test_outside_of_the_quiet_hours_it_is_sent_at_once(home: Store, at: float) -> None:
    """At 08:00 sharp, at noon, and in the last minute before 21:00."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=at)
    assert sent(made) == [("push", "Hello", after(at))]


def test_quiet_hours_go_by_the_clock_of_the_person(home: Store) -> None:
    """At 22:00 UTC it is 18:00 in New York, and 07:00 in Tokyo."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    for user, zone in (("ada", "America/New_York"), ("ben", "Asia/Tokyo"), ("cai", "Mars/Base")):
        made.identify(user, {"timezone": zone}, at=EVENING)
        made.track("Signed Up", user, at=EVENING)
    assert [(each.person, each.due_at) for each in made.deliveries()] == [("ada", after(EVENING))]
    made.run(DAY)
    later = {each.person: each.due_at for each in made.deliveries()}
    assert later["ben"] == after(EVENING + HOUR)
    assert later["cai"] == after(MORNING)  # an unknown timezone counts as missing


def test_content_is_made_when_it_goes_out(home: Store) -> None:
    """The name that the person has in the morning is the one in the text."""
    steps: JsonValue = [{"send": "push", "title": "Hello {{ person.name | default: 'you' }}"}]
    made = world(settings(), campaign("hello", "Signed Up", whereupon=steps), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    made.identify("ada", {"name": "Ada"}, at=EVENING + 1)
    made.run(MORNING)
    assert made.titles() == ["Hello Ada"]


def test_exits_are_asked_when_it_goes_out(home: Store) -> None:
    """Who buys in the night gets nothing in the morning."""
    made = world(settings(), campaign("hello", "Signed Up", exit="purchase"), store=home)
    for user in ("ada", "ben"):
        made.track("Signed Up", user, at=EVENING)
    made.track("purchase", "ada", at=EVENING + HOUR)
    made.run(MORNING)
    assert [each.person for each in made.deliveries()] == ["ben"]


def test_consent_is_asked_when_it_goes_out(home: Store) -> None:
    """Who unsubscribes in the night has the delivery withheld."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    made.identify("ada", {"unsubscribed": True}, at=EVENING + 1)
    made.run(MORNING)
    assert [each.reason for each in made.deliveries()] == ["unsubscribed"]


def test_the_step_s_own_if_is_asked_again_when_it_goes_out(home: Store) -> None:
    """What a step asks of the person has to hold when the step is done."""
    steps: JsonValue = [{"send": "push", "title": "Upgrade", "if": {"plan": "free"}}]
    made = world(settings(), campaign("hello", "Signed Up", whereupon=steps), store=home)
    made.identify("ada", {"plan": "free"}, at=EVENING)
    made.track("Signed Up", "ada", at=EVENING)
    made.identify("ada", {"plan": "pro"}, at=EVENING + 1)
    made.run(MORNING)
    assert sent(made) == []


def test_the_steps_after_it_wait_with_it(home: Store) -> None:
    """A wait counts from when the send before it was really done."""
    steps: JsonValue = [
        {"send": "push", "title": "One"},
        {"set": {"welcomed": True}},
        {"wait": "2h"},
        {"send": "push", "title": "Two"},
    ]
    made = world(settings(), campaign("hello", "Signed Up", whereupon=steps), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    assert "welcomed" not in made.attributes("ada")
    made.run(DAY)
    assert sent(made) == [
        ("push", "One", after(MORNING)),
        ("push", "Two", after(MORNING + 2 * HOUR)),
    ]


def test_quiet_hours_hold_for_the_channels_that_they_name(home: Store) -> None:
    """Without channels they hold for all."""
    steps: JsonValue = [{"send": name, "title": name} for name in ("in_app", "slack", "push")]
    hours: JsonValue = {"from": "21:00", "until": "08:00", "channels": ["push"]}
    made = world(
        settings(quiet_hours=hours), campaign("hello", "Signed Up", whereupon=steps), store=home
    )
    made.track("Signed Up", "ada", at=EVENING)
    assert [each.channel for each in made.deliveries()] == ["in_app", "slack"]
    made.run(MORNING)
    assert [each.channel for each in made.deliveries()] == ["in_app", "slack", "push"]


@pytest.mark.parametrize("kind", ["transactional", "internal"])
def test_transactional_and_internal_sends_ignore_quiet_hours(home: Store, kind: str) -> None:
    """A receipt goes out in the night, too."""
    steps: JsonValue = [{"send": "push", "title": "Receipt", "kind": kind}]
    made = world(settings(), campaign("hello", "Signed Up", whereupon=steps), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    assert made.titles() == ["Receipt"]


def test_a_rule_can_override_quiet_hours(home: Store) -> None:
    """`quiet_hours: off` in a rule: it sends in the night."""
    made = world(settings(), campaign("hello", "Signed Up", quiet_hours="off"), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    assert made.titles() == ["Hello"]


def test_a_rule_can_override_the_timezone_that_they_go_by(home: Store) -> None:
    """The rule's own `timezone` comes before that of the settings."""
    rule = campaign("hello", "Signed Up", timezone="America/New_York")
    made = world(settings(), rule, store=home)
    made.track("Signed Up", "ada", at=EVENING)
    assert made.titles() == ["Hello"]


def test_calls_of_hooks_and_functions_are_made_in_the_night_too(home: Store) -> None:
    """Neither is something that the person gets."""
    steps: JsonValue = [{"webhook": "https://hooks.example.com/x"}, {"run": "score-lead"}]
    made = world(settings(), campaign("hello", "Signed Up", whereupon=steps), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    assert [each.due_at for each in made.deliveries()] == [after(EVENING)] * 2


def test_quiet_hours_within_one_day_are_kept_too(home: Store) -> None:
    """A rest at noon."""
    hours: JsonValue = {"from": "11:30", "until": "13:30"}
    made = world(settings(quiet_hours=hours), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=0)
    made.run(DAY)
    assert sent(made) == [("push", "Hello", after(90))]


def test_a_broadcast_keeps_quiet_hours_too(home: Store) -> None:
    """Each person's send waits for that person's morning, whatever clock the schedule goes by."""
    when: JsonValue = {"cron": "0 23 * * *", "timezone": "Europe/Berlin"}  # 22:00 UTC
    made = world(settings(), broadcast("news", when), store=home)
    made.identify("ada", {"timezone": "America/New_York"}, at=1)
    made.identify("ben", {"timezone": "Europe/Berlin"}, at=1)
    made.run(EVENING + 1)
    assert [each.person for each in made.deliveries()] == ["ada"]
    made.run(MORNING)
    later = {each.person: each.due_at for each in made.deliveries()}
    assert later == {"ada": after(EVENING), "ben": after(MORNING - HOUR)}


def test_explain_says_that_an_entry_waits_for_the_end_of_quiet_hours(home: Store) -> None:
    """Until when, and afterwards that it did."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    (waits,) = made.engine.explain("ada", "hello")
    assert "waits until 2026-03-02T08:00:00Z, since their quiet hours last until then" in (
        waits.sentence
    )
    made.run(MORNING)
    (done,) = made.engine.explain("ada", "hello")
    assert "waited with step 0, which sends push, until 2026-03-02T08:00:00Z" in done.sentence
    assert [mark.kind for mark in done.trail] == ["quiet"]


def test_quiet_hours_that_the_settings_no_longer_have_hold_nobody_up_longer(home: Store) -> None:
    """They are asked again when the entry goes on: with later hours it waits on."""
    made = world(settings(), campaign("hello", "Signed Up"), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    hours: JsonValue = {"from": "21:00", "until": "10:00"}
    made.change_rules(settings(quiet_hours=hours), campaign("hello", "Signed Up"))
    made.run(DAY)
    assert sent(made) == [("push", "Hello", after(MORNING + 2 * HOUR))]


# --- at the hand-over -----------------------------------------------------------------------------


class Outbox:
    """An engine with a channel that fails until it is repaired."""

    def __init__(self, place: str, *files: File) -> None:
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open(place, rules=book_of(*files), clock=self.clock)
        self.is_down = True
        self.taken: list[tuple[datetime, Delivery]] = []
        self.engine.channel("push")(self._take)

    def _take(self, delivery: Delivery) -> None:
        if self.is_down:
            raise RetryLater(after=3600)
        self.taken.append((self.clock.now(), delivery))

    def at(self, hours: float) -> None:
        """Do what is due so many hours after noon."""
        self.clock.move_to(NOON + timedelta(hours=hours))
        self.engine.run_due()

    def only(self) -> Delivery:
        """The delivery."""
        (delivery,) = self.engine.deliveries()
        return delivery


@pytest.fixture
def outbox(place: str) -> Iterator[Outbox]:
    """A shop with quiet hours on each kind of store."""
    rules = (
        campaign("hello", "Signed Up"),
        campaign("loud", "Alarm", quiet_hours="off"),
        campaign("receipt", "Paid", whereupon=[{"send": "push", "title": "R", "kind": "internal"}]),
    )
    made = Outbox(place, settings(), *rules)
    with made.engine:
        yield made


def test_a_retry_that_comes_inside_quiet_hours_is_postponed_to_their_end(outbox: Outbox) -> None:
    """No attempt is counted, the channel is not called, and it goes out in the morning."""
    outbox.clock.move_to(NOON + timedelta(hours=8.5))
    outbox.engine.track("Signed Up", user_id="ada")
    outbox.at(8.5)
    assert (outbox.only().attempts, outbox.only().state) == (1, DeliveryState.PENDING)
    outbox.is_down = False
    outbox.at(9.6)
    waits = outbox.only()
    assert (waits.attempts, waits.state, waits.reason) == (1, DeliveryState.PENDING, "quiet")
    assert waits.due_at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    (told,) = outbox.engine.explain("ada", "hello")
    assert "since their quiet hours last until 2026-03-02T08:00:00Z" in told.sentence
    outbox.at(20)
    assert [at for at, _ in outbox.taken] == [datetime(2026, 3, 2, 8, tzinfo=UTC)]
    assert outbox.only().attempts == 2


def test_the_hand_over_goes_by_the_person_s_timezone_as_it_is_then(outbox: Outbox) -> None:
    """Who has travelled to Tokyo meanwhile is asleep at noon UTC plus two hours."""
    outbox.engine.track("Signed Up", user_id="ada")
    outbox.at(0)
    outbox.engine.identify("ada", traits={"timezone": "Asia/Tokyo"})
    outbox.is_down = False
    outbox.at(2)
    assert outbox.taken == []
    assert outbox.only().due_at == datetime(2026, 3, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize("event", ["Alarm", "Paid"])
def test_what_quiet_hours_do_not_concern_is_handed_over_in_the_night(
    outbox: Outbox, event: str
) -> None:
    """The delivery remembers that its rule says so, or its kind."""
    outbox.clock.move_to(NOON + timedelta(hours=10))
    outbox.engine.track(event, user_id="ada")
    outbox.at(10)
    outbox.is_down = False
    outbox.at(12)
    assert len(outbox.taken) == 1


def test_a_held_delivery_that_finds_its_channel_in_the_night_waits_for_the_morning(
    place: str,
) -> None:
    """The process that has the channel starts at 22:00."""
    rules = (settings(), campaign("hello", "Signed Up", whereupon=[{"send": "sms", "body": "Hi"}]))
    outbox = Outbox(place, *rules)
    with outbox.engine:
        outbox.engine.track("Signed Up", user_id="ada")
        outbox.at(0)
        assert outbox.only().state is DeliveryState.HELD
        outbox.is_down = False
        outbox.engine.channel("sms")(outbox._take)  # noqa: SLF001 - the channel that was missing
        outbox.at(10)
        assert outbox.taken == []
        outbox.at(20)
        assert len(outbox.taken) == 1
