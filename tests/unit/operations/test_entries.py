"""Entries, operated: who is inside, paused, resumed, ended, moved; in the audit log, on every kind of store."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine, OperationError, UnknownNameError
from whereupon.decide.decisions import Reason
from whereupon.operations.entry_moves import MoveGroup, MoveRefusal
from whereupon.records import DeliveryState, EndReason, Entry, EntryState, OperationKind
from whereupon.scheduling.clocks import FrozenClock

_HOUR = timedelta(hours=1)

_STEPS: list[dict[str, object]] = [
    {"send": "push", "title": "First"},
    {"wait": "1h"},
    {"send": "push", "title": "Second"},
    {"wait": "1h"},
    {"send": "push", "title": "Third"},
]


def _rule(**changes: object) -> dict[str, object]:
    return thanks(**{"whereupon": _STEPS, "reentry": "every_time", **changes})


class Shop:
    """An engine with one campaign of three pushes, an hour apart, and what it sent."""

    def __init__(self, place: str, *rules: dict[str, object]) -> None:
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open(place, rules=book_of(*(rules or (_rule(),))), clock=self.clock)
        self.sent: list[tuple[str, object]] = []
        self.engine.channel("push")(lambda d: self.sent.append((d.person, d.content["title"])))

    def buy(self, *names: str, number: int = 1) -> None:
        """One purchase of each person."""
        self.engine.ingest(
            [{**purchase(number, name), "messageId": f"{name}-{number}"} for name in names]
        )

    def later(self, time: timedelta = _HOUR) -> list[tuple[str, object]]:
        """Let time pass and do what is due; returns what was sent since the last time."""
        self.clock.move_to(self.clock.now() + time)
        self.engine.run_due()
        sent, self.sent = self.sent, []
        return sent

    def entry(self, name: str) -> Entry:
        """The one entry of a person that has not ended."""
        (entry,) = self.engine.entries.list(person=name).entries
        return entry

    def kinds(self) -> list[object]:
        """What the audit log has, in order."""
        return [row.facts["kind"] for row in self.engine.audit.rows()]


@pytest.fixture
def shop(place: str) -> Iterator[Shop]:
    """The shop, on each kind of store."""
    shop = Shop(place)
    with shop.engine:
        yield shop


def test_a_paused_entry_stands_still_and_goes_on_late(shop: Shop) -> None:
    """What came due meanwhile is done once, at the resumption; the wait behind it counts from then."""
    shop.buy("ada", "bob")
    assert shop.later(timedelta(0)) == [("ada", "First"), ("bob", "First")]
    paused = shop.engine.entries.pause(shop.entry("ada").key, by="tim")
    assert (paused.state, paused.paused and paused.paused.by) == (EntryState.PAUSED, "tim")
    assert shop.later() == [("bob", "Second")]
    assert shop.later() == [("bob", "Third")]
    shop.engine.entries.resume(paused.key, by="kim")
    assert shop.later(timedelta(minutes=30)) == [("ada", "Second")]
    assert shop.later(timedelta(minutes=59)) == []
    assert shop.later(timedelta(minutes=1)) == [("ada", "Third")]
    assert shop.kinds() == ["entry-paused", "entry-resumed"]
    assert shop.engine.audit.verify() == []


def test_what_a_paused_entry_has_made_is_not_handed_over_until_it_is_resumed(shop: Shop) -> None:
    """A delivery in the outbox stands still with its entry."""
    shop.buy("ada")
    key = shop.entry("ada").key
    shop.engine.entries.pause(key, by="tim")
    (delivery,) = shop.engine.deliveries()
    assert delivery.state is DeliveryState.PAUSED
    assert shop.later() == []
    shop.engine.entries.resume(key, by="tim")
    assert shop.later(timedelta(0)) == [("ada", "First"), ("ada", "Second")]


def test_a_delivery_that_is_paused_while_its_channel_is_called_is_sent_once(place: str) -> None:
    """Its end counts; a failure leaves it paused, and it is tried again when the entry is resumed."""
    shop, fails = Shop(place), [False, True]
    with shop.engine as engine:

        def pausing(_: object) -> None:
            engine.entries.pause(shop.entry("ada").key, by="tim")
            if fails.pop():
                raise OSError

        engine.channel("push")(pausing)
        shop.buy("ada")
        engine.run_due()
        assert [each.state for each in engine.deliveries()] == [DeliveryState.PAUSED]
        engine.entries.resume(shop.entry("ada").key, by="tim")
        shop.clock.move_to(NOON + timedelta(minutes=10))
        engine.run_due()
        assert [each.state for each in engine.deliveries()] == [DeliveryState.SENT]
        engine.entries.resume(shop.entry("ada").key, by="tim")
        engine.run_due()
        assert [each.state for each in engine.deliveries()] == [DeliveryState.SENT]
        assert fails == []


def test_of_a_paused_rule_nobody_enters_and_nobody_goes_on(shop: Shop) -> None:
    """It is the brake of `active: false`, without a deploy; every process obeys it at once."""
    shop.buy("ada")
    pause = shop.engine.entries.pause("thanks", by="tim")
    assert shop.engine.entries.pause("thanks", by="kim") == pause
    shop.buy("bob")
    assert shop.later() == []
    assert [each.reason for each in shop.engine.explain("bob", "thanks")] == [Reason.PAUSED]
    assert shop.engine.entries.pauses() == [pause]
    shop.engine.entries.resume("thanks", by="tim")
    assert ("ada", "First") in shop.later()
    shop.buy("bob", number=2)
    assert ("bob", "First") in shop.later(timedelta(0))
    assert shop.kinds() == ["rule-paused", "rule-resumed"]


def test_a_paused_rule_keeps_its_entries_as_due_as_they_were(shop: Shop) -> None:
    """The engine does not look again and again at what it may not do."""
    shop.buy("ada")
    shop.later(timedelta(0))
    shop.engine.entries.pause("thanks", by="tim")
    with shop.engine.store.reading() as session:
        assert shop.engine.pipeline.next_duty(session) is None
    (left,) = shop.engine.status().left_alone
    assert (left.rule, left.why, left.entries) == ("thanks", "paused-by-operator", 1)


def test_an_exit_ends_a_paused_entry_and_withdraws_what_it_made(place: str) -> None:
    """A pause holds back what the rule does, not what the person does."""
    shop = Shop(place, _rule(exit="refund"))
    with shop.engine as engine:
        shop.buy("ada")
        key = shop.entry("ada").key
        engine.entries.pause(key, by="tim")
        engine.track("refund", user_id="ada")
        ended = engine.entries.show(key)
        assert (ended.state, ended.ended and ended.ended.reason) == ("exited", EndReason.EVENT)
        (delivery,) = engine.deliveries()
        assert (delivery.state, delivery.reason) == (DeliveryState.WITHHELD, "withdrawn")
        with pytest.raises(OperationError, match="ended"):
            engine.entries.pause(key, by="tim")


def test_a_paused_entry_keeps_its_person_inside(place: str) -> None:
    """`not_while_active` counts an entry that stands still."""
    shop = Shop(place, _rule(reentry="not_while_active"))
    with shop.engine as engine:
        shop.buy("ada")
        engine.entries.pause(shop.entry("ada").key, by="tim")
        shop.buy("ada", number=2)
        assert [each.reason for each in engine.explain("ada", "thanks")] == ["reentry", None]


def test_a_paused_entry_goes_with_its_person_in_a_merge_and_an_erasure(shop: Shop) -> None:
    """It stays paused for the survivor; nothing of it is left when the person is erased."""
    shop.buy("ada", "bob")
    shop.later(timedelta(0))
    paused = shop.engine.entries.pause(shop.entry("bob").key, by="tim")
    shop.engine.alias("ada", previous_id="bob")
    assert shop.engine.entries.show(paused.key).state is EntryState.PAUSED
    assert shop.later() == [("ada", "Second")]
    shop.engine.entries.resume(paused.key, by="tim")
    assert shop.later(timedelta(0)) == [("ada", "Second")]
    shop.engine.entries.pause(paused.key, by="tim")
    shop.engine.track("Delete Person", user_id="ada")
    with pytest.raises(UnknownNameError):
        shop.engine.entries.show(paused.key)


def test_an_ended_entry_does_nothing_more_and_says_who_ended_it(shop: Shop) -> None:
    """What it has made and waits is withdrawn; what was delivered stays."""
    shop.buy("ada")
    key = shop.entry("ada").key
    ended = shop.engine.entries.end(key, by="tim")
    assert ended == shop.engine.entries.show(key)
    assert ended.ended is not None
    assert (ended.ended.reason, ended.ended.detail) == (EndReason.OPERATOR, "tim")
    assert shop.later() == []
    (explained,) = shop.engine.explain("ada", "thanks")
    assert "by tim" in explained.sentence
    with pytest.raises(OperationError, match="ended"):
        shop.engine.entries.end(key, by="tim")
    with pytest.raises(UnknownNameError, match="entry"):
        shop.engine.entries.end(key + 1000, by="tim")


def test_everybody_inside_is_ended_in_chunks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those before the step that is named; a dry run counts them and changes nothing."""
    monkeypatch.setattr("whereupon.operations.entries.CHUNK", 2)
    shop.buy("ada", "bob", "cho", "dee", "eve")
    shop.later(timedelta(0))
    shop.engine.entries.pause(shop.entry("ada").key, by="tim")
    shop.later()
    shop.buy("fay")
    entries = shop.engine.entries
    assert entries.end("thanks", by="tim", step="4", dry_run=True) == 4
    assert entries.end("thanks", by="tim", step="4") == 4
    assert [(c.address, c.state, c.people) for c in entries.counts("thanks")] == [
        ("2", EntryState.ACTIVE, 1),
        ("2", EntryState.PAUSED, 1),
    ]
    assert entries.end("thanks", by="tim", version="current") == 2
    assert entries.counts() == []
    assert [r.facts["entries"] for r in shop.engine.audit.rows() if "entries" in r.facts] == [
        *(2, 2, 2),
    ]


