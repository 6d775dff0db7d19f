"""Right before a channel is called, and right after: what is checked again, and what a crash repeats."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from signal import pthread_kill
from subprocess import PIPE, Popen, run
from threading import Event, Thread, current_thread, main_thread

import pytest
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.scenarios.delivery_process import RULES, make
from tests.shop import NOON, news, purchase, thanks
from tests.web_server import await_that

from whereupon import Delivery, Engine, RetryLater
from whereupon.delivery.action_calls import ActionCall
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

_PATIENCE = 60.0  # seconds; only a failing test ever waits so long
_HOUR = timedelta(hours=1)
_MAILS = book_of(
    thanks(
        whereupon=[
            {"send": "push", "title": "Thanks"},
            {"send": "email", "topic": "news", "subject": "News"},
            {"send": "sms", "kind": "transactional", "body": "Your receipt"},
        ]
    )
)


class _Shop:
    """An engine whose channels fail until they are repaired."""

    def __init__(self, place: str) -> None:
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open(place, rules=_MAILS, clock=self.clock)
        self.is_down = True
        self.taken: list[Delivery] = []
        for name in ("push", "email", "sms"):
            self.engine.channel(name)(self._take)

    def _take(self, delivery: Delivery) -> None:
        if self.is_down:
            raise RetryLater(after=3600)
        self.taken.append(delivery)

    def outage(self, meanwhile: Callable[[Engine], object]) -> Dispatched:
        """Let a purchase's deliveries fail, let something happen, and try again two hours later."""
        self.engine.identify("ada", traits={"email": "ada@old.example"})
        self.engine.ingest([purchase(1)])
        self.engine.run_due()
        self.clock.move_to(NOON + _HOUR / 6)
        meanwhile(self.engine)
        self.is_down = False
        self.clock.move_to(NOON + 2 * _HOUR)
        return self.engine.run_due().dispatched

    def withheld(self) -> dict[str, str | None]:
        """The reason by channel why a delivery is withheld."""
        found = self.engine.deliveries(DeliveryState.WITHHELD)
        return {delivery.channel: delivery.reason for delivery in found}


@pytest.fixture
def shop(place: str) -> Iterator[_Shop]:
    """A shop on each kind of store."""
    made = _Shop(place)
    with made.engine:
        yield made


def test_who_unsubscribes_while_a_mail_waits_is_not_sent_it(shop: _Shop) -> None:
    """Consent is checked when the channel is called; a transactional delivery needs none."""
    dispatched = shop.outage(lambda e: e.identify("ada", traits={"unsubscribed": "Yes"}))
    assert dispatched == Dispatched(sent=1, withheld=2)
    assert [delivery.channel for delivery in shop.taken] == ["sms"]
    assert shop.withheld() == {"push": "unsubscribed", "email": "unsubscribed"}


def test_who_opts_out_of_a_topic_while_a_mail_waits_is_not_sent_what_is_about_it(
    shop: _Shop,
) -> None:
    """Kind and topic are stored with the delivery."""
    shop.outage(lambda e: e.identify("ada", traits={"topics": {"news": False}}))
    assert {delivery.channel for delivery in shop.taken} == {"push", "sms"}
    assert shop.withheld() == {"email": "topic"}
    (explained,) = shop.engine.explain("ada", "thanks")
    assert "since they have opted out of the topic news" in explained.sentence


def test_a_channel_gets_the_address_as_it_is_when_it_is_called(shop: _Shop) -> None:
    """A mail that waited for two hours goes to the address at that time."""
    shop.outage(lambda e: e.identify("ada", traits={"email": "ada@new.example"}))
    assert {d.recipient["email"] for d in shop.taken} == {"ada@new.example"}
    assert len(shop.taken) == 3


def test_what_waits_for_somebody_who_was_merged_goes_to_the_one_person_there_is(
    shop: _Shop,
) -> None:
    """With that person's consent and address."""

    def merge(engine: Engine) -> None:
        engine.identify("lovelace", traits={"email": "lovelace@example.com", "topics": {"news": 0}})
        engine.alias("lovelace", previous_id="ada")

    shop.outage(merge)
    assert {(d.person, d.recipient["email"]) for d in shop.taken} == {
        ("lovelace", "lovelace@example.com")
    }
    assert shop.withheld() == {"email": "topic"}


