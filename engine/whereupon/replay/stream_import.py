"""Import: history into a real store, triggering only what `max_age` still allows.

Every message arrives now, whatever its line says, and is marked as imported, so that no semantic
event among them can destroy anything. Deliveries wait in the outbox for whoever dispatches it.
"""

from collections.abc import Callable, Iterable

from whereupon.engine import Engine
from whereupon.messages.model import Message
from whereupon.messages.streams import BadLine
from whereupon.replay.stream_replay import BATCH, Record, Summary


def import_messages(
    engine: Engine,
    arrivals: Iterable[Message | BadLine],
    tell: Callable[[Record], None],
    summary: Summary,
) -> None:
    """Take arrivals in batches, each in a transaction of its own.

    Interrupted anywhere, the batches that ``summary`` counts are in; the same arrivals taken again
    find them there and change nothing.

    Args:
        engine: on the store that is to have the history.
        arrivals: read with `Origin.IMPORT`.
        tell: gets every record, each batch's after its commit.
        summary: counts what is in, batch by batch.
    """
    batch: list[Message] = []
    for arrival in arrivals:
        if isinstance(arrival, BadLine):
            summary.count(arrival)
            tell(arrival)
            continue
        batch.append(arrival)
        if len(batch) >= BATCH:
            _take(engine, batch, tell, summary)
            batch = []
    if batch:
        _take(engine, batch, tell, summary)
    with engine.store.session() as session:
        summary.persons = session.counts().persons


def _take(
    engine: Engine, batch: list[Message], tell: Callable[[Record], None], summary: Summary
) -> None:
    folded = engine.take(batch)
    summary.messages += len(batch)
    summary.count_messages(folded)
    for told in folded.records():
        summary.count(told)
        tell(told)