def test_entries_are_listed_by_key_page_after_page(shop: Shop) -> None:
    """Each once, though others are added meanwhile; and only those that are asked for."""
    names = [f"user-{number}" for number in range(7)]
    shop.buy(*names)
    shop.later(timedelta(0))
    shop.engine.entries.end(shop.entry("user-3").key, by="tim")
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = shop.engine.entries.list(rule="thanks", after=after, limit=2)
        found += [entry.key for entry in page.entries]
        after = page.next
    assert len(found) == len(set(found)) == 6
    assert found == sorted(found)
    ended = shop.engine.entries.list(rule="thanks", state=EntryState.EXITED).entries
    assert [entry.ended and entry.ended.detail for entry in ended] == ["tim"]
    assert shop.engine.entries.list(rule="other").entries == []
    assert len(shop.engine.entries.list(step="2").entries) == 6
    assert shop.engine.entries.list(person="user-1", step="3").entries == []
    with pytest.raises(UnknownNameError, match="person"):
        shop.engine.entries.list(person="nobody")
    with pytest.raises(UnknownNameError, match="version"):
        shop.engine.entries.list(rule="thanks", version="ffff")


def _edited(shop: Shop, *steps: dict[str, object]) -> str:
    """Put another version in use; returns its digest."""
    shop.engine.reload(book_of(_rule(whereupon=list(steps))))
    return shop.engine.pipeline.index.by_id["thanks"].digest


