"""From messages to the engine, and from its results to what is said of each call.

The messages of one call go in together or not at all. Calls of a batch share transactions, except those that ask
for an action, whose outcome is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whereupon.engine import Engine
from whereupon.messages.codec import encode
from whereupon.messages.model import Origin, SenderClass
from whereupon.messages.size_limits import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_MESSAGE_BYTES
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import Ingested, Rejected, read_batch
from whereupon.records import RequestOutcome
from whereupon.web.customerio.answers import Fault, RefusedError
from whereupon.web.customerio.messages import Wire

_FIELDS = {
    "userId": "id",
    "anonymousId": "anonymous_id",
    "messageId": "id",
    "previousId": "secondary",
    "groupId": "object_id",
    "event": "name",
    "properties": "data",
    "traits": "attributes",
}
"""What the fields of our messages are called by the caller."""

_MOST_BYTES = MAX_BATCH_BYTES - MAX_MESSAGE_BYTES


@dataclass
class Intake:
    """Takes calls, by their places, and remembers what is wrong with them.

    Attributes:
        faults: of the calls that were refused, by their places.
        notes: what callers may not expect, such as a request that waits for an approval.
    """

    engine: Engine
    faults: dict[int, Fault] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _waiting: list[tuple[int, Wire]] = field(default_factory=list)
    _bytes: int = 0

    def add(self, place: int, messages: Sequence[Wire]) -> None:
        """Take the messages of one call, now or with those of the next calls.

        Raises:
            RefusedError: one of several messages cannot be accepted, so none goes in.
        """
        if len(messages) > 1:
            self._check(messages)
        if any(_asks(each) for each in messages):
            self.flush()
            self._take([(place, each) for each in messages])
            return
        size = sum(len(encode(each)) for each in messages)
        full = self._bytes + size > _MOST_BYTES or len(self._waiting) >= MAX_BATCH_MESSAGES - 100
        if full:
            self.flush()
        self._waiting += [(place, each) for each in messages]
        self._bytes += size

    def flush(self) -> None:
        """Take what waits."""
        taken, self._waiting, self._bytes = self._waiting, [], 0
        if taken:
            self._take(taken)

    def _check(self, messages: Sequence[Wire]) -> None:
        if len(messages) > MAX_BATCH_MESSAGES:
            reason = f"one call may name at most {MAX_BATCH_MESSAGES - 1} relationships"
            raise RefusedError(code="too-many", reason=reason, field="cio_relationships")
        reading = read_batch(
            messages,
            received_at=self.engine.clock.now(),
            source=SenderClass.SERVER,
            origin=Origin.LIVE,
            new_id=fresh_id,
        )
        for each in reading.rejected:
            fault = _fault(each)
            raise RefusedError(code=fault.code, reason=fault.reason, field=fault.field)

    def _take(self, taken: Sequence[tuple[int, Wire]]) -> None:
        answered = self.engine.ingest([message for _, message in taken], source="server")
        for each in answered.rejected:
            self.faults.setdefault(taken[min(each.index, len(taken) - 1)][0], _fault(each))
        self._tell(taken[0][0], answered)

    def _tell(self, place: int, answered: Ingested) -> None:
        """Say what the guards decided; then all the messages are of one call."""
        for request in answered.requests:
            if request.outcome is RequestOutcome.REFUSED:
                reason = f"{request.action} was refused: {request.reason}"
                self.faults[place] = Fault(code="refused", reason=reason, status=403)
            elif request.outcome is RequestOutcome.HELD:
                self.notes.append(
                    f"{request.action} waits as request {request.key}: {request.reason}"
                )


def _asks(message: Wire) -> bool:
    """Whether a message asks for an action that guards may hold or refuse."""
    return message["type"] == "alias" or ("event" in message and message["event"] in _ASKING)


_ASKING = frozenset(
    {
        *("Delete Person", "Suppress Person", "Unsuppress Person"),
        *("Object Created or Updated", "Object Deleted"),
        *("Device Created or Updated", "Device Deleted", "Relationship Deleted"),
    }
)
"""The events by which calls ask for actions."""


def _fault(rejected: Rejected) -> Fault:
    """What the engine says of a message, by the caller's names of its fields."""
    reason = rejected.message
    for ours, theirs in _FIELDS.items():
        if ours != "event":  # an ordinary word, too
            reason = reason.replace(ours, theirs)
    return Fault(
        code=rejected.code, reason=reason, field=_FIELDS.get(rejected.field, rejected.field)
    )
