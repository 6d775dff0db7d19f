"""Import of past messages into a store. A message triggers a rule only within the rule's `max_age`.

Every message arrives now, even if its line has a time of arrival. It is marked as imported, so no semantic
event can delete anything. Deliveries wait in the outbox until a dispatcher sends them.
"""

from collections.abc import Callable, Iterable

from whereupon.engine import Engine
from whereupon.messages.model import Message
from whereupon.messages.streams import BadLine
from whereupon.replay.records import Record, Summary
from whereupon.replay.stream_replay import BATCH


def import_messages(
    engine: Engine,
    arrivals: Iterable[Message | BadLine],
    emit: Callable[[Record], None],
    summary: Summary,
) -> None:
    """Import arrivals in batches, each in a transaction of its own.

    After an interruption, the batches that ``summary`` counts are stored. If the same arrivals are imported
    again, these change nothing.

    Args:
        engine: an engine on the store that gets the messages.
        arrivals: messages that were read with `Origin.IMPORT`.
        emit: is called with every record, after the commit of its batch.
        summary: counts the messages and records after each commit.
    """
    batch: list[Message] = []
    for arrival in arrivals:
        if isinstance(arrival, BadLine):
            summary.count(arrival)
            emit(arrival)
            continue
        batch.append(arrival)
        if len(batch) >= BATCH:
            _take(engine, batch, emit, summary)
            batch = []
    if batch:
        _take(engine, batch, emit, summary)
    with engine.store.session() as session:
        summary.persons = session.counts().persons


def _take(
    engine: Engine, batch: list[Message], emit: Callable[[Record], None], summary: Summary
) -> None:
    result = engine.take(batch)
    summary.messages += len(batch)
    summary.count_messages(result)
    for record in result.records():
        summary.count(record)
        emit(record)
