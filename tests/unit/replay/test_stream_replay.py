"""Replay: a stream through the real engine on a frozen clock, with the same result for all batches."""

import gc
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.golden import RULES, STREAMS
from tests.rule_files import book_of
from tests.shop import NOON, news, thanks
from tests.stream_files import write_stream

from whereupon import Delivery, Engine
from whereupon.decide.decisions import Decision, Outcome
from whereupon.errors import StreamError
from whereupon.messages.model import Message
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.messages.times import format_instant
from whereupon.replay.records import Record, Summary
from whereupon.replay.stream_replay import (
    LONG_GAP,
    Replay,
    read_streams,
    replay,
    temporary_store,
)
from whereupon.rules.model import Rulebook
from whereupon.scheduling import FrozenClock
from whereupon.storage import MemoryStore


class _Replayed:
    """The records of a replay, and its summary."""

    def __init__(
        self,
        stream: Path,
        rules: Rulebook | Path,
        *,
        store: str = "memory://",
        until: datetime | None = None,
        batch: int = 1_000,
    ) -> None:
        self.records: list[Record] = []
        self.engines: list[Engine] = []

        def open_engine(clock: FrozenClock) -> Engine:
            self.engines.append(Engine.open(store, rules=rules, clock=clock))
            return self.engines[-1]

        arrivals = StreamReader().read(stream)
        self.summary: Summary = replay(
            arrivals, open_engine, self.records.append, until=until, batch=batch
        )

    def deliveries(self) -> list[tuple[str, str]]:
        found = [each for each in self.records if isinstance(each, Delivery)]
        return [(each.person, format_instant(each.due_at)) for each in found]

    def entered(self) -> list[tuple[str | None, str]]:
        found = [each for each in self.records if isinstance(each, Decision)]
        return [
            (each.person, format_instant(each.decided_at))
            for each in found
            if each.outcome is Outcome.ENTERED
        ]


def _track(event: str, at: str, *, number: int = 0, user: str = "ada") -> dict[str, object]:
    return {
        "type": "track",
        "event": event,
        "userId": user,
        "messageId": f"{event}-{at}-{number}",
        "timestamp": f"2026-06-{at}:00Z",
    }


def _stream(folder: Path, *lines: Mapping[str, object]) -> Path:
    return write_stream(folder / "stream.jsonl", *lines)


_WAITING = thanks(whereupon=[{"wait": "2h"}, {"send": "push", "title": "Thanks"}])


def test_due_work_runs_between_the_messages_in_the_order_of_time(tmp_path: Path) -> None:
    """A wait of two hours ends before a message that arrives three hours later."""
    stream = _stream(
        tmp_path, _track("purchase", "01T12:00"), _track("purchase", "01T15:00", user="bob")
    )
    replayed = [type(each).__name__ for each in _Replayed(stream, book_of(_WAITING)).records]
    assert replayed == ["Decision", "Delivery", "Decision", "Delivery"]


_SHOP = book_of(
    _WAITING,
    thanks(
        campaign="reminder",
        when="Product Added",
        exit="purchase",
        reentry="not_while_active",
        whereupon=[
            {"wait": "90m"},
            {"send": "email", "subject": "Your cart"},
            {"track": "Reminded"},
        ],
    ),
    news(when={"cron": "0 * * * *"}, who={"vip": True}),
    news(broadcast="drop", when="Price Dropped", who={"performed": {"event": "purchase", "never": True}}),
    thanks(
        campaign="vip",
        reentry="once",
        who={"performed": {"event": "purchase", "at_least": 2}},
        whereupon=[{"set": {"vip": True}}],
    ),
)  # fmt: skip


