"""Two transactions on PostgreSQL about the same people, one of which has to wait for the other."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy import Engine as Database
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import NOON, news, thanks
from tests.stores import tables_in

from whereupon import Delivery, Engine, Ingested
from whereupon.errors import StoreError
from whereupon.messages.times import later
from whereupon.pipeline.audience_rounds import AUDIENCE_CHUNK
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of

RULES = book_of(
    thanks(campaign="later", whereupon=[{"wait": "1m"}, {"send": "push", "title": "Later"}]),
    news(),
    news(broadcast="paying", who={"plan": "pro"}),
)
BEFORE = NOON - timedelta(minutes=5)


@dataclass
class Shop:
    """An engine, a host's own transaction on the same database, and a thread to wait in."""

    url: str
    server: Server
    engine: Engine
    clock: FrozenClock
    host: Connection
    pool: ThreadPoolExecutor
    delivered: list[Delivery] = field(default_factory=list)

    def meanwhile(self, call: Callable[[], Ingested | None]) -> "Future[Ingested | None]":
        """Start a call that waits for the host's transaction, and return when it waits."""
        waiting = self.pool.submit(call)
        self.server.await_waiting()
        return waiting

    def people(self) -> list[set[str]]:
        """The ids of each person."""
        tables = tables_in(self.url)
        keys = [row[0] for row in tables["whereupon_person"]]
        known = tables["whereupon_identifier"]
        return [{str(v) for v, kind, k in known if k == key and kind == "user"} for key in keys]

    def owners(self) -> dict[str, object]:
        """The owner's key by message id."""
        return {str(row[1]): row[3] for row in tables_in(self.url)["whereupon_message"]}


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """The host's own engine."""
    database, _ = engine_of(postgres, patience=30)
    yield database
    database.dispose()


@pytest.fixture
def shop(postgres: str, server: Server, database: Database) -> Iterator[Shop]:
    """A shop on PostgreSQL."""
    clock = FrozenClock(NOON)
    with (
        Engine.open(postgres, rules=RULES, clock=clock) as engine,
        database.connect() as host,
        ThreadPoolExecutor(2) as pool,
    ):
        shop = Shop(postgres, server, engine, clock, host, pool)
        engine.channel("push")(shop.delivered.append)
        engine.channel("email")(shop.delivered.append)
        yield shop
        host.rollback()


def test_the_second_call_with_a_new_id_finds_the_person(shop: Shop) -> None:
    """The transaction that loses the race is decided again, and no person exists twice."""
    shop.engine.track("purchase", user_id="ada", message_id="m-1", connection=shop.host)
    second = shop.meanwhile(lambda: shop.engine.track("purchase", user_id="ada", message_id="m-2"))
    shop.host.commit()
    assert second.result(60) is not None
    assert shop.people() == [{"ada"}]
    assert len(set(shop.owners().values())) == 1


def test_a_message_that_two_bring_at_once_is_a_duplicate_for_one(shop: Shop) -> None:
    """It is recorded once, and the second caller gets a duplicate."""
    shop.engine.track("purchase", anonymous_id="anon-1", message_id="m-1", connection=shop.host)
    again = shop.meanwhile(
        lambda: shop.engine.track("purchase", anonymous_id="anon-1", message_id="m-1")
    )
    shop.host.commit()
    answer = again.result(60)
    assert answer is not None
    assert (answer.accepted, answer.duplicates) == (0, 1)


def test_what_the_first_takes_back_is_the_seconds(shop: Shop) -> None:
    """A host that rolls back leaves nothing in the way."""
    shop.engine.track("purchase", user_id="ada", message_id="m-1", connection=shop.host)
    second = shop.meanwhile(lambda: shop.engine.track("purchase", user_id="ada", message_id="m-1"))
    shop.host.rollback()
    answer = second.result(60)
    assert answer is not None
    assert answer.accepted == 1
    assert shop.people() == [{"ada"}]


def test_what_a_merged_person_does_meanwhile_is_the_survivors(shop: Shop) -> None:
    """The person is loaded again after the merge."""
    shop.engine.ingest([{"type": "identify", "userId": name} for name in ("ada", "bob")])
    shop.engine.alias("ada", previous_id="bob", connection=shop.host)
    second = shop.meanwhile(lambda: shop.engine.track("purchase", user_id="bob", message_id="m-9"))
    shop.host.commit()
    answer = second.result(60)
    assert answer is not None
    assert [decision.person for decision in answer.decisions] == ["ada"]
    assert shop.people() == [{"ada", "bob"}]


def test_two_who_merge_each_other_are_one(shop: Shop) -> None:
    """The first decides who survives; the second finds it done."""
    shop.engine.ingest([{"type": "identify", "userId": name} for name in ("ada", "bob")])
    shop.engine.alias("ada", previous_id="bob", connection=shop.host)
    second = shop.meanwhile(lambda: shop.engine.alias("bob", previous_id="ada"))
    shop.host.commit()
    second.result(60)
    assert shop.people() == [{"ada", "bob"}]
    assert len(tables_in(shop.url)["whereupon_merge"]) == 1


