"""Pruning: old records that nothing needs are deleted, and the others stay."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from threading import Thread

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine
from whereupon.delivery.retries import Retry
from whereupon.operations.pruner import MOST_STEPS, REACH
from whereupon.records import Changes, DeliveryState, Entry, RetainedKind, Skips
from whereupon.rules.model import FolderSettings, Retention, Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.testing.contracts.samples import aside

DAY = timedelta(days=1)
KEEP = Retention(skips=30 * DAY, deliveries=90 * DAY, entries=365 * DAY, set_aside=90 * DAY)


class Shop:
    """An engine whose clock the test moves."""

    def __init__(self, place: str, rules: Rulebook, keep: Retention | None = KEEP) -> None:
        self.clock = FrozenClock(NOON)
        once = Retry(tries=1)
        self.engine = Engine.open(place, rules=rules, clock=self.clock, keep=keep, retry=once)
        self.sent: list[str] = []
        self.engine.channel("push")(lambda delivery: self.sent.append(delivery.person))
        self.engine.channel("email")(lambda _: 1 / 0)

    def buys(self, number: int, user_id: str = "ada") -> int:
        """Make a purchase now; return how many entries it opens."""
        taken = self.engine.ingest([purchase(number, user_id)])
        self.engine.run_due()
        return sum(decision.reason is None for decision in taken.decisions)

    def after(self, days: float) -> None:
        """Let so many days pass, and do due work."""
        self.clock.move_to(self.clock.now() + days * DAY)
        self.engine.run_due()

    def counts(self) -> tuple[int, int, int]:
        """The numbers of messages, entries and deliveries."""
        with self.engine.store.session() as session:
            counts = session.counts()
        return counts.messages, counts.entries, counts.deliveries

    def explained(self, rule: str = "thanks") -> list[str]:
        """The outcomes that `explain` finds."""
        return [each.outcome for each in self.engine.explain("ada", rule)]


@pytest.fixture
def shop(place: str) -> Iterator[Shop]:
    """A shop with a campaign for small purchases, on each kind of store."""
    made = Shop(place, book_of(thanks(where={"number": {"lt": 100}}), news()))
    with closing(made.engine):
        yield made


def test_each_kind_goes_after_its_own_time(shop: Shop) -> None:
    """Skips after a month, sent deliveries after a quarter, entries after a year; messages stay."""
    assert (shop.buys(1), shop.buys(100)) == (1, 0)
    shop.engine.trigger("news")
    shop.engine.run_due()
    assert len(shop.engine.deliveries(DeliveryState.DEAD)) == 1
    shop.after(29)
    assert (shop.counts(), shop.explained()) == ((2, 2, 2), ["skipped", "entered"])
    shop.after(2)
    assert (shop.counts(), shop.explained()) == ((2, 2, 2), ["entered"])
    shop.after(60)
    assert shop.counts() == (2, 2, 0)
    shop.after(275)
    assert (shop.counts(), shop.explained()) == ((2, 0, 0), [])
    assert shop.engine.kept_since("skips") is not None
    assert shop.engine.kept_since("set_aside") is None


def test_what_still_runs_or_waits_stays_however_old(place: str) -> None:
    """An entry that waits for two years, and the delivery that it then makes."""
    shop = Shop(
        place, book_of(thanks(whereupon=[{"wait": "730d"}, {"send": "push", "title": "Hi"}]))
    )
    with closing(shop.engine):
        assert shop.buys(1) == 1
        shop.after(729)
        assert shop.counts() == (1, 1, 0)
        shop.after(2)
        assert (shop.sent, shop.counts()) == (["ada"], (1, 1, 1))
        shop.after(364)  # counted from its end
        assert shop.counts() == (1, 1, 0)
        shop.after(2)
        assert shop.counts() == (1, 0, 0)


@pytest.mark.parametrize(
    ("reentry", "again"),
    [
        ("once", 0),
        ({"once_per": "1000d"}, 0),
        ({"once_per": "10d"}, 1),
        ({"once_per_key": "properties.number"}, 0),
        ("every_time", 1),
        ("not_while_active", 1),
    ],
)
def test_who_may_not_enter_again_still_may_not(place: str, reentry: object, again: int) -> None:
    """Of the entry that keeps them out, only the content of its message is deleted."""
    shop = Shop(place, book_of(thanks(reentry=reentry)))
    with closing(shop.engine):
        assert shop.buys(1) == 1
        shop.after(400)
        assert shop.counts() == (1, 1 - again, 0)
        other = {**purchase(1), "messageId": "another"}
        taken = shop.engine.ingest([other])
        assert sum(decision.reason is None for decision in taken.decisions) == again
        with shop.engine.store.session() as session:
            (person,) = session.persons_after(0, 9)
            kept = [e for _, e in session.decided(person.key, "thanks", 9) if isinstance(e, Entry)]
        assert all(not entry.facts for entry in kept if entry.occasion == "purchase-1")


def test_a_rule_that_has_become_stricter_sees_who_was_in(place: str) -> None:
    """Entries without a slot, of a rule that now lets each person in once, stay from then on."""
    if place == "memory://":
        pytest.skip("nothing outlives the process")
    first = Shop(place, book_of(thanks()))
    with closing(first.engine):
        assert first.buys(1) == 1
    shop = Shop(place, book_of(thanks(reentry="once")))
    with closing(shop.engine):
        shop.after(400)
        assert shop.buys(2) == 0


def test_a_message_never_counts_twice_though_all_it_led_to_is_gone(shop: Shop) -> None:
    """Its id is kept for ever, like a broadcast's key; nothing is sent again."""
    shop.buys(1)
    shop.engine.trigger("news", key="june")
    shop.engine.run_due()
    shop.after(400)
    assert shop.counts() == (1, 0, 0)
    assert shop.engine.ingest([purchase(1)]).duplicates == 1
    shop.engine.trigger("news", key="june")
    shop.engine.run_due()
    assert (shop.sent, shop.counts()) == (["ada"], (1, 0, 0))


