"""The engine against the model of identity: the same claims, entries and reasons."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import cycle, pairwise

import pytest
from hypothesis import example, given, note
from hypothesis import strategies as st
from tests.examples import examples
from tests.properties.identity_histories import (
    BOOK,
    CAMPAIGNS,
    CLAIMING,
    DEVICES,
    EVERYTHING,
    PEOPLE,
    Happening,
    anything,
    arriving_together,
    lines_of,
    messages_of,
    wire_of,
)
from tests.properties.identity_model import Decided, Line, Model, Plain
from tests.stores import Opener
from tests.worlds import NOON

from whereupon.decide import Notice
from whereupon.decide.decisions import Decision
from whereupon.decide.transfers import TOGETHER
from whereupon.engine import Engine
from whereupon.messages.model import erased_name
from whereupon.messages.times import FIRST_INSTANT, as_micros
from whereupon.pipeline.load import CLAIM_CHUNK
from whereupon.ports import Session, Store
from whereupon.records import ClaimRun, Entry, IdKind
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.memory.session import MemorySession
from whereupon.storage.memory.store import MemoryStore

histories = st.lists(anything(EVERYTHING), min_size=1, max_size=14).map(lines_of)
claiming = st.lists(anything(CLAIMING), min_size=1, max_size=12).map(lines_of)
cuts = st.sets(st.integers(1, 12), max_size=6)

_OLD = [
    Happening("purchase", None, "anon-1", "ada", 1, 5760, 0, 0, sent=False, repeats=None)
    for _ in range(12)
]
_CLAIM = Happening("identify", "ada", "anon-1", "ada", 1, 0, 0, 0, sent=False, repeats=None)
OLD_THEN_CLAIMED = lines_of([*_OLD, _CLAIM])
"""Messages four days old, all of which one message claims: too old for every campaign."""
_VISITS = [
    Happening("purchase", user, "anon-1", "ada", 1, delay, 0, 0, sent=False, repeats=None)
    for user, delay in ((None, 0), ("ada", 0), ("ben", 1))
]
_DELETION = Happening("Delete Person", "ben", None, "ben", 1, 0, 0, 0, sent=False, repeats=None)
CLAIMED_TWICE_THEN_ERASED = lines_of([*_VISITS, _DELETION])
"""A message that let a person in, then turned out to be another's, and was erased with that one."""

# --- what becomes of them -------------------------------------------------------------------------


@dataclass
class Outcome:
    """What the engine and the model must agree on.

    Attributes:
        together: how many claimed messages were skipped together, without a decision for each.
    """

    decided: list[Decided]
    owners: dict[str, str | None]
    entries: list[tuple[str, str, str, bool]]
    people: dict[str, tuple[list[str], dict[str, Plain]]]
    runs: list[tuple[str, str, int, int, str]]
    together: int = 0


def by_the_book(history: Sequence[Line]) -> Outcome:
    """The model's result of a history."""
    model = Model(CAMPAIGNS)
    for line in history:
        note(str(wire_of(line)))
        model.take(line)
    return Outcome(
        decided=sorted(model.decided, key=repr),
        owners=model.owners(),
        entries=sorted(
            (
                e.campaign,
                e.person.first_id,
                erased_name(e.message) if e.message in model.erased else e.message,
                e.retroactive,
            )
            for e in model.entries
        ),
        people={
            p.first_id: (sorted(p.ids), {name: value for name, (value, _) in p.traits.items()})
            for p in model.people
        },
        runs=sorted(model.runs()),
    )


def by_the_engine(
    store: Store,
    history: Sequence[Line],
    cuts: set[int],
    *,
    writers: int = 1,
    part: int = CLAIM_CHUNK,
) -> Outcome:
    """The engine's result, in batches that end at the cuts, by several writers in turn.

    Args:
        part: how many messages of a claim are evaluated at once.
    """
    clock = FrozenClock(NOON)
    made = [Engine(store, BOOK, clock=clock) for _ in range(writers)]
    for engine in made:
        engine.pipeline.claim_chunk = part
    engines = cycle(made)
    messages = messages_of(history)
    taken: list[Decided] = []
    together = 0
    within = {cut for cut in cuts if cut < len(messages)}
    for start, end in pairwise(sorted({0, *within, len(messages)})):
        clock.move_to(messages[end - 1].received_at)
        result = next(engines).take(messages[start:end])
        taken += [_as_decided(each) for each in result.decisions]
        together += sum(map(_skipped_together, result.emitted))
    with store.session() as session:
        return Outcome(
            decided=sorted(taken, key=repr),
            owners=_owners(session),
            entries=_entries(session),
            people=_people(session),
            runs=_runs(session),
            together=together,
        )


def _skipped_together(emitted: object) -> int:
    """How many messages a notice reports as skipped without a decision for each."""
    if not isinstance(emitted, Notice) or emitted.code != TOGETHER:
        return 0
    return int(emitted.message.partition(" ")[0])


def _assert_decided(found: Outcome, expected: Outcome) -> None:
    """Decisions agree; only skips of claimed messages may lack, which notices count."""
    missing = Counter(expected.decided)
    missing.subtract(found.decided)
    assert min(missing.values(), default=0) >= 0
    left_out: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for each, count in missing.items():
        if count:
            assert each.retroactive
            assert each.outcome not in ("entered", "claimed-before")
            left_out[each.message, each.person][each.campaign] += count
    assert sum(max(counts.values()) for counts in left_out.values()) == found.together


