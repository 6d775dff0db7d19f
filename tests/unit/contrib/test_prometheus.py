"""Metrics as Prometheus scrapes them: names, values, a store that is away, forks and threads."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.rule_files import book_of
from tests.shop import news, purchase, thanks

from whereupon import Delivery, Engine, Retry
from whereupon.contrib.prometheus import collector, collectors, serve
from whereupon.scheduling.clocks import FrozenClock

_SECRETS = ("ada@example.com", "ada", "For Ada", "purchase-1")
_RULES = book_of(
    thanks(whereupon=[{"send": "push", "title": "For {{ person.name | default: 'you' }}"}]),
    thanks(campaign="dear", where={"price": {"gt": 1_000_000}}),
)

_LABELS = [
    *("engine", "event", "outcome", "of", "kind", "state", "work"),
    *("channel", "action", "reason", "name", "code", "le", "what"),
]

Samples = dict[tuple[str, tuple[str, ...]], float]


def _opened(place: str = "memory://", **more: object) -> Engine:
    return Engine.open(place, rules=_RULES, retry=Retry(tries=1), **more)  # type: ignore[arg-type]


def _samples(text: str) -> Samples:
    """Each sample by its name and the values of its labels, the engine's name first."""
    return {
        (sample.name, tuple(sample.labels[name] for name in _LABELS if name in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _scrape(engine: Engine, fresh: timedelta = timedelta(seconds=5)) -> Callable[[], Samples]:
    registry = CollectorRegistry()
    registry.register(collector(engine, fresh=fresh))
    return lambda: _samples(generate_latest(registry).decode())


def _refuse_bob(delivery: Delivery) -> None:
    if delivery.person == "bob":
        raise ConnectionError(str(delivery.recipient))


def test_a_scrape_says_what_came_in_what_was_decided_and_what_became_of_it(place: str) -> None:
    """Counters of this process, and gauges of what waits in the store."""
    with _opened(place) as engine:
        engine.channel("push")(_refuse_bob)
        engine.ingest([purchase(1, "ada"), purchase(1, "ada"), {"type": "track"}])
        engine.ingest([purchase(2, "bob")])
        engine.run_due()
        seen = _scrape(engine)()
    expected: Mapping[tuple[str, tuple[str, ...]], float] = {
        ("whereupon_messages_total", ("", "accepted")): 2,
        ("whereupon_messages_total", ("", "duplicates")): 1,
        ("whereupon_messages_total", ("", "rejected")): 1,
        ("whereupon_decisions_total", ("", "entered", "")): 2,
        ("whereupon_delivery_events_total", ("", "sent", "push")): 1,
        ("whereupon_delivery_events_total", ("", "failed", "push")): 1,
        ("whereupon_delivery_events_total", ("", "dead", "push")): 1,
        ("whereupon_call_duration_seconds_count", ("", "channel", "push")): 2,
        ("whereupon_call_duration_seconds_bucket", ("", "channel", "push", "+Inf")): 2,
        ("whereupon_deliveries", ("", "dead", "push")): 1,
        ("whereupon_channel_resting", ("", "push")): 0,
        ("whereupon_store_up", ("",)): 1,
        ("whereupon_due_lag_seconds", ("", "steps")): 0,
        ("whereupon_claims_unfinished", ("",)): 0,
    }
    assert {of: seen.get(of) for of in expected} == expected
    skipped = {labels[2]: n for (name, labels), n in seen.items() if labels[1:2] == ("skipped",)}
    assert sum(skipped.values()) == 2  # of the dear rule, once for each purchase


def test_the_oldest_pending_delivery_has_an_age_that_grows() -> None:
    """The age is counted by the engine's clock, also while the store's answer is told again."""
    clock = FrozenClock()
    with _opened(clock=clock) as engine:
        engine.channel("push")(print)
        engine.ingest([purchase(1)])
        scrape = _scrape(engine)
        age = ("whereupon_queue_age_seconds", ("", "push"))
        assert scrape()[age] == 0
        clock.move_to(clock.now() + timedelta(seconds=3))
        assert scrape()[age] == 3
        engine.run_due()
        assert scrape()[age] == 3  # not read again yet
        clock.move_to(clock.now() + timedelta(seconds=5))
        assert age not in scrape()


def test_a_store_that_is_away_fails_no_scrape() -> None:
    """Counters go on, the gauges of the store are missing, and `store_up` says why."""
    engine = _opened()
    engine.ingest([purchase(1)])
    engine.close()
    scrape = _scrape(engine, fresh=timedelta(0))
    scrape()
    seen = scrape()
    assert seen["whereupon_store_up", ("",)] == 0
    assert seen["whereupon_messages_total", ("", "accepted")] == 1
    errors = {labels: n for (name, labels), n in seen.items() if name.endswith("read_errors_total")}
    assert list(errors.values()) == [2]
    assert not any(name == "whereupon_deliveries" for name, _ in seen)


def test_nothing_of_a_scrape_is_a_persons() -> None:
    """Labels are names of channels, rules' outcomes and codes."""
    registry = CollectorRegistry()
    with _opened() as engine:
        engine.channel("push")(_refuse_bob)
        engine.identify("ada", traits={"name": "Ada", "email": "ada@example.com"})
        engine.ingest([purchase(1, "ada"), purchase(2, "bob")])
        engine.run_due()
        registry.register(collector(engine))
        text = generate_latest(registry).decode()
    assert 'channel="push"' in text
    assert [secret for secret in _SECRETS if f'"{secret}"' in text or "@" in text] == []


def test_several_engines_have_names_in_one_registry() -> None:
    """The label `engine` tells them apart."""
    registry = CollectorRegistry()
    with _opened() as shop, _opened() as blog:
        shop.ingest([purchase(1)])
        registry.register(collectors({"shop": shop, "blog": blog}))
        seen = _samples(generate_latest(registry).decode())
    assert seen["whereupon_messages_total", ("shop", "accepted")] == 1
    assert ("whereupon_messages_total", ("blog", "accepted")) not in seen
    assert seen["whereupon_store_up", ("blog",)] == 1


def test_a_call_that_hangs_is_counted_until_it_returns() -> None:
    """A channel with calls that hang is seen before it is closed."""
    released, returned = Event(), Event()

    def hang(_: Delivery) -> None:
        released.wait(60)
        returned.set()

    with Engine.open("memory://", rules=_RULES, retry=Retry(timeout=0.05)) as engine:
        engine.channel("push")(hang)
        engine.ingest([purchase(1)])
        engine.run_due()
        scrape = _scrape(engine)
        hanging = ("whereupon_hanging_calls", ("", "channel", "push"))
        assert scrape()[hanging] == 1
        released.set()
        returned.wait(60)


def test_a_channel_that_rests_is_seen_in_every_process(place: str) -> None:
    """The rest is kept in the store."""

    def fail(_: Delivery) -> None:
        raise ConnectionError

    with _opened(place) as failing:
        other = Engine(failing.store, failing.pipeline.index.book)
        for engine in (failing, other):
            engine.channel("push", breaker=(1, "1h"))(fail)
        failing.ingest([purchase(1)])
        failing.run_due()
        resting = ("whereupon_channel_resting", ("", "push"))
        assert _scrape(other)()[resting] == 1


def test_what_operators_have_paused_is_counted(place: str) -> None:
    """So that an alert finds what was paused at night and forgotten."""
    steps = [
        {"send": "push", "title": "First"},
        {"wait": "1h"},
        {"send": "push", "title": "Second"},
    ]
    rules = book_of(thanks(whereupon=steps), news(whereupon=steps))
    with Engine.open(place, rules=rules) as engine:
        engine.ingest([purchase(1, "ada")])
        engine.trigger("news", people=["ada"], key="june")
        (entry,) = engine.entries.list(rule="thanks").entries
        engine.entries.pause(entry.key, by="tim")
        engine.entries.pause("thanks", by="tim")
        engine.broadcasts.pause("news", by="tim")
        seen = _scrape(engine)()
    kinds = ("rules", "runs", "entries")
    assert [seen["whereupon_paused", ("", what)] for what in kinds] == [1, 1, 1]


def test_a_child_of_a_fork_begins_at_zero() -> None:
    """So that the sum over all processes counts nothing twice."""
    with _opened() as engine:
        engine.ingest([purchase(1)])
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, str(dict(engine.activity().messages)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100) == b"{}"
        assert engine.activity().messages["accepted"] == 1
        os.close(reading)
        os.close(writing)


def test_scrapes_and_work_may_come_at_the_same_time() -> None:
    """No count is lost, and no scrape fails."""
    with _opened() as engine, ThreadPoolExecutor(8) as threads:
        engine.channel("push")(lambda _: None)
        scrape = _scrape(engine, fresh=timedelta(0))
        given = [threads.submit(engine.ingest, [purchase(n, f"p-{n}")]) for n in range(40)]
        scraped = [threads.submit(scrape) for _ in range(40)]
        assert all(each.result().accepted for each in given)
        assert all(each.result() for each in scraped)
        assert scrape()["whereupon_messages_total", ("", "accepted")] == 40


def test_the_server_answers_at_metrics() -> None:
    """A port of its own, for a process that serves no pages."""
    with _opened() as engine:
        engine.ingest([purchase(1)])
        server, thread = serve(engine, 0)
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            seen = _samples(answer.read().decode())
        server.shutdown()
        server.server_close()
        thread.join()
    assert seen["whereupon_messages_total", ("", "accepted")] == 1


@pytest.mark.parametrize("kind", ["round", "ingest"])
def test_failures_of_the_engines_own_work_are_counted(kind: str, tmp_path: Path) -> None:
    """By the code of the store's error."""
    engine = _opened(f"sqlite:///{tmp_path / 'shop.db'}")
    engine.store.close()
    with pytest.raises(Exception):  # noqa: B017, PT011 - what it is, is the count's label
        engine.run_due() if kind == "round" else engine.ingest([purchase(1)])
    (of,) = engine.activity().failures
    assert of[0] == kind