@pytest.mark.parametrize("how", ["Delete Person", "Suppress Person"])
def test_nothing_is_sent_for_a_person_who_is_erased_while_another_call_is_under_way(
    place: str, how: str
) -> None:
    """Deliveries that were leased together with that call are looked up again."""
    taken = []
    with Engine.open(place, rules=RULES) as engine:

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            taken.append(delivery.person)
            if len(taken) == 1:
                engine.track(how, user_id="bob")

        engine.ingest([purchase(1, "ada"), purchase(2, "bob"), purchase(3, "cyd")])
        assert engine.run_due().dispatched == Dispatched(sent=2)
        assert {delivery.person for delivery in engine.deliveries()} == {"ada", "cyd"}
    assert taken == ["ada", "cyd"]


def test_who_unsubscribes_while_a_broadcast_goes_out_is_not_sent_it(place: str) -> None:
    """Also if all of its deliveries were leased at once."""
    people = [f"p-{number}" for number in range(50)]
    with Engine.open(place, rules=book_of(news())) as engine:

        @engine.channel("email")
        def email(delivery: Delivery) -> None:
            for other in people:
                if other != delivery.person:
                    engine.identify(other, traits={"unsubscribed": 1})

        for person in people:
            engine.identify(person)
        engine.trigger("news")
        assert engine.run_due().dispatched == Dispatched(sent=1, withheld=49)
        withheld = engine.deliveries(DeliveryState.WITHHELD)
    assert {delivery.reason for delivery in withheld} == {"unsubscribed"}


def test_a_delivery_that_another_process_has_leased_meanwhile_is_not_sent(place: str) -> None:
    """A process whose lease ends leaves the rest to others."""
    clock, taken = FrozenClock(NOON), []
    with Engine.open(place, rules=RULES, clock=clock) as engine:

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            taken.append(delivery.person)
            with engine.store.session() as session:  # somebody whose clock is ahead
                session.lease_deliveries("push", NOON + _HOUR, NOON + 2 * _HOUR, 10)

        engine.ingest([purchase(1, "ada"), purchase(2, "bob")])
        engine.run_due()
        waiting = engine.deliveries(DeliveryState.PENDING)
    assert taken == ["ada"]
    assert [delivery.person for delivery in waiting] == ["bob"]


def test_each_delivery_is_settled_before_the_next_is_sent(place: str) -> None:
    """A kill repeats only the call that was running."""
    seen = []
    with Engine.open(place, rules=RULES) as engine:

        @engine.channel("push")
        def push(_: Delivery) -> None:
            seen.append(len(engine.deliveries(DeliveryState.SENT)))

        engine.ingest([purchase(number) for number in range(20)])
        engine.run_due()
    assert seen == list(range(20))


