"""When a message happened and arrived, by the times that it says, and by the clock of its sender."""

from datetime import datetime, timedelta

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.envelope import Envelope
from whereupon.messages.repairs import MOST_QUOTED, Remark, quoted
from whereupon.messages.times import instant_from_text, parse_instant


def timestamps(
    envelope: Envelope, arrival: Arrival, omissions: list[Remark]
) -> tuple[datetime | None, datetime, datetime]:
    """The original time, the corrected one, and the arrival.

    The sender corrects ``timestamp`` itself. Without it, the corrected time is received - (sent - original)
    if all three are known, else the original time, else the arrival. It is never after the arrival.
    ``receivedAt`` of a collector between the sender and the engine counts as received.
    """
    corrected = original = sent_at = arrived = None
    faults: list[MessageRejectedError] = []
    if envelope.timestamp is not None:
        corrected = _read_time(envelope.timestamp, "timestamp", faults)
    if envelope.original_timestamp is not None:
        original = _read_time(envelope.original_timestamp, "originalTimestamp", faults)
    if faults and corrected is None and original is None:
        raise faults[0]
    if envelope.sent_at is not None:
        sent_at = _read_time(envelope.sent_at, "sentAt", faults)
    if envelope.received_at is not None:
        arrived = _read_time(envelope.received_at, "receivedAt", faults)
    if faults:
        omissions += [omission(fault) for fault in faults]
    received_at, arrived = arrival.times(arrived, corrected or original)
    timestamp = corrected or original or received_at
    if corrected is None and original is not None and sent_at is not None and arrived is not None:
        timestamp = _corrected(arrived, sent_at - original) or timestamp
    # `min` takes three times as long.
    happened = received_at if received_at < timestamp else timestamp
    return original or corrected, happened, received_at


def _corrected(received_at: datetime, since: timedelta) -> datetime | None:
    try:
        return received_at - since
    except OverflowError:
        return None


def _read_time(value: object, field: str, faults: list[MessageRejectedError]) -> datetime | None:
    """The instant of a field; an invalid one is added to ``faults``."""
    instant = instant_from_text(value) if isinstance(value, str) else parse_instant(value)
    if instant is None and value != "":
        shown = f" {quoted(value, MOST_QUOTED)!r}" if isinstance(value, str) else ""
        reason = f"{field}{shown} is not a time; send ISO 8601, or a Unix time"
        faults.append(MessageRejectedError(code="bad-timestamp", field=field, reason=reason))
    return instant


def omission(fault: MessageRejectedError) -> Remark:
    """The remark that a field was left out, since it could not be read."""
    return Remark(fault.code, f"{fault.field} was left out: {fault.reason}")
