"""Ports: what the engine needs from outside, as protocols: a store, a clock, channels.

The only code here is the defaults of `Questions`; `storage` implements the store, hosts give channels.
A store's session has four phases: `Reads`, `Writes`, `DueWork` and `Questions`. A third party's store
implements the first three.

For others: every name below.
"""

from whereupon.ports.due_work import DueWork
from whereupon.ports.figure_questions import FigureQuestions
from whereupon.ports.guard_questions import GuardQuestions
from whereupon.ports.host import (
    NO_CHANNEL,
    Attachable,
    BatchSender,
    Channel,
    ChannelHost,
    Checkable,
    Clock,
    Finding,
    FindingLevel,
    HostTransaction,
    Sender,
)
from whereupon.ports.joint_work import JointWork
from whereupon.ports.questions import FOOTPRINT, Questions
from whereupon.ports.reads import Reads
from whereupon.ports.store import Session, Store, Watch
from whereupon.ports.tracing import NoTracer, Span, SpanFacts, Tracer
from whereupon.ports.types import (
    ANY_DELIVERY,
    Backlog,
    Counts,
    DeadLetters,
    DeliveryFilter,
    HistoryNeed,
    LeasedNow,
    Settlement,
    Stretch,
    WaitingChannels,
    is_meant,
)
from whereupon.ports.writes import Writes

__all__ = [
    "ANY_DELIVERY",
    "FOOTPRINT",
    "NO_CHANNEL",
    "Attachable",
    "Backlog",
    "BatchSender",
    "Channel",
    "ChannelHost",
    "Checkable",
    "Clock",
    "Counts",
    "DeadLetters",
    "DeliveryFilter",
    "DueWork",
    "FigureQuestions",
    "Finding",
    "FindingLevel",
    "GuardQuestions",
    "HistoryNeed",
    "HostTransaction",
    "JointWork",
    "LeasedNow",
    "NoTracer",
    "Questions",
    "Reads",
    "Sender",
    "Session",
    "Settlement",
    "Span",
    "SpanFacts",
    "Store",
    "Stretch",
    "Tracer",
    "WaitingChannels",
    "Watch",
    "Writes",
    "is_meant",
]
