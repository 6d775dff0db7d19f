"""Work that must not grow faster than its subject, counted and not timed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from sqlalchemy import create_engine, event
from tests.counted_inserts import InsertsTogether
from tests.query_plans import rows_of
from tests.rule_files import book_of
from tests.shop import NOON, thanks

from whereupon import Delivery, Engine
from whereupon.api import background
from whereupon.api.config import settings_for
from whereupon.decide.batch_state import BatchState
from whereupon.decide.people import erase_person
from whereupon.decide.reentry import slot_at, with_current_slot
from whereupon.decide.snapshot import Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.codec import encode_canonically
from whereupon.messages.model import Origin, SenderClass, Source
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import read_batch
from whereupon.pipeline.load import BatchLoader
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.ports import Store
from whereupon.records import (
    LOOSE_EDGES,
    ClaimRun,
    Identifier,
    IdKind,
    KeysAsked,
    PastEntries,
    PastEntry,
    Person,
    RequestOutcome,
    has_slot,
    is_any_active,
)
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

RULE = """campaign: thanks
description: Thank for a purchase.
when: purchase
reentry: every_time
whereupon:
  - {send: push, title: Thanks}
"""
LONG_AGO = "2026-05-31T12:00:00Z"


class Database(InsertsTogether):
    """A database on SQLite that counts its statements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.engine = create_engine(f"sqlite:///{path}")
        self.asked: Counter[str] = Counter()
        event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if (counted := self.counted(statement)) is not None:
            self.asked[counted] += 1

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """The statements of a block."""
        self.asked.clear()
        yield self.asked


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = Database(tmp_path / "shop.db")
    yield database
    database.engine.dispose()


def opened(database: Database, clock: FrozenClock, rules: Rulebook | None = None) -> Engine:
    """An engine on it."""
    return Engine.open(database.engine, rules=rules or book_of(thanks()), clock=clock)


def ask_for_deletions(engine: Engine, first: int, count: int, *, source: Source = "client") -> None:
    """Ask for so many deletions; those of a client are held."""
    numbers = range(first, first + count)
    engine.ingest(
        [{"type": "track", "event": "Delete Person", "userId": f"user-{n}"} for n in numbers],
        source=source,
    )


def test_requests_that_expire_are_given_up_together(database: Database) -> None:
    """Two hundred use as many statements as two; due deliveries are sent in the same round."""
    clock, delivered = FrozenClock(NOON), list[Delivery]()
    with opened(database, clock) as engine:
        engine.channel("push")(delivered.append)
        asked = []
        engine.run_due()  # a process looks once at what earlier rulebooks have left
        for first, count in ((0, 2), (1_000, 200)):
            ask_for_deletions(engine, first, count)
            clock.move_to(clock.now() + timedelta(days=60))
            engine.track("purchase", user_id="ada")
            with database.counting() as statements:
                ran = engine.run_due()
                asked.append(statements.total())
            assert [each.outcome for each in ran.requests] == ["expired"] * count
        assert len(delivered) == 2
    assert asked[0] == asked[1]


def test_deleting_somebody_asks_as_often_for_many_devices_as_for_few(database: Database) -> None:
    """Two, or two hundred that no other person has; all of them are erased and suppressed."""
    with opened(database, FrozenClock(NOON)) as engine:
        asked = []
        for user_id, count in (("amy", 2), ("ada", 2), ("bob", 200)):
            engine.ingest([_claim(user_id, f"{user_id}-{n}") for n in range(count)])
            with database.counting() as statements:
                engine.track("Delete Person", user_id=user_id)
                asked.append(statements.total())
            late = engine.track("purchase", anonymous_id=f"{user_id}-1", timestamp=LONG_AGO)
            assert {each.reason for each in late.decisions} == {"deleted"}
    assert asked[1] == asked[2]  # the first leaves tombstones, which the others look for


