"""Properties of deciding: the way in which messages arrive does not change the result."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import StaticPool
from tests.examples import examples
from tests.properties.histories import (
    BOOK,
    EVERYTHING,
    LASTING,
    ORDINARY,
    RULES,
    TAKE_ONE_RULES,
    Happening,
    begin,
    happenings,
    messages_of,
    outcome_of,
    take_in_batches,
    world_after,
)
from tests.servers import Server
from tests.worlds import NOON, World, decided

from whereupon.decide.decisions import Decision
from whereupon.engine import Engine
from whereupon.pipeline.batches import NotTogetherError
from whereupon.pipeline.joint_takes import JointTake
from whereupon.pipeline.load import CLAIM_CHUNK, TooManyClaimedError
from whereupon.records import Changes
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import MemoryStore, open_store
from whereupon.storage.sql.database_url import engine_of
from whereupon.storage.sql.rule_rows import skips_from

histories = st.lists(happenings(EVERYTHING), min_size=1, max_size=14)
lasting = st.lists(happenings(LASTING), min_size=1, max_size=14)
claims = st.lists(
    happenings((*ORDINARY, *ORDINARY, *EVERYTHING), users=(None, None, None, "ada", "ben")),
    min_size=3,
    max_size=16,
)
cuts = st.sets(st.integers(0, 12), max_size=5)


@examples(100)
@given(histories, cuts)
def test_any_split_into_batches_gives_the_same(happened: list[Happening], places: set[int]) -> None:
    """One batch, one message at a time, or any division: the same decisions and the same store.

    Whatever waits, is tracked by steps, is claimed and is deleted on the way. That the stores on databases
    end as this one does, for any split, is shown below.
    """
    messages = messages_of(happened)
    singly = outcome_of(world_after(messages, range(len(messages))))
    within = {place for place in places if place < len(messages)}
    for batches in (set[int](), within):
        together = outcome_of(world_after(messages, batches))
        for name, content in singly.contents.items():
            assert together.contents[name] == content, name
        assert together.decisions == singly.decisions


@examples(100)
@given(st.lists(happenings(ORDINARY), min_size=1, max_size=14), cuts)
def test_each_of_several_senders_gets_the_answer_that_it_would_get_alone(
    happened: list[Happening], places: set[int]
) -> None:
    """What several threads send at the same time is decided and written at once, unless one of them needs more."""
    messages = messages_of(happened)
    ends = sorted({0, len(messages), *(place for place in places if place < len(messages))})
    batches = [messages[start:end] for start, end in pairwise(ends)]
    alone, joint = World(list(RULES)), World(list(RULES))
    answers = [alone.engine.take(batch) for batch in batches]
    works = [JointTake(joint.engine.pipeline, batch, NOON) for batch in batches]
    try:
        with joint.home.session() as session:
            results = works[0].together(session, works)
    except (NotTogetherError, TooManyClaimedError):
        results = [joint.home.transact(work) for work in works]
    for result, answer in zip(results, answers, strict=True):
        assert decided(result.decisions) == decided(answer.decisions)
        assert (result.accepted, result.duplicates) == (answer.accepted, answer.duplicates)
    for made in (alone, joint):
        take_in_batches(made.engine, [], [], made.decided.extend)
    assert outcome_of(joint).contents == outcome_of(alone).contents


@examples(60)
@given(histories, cuts)
def test_grace_and_stay_do_not_depend_on_batches_either(
    happened: list[Happening], places: set[int]
) -> None:
    """What is skipped and decided once more, and who ceases to meet a rule, is the same in any batches."""
    messages = messages_of(happened)
    singly = outcome_of(world_after(messages, range(len(messages)), rules=TAKE_ONE_RULES))
    for batches in (set[int](), {place for place in places if place < len(messages)}):
        together = outcome_of(world_after(messages, batches, rules=TAKE_ONE_RULES))
        for name, content in singly.contents.items():
            assert together.contents[name] == content, name
        assert together.decisions == singly.decisions


@examples(60)
@given(histories)
def test_whether_due_work_is_done_between_makes_no_difference(happened: list[Happening]) -> None:
    """A person's due work is done before a message of theirs: by a process that is awake, or with the message.

    So nothing, no deletion either, depends on it; but a request counts what is stored when it is judged.
    """
    messages = messages_of(happened)
    slept = world_after(messages, range(len(messages)))
    made = World(list(RULES))
    for message in messages:
        for result in made.engine.wake(message.received_at):
            made.decided += result.decisions
        made.decided += made.engine.take([message]).decisions
    take_in_batches(made.engine, [], [], made.decided.extend)
    asleep, awake = outcome_of(slept), outcome_of(made)
    assert _judged(slept) == _judged(made)
    for name in asleep.contents.keys() - {"requests"}:
        assert awake.contents[name] == asleep.contents[name], name
    assert awake.decisions == asleep.decisions


def _judged(made: World) -> list[tuple[str, str, str | None]]:
    """The outcomes of all requests, in order."""
    asked = made.memory.schema.requests.rows.values()
    return [(request.message_id, request.outcome, request.reason) for request in asked]


@examples(150)
@given(claims, st.integers(1, 3))
@example(
    [
        *[Happening("purchase", None, "anon-1", "ada", 1, 0, 0, 0)] * 4,
        Happening("purchase", "ada", None, "ada", 1, 0, 0, 0),
        Happening("identify", None, "anon-1", "ada", 1, 0, 0, 0),
        Happening("alias-anonymous", None, None, "ada", 2, 0, 0, 0),
    ],
    1,
).via(
    "the claim closes skips of earlier messages, which are skipped behind one of the person's own"
)
def test_a_claim_in_chunks_ends_as_a_whole_one_ends(
    happened: list[Happening], claim_chunk: int
) -> None:
    """Whatever rules take of it, and whatever it leads to on the way."""
    messages = messages_of(happened)
    singly = range(len(messages))
    whole, parted = (
        outcome_of(world_after(messages, singly, rules=TAKE_ONE_RULES, claim_chunk=part))
        for part in (CLAIM_CHUNK, claim_chunk)
    )
    for name, content in whole.contents.items():
        assert parted.contents[name] == content, name
    assert parted.decisions == whole.decisions


@examples(150)
@given(
    happened=claims,
    claim_chunk=st.integers(1, 3),
    carried_on=st.lists(st.integers(0, 3), min_size=16, max_size=16),
)
@example(
    happened=[
        Happening("purchase", None, "anon-1", "ada", 1, 0, 0, 0),
        Happening("purchase", None, "anon-1", "ada", 1, 0, 0, 0),
        Happening("purchase", None, "anon-2", "ada", 1, 0, 0, 0),
        Happening("identify", None, "anon-2", "ada", 1, 0, 0, 0),
        Happening("view", None, "anon-2", "ada", 1, 0, 0, 0),
        Happening("alias-anonymous", None, None, "ada", 1, 0, 0, 0),
    ],
    claim_chunk=1,
    carried_on=[0] * 16,
).via("the view has a rule send a purchase, before another one sets what the graced delivery knows")
def test_any_call_carries_an_unfinished_claim_out_first(
    happened: list[Happening], claim_chunk: int, carried_on: list[int]
) -> None:
    """If its sender has gone, at any chunk of it; without further calls, due work does it."""
    messages = messages_of(happened)
    whole = outcome_of(world_after(messages, range(len(messages)), rules=TAKE_ONE_RULES))
    made = World(list(TAKE_ONE_RULES))
    made.engine.pipeline.claim_chunk = claim_chunk
    for message, chunks in zip(messages, carried_on, strict=False):
        begin(made, message, carried_on=chunks)
    take_in_batches(made.engine, [], [], made.decided.extend)
    parted = outcome_of(made)
    for name, content in whole.contents.items():
        if name != "things":  # they are nobody's: who comes between may speak of them before
            assert parted.contents[name] == content, name
    assert parted.decisions == whole.decisions


@examples(40)
@given(histories, cuts)
def test_taking_a_stream_twice_changes_nothing(happened: list[Happening], places: set[int]) -> None:
    """A repeated message id is known for ever: no decision, and no write."""
    messages = messages_of(happened)
    made = world_after(messages, set())
    before = outcome_of(made)
    within = {place for place in places if place < len(messages)}
    take_in_batches(made.engine, messages, within, made.decided.extend)
    assert outcome_of(made) == before


@pytest.mark.slow
@examples(40)
@given(histories, cuts)
def test_memory_and_sqlite_end_alike(happened: list[Happening], places: set[int]) -> None:
    """Deciding reads and writes the same on every store."""
    _assert_alike(happened, places, _database)


@pytest.mark.slow
@examples(25)
@given(happened=histories, places=cuts)
def test_memory_and_postgres_end_alike(
    server: Server, happened: list[Happening], places: set[int]
) -> None:
    """The same holds on a database that many writers share."""

    @contextmanager
    def database() -> Iterator[Database]:
        with server.clean() as url:
            engine, _ = engine_of(url, patience=30)
            try:
                yield engine
            finally:
                engine.dispose()

    _assert_alike(happened, places, database)


def _assert_alike(
    happened: list[Happening],
    places: set[int],
    open_database: Callable[[], AbstractContextManager[Database]],
) -> None:
    messages = messages_of(happened)
    within = {place for place in places if place < len(messages)}
    made = world_after(messages, within)
    observed: list[Decision] = []
    with open_database() as database:
        engine = Engine(open_store(database), BOOK, clock=FrozenClock(NOON))
        take_in_batches(engine, messages, within, observed.extend)
        there = _rows(database)
    assert decided(observed) == decided(made.decided)
    with open_database() as database:
        with open_store(database).session() as session:
            session.flush(_everything(made.memory))
        assert _rows(database) == there


@examples(60)
@given(histories)
def test_no_message_lets_two_people_into_a_rule(happened: list[Happening]) -> None:
    """A message triggers once: the next person who gets it does not enter by it."""
    made = world_after(messages_of(happened), set())
    entered = Counter((d.message_id, d.rule) for d in made.decided if d.reason is None)
    assert all(count == 1 for count in entered.values())


@examples(60)
@given(lasting)
def test_every_identified_message_gets_one_decision_a_campaign(happened: list[Happening]) -> None:
    """Each campaign that names a message decides it once while its person has it."""
    messages = messages_of(happened)
    made = world_after(messages, set())
    observed = Counter((d.message_id, d.rule) for d in made.decided if d.reason != "claimed-before")
    for message in messages:
        if message.user_id is None:
            continue
        for rule in made.engine.pipeline.index.triggered_by(message.type, message.name):
            assert observed[message.message_id, rule.id] == 1


# --- deleting -------------------------------------------------------------------------------------


@examples(60)
@given(
    st.lists(happenings(ORDINARY), max_size=6),
    st.lists(happenings(["purchase", "view"]), min_size=1, max_size=6),
    st.booleans(),
)
def test_nothing_of_the_deleted_is_left(
    before: list[Happening], theirs: list[Happening], suppressed: bool
) -> None:
    """No table names the deleted person, and late messages do not bring them back."""
    kind = "suppress" if suppressed else "delete"
    named = [replace(each, user="zoe", anonymous="anon-zoe") for each in theirs]
    gone = Happening(kind, "zoe", "anon-zoe", "ada", 1, 0, 0, 1)
    since_gone = sum(each.pause for each in named)  # until the last of the late ones arrives
    late = [replace(each, delay=since_gone + 1) for each in named]
    messages = messages_of([*before, *named, gone, *late])
    made = world_after(messages, {len(before)})
    assert made.person("zoe") is None
    assert "zoe" not in repr(outcome_of(made).contents)


# --- two kinds of store ---------------------------------------------------------------------------


@contextmanager
def _database() -> Iterator[Database]:
    database = create_engine("sqlite://", poolclass=StaticPool)
    yield database
    database.dispose()


_OWN = {
    "whereupon_meta",
    "whereupon_name",
    "whereupon_skipped_list",
    "whereupon_erased",
    "whereupon_version",
}  # what no `Changes` holds


def _rows(database: Database) -> dict[str, list[str]]:
    """Every row of our tables, with names in place of their numbers."""
    with database.connect() as connection:
        tables = [n for n in inspect(connection).get_table_names() if n.startswith("whereupon_")]
        numbered = text("SELECT id, type || ' ' || name FROM whereupon_name")
        names = {int(number): str(name) for number, name in connection.execute(numbered)}
        numbered = text("SELECT id, revision || ' ' || kind FROM whereupon_skipped_list")
        lists = {int(number): str(skipped) for number, skipped in connection.execute(numbered)}
        found: dict[str, list[str]] = {}
        for table in tables:
            if table in _OWN:
                continue
            rows = [
                dict(row)
                for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()  # noqa: S608
            ]
            for row in rows:
                if "name_id" in row:
                    row["name_id"] = names[row["name_id"]]
                if row.get("skipped_list") is not None:
                    row["skipped_list"] = lists[row["skipped_list"]]
                if table == "whereupon_request":
                    del row["key"]
                if table == "whereupon_skips":
                    row["verdicts"] = skips_from(tuple(row.values()), person_key=0)
            found[table] = sorted(map(repr, rows))
        return found


def _everything(store: MemoryStore) -> Changes:
    """The contents of a store in memory, as changes for another store."""
    schema = store.schema
    return Changes(
        messages=list(schema.messages.rows.values()),
        identifiers=list(schema.identifiers.rows.values()),
        persons=dict(schema.persons.rows),
        claims=dict(schema.claims.rows),
        merges=list(schema.merges.rows.values()),
        skipped_lists=dict(schema.skipped_lists.rows),
        skips=list(schema.skips.rows.values()),
        entries=dict(schema.entries.rows),
        new_entries=set(schema.entries.rows),
        timers={place: timer.due_at for place, timer in schema.timers.rows.items()},
        armings=dict(schema.armings.rows),
        deliveries=list(schema.deliveries.rows.values()),
        requests=dict(schema.requests.rows),
        audit=list(schema.audit.rows.values()),
        audit_head=schema.audit_head.rows.get(()),
        devices=dict(schema.devices.rows),
        objects=dict(schema.objects.rows),
        relationships=dict.fromkeys(schema.relationships.rows.values(), True),
        tombstones=dict(schema.tombstones.rows),
        reports=list(schema.reports.rows.values()),
        runs=dict(schema.runs.rows),
        rule_versions={digest: kept.value for digest, kept in schema.versions.rows.items()},
    )
