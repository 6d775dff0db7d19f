"""Reports of deliveries: metrics, addresses that are suppressed by them, and people who unsubscribe by them."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final

from pydantic import JsonValue

from whereupon.decide.addresses import handed_over_to
from whereupon.decide.batch_state import BatchState
from whereupon.decide.result import Notice
from whereupon.messages.metrics import METRIC_NAMES, UNSUBSCRIBING, Metric
from whereupon.messages.model import Message, MessageType, SenderClass, written_body
from whereupon.messages.semantic_events import id_in
from whereupon.records import Delivery, MetricReport, SuppressedAddress

_UNSUBSCRIBED: Final[Mapping[str, JsonValue]] = {"unsubscribed": True}


def report_delivery(work: BatchState, message: Message, _instant: datetime) -> None:
    """Keep a report, and do what follows from it. A report of an unknown delivery is kept, and a notice says so."""
    data = message.data
    key, metric = subject_of(message), METRIC_NAMES[str(data["metric"])]
    delivery, reason = work.delivery(key), data.get("reason")
    work.changes.reports.append(
        MetricReport(
            ref=message.ref,
            kind="delivery",
            subject=key,
            metric=metric.value,
            person=message.user_id if delivery is None else delivery.person,
            timestamp=message.timestamp,
            reason=reason if isinstance(reason, str) else None,
        )
    )
    if delivery is None:
        text = "no delivery has that id, or it is kept no more: the report changed nothing"
        work.out.emitted.append(Notice("unknown-delivery", message.message_id, text))
        return
    is_final = metric is Metric.BOUNCED and data.get("permanent", True) is True
    if is_final or metric is Metric.COMPLAINED:
        _suppress(work, message, delivery, metric)
    identify = unsubscribing(message, delivery)
    if identify is not None and delivery.person in work.users:
        work.take_message(identify)


def subject_of(message: Message) -> str:
    """The idempotency key of the delivery that a report is about."""
    return id_in(message.data.get("deliveryId")) or ""


def unsubscribing(message: Message, delivery: Delivery) -> Message | None:
    """The identify by which a report unsubscribes the delivery's person; None if it does not."""
    if message.source is not SenderClass.SERVER or message.depth:
        return None
    data = message.data
    metric = METRIC_NAMES.get(str(data.get("metric")))
    if metric not in UNSUBSCRIBING or data.get("consent", True) is not True:
        return None
    digest = blake2b(message.ref.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return message.changed(
        message_id=f"unsubscribed-{digest}",
        type=MessageType.IDENTIFY,
        name="",
        user_id=delivery.person,
        anonymous_id=None,
        target_id=None,
        body=written_body(MessageType.IDENTIFY, _UNSUBSCRIBED),
        properties=_UNSUBSCRIBED,
        depth=message.depth + 1,
        remarks=(),
    )


def _suppress(work: BatchState, message: Message, delivery: Delivery, metric: Metric) -> None:
    """Suppress the address that the delivery was handed over to, or say in a notice that nobody knows it."""
    digest = handed_over_to(work.settings, delivery, message.data)
    if digest is None:
        text = (
            f"the address of the delivery is not known here, so none is suppressed: say with"
            f" engine.channel({delivery.channel!r}, address=...) which attribute has it"
        )
        work.out.emitted.append(Notice("no-address", message.message_id, text))
        return
    address = SuppressedAddress(delivery.channel, digest, metric.value, message.timestamp)
    work.changes.suppressed.setdefault((delivery.channel, digest), address)