def test_deleting_somebody_looks_at_what_others_made_of_their_devices_once(postgres: str) -> None:
    """The rows that a database reads, at its worst, are ten times as many for ten times as many."""
    shop, clock = create_engine(postgres), FrozenClock(NOON)
    seen: list[int] = []
    with Engine.open(shop, rules=book_of(thanks()), clock=clock) as engine:
        looked_at = []
        for user_id, count in (("ada", 30), ("bob", 300)):
            devices = [f"{user_id}-{n}" for n in range(count)]
            engine.ingest([*map(_purchase, devices), *(_claim(user_id, each) for each in devices)])
            clock.move_to(clock.now() + timedelta(hours=1))
            others = [_claim(f"{user_id}-other", each) for each in devices]
            engine.ingest([*others, *map(_purchase, devices)])
            seen.clear()
            listening = shop, "before_cursor_execute", partial(_explain, seen)
            event.listen(*listening)
            engine.track("Delete Person", user_id=user_id)
            event.remove(*listening)
            looked_at.append(sum(seen))
    shop.dispose()
    assert 0 < looked_at[1] < 20 * looked_at[0]


def _explain(
    seen: list[int], _connection: object, cursor: Any, statement: str, values: object, *_: object
) -> None:
    """Make PostgreSQL join row by row, as it does if it takes large tables for small ones."""
    if statement.startswith(("SELECT whereupon_entry", "SELECT DISTINCT")):
        for way in ("hashjoin", "mergejoin", "seqscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
        seen.append(rows_of(cursor.fetchone()[0][0]["Plan"]))


class Touching(dict[int, tuple[ClaimRun, ...]]):
    """Claims that count how often they are read as a whole, or one by one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.looks = 0

    def items(self) -> Any:
        """All of them."""
        self.looks += len(self)
        return super().items()

    def get(self, key: int, otherwise: Any = None) -> Any:
        """One of them."""
        self.looks += 1
        return super().get(key, otherwise)


@pytest.mark.parametrize("count", [10, 100])
def test_deleting_many_at_once_looks_at_what_each_has_alone(count: int) -> None:
    """Not, for each of them, at all rows of all of them."""
    index = RuleIndex(book_of(thanks()))
    settings = settings_for(book_of(thanks()))
    loaded = Snapshot(first_key=1_000, keys=1_000)
    persons, claims = dict[int, Person](), dict[int, tuple[ClaimRun, ...]]()
    for n in range(count):
        person, device = 10_000 + n, 20_000 + n
        loaded.users[f"user-{n}"] = person
        persons[person] = Person(person, f"user-{n}", NOON)
        loaded.anonymous[f"anon-{n}"] = device
        claims[device] = (ClaimRun(device, person, NOON, NOON, f"m-{n}"),)
    loaded.persons, loaded.claims = persons, claims
    loaded.identifiers_of = [
        *(Identifier(IdKind.USER, name, key) for name, key in loaded.users.items()),
        *(Identifier(IdKind.ANONYMOUS, name, key) for name, key in loaded.anonymous.items()),
    ]
    work = BatchState(loaded, index, settings)
    work.claims = looked_at = Touching(work.claims)
    for each in list(work.persons.values()):
        assert len(work.identifiers_of(each.key)) == 2
        erase_person(work, each, NOON)
    assert looked_at.looks == 2 * count
    assert len(work.changes.erased_persons) == 2 * count


def _claim(user_id: str, anonymous_id: str) -> dict[str, object]:
    return {"type": "identify", "userId": user_id, "anonymousId": anonymous_id}


def test_a_login_on_a_device_of_thousands_concerns_nobody_who_used_it_long_before(
    home: Store,
) -> None:
    """Neither a login there nor a message there reads the people of other days."""
    index, settings = RuleIndex(book_of(thanks())), settings_for(book_of(thanks()))
    clock = FrozenClock(NOON)
    with Engine(home, book_of(thanks()), clock=clock, settings=settings) as engine:
        for day in range(40):
            clock.move_to(NOON + timedelta(days=day))
            engine.identify(f"user-{day}", anonymous_id="kiosk")
        clock.move_to(NOON + timedelta(days=40))
        for wire in (_claim("user-99", "kiosk"), _purchase("kiosk"), _claim("user-3", "kiosk")):
            (message,) = read_batch(
                [wire],
                received_at=clock.now(),
                source=SenderClass.SERVER,
                origin=Origin.LIVE,
                new_id=fresh_id,
            ).messages
            with home.session() as session:
                loaded = BatchLoader(session, settings, RuleVersions(index)).for_batch(
                    [message], None
                )
            assert [len(runs) <= 2 for runs in loaded.claims.values()] == [True]
            assert len(loaded.persons) <= 2


def test_a_login_inside_the_claims_of_years_reads_those_about_its_own_time(home: Store) -> None:
    """For a person who has been logged in since, with every message a claim."""
    rules, clock = book_of(thanks()), FrozenClock(NOON)
    with Engine(home, rules, clock=clock, settings=settings_for(rules)) as engine:
        for day in range(0, 1_000, 10):
            clock.move_to(NOON + timedelta(days=day))
            engine.ingest([_claim("ada", "kiosk")])
        late = {**_claim("bob", "kiosk"), "timestamp": NOON + timedelta(days=985)}
        loaded = _loaded(rules, home, late, now=clock.now())
    assert len(loaded.single_claims[min(loaded.single_claims)]) == 4


def _purchase(anonymous_id: str) -> dict[str, object]:
    return {"type": "track", "event": "purchase", "anonymousId": anonymous_id}


def _loaded(
    rules: Rulebook, home: Store, *wire: dict[str, object], now: datetime = NOON
) -> Snapshot:
    """The data that a batch loads."""
    messages = read_batch(
        wire,
        received_at=now,
        source=SenderClass.SERVER,
        origin=Origin.LIVE,
        new_id=fresh_id,
    ).messages
    with home.session() as session:
        versions = RuleVersions(RuleIndex(rules))
        return BatchLoader(session, settings_for(rules), versions).for_batch(messages, None)


def _order(order: object, **ids: object) -> dict[str, object]:
    return {"type": "track", "event": "purchase", "properties": {"order": order}, **ids}


ORDERS: dict[str, object] = {"reentry": {"once_per_key": "properties.order"}}


def test_of_a_thousand_orders_only_those_that_are_named_are_read(home: Store) -> None:
    """In any spelling, also for claimed messages; none is read if there is no key."""
    rules = book_of(thanks(**ORDERS))
    with Engine(home, rules, clock=FrozenClock(NOON), settings=settings_for(rules)) as engine:
        engine.ingest([_order(n, userId="ada") for n in range(1_000)])
        engine.ingest([_order(n, anonymousId="phone") for n in (7, 8, 2_000)])
        for wire, slots in (
            ([_order(5, userId="ada"), _order(" 6 ", userId="ada")], {'key:"5"', 'key:"6"'}),
            ([_order(9_999, userId="ada")], set()),
            ([_order(None, userId="ada")], set()),
            ([_claim("ada", "phone")], {'key:"7"', 'key:"8"'}),
        ):
            loaded = _loaded(rules, home, *wire)
            assert {past.slot for past in loaded.past_entries} == slots
        result = engine.ingest([_order(5.0, userId="ada"), _claim("ada", "phone")])
        outcomes = [each.outcome for each in result.decisions]
    assert sorted(outcomes) == ["entered", "skipped", "skipped", "skipped"]


@pytest.mark.parametrize(
    ("changes", "others", "wire"),
    [
        ({}, [], {"type": "alias", "userId": "ada", "previousId": "bob"}),
        (
            {"retroactive": {"within": "7d", "take": "first"}},
            [],
            _order(1, userId="ada"),
        ),
        (
            {},
            [thanks(campaign="again", when="refund", whereupon=[{"track": "purchase"}])],
            {"type": "track", "event": "refund", "userId": "ada"},
        ),
    ],
)
def test_where_keys_may_come_from_elsewhere_all_entries_are_read(
    home: Store,
    changes: dict[str, object],
    others: list[dict[str, object]],
    wire: dict[str, object],
) -> None:
    """After a merge, for another rule's step, or for more conditions than the key."""
    rules = book_of(thanks(**{**ORDERS, "whereupon": [{"wait": "1d"}], **changes}), *others)
    with Engine(home, rules, clock=FrozenClock(NOON), settings=settings_for(rules)) as engine:
        engine.identify("ada")
        engine.identify("bob")
        engine.ingest([_order(n, userId="ada") for n in range(3)])
        loaded = _loaded(rules, home, wire)
        assert len(loaded.past_entries) == 3


texts = st.text(st.sampled_from('a1 "\\\n\xa0\u2003é\x1c\x7f'), max_size=4)


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.one_of(texts, numbers, st.booleans(), st.lists(texts)))
def test_however_a_key_was_written_once_the_entry_that_holds_it_is_found(key: JsonValue) -> None:
    """With space around it, as a number, or as a boolean."""
    once = PastEntry("hi", 1, NOON, f"key:{encode_canonically(key).decode()}", True, "m-1")
    now = slot_at(["key"], {"key": key})
    assert now is None or KeysAsked(["hi"], [now]).concerns("hi", once.slot)
    assert now is None or with_current_slot(once).slot == now