def _as_decided(decision: Decision) -> Decided:
    outcome = str(decision.reason or decision.outcome)
    return Decided(
        decision.message_id, decision.person, decision.rule, outcome, decision.retroactive
    )


def _owners(session: Session) -> dict[str, str | None]:
    names: dict[int, str | None] = {p.key: p.user_id for p in session.persons_after(0, 100)}
    names |= dict.fromkeys(_devices(session))
    return {
        stored.message_id: names[stored.owner]
        for stored in session.owned_messages(list(names), FIRST_INSTANT)
    }


def _devices(session: Session) -> dict[int, str]:
    """The anonymous ids by key; an alias may have claimed one with the name of a person."""
    return {known.key: known.value for known in session.identifiers([], [*DEVICES, *PEOPLE])}


def _entries(session: Session) -> list[tuple[str, str, str, bool]]:
    return sorted(
        (verdict.rule, person.user_id, verdict.occasion, verdict.retroactive)
        for person in session.persons_after(0, 100)
        for rule in CAMPAIGNS
        for _, verdict in session.decided(person.key, rule.name, 1_000)
        if isinstance(verdict, Entry)
    )


def _people(session: Session) -> dict[str, tuple[list[str], dict[str, Plain]]]:
    found: dict[str, tuple[list[str], dict[str, Plain]]] = {}
    for person in session.persons_after(0, 100):
        known = session.identifiers_of([person.key])
        ids = sorted(i.value for i in known if i.kind is IdKind.USER)
        found[person.user_id] = (ids, dict(person.attributes))  # type: ignore[arg-type]
    return found


def _runs(session: Session) -> list[tuple[str, str, int, int, str]]:
    devices = _devices(session)
    persons = {person.key: person.user_id for person in session.persons_after(0, 100)}
    return sorted(
        (
            devices[run.anonymous_key],
            persons[run.person_key],
            as_micros(run.since),
            as_micros(run.until),
            run.message_id,
        )
        for run in session.claims(devices)
    )


# --- properties -----------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    history=histories,
    places=cuts,
    writers=st.integers(1, 2),
    part=st.sampled_from([CLAIM_CHUNK, 1, 2]),
)
@example(history=OLD_THEN_CLAIMED, places={12}, writers=1, part=1)
@example(history=CLAIMED_TWICE_THEN_ERASED, places=set(), writers=1, part=CLAIM_CHUNK)
@examples(150)
def test_the_engine_does_what_the_book_says(
    opener: Opener, history: list[Line], places: set[int], writers: int, part: int
) -> None:
    """The same owners, entries and reasons, for all divisions into batches and chunks, and for any writer."""
    expected = by_the_book(history)
    with opener() as home:
        found = by_the_engine(home, history, places, writers=writers, part=part)
    _assert_decided(found, expected)
    assert found.owners == expected.owners
    assert found.entries == expected.entries
    assert found.people == expected.people


@given(history=claiming.map(arriving_together), places=cuts, data=st.data())
@examples(60)
def test_the_order_of_arrival_means_nothing_to_claims(
    opener: Opener, history: list[Line], places: set[int], data: st.DataObject
) -> None:
    """Owners, claims and their opening messages follow from the messages' times alone."""
    other = data.draw(st.permutations(history))
    expected = by_the_book(history)
    with opener() as home:
        found = by_the_engine(home, other, places)
    assert found.owners == expected.owners
    assert found.runs == expected.runs
    assert found.decided == by_the_book(other).decided


@given(history=claiming.map(arriving_together), data=st.data())
@examples(100)
def test_identify_then_event_ends_in_the_same_entries_as_event_then_identify(
    history: list[Line], data: st.DataObject
) -> None:
    """A campaign that takes everybody every time takes the same messages, whatever arrived first.

    It takes them for the same people, unless somebody's claim came to light after another's, which had
    put the message to the rules already.
    """
    entered = []
    for order in (history, data.draw(st.permutations(history))):
        with closing(open_store("memory://")) as home:
            found = by_the_engine(home, order, set())
        moved = {each.message for each in found.decided if each.outcome == "claimed-before"}
        by_each = [entry for entry in found.entries if entry[0] == "each"]
        entered.append((by_each, moved))
    (one, moved), (other, moved_too) = entered
    assert sorted(entry[2] for entry in one) == sorted(entry[2] for entry in other)
    again = moved | moved_too
    assert [e for e in one if e[2] not in again] == [e for e in other if e[2] not in again]


class _WithAllClaims(MemorySession):
    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[ClaimRun]:
        return self.claims(spans)


class _AllClaims(MemoryStore):
    """A store that returns every claim of an anonymous id, however far from the instant."""

    @contextmanager
    def session(self, connection: object = None) -> Iterator[MemorySession]:
        with super().session(connection):
            yield _WithAllClaims(self.schema)


shared = anything(CLAIMING).map(lambda each: replace(each, device=DEVICES[0]))
on_one_device = st.lists(shared, min_size=1, max_size=24).map(lines_of)


@given(
    history=st.one_of(on_one_device, histories),
    places=cuts,
    part=st.sampled_from([CLAIM_CHUNK, 1, 2]),
)
@examples(200)
def test_the_claims_near_a_batch_decide_what_all_claims_decide(
    history: list[Line], places: set[int], part: int
) -> None:
    """People who had a device at other times have no influence."""
    outcomes = []
    for store in (MemoryStore(), _AllClaims()):
        with closing(store):
            outcomes.append(by_the_engine(store, history, places, part=part))
    assert outcomes[0] == outcomes[1]
