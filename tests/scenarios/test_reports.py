"""Reports of deliveries: what comes back is counted once, and what must not be sent any more is not."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, StoreError
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.records import DeliveryState, MetricReport, RequestOutcome
from whereupon.scheduling.clocks import FrozenClock

KEY = b"a key of this test"

Opened = Callable[..., Engine]


def _rule(**send: object) -> dict[str, object]:
    return {
        "campaign": "thanks",
        "description": "Thank people.",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"send": "email", "subject": "Thanks", **send}],
    }


def _goodbye() -> dict[str, object]:
    return {
        "campaign": "goodbye",
        "description": "Note who wants no more mail.",
        "when": {"enters": "silent"},
        "reentry": "every_time",
        "whereupon": [{"send": "log", "text": "gone"}],
    }


SILENT: dict[str, object] = {
    "segment": "silent",
    "description": "Gone.",
    "who": {"unsubscribed": True},
}


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def opened(clock: FrozenClock, place: str) -> Iterator[Opened]:
    """Opens engines on one store of each kind, with a rule that sends mail."""
    with ExitStack() as stack:

        def opens(
            *rules: dict[str, object], key: bytes = KEY, former: tuple[bytes, ...] = ()
        ) -> Engine:
            book = book_of(*(rules or (_rule(),)))
            return stack.enter_context(
                Engine.open(place, rules=book, clock=clock, digest_key=key, former_keys=former)
            )

        yield opens


def _mail(engine: Engine, number: int = 1, user: str = "ada") -> Delivery:
    """Sends a mail, and gives it as it is afterwards."""
    engine.track("purchase", user_id=user, message_id=f"m-{number}")
    engine.run_due()
    return engine.deliveries()[0]


def _as_now(engine: Engine, delivery: Delivery) -> Delivery:
    (found,) = [each for each in engine.deliveries() if each.key == delivery.key]
    return found


def _attributes(engine: Engine, user: str) -> Mapping[str, object]:
    with engine.store.reading() as session:
        (known,) = session.identifiers([user], [])
        return session.persons([known.key])[0].attributes


def _ready(opened: Opened, *rules: dict[str, object]) -> tuple[Engine, list[Delivery]]:
    engine, sent = opened(*rules), list[Delivery]()
    engine.channel("email", sent.append)
    engine.identify("ada", traits={"email": "ada@example.com"})
    return engine, sent


def test_each_metric_counts_once_in_whichever_order(opened: Opened) -> None:
    """A click that comes before its opening leaves both, and the same report again changes nothing."""
    engine, _ = _ready(opened)
    sent = _mail(engine)
    for metric in ("clicked", "opened", "delivered", "opened"):
        engine.report(sent.idempotency_key, metric)
    now = _as_now(engine, sent)
    assert now.reports == {"clicked", "opened", "delivered"}
    assert now.state is DeliveryState.SENT
    with engine.store.reading() as session:
        kept = [each.metric for each in session.scan(MetricReport)]
    assert sorted(kept) == ["clicked", "delivered", "opened"]


def test_the_same_report_is_a_duplicate(opened: Opened) -> None:
    """Its message has an id that follows from what it says; another time makes another report."""
    engine, _ = _ready(opened)
    key = _mail(engine).idempotency_key
    answers = [engine.report(key, "opened") for _ in range(2)]
    assert [(each.accepted, each.duplicates) for each in answers] == [(1, 0), (0, 1)]
    assert engine.report(key, "opened", at=NOON).accepted == 1


def test_a_message_of_the_wire_reports_too(opened: Opened) -> None:
    """``spammed`` is Customer.io's word for a complaint."""
    engine, _ = _ready(opened)
    sent = _mail(engine)
    properties = {"deliveryId": sent.idempotency_key, "metric": "spammed"}
    engine.track("Report Delivery Event", properties=properties)
    assert _as_now(engine, sent).reports == {"complained"}
    assert engine.suppression("email", "ada@example.com") is not None


def test_a_report_of_an_unknown_delivery_is_kept_and_told(opened: Opened) -> None:
    """The warning has a code, and the report is stored."""
    engine, _ = _ready(opened)
    answered = engine.report("nobody-knows-it", "bounced")
    assert [each.code for each in answered.warnings] == ["unknown-delivery"]
    with engine.store.reading() as session:
        assert [each.subject for each in session.scan(MetricReport)] == ["nobody-knows-it"]


@pytest.mark.parametrize("metric", ["opend", "", "OPENED"])
def test_a_metric_that_does_not_exist_is_an_error(opened: Opened, metric: str) -> None:
    """The error lists the metrics."""
    engine, _ = _ready(opened)
    with pytest.raises(ValueError, match=r"there is no metric .*; there are: .*opened"):
        engine.report("key", metric)
    with pytest.raises(ValueError, match="it is empty"):
        engine.report(" ", "opened")


