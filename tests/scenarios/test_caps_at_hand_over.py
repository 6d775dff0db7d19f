"""Caps are asked once more right before a hand-over: with the settings as they are then, and for merged persons."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import File, book_of, broadcast, campaign
from tests.worlds import NOON

from whereupon import Delivery, Engine, GiveUp, RetryLater
from whereupon.records import DeliveryState
from whereupon.rules.model import Retention, Rulebook
from whereupon.scheduling.clocks import FrozenClock

CAP: File = {"at_most": 1, "per": "7d", "channels": ["email"]}
DAY = timedelta(days=1)


def mail(**more: JsonValue) -> File:
    """A step that sends a mail."""
    return {"send": "email", "subject": "Socks", **more}


OFFER = campaign("offer", "buy", whereupon=[mail()])


class Shop:
    """An engine with a cap and a channel that fails as long as it is down."""

    def __init__(self, place: str, *files: File, cap: File | None = CAP) -> None:
        self.clock = FrozenClock(NOON)
        self.files = files or (OFFER,)
        self.engine = Engine.open(place, rules=self._book(cap), clock=self.clock)
        self.failure: Exception | None = None
        self.sent: list[tuple[str, timedelta]] = []
        self.engine.channel("email")(self.take)

    def _book(self, cap: File | None) -> Rulebook:
        caps: list[File] = [] if cap is None else [{"settings": "settings", "cap": [cap]}]
        return book_of(*caps, *self.files)

    def with_cap(self, cap: File | None) -> None:
        """Go on under another cap."""
        self.engine.reload(self._book(cap))

    def take(self, delivery: Delivery) -> None:
        """Fail, or note whom it was sent to."""
        if self.failure is not None:
            raise self.failure
        self.sent.append((delivery.person, self.clock.now() - NOON))

    def buy(self, *people: str) -> None:
        """Let people buy something, one after another."""
        for person in people:
            self.engine.ingest([{"type": "track", "event": "buy", "userId": person}])

    def run(self, days: float) -> None:
        """Do due work so many days after noon."""
        self.clock.move_to(NOON + days * DAY)
        self.engine.run_due()

    def states(self) -> list[tuple[str, str | None]]:
        """State and reason of every delivery, in the order in which they were made."""
        found = [*reversed(self.engine.deliveries(limit=100))]
        return [(each.state.value, each.reason) for each in found]


SENT, LEFT_OUT = ("sent", None), ("withheld", "cap")


@pytest.fixture
def shop(place: str) -> Iterator[Shop]:
    """A shop on each kind of store."""
    made = Shop(place)
    with closing(made.engine):
        yield made


def test_what_settings_of_today_forbid_is_not_handed_over(place: str) -> None:
    """The caps are those of the rulebook in use; what was made earlier goes first."""
    made = Shop(place, cap=None)
    with closing(made.engine):
        made.buy("ada", "ada", "bob")
        made.with_cap(CAP)
        made.run(0)
        assert made.states() == [SENT, LEFT_OUT, SENT]
        explained = made.engine.explain("ada", "offer")
        assert any("since they had been sent as much as the cap" in e.sentence for e in explained)


def test_of_two_persons_who_merge_the_sends_of_both_count(shop: Shop) -> None:
    """What waits for either of them is asked again with what both have been sent."""
    shop.failure = RetryLater(after=3600)
    shop.buy("ada", "bob")
    shop.run(0)
    shop.engine.ingest([{"type": "alias", "userId": "ada", "previousId": "bob"}])
    shop.buy("ada")
    shop.failure = None
    shop.run(1)
    assert shop.states() == [SENT, LEFT_OUT, LEFT_OUT]


def test_a_delivery_does_not_count_against_itself(shop: Shop) -> None:
    """However often it is tried, it keeps its place; what the person is sent meanwhile has none."""
    shop.failure = RetryLater(after=3600)
    shop.buy("ada")
    shop.run(0)
    shop.run(1)
    shop.buy("ada")
    shop.failure = None
    shop.run(2)
    assert shop.states() == [SENT, LEFT_OUT]
    assert shop.sent == [("ada", 2 * DAY)]


def test_the_window_of_what_was_sent_late_begins_when_it_was_sent(shop: Shop) -> None:
    """A mail of noon that went out two days later counts for seven days from then."""
    shop.failure = RetryLater(after=172_800)
    shop.buy("ada")
    shop.run(0)
    shop.failure = None
    shop.run(2)
    shop.run(8.9)
    shop.buy("ada")
    shop.run(9)
    shop.buy("ada")
    shop.run(9)
    assert shop.states() == [SENT, LEFT_OUT, SENT]


def test_a_dead_delivery_gives_its_place_back(shop: Shop) -> None:
    """At once; one that is revived is asked at its hand-over."""
    shop.failure = GiveUp("no such address")
    shop.buy("ada")
    shop.run(0)
    shop.failure = None
    shop.buy("ada")
    shop.run(0)
    assert [state for state, _ in shop.states()] == ["dead", "sent"]
    (dead,) = shop.engine.deliveries(DeliveryState.DEAD)
    shop.engine.retry(dead)
    shop.run(1)
    assert shop.states() == [LEFT_OUT, SENT]


def test_what_is_exempt_or_transactional_is_handed_over(place: str) -> None:
    """Its rule says so when the delivery is made, or the send does; an exempt one counts for the others."""
    notice = campaign("notice", "outage", cap="exempt", whereupon=[mail()])
    receipt = campaign("receipt", "pay", whereupon=[mail(kind="transactional")])
    made = Shop(place, OFFER, notice, receipt, cap=None)
    with closing(made.engine):
        events = ("outage", "buy", "outage", "pay")
        made.engine.ingest([{"type": "track", "event": e, "userId": "ada"} for e in events])
        made.with_cap(CAP)
        made.run(0)
        assert made.states() == [SENT, LEFT_OUT, SENT, SENT]


def test_what_is_withheld_in_the_same_hand_overtakes_no_place(place: str) -> None:
    """A mail about a topic that the person has opted out of makes room for the next one."""
    topic = campaign("news", "read", whereupon=[mail(topic="news")])
    made = Shop(place, OFFER, topic, cap=None)
    with closing(made.engine):
        events = ("read", "buy")
        made.engine.ingest([{"type": "track", "event": e, "userId": "ada"} for e in events])
        made.engine.identify("ada", traits={"topics": {"news": False}})
        made.with_cap(CAP)
        made.run(0)
        assert made.states() == [("withheld", "topic"), SENT]


def test_a_withdrawn_delivery_gives_its_place_back(place: str) -> None:
    """With the message that ends its entry: what that message opens has the place."""
    offer = campaign("offer", "buy", exit="pay", whereupon=[mail(), {"wait": "1d"}, mail()])
    thanks = campaign("thanks", "pay", whereupon=[mail()])
    made = Shop(place, offer, thanks)
    with closing(made.engine):
        events = ("buy", "pay")
        made.engine.ingest([{"type": "track", "event": e, "userId": "ada"} for e in events])
        made.run(0)
        assert made.states() == [("withheld", "withdrawn: event"), SENT]


def test_what_is_held_keeps_its_place(place: str) -> None:
    """A delivery for whose channel there is no process yet counts from when it was made."""
    text = campaign("text", "buy", whereupon=[{"send": "sms", "body": "Socks"}])
    made = Shop(place, text, cap={"at_most": 1, "per": "7d"})
    with closing(made.engine):
        made.buy("ada")
        made.run(1)
        assert made.states() == [("held", "no-channel")]
        made.buy("ada")
        made.engine.channel("sms")(made.take)
        made.run(2)
        assert made.states() == [SENT, LEFT_OUT]


def test_what_was_held_longer_than_the_window_goes_before_what_came_later(place: str) -> None:
    """Both go to the person at one time, so the cap lets one of them through."""
    text = campaign("text", "buy", whereupon=[{"send": "sms", "body": "Socks"}])
    made = Shop(place, text, cap={"at_most": 1, "per": "7d"})
    with closing(made.engine):
        made.buy("ada")
        made.run(8)
        made.buy("ada")
        made.run(9)
        assert [state for state, _ in made.states()] == ["held", "held"]
        made.engine.channel("sms")(made.take)
        made.run(10)
        assert made.states() == [SENT, LEFT_OUT]


WAITS: File = CAP | {"otherwise": {"wait_up_to": "30d"}}


def test_a_place_that_is_given_back_is_taken_at_once(place: str) -> None:
    """A send that waits for it looks again when a delivery dies, and does not wait for the window's end."""
    made = Shop(place, cap=WAITS)
    with closing(made.engine):
        made.failure = GiveUp("no such address")
        made.buy("ada", "ada", "bob")
        assert [state for state, _ in made.states()] == ["pending", "pending"]
        made.run(1)
        assert [state for state, _ in made.states()] == ["dead", "dead", "dead"]
        assert made.engine.entries.list(rule="offer").entries == []