def test_a_claim_takes_what_was_recorded_meanwhile(shop: Shop) -> None:
    """Anonymous messages under way at the claim are claimed, and trigger once."""
    shop.engine.track("view", anonymous_id="anon-1")
    shop.engine.track(
        "purchase", anonymous_id="anon-1", timestamp=BEFORE, connection=shop.host, message_id="m-1"
    )
    claim = shop.meanwhile(lambda: shop.engine.identify("ada", anonymous_id="anon-1"))
    shop.host.commit()
    answer = claim.result(60)
    assert answer is not None
    assert [(d.message_id, d.retroactive) for d in answer.decisions] == [("m-1", True)]


def test_due_work_does_not_wait_for_those_whom_others_hold(shop: Shop) -> None:
    """Bob's wait is over, and his entry is woken; Ada is locked, and comes later."""
    for user in ("ada", "bob"):
        shop.engine.track("purchase", user_id=user)
    shop.clock.move_to(later(NOON, timedelta(hours=1)))
    shop.engine.track("view", user_id="ada", connection=shop.host)
    shop.engine.run_due()
    assert [delivery.person for delivery in shop.delivered] == ["bob"]
    shop.host.commit()
    shop.engine.run_due()
    assert [delivery.person for delivery in shop.delivered] == ["bob", "ada"]


def test_a_broadcast_that_somebody_sends_is_left_to_them(shop: Shop) -> None:
    """The holder of the run sends it; other processes skip it."""
    shop.engine.identify("ada")
    shop.engine.trigger("news", key="monday")
    shop.host.execute(text("SELECT 1 FROM whereupon_run FOR UPDATE"))
    shop.engine.run_due()
    assert shop.delivered == []
    shop.host.rollback()
    shop.engine.run_due()
    assert [delivery.rule for delivery in shop.delivered] == ["news"]


def test_a_broadcast_meets_whom_it_waited_for_as_they_are_then(shop: Shop) -> None:
    """Ada was paying when the broadcast read her, and no longer is when it gets her lock."""
    for user in ("ada", "bob"):
        shop.engine.identify(user, traits={"plan": "pro"})
    shop.engine.trigger("paying")
    shop.engine.identify("ada", traits={"plan": "free"}, connection=shop.host)

    def run_due() -> None:
        shop.engine.run_due()

    sending = shop.meanwhile(run_due)
    shop.host.commit()
    sending.result(60)
    assert [delivery.person for delivery in shop.delivered] == ["bob"]


def test_a_broadcast_does_not_wait_for_those_whom_it_is_not_meant_for(shop: Shop) -> None:
    """A person who joins the audience after it was read is not sent the broadcast."""
    shop.engine.identify("ada", traits={"plan": "free"})
    shop.engine.identify("bob", traits={"plan": "pro"})
    shop.engine.trigger("paying")
    shop.engine.identify("ada", traits={"plan": "pro"}, connection=shop.host)
    shop.engine.run_due()
    shop.host.commit()
    shop.engine.run_due()
    assert [delivery.person for delivery in shop.delivered] == ["bob"]


def test_everybody_known_at_the_start_of_a_broadcast_is_sent_it_once(shop: Shop) -> None:
    """Wherever their keys are; a person who appears during the run may be before or behind its position."""

    def identify(engine: Engine, *names: str) -> None:
        engine.ingest([{"type": "identify", "userId": name} for name in names])

    with Engine.open(shop.url, rules=RULES, clock=shop.clock) as other:
        identify(shop.engine, *(known := [f"here-{number}" for number in range(10)]))
        identify(other, *(more := [f"there-{number}" for number in range(AUDIENCE_CHUNK)]))
        identify(shop.engine, "later-here")
        shop.engine.trigger("news")
        chunks = shop.engine.wake(NOON)
        next(chunks)
        identify(shop.engine, "too-late-here")
        identify(other, "just-in-time-there")
        list(chunks)
    entered = [str(row[4]) for row in tables_in(shop.url)["whereupon_delivery"]]
    assert sorted(entered) == sorted([*known, *more, "later-here", "just-in-time-there"])


def test_a_broadcast_of_one_key_starts_once(shop: Shop) -> None:
    """Also with two simultaneous calls."""
    shop.engine.identify("ada")
    shop.engine.trigger("news", key="monday", connection=shop.host)

    def trigger() -> None:
        shop.engine.trigger("news", key="monday")

    second = shop.meanwhile(trigger)
    shop.host.commit()
    second.result(60)
    shop.engine.run_due()
    assert len(shop.delivered) == 1


def test_who_appears_while_they_are_deleted_is_deleted(shop: Shop) -> None:
    """Their first message is under way when the deletion arrives."""
    shop.engine.track("purchase", user_id="zoe", timestamp=BEFORE, connection=shop.host)
    deletion = shop.meanwhile(lambda: shop.engine.track("Delete Person", user_id="zoe"))
    shop.host.commit()
    deletion.result(60)
    assert shop.people() == []


