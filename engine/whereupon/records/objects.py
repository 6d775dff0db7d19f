"""What persons have, belong to and report: devices, objects, relationships, metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import JsonValue

from whereupon.messages.metrics import METRIC_BITS, METRIC_NAMES


@dataclass(frozen=True, slots=True)
class Device:
    """A device for push messages. A token belongs to one person: the last who registered it."""

    token: str
    person_key: int
    platform: str | None
    attributes: Mapping[str, JsonValue]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object that persons relate to (a company, a course): the target of a ``group`` call."""

    type_id: str
    object_id: str
    attributes: Mapping[str, JsonValue]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Relationship:
    """A person's tie to an object."""

    person_key: int
    type_id: str
    object_id: str


METRICS = (*METRIC_NAMES,)
"""The known metrics. Any other metric is a text of the sender's, which may hold personal data."""


@dataclass(frozen=True, slots=True)
class MetricReport:
    """A metric of a delivery (opened, bounced, …) or an action of an in-app content, as reported.

    Attributes:
        ref: the message that reports it (see `ref_of`).
        subject: the idempotency key of the delivery, or the id of the content.
        reason: what the provider said, in words.
    """

    ref: str
    kind: str
    subject: str
    metric: str
    person: str | None
    timestamp: datetime
    reason: str | None = None

    @property
    def bits(self) -> int:
        """The bit of its metric in `Delivery.reports`; 0 if it is about no delivery."""
        metric = METRIC_NAMES.get(self.metric) if self.kind == "delivery" else None
        return 0 if metric is None else METRIC_BITS[metric]

    def without_person(self, ref: str) -> "MetricReport":
        """What is kept when the person is erased, under another reference: that there was such a metric."""
        metric = self.metric if self.metric in METRICS else ""
        return replace(self, ref=ref, person=None, subject="", metric=metric, reason=None)