def test_a_place_that_a_withdrawal_gives_back_is_taken_at_once(place: str) -> None:
    """Due work sends what has waited as of that moment; an operator's decision counts likewise."""
    offer = campaign("offer", "buy", exit="pay", whereupon=[mail(), {"wait": "1d"}, mail()])
    news = campaign("news", "read", whereupon=[mail(subject="News")])
    made = Shop(place, offer, news, cap=WAITS)
    with closing(made.engine):
        events = ("buy", "read", "read")
        made.engine.ingest([{"type": "track", "event": e, "userId": "ada"} for e in events])
        assert len(made.states()) == 1
        made.engine.ingest([{"type": "track", "event": "pay", "userId": "ada"}])
        made.run(0)
        assert made.states() == [("withheld", "withdrawn: event"), SENT]
        assert [each.due_at for each in made.engine.entries.list(rule="news").entries] == [
            NOON + 7 * DAY
        ]


def test_who_exits_by_time_gives_the_place_back(place: str) -> None:
    """The entry that waits for it is found, though only the one that ended was due."""
    offer = campaign(
        "offer",
        "buy",
        exit={"performed": {"event": "buy", "within": "1d", "never": True}},
        whereupon=[mail(), {"wait": "2d"}, mail()],
    )
    news = campaign("news", "read", whereupon=[{"wait": "1m"}, mail(subject="News")])
    made = Shop(place, offer, news, cap=WAITS)
    with closing(made.engine):
        made.failure = RetryLater(after=3600)
        events = ("buy", "read")
        made.engine.ingest([{"type": "track", "event": e, "userId": "ada"} for e in events])
        made.run(0.5)
        made.run(2)
        made.failure = None
        made.run(2.1)
        assert made.states() == [("withheld", "withdrawn: condition"), SENT]