def test_who_is_deleted_before_they_appear_stays_deleted(shop: Shop) -> None:
    """The person was unknown; messages from before the deletion still make no person."""
    shop.engine.track("Delete Person", user_id="zoe", connection=shop.host)
    late = shop.meanwhile(lambda: shop.engine.track("purchase", user_id="zoe", timestamp=BEFORE))
    shop.host.commit()
    answer = late.result(60)
    assert answer is not None
    assert [decision.reason for decision in answer.decisions] == ["deleted"]
    assert shop.people() == []


def test_a_batch_that_merges_and_erases_is_taken_at_once(shop: Shop) -> None:
    """Everything of both persons is locked from the start, so that nothing more is needed on the way."""
    for user in ("ada", "bob"):
        shop.engine.identify(user, anonymous_id=f"anon-{user}")
    shop.engine.identify("cleo", anonymous_id="anon-bob")
    shop.engine.ingest(
        [
            {"type": "track", "event": "purchase", "userId": "dan"},
            {"type": "alias", "userId": "ada", "previousId": "bob"},
            {"type": "track", "event": "Delete Person", "userId": "ada"},
            {"type": "track", "event": "Delete Person", "userId": "dan"},
            {"type": "track", "event": "purchase", "anonymousId": "anon-bob"},
            {"type": "track", "event": "Delete Person", "userId": "dan"},
            {"type": "track", "event": "Delete Person", "userId": "nobody"},
            {"type": "track", "event": "purchase", "anonymousId": "anon-ada"},
        ]
    )
    assert shop.people() == [{"cleo"}]


def test_patience_has_an_end(shop: Shop) -> None:
    """The error names a host that holds a lock for too long."""
    shop.engine.identify("ada")
    shop.engine.track("purchase", user_id="ada", connection=shop.host)
    with (
        Engine.open(f"{shop.url}&patience=0.05", rules=RULES) as impatient,
        pytest.raises(StoreError) as caught,
    ):
        impatient.track("purchase", user_id="ada")
    assert caught.value.code == "busy"


def test_patience_has_an_end_in_a_hosts_transaction_too(shop: Shop, database: Database) -> None:
    """The transaction goes on afterwards, with its own settings."""
    shop.engine.identify("ada")
    shop.engine.track("purchase", user_id="ada", connection=shop.host)
    with (
        Engine.open(f"{shop.url}&patience=0.05", rules=RULES) as impatient,
        database.connect() as other,
    ):
        before = other.scalar(text("SHOW lock_timeout"))
        with pytest.raises(StoreError) as caught:
            impatient.track("purchase", user_id="ada", connection=other)
        assert caught.value.code == "busy"
        impatient.track("purchase", user_id="bob", connection=other)
        assert other.scalar(text("SHOW lock_timeout")) == before
        other.commit()
    assert {"bob"} in shop.people()


def test_a_host_that_loses_gets_an_error_and_may_go_on(shop: Shop, database: Database) -> None:
    """We cannot repeat its transaction; what it wrote itself stays."""
    shop.host.execute(text("CREATE TABLE orders (id INTEGER)"))
    shop.host.commit()
    shop.engine.track("purchase", user_id="zoe", connection=shop.host)
    with database.connect() as other:
        other.execute(text("INSERT INTO orders VALUES (1)"))
        loser = shop.meanwhile(
            lambda: shop.engine.track("purchase", user_id="zoe", connection=other)
        )
        shop.host.commit()
        with pytest.raises(StoreError) as caught:
            loser.result(60)
        assert caught.value.code == "conflict"
        other.commit()
        assert other.scalar(text("SELECT count(*) FROM orders")) == 1
        other.execute(text("DROP TABLE orders"))
        other.commit()


def test_of_two_hosts_in_each_others_way_one_goes_on(shop: Shop, database: Database) -> None:
    """Each holds a person whom the other needs: one gets a typed error, the other goes on."""
    for user in ("ada", "bob"):
        shop.engine.track("view", user_id=user)
    with database.connect() as other:

        def go_on(user_id: str, connection: Connection) -> str | None:
            """Track, and commit or roll back, as a host does."""
            try:
                shop.engine.track("view", user_id=user_id, connection=connection)
                connection.commit()
            except StoreError as error:
                connection.rollback()
                return error.code
            return None

        shop.engine.track("view", user_id="ada", connection=shop.host)
        shop.engine.track("view", user_id="bob", connection=other)
        waiting = shop.pool.submit(go_on, "ada", other)
        shop.server.await_waiting()
        codes = {go_on("bob", shop.host), waiting.result(60)}
    assert codes == {None, "conflict"}


def test_a_stranger_to_the_library_needs_no_engine_of_ours(postgres: str) -> None:
    """The host's engine is used with its own settings, and stays open."""
    database = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with Engine.open(database, rules=RULES) as engine:
        engine.identify("ada")
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM whereupon_person")) == 1
    database.dispose()