def test_what_is_set_aside_goes_too(shop: Shop) -> None:
    """It was never recorded, so its id may be used again."""
    kept = [aside(1, at=NOON), aside(2, at=NOON + 5 * DAY)]
    shop.engine.store.transact(lambda session: session.flush(Changes(set_aside=kept)))
    shop.after(91)
    assert shop.engine.set_aside() == kept[1:]


def test_nothing_goes_where_nobody_said_so(place: str) -> None:
    """An engine without rules deletes nothing; `forever` is allowed as a time."""
    rules = book_of(thanks(where={"number": {"lt": 100}}))
    settings = FolderSettings(keep=Retention(None, None, None, None))
    shop = Shop(place, Rulebook(rules=rules.rules, settings=settings), keep=None)
    with closing(shop.engine):
        shop.buys(1)
        shop.buys(100)
        shop.after(5_000)
        assert (shop.counts(), len(shop.explained())) == ((2, 1, 1), 2)
        if place == "memory://":
            return
        bare = Engine.open(place, clock=shop.clock)
        with closing(bare):
            bare.run_due()
        assert (shop.counts(), len(shop.explained())) == ((2, 1, 1), 2)


def test_the_rules_settings_say_how_long(place: str) -> None:
    """Unless the caller sets other times when the engine is opened."""
    rules = book_of(thanks())
    short = FolderSettings(keep=Retention(deliveries=DAY))
    shop = Shop(place, Rulebook(rules=rules.rules, settings=short), keep=None)
    with closing(shop.engine):
        shop.buys(1)
        shop.after(2)
        assert shop.counts() == (1, 1, 0)


def test_it_goes_in_bounded_steps_between_other_work(shop: Shop) -> None:
    """Each round of due work deletes some; the next one goes on from there."""
    count = REACH * (MOST_STEPS + 2)
    met = [Skips(key, 0, NOON, False, (("thanks", "d", "where", None, {}),)) for key in range(1, count + 1)]  # fmt: skip
    shop.engine.store.transact(lambda session: session.flush(Changes(skips=met)))
    shop.clock.move_to(NOON + 31 * DAY)
    assert shop.engine.prune(dry_run=True).gone["skips"] == count
    shop.engine.run_due()
    left = shop.engine.prune(dry_run=True).gone["skips"]
    assert 0 < left < count
    shop.engine.run_due()
    assert shop.engine.prune(dry_run=True).gone["skips"] == 0


def test_pruning_now_says_how_much_went(shop: Shop) -> None:
    """A dry run returns what would be deleted; skips that messages' own rows say are no rows."""
    shop.buys(1)
    shop.buys(100)
    shop.engine.ingest([{**purchase(101), "userId": None, "anonymousId": "anon-1"}])
    shop.engine.identify("ada", anonymous_id="anon-1")
    assert shop.explained() == ["skipped", "skipped", "entered"]
    shop.clock.move_to(NOON + 400 * DAY)
    would = shop.engine.prune(dry_run=True)
    assert dict(would.gone) == {
        "skips": 1,
        "deliveries": 1,
        "entries": 1,
        "set_aside": 0,
        "inbox": 0,
        "answers": 0,
        "runs": 0,
        "open_skips": 0,
        "time_skips": 0,
    }
    assert shop.engine.prune() == would
    assert shop.explained() == []
    assert sum(shop.engine.prune().gone.values()) == 0


def test_several_at_once_drop_everything_once(shop: Shop) -> None:
    """Each skips what another holds."""
    met = [Skips(key, 0, NOON, False, (("thanks", "d", "where", None, {}),)) for key in range(1, 3001)]  # fmt: skip
    shop.engine.store.transact(lambda session: session.flush(Changes(skips=met)))
    shop.clock.move_to(NOON + 31 * DAY)
    pruned: list[int] = []
    threads = [
        Thread(target=lambda: pruned.append(shop.engine.prune().gone[RetainedKind.SKIPS]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(pruned), sum(pruned)) == (3, 3000)