def test_pruning_spares_what_counts(place: str) -> None:
    """However short deliveries are kept, those within a window stay."""
    clock = FrozenClock(NOON)
    book = book_of({"settings": "settings", "cap": [CAP]}, OFFER)
    keep = Retention(deliveries=timedelta(hours=1))
    with closing(Engine.open(place, rules=book, clock=clock, keep=keep)) as engine:
        engine.channel("email")(lambda _: None)
        for day, left in ((0, 1), (6, 2), (8, 2), (20, 1)):
            clock.move_to(NOON + day * DAY)
            engine.ingest([{"type": "track", "event": "buy", "userId": "ada"}])
            engine.run_due()
            engine.prune()
            assert len(engine.deliveries()) == left, day


def test_a_cancelled_run_gives_its_places_back(place: str) -> None:
    """What waited for one of them is sent by the same due work."""
    promotion = broadcast("promotion", "api", whereupon=[mail()])
    made = Shop(place, OFFER, promotion, cap=WAITS)
    with closing(made.engine):
        made.engine.identify("ada")
        made.failure = RetryLater(after=3600)
        made.engine.trigger("promotion")
        made.run(0)
        made.buy("ada")
        assert [state for state, _ in made.states()] == ["pending"]
        made.engine.broadcasts.cancel("promotion", by="olga")
        made.failure = None
        made.run(0.5)
        assert made.states() == [("withheld", "withdrawn"), SENT]


