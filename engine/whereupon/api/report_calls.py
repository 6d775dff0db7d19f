"""Reports: what a provider, a page or the host says of a delivery after it was handed over."""

from abc import ABC
from datetime import datetime
from hashlib import blake2b

from whereupon.api.segment_api import SegmentCalls
from whereupon.messages.codec import encode
from whereupon.messages.metrics import METRIC_NAMES
from whereupon.messages.times import as_micros
from whereupon.pipeline.ingestion import Ingested, refuse
from whereupon.ports import HostTransaction


class ReportCalls(SegmentCalls, ABC):
    """The call that reports a metric of a delivery, for a class that can ingest a batch."""

    def report(  # noqa: PLR0913 - what a provider may know of an event
        self,
        key: str,
        metric: str,
        *,
        at: datetime | None = None,
        reason: str | None = None,
        permanent: bool = True,
        consent: bool = True,
        event_id: str | None = None,
        connection: HostTransaction | None = None,
    ) -> Ingested:
        """Report what became of a delivery after it was handed over.

        The report is a ``Report Delivery Event`` of a server and goes the way of every message. The same
        report counts once. `Delivery.reports` has the metrics of a delivery.

        A permanent ``bounced`` and ``complained`` suppress the address for the channel. ``unsubscribed``
        and ``complained`` also set the person's attribute ``unsubscribed`` to true, by an identify.

        Args:
            key: the delivery's `idempotency_key`.
            metric: ``sent``, ``delivered``, ``opened``, ``clicked``, ``converted``, ``bounced``,
                ``complained`` (or ``spammed``), ``unsubscribed``, ``dropped``, ``deferred`` or ``failed``.
            at: when it happened, an aware instant; now by default.
            reason: what the provider says, in words. It is kept with the report.
            permanent: whether a bounce is final (a hard bounce). A temporary one suppresses nothing.
            consent: whether ``unsubscribed`` and ``complained`` set the person's attribute. Say False
                where the person's wish was recorded already, such as for one topic.
            event_id: the provider's id of the event. Without it, reports are the same if key, metric,
                ``permanent`` and ``at`` are.
            connection: the host's connection, whose transaction is used.

        Returns:
            What became of the message. If no delivery has that key, the report is kept, and a warning
            has the code ``unknown-delivery``.

        Raises:
            ValueError: there is no such metric, or the key is empty.
        """
        if metric not in METRIC_NAMES:
            text = f"there is no metric {metric!r}; there are: {', '.join(METRIC_NAMES)}"
            raise ValueError(text)
        if not key.strip():
            text = "key is the delivery's idempotency_key; it is empty"
            raise ValueError(text)
        message = report_message(
            key,
            metric,
            at=at,
            reason=reason,
            permanent=permanent,
            consent=consent,
            event_id=event_id,
        )
        ingested = self.ingest([message], connection=connection)
        refuse(ingested.rejected)
        return ingested


def report_message(
    key: str,
    metric: str,
    *,
    at: datetime | None = None,
    reason: str | None = None,
    permanent: bool = True,
    consent: bool = True,
    event_id: str | None = None,
) -> dict[str, object]:
    """The message that reports a metric, in wire form, under an id that follows from what is reported."""
    said = {
        "deliveryId": key,
        "metric": METRIC_NAMES[metric].value,
        **({} if reason is None else {"reason": reason}),
        **({} if permanent else {"permanent": False}),
        **({} if consent else {"consent": False}),
    }
    name = [key, said["metric"], permanent, at and as_micros(at), event_id]
    return {
        "type": "track",
        "event": "Report Delivery Event",
        "messageId": f"report-{blake2b(encode(name), digest_size=16).hexdigest()}",
        "timestamp": at,
        "properties": said,
    }