def test_people_are_moved_to_the_current_version_and_go_on_there(shop: Shop) -> None:
    """They wait until the same time; a dry run says what would happen to each, and changes nothing."""
    shop.buy("ada", "bob")
    shop.later(timedelta(0))
    before = shop.entry("ada")
    shop.engine.entries.pause(shop.entry("bob").key, by="tim")
    digest = _edited(shop, *_STEPS[:2], {"send": "push", "title": "Mended"})
    asked = shop.engine.entries.move("thanks", by="tim", dry_run=True)
    assert (asked.moved, asked.refused) == (2, 0)
    assert shop.entry("ada") == before
    done = shop.engine.entries.move("thanks", by="tim")
    assert done.people == asked.people == {MoveGroup(before.digest, "2", "2", None): 2}
    moved = shop.entry("ada")
    assert (moved.digest, moved.due_at) == (digest, before.due_at)
    assert [(o.kind, o.by, o.detail) for o in moved.operations] == [
        (OperationKind.MOVED, "tim", before.digest)
    ]
    assert shop.entry("bob").state is EntryState.PAUSED
    assert shop.later() == [("ada", "Mended")]
    (record,) = [r.facts for r in shop.engine.audit.rows() if r.facts["kind"] == "entries-moved"]
    assert (record["from"], record["to"], record["entries"]) == (before.digest, digest, 2)


def test_who_waits_at_a_step_without_a_counterpart_stays(shop: Shop) -> None:
    """A move says so and changes nothing, unless it is told which step comes next."""
    shop.buy("ada")
    shop.later(timedelta(0))
    version = shop.entry("ada").digest
    _edited(shop, _STEPS[0], {"send": "push", "title": "At once"}, {"wait": "1h"}, _STEPS[4])
    refused = shop.engine.entries.move("thanks", by="tim")
    assert refused.people == {MoveGroup(version, "2", None, MoveRefusal.NO_COUNTERPART): 1}
    assert shop.entry("ada").digest == version
    assert shop.engine.entries.move("thanks", by="tim", steps={"2": "3"}).moved == 1
    assert shop.later() == [("ada", "Third")]