def test_a_client_reports_what_it_measures_and_suppresses_nobody(opened: Opened) -> None:
    """A browser that reports a bounce is refused, or anybody could stop anybody's mail."""
    engine, _ = _ready(opened)
    sent = _mail(engine)
    for metric in ("opened", "bounced", "complained", "unsubscribed"):
        properties = {"deliveryId": sent.idempotency_key, "metric": metric}
        answered = engine.track("Report Delivery Event", properties=properties, source="client")
        outcome = RequestOutcome.RAN if metric == "opened" else RequestOutcome.REFUSED
        assert [each.outcome for each in answered.requests] == [outcome]
    assert _as_now(engine, sent).reports == {"opened"}
    assert engine.suppression("email", "ada@example.com") is None
    assert not _attributes(engine, "ada").get("unsubscribed")


def test_a_hard_bounce_suppresses_the_address_whoever_has_it(opened: Opened) -> None:
    """Whatever its case and spaces, for transactional mail, too; another address gets its mail."""
    engine, sent = _ready(opened, _rule(kind="transactional"))
    first = _mail(engine)
    engine.report(first.idempotency_key, "bounced", reason="550 5.1.1 no such user")
    engine.identify("twin", traits={"email": " Ada@Example.COM "})
    withheld = _mail(engine, 2, "twin")
    assert (withheld.state, withheld.reason) == (DeliveryState.WITHHELD, "suppressed")
    engine.identify("twin", traits={"email": "twin@example.com"})
    assert _mail(engine, 3, "twin").state is DeliveryState.SENT
    assert len(sent) == 2
    assert _as_now(engine, first).state is DeliveryState.SENT


@pytest.mark.parametrize(("metric", "permanent"), [("bounced", False), ("deferred", True)])
def test_a_temporary_failure_suppresses_nothing(
    opened: Opened, metric: str, permanent: bool
) -> None:
    """A full mailbox gets the next mail; a later hard bounce of the same mail still counts."""
    engine, _ = _ready(opened)
    key = _mail(engine).idempotency_key
    engine.report(key, metric, permanent=permanent)
    assert engine.suppression("email", "ada@example.com") is None
    engine.report(key, "bounced")
    assert engine.suppression("email", "ada@example.com") is not None


def test_a_bounce_is_about_the_address_that_the_mail_went_to(opened: Opened) -> None:
    """Neither the address of the time when it was made, nor the one of the time when it bounces."""
    engine = opened()
    engine.identify("ada", traits={"email": "first@example.com"})
    engine.track("purchase", user_id="ada")
    engine.identify("ada", traits={"email": "second@example.com"})
    engine.channel("email", lambda _: None)
    engine.run_due()
    engine.identify("ada", traits={"email": "third@example.com"})
    engine.report(engine.deliveries()[0].idempotency_key, "bounced")
    names = ("first", "second", "third")
    found = [engine.suppression("email", f"{name}@example.com") for name in names]
    assert [each is not None for each in found] == [False, True, False]


def test_a_bounce_within_the_call_is_about_the_address_of_that_call(
    opened: Opened, clock: FrozenClock
) -> None:
    """The first try went elsewhere, and the channel reports before its second call returns."""
    engine = opened()

    def send(delivery: Delivery) -> None:
        if delivery.recipient["email"] == "old@example.com":
            raise RetryLater
        engine.report(delivery.idempotency_key, "bounced")
        raise GiveUp(reason="no such user")

    engine.channel("email", send)
    engine.identify("ada", traits={"email": "old@example.com"})
    _mail(engine)
    engine.identify("ada", traits={"email": "new@example.com"})
    clock.move_to(NOON + timedelta(hours=1))
    engine.run_due()
    assert engine.suppression("email", "old@example.com") is None
    assert engine.suppression("email", "new@example.com") is not None
    assert engine.deliveries()[0].state is DeliveryState.DEAD


def test_the_attribute_of_a_channel_has_its_address(opened: Opened) -> None:
    """By default ``phone`` for sms; otherwise as the channel says."""
    rule = {**_rule(), "whereupon": [{"send": "letter", "text": "Hi"}]}
    engine = opened(rule)
    engine.channel("letter", lambda _: None, address="number")
    engine.identify("ada", traits={"number": "0049 170 1234567"})
    engine.report(_mail(engine).idempotency_key, "bounced")
    assert engine.suppression("letter", "+49 (170) 123-4567") is not None
    assert engine.suppression("email", "+49 (170) 123-4567") is None


def test_an_address_that_nobody_knows_is_told(opened: Opened) -> None:
    """A process that has not registered the channel cannot tell which attribute the address is in."""
    rule = {**_rule(), "whereupon": [{"send": "letter", "text": "Hi"}]}
    engine = opened(rule)
    engine.channel("letter", lambda _: None)
    engine.identify("ada", traits={"number": "12345"})
    answered = engine.report(_mail(engine).idempotency_key, "bounced")
    assert [each.code for each in answered.warnings] == ["no-address"]