def test_all_space_that_a_key_is_trimmed_of_is_looked_out_for() -> None:
    """Except spaces that JSON writes as an escape."""
    spaces = {chr(code) for code in range(0x110000) if chr(code).isspace()}
    assert {space for space in spaces if space >= " "} <= set(LOOSE_EDGES)


class Slotted(PastEntry, frozen=True):
    """An entry that counts how often its slot is read."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        """Count reads of the slot."""
        if name == "slot":
            Slotted.looks += 1
        return super().__getattribute__(name)


def test_a_key_is_looked_for_without_looking_through_all_that_came_before() -> None:
    """An ending entry is not searched for either: a thousand orders of one person are a thousand steps."""
    past, count = PastEntries(), 1_000
    for number in range(count):
        slot = f"key:{number}"
        assert not has_slot(past, slot)
        assert not is_any_active(past)
        entry = Slotted("thanks", 1, NOON, slot, active=True, occasion=f"m-{number}")
        past.append(entry)
        assert has_slot(past, slot)
        assert is_any_active(past)
        past.end(f"m-{number}", slot)
    assert Slotted.looks <= 5 * count
    assert [each.active for each in past] == [False] * count


entries = st.builds(
    PastEntry,
    rule=st.just("thanks"),
    person_key=st.just(1),
    timestamp=st.just(NOON),
    slot=st.none() | st.sampled_from("abc"),
    active=st.booleans(),
    occasion=st.sampled_from("xyz"),
)
ends = st.tuples(st.sampled_from("xyz"), st.none() | st.sampled_from("abc"))


@given(st.lists(entries | ends, max_size=12))
def test_entries_that_are_found_by_slot_are_those_of_a_plain_list(
    done: list[PastEntry | tuple[str, str | None]],
) -> None:
    """For entries that begin and end in any order."""
    past, plain = PastEntries(), list[PastEntry]()
    for each in done:
        if isinstance(each, PastEntry):
            past.append(each)
            plain.append(each)
            continue
        past.end(*each)
        plain = [
            one.changed(active=False, slot=each[1])
            if one.occasion == each[0] and one.active
            else one
            for one in plain
        ]
    assert list(past) == plain
    assert is_any_active(past) == is_any_active(plain)
    assert [has_slot(past, slot) for slot in "abc"] == [has_slot(plain, slot) for slot in "abc"]


GUARD = """guard: deletions
description: Whoever asks has an hour to think again.
actions: [Delete Person]
cool_off: 1h
"""


def test_deliveries_do_not_wait_for_all_requests_that_are_due(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of many due requests a few are judged, then deliveries are sent, then the others are judged."""
    monkeypatch.setattr(background, "STEPS_TOGETHER", 3)
    (tmp_path / "guards").mkdir()
    (tmp_path / "guards" / "deletions.yaml").write_text(GUARD)
    (tmp_path / "thanks.yaml").write_text(RULE)
    clock, seen = FrozenClock(NOON), list[int]()
    with Engine.open("memory://", rules=tmp_path, clock=clock) as engine:

        @engine.channel("push")
        def push(_delivery: Delivery) -> None:
            seen.append(len(engine.requests.list(RequestOutcome.RAN, limit=99)))

        ask_for_deletions(engine, 0, 10, source="server")
        clock.move_to(NOON + timedelta(hours=1))
        engine.track("purchase", user_id="ada")
        ran = engine.run_due()
    assert [each.outcome for each in ran.requests] == ["ran"] * 10
    assert (len(seen), ran.dispatched.sent) == (1, 1)
    assert 0 < seen[0] < 10