def test_a_step_that_is_renamed_takes_the_steps_of_its_arms_along(shop: Shop) -> None:
    """Who waits within it goes on at the same place within the step of the new name."""
    inner = [{"wait": "1h"}, {"send": "push", "title": "Old"}]
    within: list[dict[str, object]] = [{"name": "cart", "branch": [{"else": inner}]}]
    shop.engine.reload(book_of(_rule(whereupon=within)))
    shop.buy("ada")
    shop.later(timedelta(0))
    assert shop.entry("ada").address == "cart.else.1"
    mended = [inner[0], {"send": "push", "title": "Mended"}]
    _edited(shop, {"track": "x"}, {"name": "cart2", "branch": [{"else": mended}]})
    move = shop.engine.entries.move
    assert move("thanks", by="tim", dry_run=True).moved == 0
    assert move("thanks", by="tim", steps={"cart": "cart2"}).moved == 1
    assert shop.entry("ada").address == "cart2.else.1"
    assert shop.later() == [("ada", "Mended")]


def test_nobody_is_moved_before_a_renamed_step_that_was_done_for_them(shop: Shop) -> None:
    """The delivery under the old name counts."""
    first = {"name": "first", "send": "push", "title": "First"}
    shop.engine.reload(book_of(_rule(whereupon=[first, *_STEPS[1:3]])))
    shop.buy("ada")
    shop.later(timedelta(0))
    _edited(shop, {"wait": "1h"}, {**first, "name": "renamed"})
    move, there = shop.engine.entries.move, {"2": "renamed"}
    assert move("thanks", by="tim", steps=there, dry_run=True).moved == 1
    renamed = move("thanks", by="tim", steps={**there, "first": "renamed"})
    assert [group.refusal for group in renamed.people] == [MoveRefusal.REPEATS]


def test_nobody_is_moved_to_a_step_that_was_done_for_them(shop: Shop) -> None:
    """A step is known by its number, so one that comes again would be the same delivery."""
    shop.buy("ada")
    shop.later(timedelta(0))
    version = shop.entry("ada").digest
    _edited(shop, {"send": "push", "title": "Anew"}, {"wait": "1h"}, _STEPS[2])
    refused = shop.engine.entries.move("thanks", by="tim", steps={"2": "0"})
    assert refused.people == {MoveGroup(version, "2", None, MoveRefusal.REPEATS): 1}
    with pytest.raises(OperationError, match="no-such-step"):
        shop.engine.entries.move("thanks", by="tim", steps={"2": "4"})
    assert shop.engine.entries.move("thanks", by="tim", steps={"2": "end"}).moved == 1
    assert shop.later() == []
    assert shop.engine.entries.counts() == []


def test_an_engine_without_the_rule_ends_its_entries(shop: Shop) -> None:
    """People who are inside a rule that nobody has any more are let out by an operator alone."""
    shop.buy("ada")
    shop.engine.reload(book_of(news()))
    assert shop.engine.entries.end("thanks", by="tim") == 1
    with pytest.raises(UnknownNameError, match="rule"):
        shop.engine.entries.end("thanks", by="tim")


@pytest.mark.parametrize("by", ["", "  ", "x" * 201])
def test_every_decision_needs_a_name(by: str) -> None:
    """The audit log never says that nobody did it."""
    shop = Shop("memory://")
    shop.buy("ada")
    for call in (
        lambda: shop.engine.entries.pause("thanks", by=by),
        lambda: shop.engine.entries.resume("thanks", by=by),
        lambda: shop.engine.entries.end("thanks", by=by),
        lambda: shop.engine.entries.move("thanks", by=by),
    ):
        with pytest.raises(OperationError, match="no-actor"):
            call()


def test_resuming_what_is_not_paused_says_how_it_stands() -> None:
    """A file that switches the rule off is named, since no command can switch it on."""
    shop = Shop("memory://", _rule(active=False))
    with pytest.raises(OperationError, match="by its file"):
        shop.engine.entries.resume("thanks", by="tim")
    other = Shop("memory://")
    other.buy("ada")
    with pytest.raises(OperationError, match="nobody has paused"):
        other.engine.entries.resume("thanks", by="tim")
    with pytest.raises(OperationError, match="active, and not paused"):
        other.engine.entries.resume(other.entry("ada").key, by="tim")