def _process(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.scenarios.delivery_process", *words]


def test_a_kill_amid_a_hundred_calls_repeats_only_the_one_that_was_under_way(
    database: str, tmp_path: Path
) -> None:
    """Seventy calls that had returned are not repeated."""
    log = tmp_path / "log"
    make(database, "100")
    killed = run(_process("send", database, str(log), "71"), cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    clock = FrozenClock(NOON + timedelta(days=3650))  # the lease is over
    with Engine.open(database, rules=RULES, clock=clock) as engine:
        engine.channel("push")(lambda delivery: _append(log, delivery.person))
        assert engine.run_due().dispatched == Dispatched(sent=30)
    times = Counter(log.read_text().split())
    assert times == {f"p-{number}": 2 if number == 70 else 1 for number in range(100)}


def _append(log: Path, line: str) -> None:
    with log.open("a") as written:
        written.write(f"{line}\n")


@pytest.mark.parametrize("how", ["serve", "loop"])
def test_a_process_that_is_asked_to_end_leaves_its_backlog_to_others(
    database: str, tmp_path: Path, how: str
) -> None:
    """The running call ends; the others are due for any process, at once."""
    log = tmp_path / "log"
    make(database, "50")
    with Popen(_process(how, database, str(log)), stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "called\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == 0
    taken = log.read_text().split()
    assert len(taken) < 50
    with Engine.open(database, rules=RULES) as engine:
        engine.channel("push")(lambda delivery: taken.append(delivery.person))
        engine.run_due()
    assert Counter(taken) == {f"p-{number}": 1 for number in range(50)}


def test_closing_waits_for_the_call_under_way_and_sends_no_backlog(place: str) -> None:
    """Of five hundred for a slow channel, one more is sent, or none."""
    clock = FrozenClock(NOON)
    engine = Engine.open(place, rules=RULES, clock=clock)
    called, go_on, taken = Event(), Event(), list[str]()

    def push(delivery: Delivery) -> None:
        taken.append(delivery.person)
        called.set()
        go_on.wait(_PATIENCE)

    engine.channel("push")(push)
    engine.ingest([purchase(number, f"p-{number}") for number in range(500)])
    round_ = Thread(target=engine.run_due)
    round_.start()
    assert called.wait(_PATIENCE)
    closing = Thread(target=engine.close)
    closing.start()
    await_that(lambda: engine._work.is_closing, "closing")  # noqa: SLF001 - else the next may begin
    go_on.set()
    closing.join(_PATIENCE)
    round_.join(_PATIENCE)
    assert not closing.is_alive()
    assert not round_.is_alive()
    assert taken == ["p-0"]


def test_closing_does_not_wait_for_ever(place: str) -> None:
    """It no longer waits for a call that hangs; the delivery is tried again when its lease ends."""
    engine = Engine.open(place, rules=RULES, clock=FrozenClock(NOON))
    called, go_on, calls = Event(), Event(), list[Thread]()

    def push(_: Delivery) -> None:
        calls.append(current_thread())
        called.set()
        go_on.wait(_PATIENCE)

    engine.channel("push")(push)
    engine.ingest([purchase(1), purchase(2)])
    engine.start()
    assert called.wait(_PATIENCE)
    engine.close(timeout=0)
    go_on.set()
    calls[0].join(_PATIENCE)  # so that it ends before the store is given to another test


def test_an_interruption_from_the_keyboard_leaves_the_backlog_to_others(place: str) -> None:
    """The running call ends; deliveries behind it are put back."""
    clock, go_on, taken = FrozenClock(NOON), Event(), list[str]()
    with Engine.open(place, rules=RULES, clock=clock) as engine:

        def push(delivery: Delivery) -> None:
            taken.append(delivery.person)
            pthread_kill(main_thread().ident or 0, signal.SIGINT)
            go_on.wait(_PATIENCE)

        engine.channel("push")(push)
        engine.ingest([purchase(number, f"p-{number}") for number in range(9)])
        with pytest.raises(KeyboardInterrupt):
            engine.run_due()
        waiting = engine.deliveries(DeliveryState.PENDING)
        assert {each.due_at for each in waiting if each.person != "p-0"} == {NOON}
        go_on.set()
        engine.channel("push")(lambda delivery: taken.append(delivery.person))
        engine.run_due()
    assert sorted(taken) == [f"p-{number}" for number in range(9)]


def test_closing_lets_an_action_under_way_end_and_begins_no_other(place: str) -> None:
    """Actions of the host's are treated as channels are."""
    called, go_on, taken = Event(), Event(), list[str | None]()
    engine = Engine.open(place)

    def close(order: ActionCall) -> None:
        taken.append(order.person)
        called.set()
        go_on.wait(_PATIENCE)

    engine.action("Close Account", destructive=False)(close)
    for name in ("ada", "bob", "cyd"):
        engine.track("Close Account", user_id=name)
    engine.start()
    assert called.wait(_PATIENCE)
    closing = Thread(target=engine.close)
    closing.start()
    await_that(lambda: engine._work.is_closing, "closing")  # noqa: SLF001 - else the next may begin
    go_on.set()
    closing.join(_PATIENCE)
    assert not closing.is_alive()
    assert taken == ["ada"]
