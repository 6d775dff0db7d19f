"""The inbox: what is sent to it is there to be shown, once, to its person alone, until it expires."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from itertools import product
from threading import Barrier, Thread

import pytest
from tests.rule_files import book_of
from tests.shop import NOON

from whereupon import Delivery, Engine, GiveUp, UnknownNameError
from whereupon.channels import Inbox
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import DeliveryState, InboxItem, MetricReport, RetainedKind, SendKind
from whereupon.scheduling.clocks import FrozenClock


def _rule(name: str = "news", **send: object) -> dict[str, object]:
    return {
        "campaign": name,
        "description": "Tell people in the app.",
        "when": "told",
        "reentry": "every_time",
        "whereupon": [
            {"send": "inbox", "title": "{{ properties.title }}", "kind": "transactional", **send}
        ],
    }


def _told(number: int, user: str = "ada", title: str = "Hello") -> dict[str, object]:
    return {
        "type": "track",
        "messageId": f"told-{number}",
        "event": "told",
        "userId": user,
        "properties": {"title": title, "hours": 3},
    }


Opened = Callable[..., Engine]


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def opened(clock: FrozenClock, place: str) -> Iterator[Opened]:
    """Opens engines on one store of each kind, with an inbox and a rule."""
    with ExitStack() as stack:

        def opens(*rules: dict[str, object], inbox: Inbox | None = None) -> Engine:
            book = book_of(*(rules or (_rule(),)))
            engine = stack.enter_context(Engine.open(place, rules=book, clock=clock))
            engine.channel("inbox", inbox or Inbox())
            return engine

        yield opens


def _run_at_once(*works: Callable[[], None]) -> list[BaseException]:
    """Run each in a thread of its own; what they raised."""
    ready, failed = Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], None]) -> None:
        ready.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test tells it
            failed.append(error)

    threads = [Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def _titles(items: list[InboxItem]) -> list[object]:
    return [item.content["title"] for item in items]


def _send(engine: Engine, clock: FrozenClock, *messages: dict[str, object]) -> None:
    """Send each a minute after the one before."""
    for message in messages:
        engine.ingest([message])
        engine.run_due()
        clock.move_to(clock.now() + timedelta(minutes=1))


def test_what_is_sent_is_in_the_persons_inbox(opened: Opened, clock: FrozenClock) -> None:
    """With the step's fields, its rule and topic, unread, under the delivery's key, for 30 days."""
    engine = opened(_rule(kind="marketing", topic="offers", link="/offers"))
    _send(engine, clock, _told(1))
    (sent,) = engine.deliveries()
    (item,) = engine.inbox("ada")
    assert sent.state is DeliveryState.SENT
    assert item._replace(person_key=0) == InboxItem(
        key=sent.idempotency_key,
        person_key=0,
        rule="news",
        channel="inbox",
        kind=SendKind.MARKETING,
        topic="offers",
        content={"title": "Hello", "link": "/offers"},
        created_at=NOON,
        expires_at=NOON + timedelta(days=30),
        occasion=sent.occasion,
    )


def test_an_inbox_is_shown_in_pages_newest_first(opened: Opened, clock: FrozenClock) -> None:
    """Each page begins behind the cursor of the last; what comes in between moves nothing."""
    engine = opened()
    _send(engine, clock, *(_told(number, title=f"{number}") for number in range(5)))
    first = engine.inbox("ada", limit=2)
    _send(engine, clock, _told(9, title="new"))
    second = engine.inbox("ada", limit=2, before=first[-1].cursor)
    third = engine.inbox("ada", limit=2, before=second[-1].cursor)
    assert [_titles(page) for page in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert engine.inbox("ada", before=third[-1].cursor) == []


@pytest.mark.parametrize("cursor", ["", "x", "1", "x.y", ".y", "9" * 40 + ".k", "\0.\0"])
def test_what_is_no_cursor_is_refused(opened: Opened, cursor: str) -> None:
    """A page that begins nowhere would be shown as the end."""
    with pytest.raises(ValueError, match="not a cursor"):
        opened().inbox("ada", before=cursor)


def test_a_page_has_at_least_one_item(opened: Opened) -> None:
    """No database is asked for a negative number of rows, which some read as all."""
    for limit in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            opened().inbox("ada", limit=limit)


def test_a_person_marks_what_is_theirs_as_read(opened: Opened, clock: FrozenClock) -> None:
    """Once, by any of their ids; what is read leaves the unread ones and stays in the inbox."""
    engine = opened()
    _send(engine, clock, _told(1, "ada@work", title="a"), _told(2, title="b"))
    engine.alias("ada", previous_id="ada@work")
    newest, oldest = engine.inbox("ada@work")
    assert engine.unread("ada") == 2
    assert engine.mark_read("ada@work", oldest.key) is True
    assert engine.mark_read("ada", oldest.key) is False
    assert engine.unread("ada") == 1
    assert _titles(engine.inbox("ada", unread=True)) == ["b"]
    assert [item.read_at for item in engine.inbox("ada")] == [None, NOON + timedelta(minutes=2)]
    assert engine.mark_all_read("ada") == 1
    assert engine.mark_all_read("ada") == engine.unread("ada") == 0
    assert newest.read_at is None
    with engine.store.reading() as session:
        told = sorted((report.subject, report.metric) for report in session.scan(MetricReport))
    assert told == sorted((item.key, "opened") for item in (newest, oldest)), "once each"


@pytest.mark.parametrize("key", ["", "nothing", "a\0b", "'; --", "\ud800"])
def test_nobody_marks_what_is_not_theirs(opened: Opened, clock: FrozenClock, key: str) -> None:
    """Neither an item of another person, nor one that there is not: both answers are the same."""
    engine = opened()
    _send(engine, clock, _told(1), _told(2, user="bob"))
    (bobs,) = engine.inbox("bob")
    for person, tried in (("ada", bobs.key), ("nobody", bobs.key), ("ada", key)):
        with pytest.raises(UnknownNameError, match="inbox item"):
            engine.mark_read(person, tried)
    assert engine.mark_all_read("nobody") == 0
    assert [engine.unread(person) for person in ("ada", "bob")] == [1, 1]


@pytest.mark.parametrize("person", ["nobody", "", "a\0b", "\ud800"])
def test_the_inbox_of_an_unknown_person_is_empty(opened: Opened, person: str) -> None:
    """A page for somebody who has just signed up needs no case of its own."""
    engine = opened()
    assert (engine.inbox(person), engine.unread(person)) == ([], 0)


@pytest.mark.parametrize(
    ("expires", "hours"),
    [("2h", 2), ("{{ properties.hours }}h", 3), (None, 24), ("1d12h", 36)],
)
def test_an_item_expires(
    opened: Opened, clock: FrozenClock, expires: str | None, hours: int
) -> None:
    """After the step's own time, or the channel's: it is no longer shown, and is pruned."""
    send = {} if expires is None else {"expires": expires}
    engine = opened(_rule(**send), inbox=Inbox(expires="1d"))
    _send(engine, clock, _told(1))
    (item,) = engine.inbox("ada")
    assert item.content == {"title": "Hello"}
    clock.move_to(NOON + timedelta(hours=hours, seconds=-1))
    assert engine.unread("ada") == 1
    assert engine.prune().gone[RetainedKind.INBOX] == 0
    clock.move_to(NOON + timedelta(hours=hours))
    assert (engine.inbox("ada"), engine.unread("ada")) == ([], 0)
    assert engine.prune(dry_run=True).gone[RetainedKind.INBOX] == 1
    clock.move_to(NOON + timedelta(days=3))
    engine.run_due()
    assert engine.prune().gone[RetainedKind.INBOX] == 0, "the due work did it"


def test_an_item_may_stay_for_ever(opened: Opened, clock: FrozenClock) -> None:
    """If its step says so, or the channel; to the end of the calendar."""
    engine = opened(_rule(), _rule("rules", expires="forever"), inbox=Inbox(expires="9999999d"))
    _send(engine, clock, _told(1))
    clock.move_to(NOON + timedelta(days=100_000))
    assert {item.rule: item.expires_at is None for item in engine.inbox("ada")} == {
        "news": False,
        "rules": True,
    }


@pytest.mark.parametrize("expires", ["soon", "0s", "-1d", "", 5, ["1d"], "{{ properties.title }}"])
def test_a_time_that_is_none_ends_the_delivery(
    opened: Opened, clock: FrozenClock, expires: object
) -> None:
    """At once, with a reason, since no other try can be better."""
    engine = opened(_rule(expires=expires))
    _send(engine, clock, _told(1))
    (dead,) = engine.deliveries()
    assert (dead.state, engine.inbox("ada")) == (DeliveryState.DEAD, [])
    assert "expires is a duration" in (dead.reason or "")


def test_an_inbox_refuses_settings_that_make_no_sense() -> None:
    """When it is made, not when it is used."""
    for expires in ("soon", "", timedelta(0)):
        with pytest.raises(ValueError, match="expires is a duration"):
            Inbox(expires=expires)
    with pytest.raises(ValueError, match="keep is at least 1"):
        Inbox(keep=0)


def test_the_oldest_items_make_room(opened: Opened, clock: FrozenClock) -> None:
    """A person keeps the newest of a channel; neither others' nor another channel's count."""
    engine = opened(_rule(), _rule("alerts", send="alerts"), inbox=Inbox(keep=2))
    engine.channel("alerts", Inbox(keep=1))
    _send(engine, clock, *(_told(number, title=f"{number}") for number in range(4)))
    _send(engine, clock, _told(9, user="bob", title="9"))
    found = [(item.channel, item.content["title"]) for item in engine.inbox("ada")]
    assert sorted(found) == [("alerts", "3"), ("inbox", "2"), ("inbox", "3")]
    assert len(engine.inbox("bob")) == 2


def test_a_repeated_call_changes_nothing(opened: Opened, clock: FrozenClock) -> None:
    """An item that was put there and read stays so, whoever calls again and when."""
    inbox = Inbox()
    engine = opened(inbox=inbox)
    _send(engine, clock, _told(1))
    (sent,), (item,) = engine.deliveries(), engine.inbox("ada")
    engine.mark_read("ada", item.key)
    before = engine.inbox("ada")
    inbox.send(sent.changed(content={"title": "Another"}))
    assert engine.inbox("ada") == before


def test_calls_at_the_same_time_make_one_item(opened: Opened, clock: FrozenClock) -> None:
    """As of two processes, when a lease ran out."""
    inbox = Inbox()
    engine = opened(inbox=inbox)
    _send(engine, clock, _told(1))
    again = engine.deliveries()[0].changed(idempotency_key="another")
    assert _run_at_once(*[lambda: inbox.send(again)] * 4) == []
    assert [item.key == "another" for item in engine.inbox("ada")] == [True, False]


def test_nothing_is_kept_for_an_erased_person(opened: Opened, clock: FrozenClock) -> None:
    """Their items go with them; a call that was under way keeps nothing, even if the id is used again."""
    inbox = Inbox()
    engine = opened(inbox=inbox)
    _send(engine, clock, _told(1), _told(2, user="bob"))
    (theirs,) = (each for each in engine.deliveries() if each.person == "ada")
    engine.ingest([{"type": "track", "event": "Delete Person", "userId": "ada", "messageId": "d"}])
    assert engine.inbox("ada") == []
    for again in (theirs, theirs.changed(idempotency_key="another")):
        with pytest.raises(GiveUp, match="erased"):
            inbox.send(again)
    engine.identify("ada", traits={"plan": "pro"})
    with pytest.raises(GiveUp, match="erased"):
        inbox.send(theirs)
    assert [engine.unread(person) for person in ("ada", "bob")] == [0, 1]


def test_a_call_for_somebody_who_was_merged_fills_the_survivors_inbox(
    opened: Opened, clock: FrozenClock
) -> None:
    """Whose items the others are by now, too."""
    inbox = Inbox()
    engine = opened(inbox=inbox)
    _send(engine, clock, _told(1, user="bob"), _told(2))
    (bobs,) = (each for each in engine.deliveries() if each.person == "bob")
    engine.alias("ada", previous_id="bob")
    clock.move_to(clock.now() + timedelta(minutes=1))
    inbox.send(bobs.changed(idempotency_key="another"))
    assert engine.inbox("ada")[0].key == "another"
    assert [len(engine.inbox(person)) for person in ("ada", "bob")] == [3, 3]


def test_an_inbox_without_an_engine_says_how_to_register_it(clock: FrozenClock) -> None:
    """Instead of an error about None."""
    with Engine.open("memory://", rules=book_of(_rule()), clock=clock) as engine:
        engine.channel("inbox", Inbox().send)
        engine.ingest([_told(1)])
        assert engine.run_due().dispatched == Dispatched(retried=1)
        (waiting,) = engine.deliveries()
    assert "engine.channel('inbox', Inbox())" in (waiting.reason or "")


def _fill(inbox: Inbox, sent: Sequence[Delivery]) -> None:
    """Have each delivery called three times, under other keys; who is erased gets nothing."""
    for number, delivery in product(range(3), sent):
        with suppress(GiveUp):
            inbox.send(delivery.changed(idempotency_key=f"{delivery.person}-{number}"))


def test_filling_reading_merging_and_erasing_at_once_leaves_nothing_of_nobody(
    opened: Opened, clock: FrozenClock
) -> None:
    """Nobody waits for another in a circle, and each item that is left has its person."""
    inbox = Inbox(keep=5)
    engine = opened(inbox=inbox)
    people = [f"u{number}" for number in range(8)]
    _send(engine, clock, *(_told(number, user) for number, user in enumerate(people)))
    sent = engine.deliveries()

    def read() -> None:
        for person in people * 3:
            engine.mark_all_read(person)

    def merge() -> None:
        for first, second in zip(people[:4:2], people[1:4:2], strict=True):
            engine.alias(first, previous_id=second)

    def erase() -> None:
        for person in people[4:]:
            engine.track("Delete Person", user_id=person)

    failed = _run_at_once(partial(_fill, inbox, sent), read, merge, erase)
    assert failed == []
    with engine.store.reading() as session:
        items = [*session.scan(InboxItem)]
        owners = {person.key for person in session.persons({item.person_key for item in items})}
    assert {item.person_key for item in items} == owners
    assert [bool(engine.inbox(person)) for person in people] == [True] * 4 + [False] * 4