def _busy_day() -> Iterator[Mapping[str, object]]:
    for number in range(400):
        hour, minute = divmod(number * 3, 60)
        event = ("purchase", "Product Added", "Price Dropped", "Product Added", "seen")[number % 5]
        at = f"{1 + hour // 24:02d}T{hour % 24:02d}:{minute:02d}"
        if number % 37 == 0:
            yield {"type": "no such type"}
        yield _track(event, at, number=number, user=f"user-{number * 7 % 11}")


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 7, 100])
@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_the_records_do_not_depend_on_the_size_of_the_batches(
    batch: int, store: str, tmp_path: Path
) -> None:
    """Waits, schedules, broadcasts by event and bad lines come in their turn among the messages."""
    stream = _stream(tmp_path, *_busy_day())
    usual = _Replayed(stream, _SHOP)
    other = _Replayed(stream, _SHOP, batch=batch, store=store)
    assert _without_keys(other.records) == _without_keys(usual.records)
    assert other.summary == usual.summary
    assert usual.summary.deliveries > 100


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("stream", sorted(STREAMS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_shipped_streams_give_the_same_records_in_batches_of_any_size(
    stream: Path, batch: int
) -> None:
    """Also with the shipped rules."""
    usual, other = _Replayed(stream, RULES), _Replayed(stream, RULES, batch=batch)
    assert _without_keys(other.records) == _without_keys(usual.records)


def _fields(record: Record) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(record, "_fields", ()) or getattr(record, "__slots__", ())
    return names


def _without_keys(records: Iterable[Record]) -> list[str]:
    """The records as text, without the store's keys, which depend on how many were reserved."""
    return [
        repr(
            {
                name: getattr(each, name)
                for name in _fields(each)
                if name not in {"key", "person_key"}
            }
        )
        for each in records
    ]


def test_a_broadcast_that_a_step_starts_comes_before_the_next_message(tmp_path: Path) -> None:
    """Its audience is that of its own time, for all batches."""
    echo = thanks(whereupon=[{"wait": "5m"}, {"track": "Price Dropped"}])
    drop = news(when="Price Dropped")
    stream = _stream(
        tmp_path,
        _track("purchase", "01T12:00"),
        _track("purchase", "01T12:10", user="bob"),
    )
    for batch in (1, 1_000):
        assert _Replayed(stream, book_of(echo, drop), batch=batch).deliveries() == [
            ("ada", "2026-06-01T12:05:00Z"),
            ("ada", "2026-06-01T12:15:00Z"),
            ("bob", "2026-06-01T12:15:00Z"),
        ]


def test_due_work_is_run_to_its_end(tmp_path: Path) -> None:
    """The stream ends, but its waits are still done."""
    month = thanks(whereupon=[{"wait": "30d"}, {"send": "push", "title": "Hello again"}])
    stream = _stream(tmp_path, _track("purchase", "01T12:00"))
    assert _Replayed(stream, book_of(month)).deliveries() == [("ada", "2026-07-01T12:00:00Z")]


@pytest.mark.parametrize(("hours", "count"), [(1, 0), (2, 1), (26, 1)])
def test_due_work_is_run_up_to_the_instant_asked_for(
    hours: int, count: int, tmp_path: Path
) -> None:
    """The last instant is included."""
    stream = _stream(tmp_path, _track("purchase", "01T12:00"))
    replayed = _Replayed(stream, book_of(_WAITING), until=NOON + timedelta(hours=hours))
    assert len(replayed.deliveries()) == count


def test_an_instant_before_the_streams_end_cuts_no_message_off(tmp_path: Path) -> None:
    """The instant only limits due work after the stream."""
    stream = _stream(tmp_path, _track("purchase", "01T12:00"), _track("purchase", "02T12:00"))
    replayed = _Replayed(stream, book_of(_WAITING), until=NOON)
    assert replayed.summary.accepted == 2
    assert replayed.deliveries() == [("ada", "2026-06-01T14:00:00Z")]


_DAILY = book_of(news(when={"cron": "0 9 * * *"}))


def test_scheduled_broadcasts_end_with_the_stream(tmp_path: Path) -> None:
    """Otherwise a replay would never end."""
    stream = _stream(tmp_path, _track("purchase", "01T12:00"), _track("purchase", "04T08:00"))
    assert _Replayed(stream, _DAILY).deliveries() == [
        ("ada", "2026-06-02T09:00:00Z"),
        ("ada", "2026-06-03T09:00:00Z"),
    ]


def test_scheduled_broadcasts_go_on_to_the_instant_asked_for(tmp_path: Path) -> None:
    """A caller who names an instant wants to see what happens until then."""
    stream = _stream(tmp_path, _track("purchase", "01T12:00"))
    replayed = _Replayed(stream, _DAILY, until=NOON + timedelta(days=3))
    assert len(replayed.deliveries()) == 3


def test_a_long_gap_is_made_up_for_a_year_and_then_once(tmp_path: Path) -> None:
    """A stray line of another decade must not send ten years of newsletters."""
    late = {**_track("purchase", "01T12:00", number=1), "timestamp": "2036-06-01T12:00:00Z"}
    replayed = _Replayed(_stream(tmp_path, _track("purchase", "01T12:00"), late), _DAILY)
    times = [due for _, due in replayed.deliveries()]
    assert len(times) == LONG_GAP.days + 1
    assert times[:2] == ["2026-06-02T09:00:00Z", "2026-06-03T09:00:00Z"]
    assert times[-1] == "2036-06-01T12:00:00Z"  # late, as of then


def test_a_stream_of_bad_lines_only_is_a_replay_too(tmp_path: Path) -> None:
    """No time is known then, and nothing happens."""
    replayed = _Replayed(_stream(tmp_path, {}, {}), _DAILY)
    assert replayed.summary.as_dict() == {
        "messages": 2,
        "accepted": 0,
        "duplicates": 0,
        "rejected": 2,
        "persons": 0,
        "decisions": 0,
        "entered": 0,
        "deliveries": 0,
        "requests": 0,
        "converted": 0,
        "exited": 0,
        "withheld": 0,
        "waiting": 0,
        "most_per_person": 0,
        "median_per_person": 0,
    }


def test_what_comes_before_an_unreadable_part_of_a_stream_is_reported() -> None:
    """A stream that ends in an error has told of its bad lines until then."""
    bad, told = BadLine("s.jsonl", 1, "not-json", "it is not JSON"), list[Record]()

    def arrivals() -> Iterator[BadLine]:
        yield bad
        raise StreamError(path="s.jsonl", reason="it is cut off")

    with Engine.open("memory://", rules=book_of(thanks()), clock=FrozenClock(NOON)) as engine:
        run = Replay(engine, FrozenClock(NOON), told.append)
        with pytest.raises(StreamError):
            run.feed(arrivals())
    assert told == [bad]


def test_an_empty_stream_has_no_records(tmp_path: Path) -> None:
    """It raises nothing either."""
    assert _Replayed(_stream(tmp_path), _DAILY).records == []


def test_nothing_leaves_the_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Deliveries stay in the outbox of the temporary store."""
    replayed = _Replayed(_stream(tmp_path, _track("purchase", "01T12:00")), book_of(thanks()))
    assert replayed.summary.deliveries == 1
    store = replayed.engines[0].store
    assert isinstance(store, MemoryStore)
    assert [each.attempts for each in store.schema.deliveries.rows.values()] == [0]
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [[], [_track("seen", "01T15:00")]], ids=["end", "middle"])
def test_many_waits_that_end_at_once_all_end(
    ending: list[dict[str, object]], tmp_path: Path
) -> None:
    """There are more than fit into one transaction, at the same instant."""
    count = 2_345
    lines = [_track("purchase", "01T12:00", user=f"user-{n}", number=n) for n in range(count)]
    replayed = _Replayed(_stream(tmp_path, *lines, *ending), book_of(_WAITING))
    assert len(set(replayed.deliveries())) == replayed.summary.deliveries == count


def test_streams_follow_one_another(tmp_path: Path) -> None:
    """The files of several months, one after another, are one replay."""
    first = write_stream(tmp_path / "1.jsonl", _track("purchase", "01T12:00"))
    second = write_stream(tmp_path / "2.jsonl", _track("purchase", "01T13:00"))
    found = list(read_streams([first, second], StreamReader()))
    assert len(found) == 2


def test_a_temporary_store_is_gone_afterwards() -> None:
    """A replay leaves nothing behind."""
    with temporary_store() as url:
        file = Path(url.removeprefix("sqlite:///").partition("?")[0])
        Engine.open(url).close()
        assert file.exists()
    assert not file.parent.exists()


@pytest.mark.slow
def test_memory_stays_flat_however_long_the_stream(tmp_path: Path) -> None:
    """The last twenty thousand messages take no more memory than the first ten thousand: messages are on disk."""
    count, early = 30_000, 10_000
    purchases = (
        _track("seen" if n % 10 else "purchase", "01T12:00", user=f"user-{n}", number=n)
        for n in range(count)
    )
    lines = ({**line, "timestamp": 1_780_000_000 + 20 * n} for n, line in enumerate(purchases))
    stream = _stream(tmp_path, *lines)
    peaks: list[int] = []

    def watched() -> Iterator[Message | BadLine]:
        for number, arrival in enumerate(StreamReader().read(stream)):
            if number % 1_000 == 0:
                gc.collect()  # what is garbage is no growth, whenever Python would notice
            if number == early:
                peaks.append(tracemalloc.get_traced_memory()[1])
            yield arrival

    tracemalloc.start()
    try:
        with temporary_store() as store:

            def open_engine(clock: FrozenClock) -> Engine:
                return Engine.open(store, rules=book_of(_WAITING), clock=clock)

            summary = replay(watched(), open_engine, lambda _: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert summary.deliveries == count // 10
    assert peaks[1] < 1.2 * peaks[0]


def test_a_frozen_clock_never_goes_back() -> None:
    """It moves only when it is moved."""
    clock = FrozenClock(NOON)
    clock.move_to(NOON - timedelta(days=1))
    assert clock.now() == NOON
    clock.move_to(datetime(2027, 1, 1, tzinfo=UTC))
    assert clock.now().year == 2027