def test_what_is_withdrawn_while_its_channel_is_called_keeps_its_place(database: str) -> None:
    """It arrives after all, so that what waits for its place goes on waiting; another process asks meanwhile."""
    offer = campaign("offer", "buy", exit="pay", whereupon=[mail(), {"wait": "1d"}, mail()])
    news = campaign("news", "read", whereupon=[mail(subject="News")])
    made = Shop(database, offer, news, cap=WAITS)
    with closing(made.engine), closing(Shop(database, offer, news, cap=WAITS).engine) as other:
        take = made.take

        def pay_meanwhile(delivery: Delivery) -> None:
            other.track("pay", user_id="ada")
            other.run_due()
            take(delivery)

        made.engine.channel("email")(pay_meanwhile)
        for event in ("buy", "read"):
            made.engine.track(event, user_id="ada")
        made.run(0)
        made.run(0.5)
        assert (made.states(), len(made.sent)) == ([SENT], 1)
        (waiting,) = made.engine.entries.list(rule="news").entries
        assert waiting.due_at == NOON + 7 * DAY


def test_a_call_that_fails_after_a_withdrawal_gives_the_place_back(database: str) -> None:
    """What waits for it looks again when the lease of the call would have ended."""
    offer = campaign("offer", "buy", exit="pay", whereupon=[mail(), {"wait": "1d"}, mail()])
    news = campaign("news", "read", whereupon=[mail(subject="News")])
    made = Shop(database, offer, news, cap=WAITS)
    with closing(made.engine), closing(Shop(database, offer, news, cap=WAITS).engine) as other:
        take = made.take

        def fail_meanwhile(delivery: Delivery) -> None:
            if delivery.rule == "offer":
                other.track("pay", user_id="ada")
                other.run_due()
                raise RetryLater
            take(delivery)

        made.engine.channel("email")(fail_meanwhile)
        for event in ("buy", "read"):
            made.engine.track(event, user_id="ada")
        made.run(0)
        made.run(0.5)
        assert made.states() == [("withheld", "withdrawn: event"), SENT]


@pytest.mark.parametrize("cap", [None, {"at_most": 2, "per": "7d"}])
@pytest.mark.parametrize("way", ["reload", "restart"])
def test_what_waits_for_a_place_looks_again_when_caps_have_changed(
    database: str, cap: File | None, way: str
) -> None:
    """Nobody else has to give a place back; nor does what waits elsewhere go on by it."""
    news = campaign("news", "read", whereupon=[{"wait": "9d"}, mail(subject="News")])
    made = Shop(database, OFFER, news, cap=WAITS)
    made.buy("ada", "ada")
    made.engine.track("read", user_id="ada")
    made.run(0.5)
    assert made.states() == [SENT]
    if way == "restart":
        made.engine.close()
        made = Shop(database, OFFER, news, cap=cap)
        made.clock.move_to(NOON + DAY / 2)
    else:
        made.with_cap(cap)
    with closing(made.engine):
        made.run(0.5)
        assert made.states() == [SENT, SENT]
        (waiting,) = made.engine.entries.list(rule="news").entries
        assert waiting.due_at == NOON + 9 * DAY


def test_a_cap_that_changed_and_is_still_full_lets_a_send_wait_on(place: str) -> None:
    """It waits for the place that the new cap leaves."""
    made = Shop(place, cap=WAITS)
    with closing(made.engine):
        made.buy("ada", "ada")
        made.run(0)
        made.with_cap(WAITS | {"per": "3d"})
        made.run(0.5)
        (waiting,) = made.engine.entries.list(rule="offer").entries
        assert waiting.due_at == NOON + 3 * DAY
        made.run(3)
        assert made.states() == [SENT, SENT]


def test_changed_caps_are_looked_at_once(place: str) -> None:
    """Chunk by chunk over the entries that are there; a due work after that asks nothing."""
    made = Shop(place, cap=WAITS)
    with closing(made.engine):
        made.buy(*(name for number in range(600) for name in [f"p-{number}"] * 2))
        made.run(0)
        made.with_cap(None)
        made.run(0)
        assert made.states().count(SENT) == 100  # of the newest hundred
        assert made.engine.entries.list(rule="offer", limit=10).entries == []
