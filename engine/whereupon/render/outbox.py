"""A delivery of the outbox as one line for people."""

from whereupon.messages.metrics import Metric
from whereupon.messages.times import format_instant
from whereupon.records import Delivery
from whereupon.render.formatting import clean, headline, named


def outbox_line(delivery: Delivery) -> str:
    """The key, state, time, channel, person, title, reason, version of the texts and reports of a delivery."""
    title = headline(delivery.content)
    tries = f", {delivery.attempts} tries" if delivery.attempts else ""
    parts = (
        delivery.idempotency_key,
        f"{delivery.state}{tries}",
        format_instant(delivery.due_at),
        f"{clean(delivery.channel)} to {named(delivery.person)} ({delivery.rule})",
        f"“{title}”" if title else "",
        f"because {clean(delivery.reason)}" if delivery.reason else "",
        f"texts of version {delivery.texts}" if delivery.texts else "",
        ", ".join(metric for metric in Metric if metric in delivery.reports),
    )
    return "  ".join(part for part in parts if part)