@pytest.mark.parametrize("metric", ["unsubscribed", "complained"])
def test_unsubscribing_and_complaining_are_told_to_the_rules_once(
    opened: Opened, metric: str
) -> None:
    """By an identify: the person enters a segment, and marketing is withheld from then on."""
    engine, _ = _ready(opened, _rule(), _goodbye(), SILENT)
    key = _mail(engine).idempotency_key
    answers = [engine.report(key, metric) for _ in range(2)]
    entered = [d.rule for each in answers for d in each.decisions if d.outcome == "entered"]
    assert entered == ["goodbye"]
    assert _attributes(engine, "ada")["unsubscribed"] is True
    withheld = _mail(engine, 2)
    reason = "suppressed" if metric == "complained" else "unsubscribed"
    assert withheld.reason in {"unsubscribed", reason}
    assert (engine.suppression("email", "ada@example.com") is None) is (metric == "unsubscribed")


def test_a_wish_that_was_recorded_already_is_not_recorded_again(opened: Opened) -> None:
    """Somebody who has left one topic on a page of the host's stays subscribed to the others."""
    engine, _ = _ready(opened)
    sent = _mail(engine)
    engine.report(sent.idempotency_key, "unsubscribed", consent=False)
    assert _as_now(engine, sent).reports == {"unsubscribed"}
    assert "unsubscribed" not in _attributes(engine, "ada")


def test_a_newer_word_of_the_person_wins(opened: Opened, clock: FrozenClock) -> None:
    """Resubscribing after the report's time is not undone by a report that comes late."""
    engine, _ = _ready(opened)
    key = _mail(engine).idempotency_key
    clock.move_to(NOON + timedelta(hours=2))
    engine.identify("ada", traits={"unsubscribed": False})
    engine.report(key, "unsubscribed", at=NOON + timedelta(hours=1))
    assert _attributes(engine, "ada")["unsubscribed"] is False


def test_a_suppressed_address_outlives_its_person_without_naming_them(opened: Opened) -> None:
    """After the erasure nothing names them, a new person with the address gets no mail, and a lift ends that."""
    engine, _ = _ready(opened)
    engine.report(_mail(engine).idempotency_key, "bounced", reason="ada@example.com is unknown")
    engine.track("Delete Person", user_id="ada")
    with engine.store.reading() as session:
        assert "ada" not in repr(list(session.scan(MetricReport)))
    assert engine.suppression("email", "ada@example.com") is not None
    engine.identify("eve", traits={"email": "ada@example.com"})
    assert _mail(engine, 2, "eve").reason == "suppressed"
    assert engine.unsuppress("email", "ADA@example.com", by="ben")
    assert not engine.unsuppress("email", "ADA@example.com", by="ben")
    assert _mail(engine, 3, "eve").state is DeliveryState.SENT
    assert [row.facts["kind"] for row in engine.audit.rows()][-1] == "address-unsuppressed"
    assert engine.audit.verify() == []


def test_a_suppression_by_hand_is_audited(opened: Opened) -> None:
    """Without the address, but with its hash and the name of who did it."""
    engine, _ = _ready(opened)
    engine.suppress("email", "ada@example.com", by="ben")
    found = engine.suppression("email", "ada@example.com")
    assert found is not None
    assert found.reason == "by-hand"
    assert _mail(engine).reason == "suppressed"
    (row,) = engine.audit.rows()
    assert (row.facts["actor"], row.facts["address"]) == ("ben", found.digest.hex())
    assert "example" not in repr(row)
    with pytest.raises(ValueError, match="no address"):
        engine.suppress("email", " ", by="ben")


def test_a_suppression_is_known_after_the_key_has_changed(opened: Opened) -> None:
    """Under the former key; a key that is not given is refused, since nothing would be recognised."""
    engine, _ = _ready(opened)
    engine.report(_mail(engine).idempotency_key, "bounced")
    if engine.store.__class__.__name__ == "MemoryStore":
        return
    with pytest.raises(StoreError, match="another digest_key"):
        opened(key=b"new")
    again = opened(key=b"new", former=(KEY,))
    again.channel("email", lambda _: None)
    assert _mail(again, 2).reason == "suppressed"
    assert again.unsuppress("email", "ada@example.com", by="ben")
    assert _mail(again, 3).state is DeliveryState.SENT


def test_reports_of_a_merged_person_are_the_survivors(opened: Opened) -> None:
    """A delivery keeps its metrics, and unsubscribing by it is the survivor's word."""
    engine, _ = _ready(opened)
    sent = _mail(engine)
    engine.report(sent.idempotency_key, "opened")
    engine.identify("eve")
    engine.alias("eve", previous_id="ada")
    engine.report(sent.idempotency_key, "unsubscribed")
    assert _as_now(engine, sent).reports == {"opened", "unsubscribed"}
    assert _attributes(engine, "eve")["unsubscribed"] is True


def test_explain_says_what_was_reported(place: str) -> None:
    """In one order, whatever came first."""
    clock = FrozenClock(NOON)
    with Engine.open(place, rules=book_of(thanks()), clock=clock) as engine:
        engine.channel("push", lambda _: None)
        engine.ingest([purchase(1)])
        engine.run_due()
        key = engine.deliveries()[0].idempotency_key
        for metric in ("clicked", "opened"):
            engine.report(key, metric)
        (entered,) = engine.explain("ada", "thanks")
    assert "was sent at 2026-06-01T12:00:00Z, and reported as opened and clicked" in str(entered)
