"""whereupon: a campaign-trigger rules engine that a backend embeds.

from whereupon import Engine

with Engine.open("sqlite:///shop.db", rules="rules") as engine:
    engine.track("purchase", user_id="ada", properties={"product": "socks", "price": 23.45})

Everything that a public call takes, returns or raises can be imported from here. Each name is imported at its
first use, so that the import of the package takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whereupon.api.config import MessageOptions, Metrics, Ran, Status
    from whereupon.api.parts import UnknownChannels
    from whereupon.config import open_config
    from whereupon.decide import Notice
    from whereupon.decide.decisions import Decision, Outcome, Reason
    from whereupon.delivery.action_calls import ActionCall, Handler
    from whereupon.delivery.dispatcher import Dispatched
    from whereupon.delivery.links import Links
    from whereupon.delivery.monitor import Hook
    from whereupon.delivery.retries import GiveUp, Retry, RetryLater
    from whereupon.delivery.subscriptions import Subscriptions
    from whereupon.engine import Engine
    from whereupon.errors import (
        ApiKeyError,
        ConfigInvalidError,
        Diagnostic,
        LinkError,
        MessageRejectedError,
        OperationError,
        RequestError,
        RulesInvalidError,
        StoreError,
        UnknownNameError,
        WhereuponError,
    )
    from whereupon.guards.audit_chain import Flaw
    from whereupon.identity.algebra import IdentityPolicy
    from whereupon.insight import Explanation, Identity, Preview
    from whereupon.messages.metrics import Metric
    from whereupon.messages.model import Source
    from whereupon.operations.api_keys import Keys, NewKey
    from whereupon.operations.audience_preview import AudiencePreview
    from whereupon.operations.audit_log import Audit, Receipt
    from whereupon.operations.broadcast_runs import RunPage, RunProgress
    from whereupon.operations.broadcasts import Broadcasts, Triggered
    from whereupon.operations.conversions import ArmStatistics, Conversions
    from whereupon.operations.entries import Entries
    from whereupon.operations.entry_moves import Moved, MoveGroup, MoveRefusal
    from whereupon.operations.entry_questions import EntryPage
    from whereupon.operations.intervals import Difference
    from whereupon.operations.pruner import Pruned
    from whereupon.operations.requests import Requests
    from whereupon.operations.statistics import RuleStatistics, Statistics
    from whereupon.pipeline.ingestion import Ingested, Rejected, WireMessage
    from whereupon.pipeline.work_scope import LeftAlone, Why
    from whereupon.ports import Backlog, Channel, Clock, HostTransaction, Sender
    from whereupon.records import (
        ApiKey,
        Approval,
        AuditHead,
        AuditRow,
        Breaker,
        BroadcastRun,
        Delivery,
        DeliveryFigures,
        DeliveryState,
        Entry,
        EntryCount,
        EntryFigures,
        EntryState,
        Exemption,
        InboxItem,
        KeyKind,
        KeyLimit,
        Mark,
        MarkKind,
        Operation,
        Plan,
        Request,
        RequestOutcome,
        RulePause,
        RunPlace,
        RunState,
        SendKind,
        SetAside,
        SuppressedAddress,
    )
    from whereupon.rules.model import Retention, Rulebook
    from whereupon.runtime.gc_pause import bulk
    from whereupon.scheduling import FrozenClock, SystemClock
    from whereupon.storage import StoreAddress

__all__ = [
    "ActionCall",
    "ApiKey",
    "ApiKeyError",
    "Approval",
    "ArmStatistics",
    "AudiencePreview",
    "Audit",
    "AuditHead",
    "AuditRow",
    "Backlog",
    "Breaker",
    "BroadcastRun",
    "Broadcasts",
    "Channel",
    "Clock",
    "ConfigInvalidError",
    "Conversions",
    "Decision",
    "Delivery",
    "DeliveryFigures",
    "DeliveryState",
    "Diagnostic",
    "Difference",
    "Dispatched",
    "Engine",
    "Entries",
    "Entry",
    "EntryCount",
    "EntryFigures",
    "EntryPage",
    "EntryState",
    "Exemption",
    "Explanation",
    "Flaw",
    "FrozenClock",
    "GiveUp",
    "Handler",
    "Hook",
    "HostTransaction",
    "Identity",
    "IdentityPolicy",
    "InboxItem",
    "Ingested",
    "KeyKind",
    "KeyLimit",
    "Keys",
    "LeftAlone",
    "LinkError",
    "Links",
    "Mark",
    "MarkKind",
    "MessageOptions",
    "MessageRejectedError",
    "Metric",
    "Metrics",
    "MoveGroup",
    "MoveRefusal",
    "Moved",
    "NewKey",
    "Notice",
    "Operation",
    "OperationError",
    "Outcome",
    "Plan",
    "Preview",
    "Pruned",
    "Ran",
    "Reason",
    "Receipt",
    "Rejected",
    "Request",
    "RequestError",
    "RequestOutcome",
    "Requests",
    "Retention",
    "Retry",
    "RetryLater",
    "RulePause",
    "RuleStatistics",
    "Rulebook",
    "RulesInvalidError",
    "RunPage",
    "RunPlace",
    "RunProgress",
    "RunState",
    "SendKind",
    "Sender",
    "SetAside",
    "Source",
    "Statistics",
    "Status",
    "StoreAddress",
    "StoreError",
    "Subscriptions",
    "SuppressedAddress",
    "SystemClock",
    "Triggered",
    "UnknownChannels",
    "UnknownNameError",
    "WhereuponError",
    "Why",
    "WireMessage",
    "bulk",
    "open_config",
]

_HOMES = {
    "ActionCall": "delivery.action_calls",
    "ApiKey": "records",
    "ApiKeyError": "errors",
    "Approval": "records",
    "ArmStatistics": "operations.conversions",
    "AudiencePreview": "operations.audience_preview",
    "Audit": "operations.audit_log",
    "AuditHead": "records",
    "AuditRow": "records",
    "Backlog": "ports",
    "Breaker": "records",
    "BroadcastRun": "records",
    "Broadcasts": "operations.broadcasts",
    "Channel": "ports",
    "Clock": "ports",
    "ConfigInvalidError": "errors",
    "Conversions": "operations.conversions",
    "Decision": "decide.decisions",
    "Delivery": "records",
    "DeliveryFigures": "records",
    "DeliveryState": "records",
    "Diagnostic": "errors",
    "Difference": "operations.intervals",
    "Dispatched": "delivery.dispatcher",
    "Engine": "engine",
    "Entries": "operations.entries",
    "Entry": "records",
    "EntryCount": "records",
    "EntryFigures": "records",
    "EntryPage": "operations.entry_questions",
    "EntryState": "records",
    "Explanation": "insight",
    "Flaw": "guards.audit_chain",
    "FrozenClock": "scheduling",
    "GiveUp": "delivery.retries",
    "Handler": "delivery.action_calls",
    "Hook": "delivery.monitor",
    "HostTransaction": "ports",
    "Identity": "insight",
    "IdentityPolicy": "identity.algebra",
    "InboxItem": "records",
    "Ingested": "pipeline.ingestion",
    "KeyKind": "records",
    "KeyLimit": "records",
    "Keys": "operations.api_keys",
    "LeftAlone": "pipeline.work_scope",
    "LinkError": "errors",
    "Links": "delivery.links",
    "Mark": "records",
    "MarkKind": "records",
    "MessageOptions": "api.config",
    "MessageRejectedError": "errors",
    "Metric": "messages.metrics",
    "Metrics": "api.config",
    "MoveGroup": "operations.entry_moves",
    "MoveRefusal": "operations.entry_moves",
    "Moved": "operations.entry_moves",
    "NewKey": "operations.api_keys",
    "Notice": "decide",
    "Operation": "records",
    "OperationError": "errors",
    "Outcome": "decide.decisions",
    "Plan": "records",
    "Preview": "insight",
    "Pruned": "operations.pruner",
    "Ran": "api.config",
    "Reason": "decide.decisions",
    "Receipt": "operations.audit_log",
    "Rejected": "pipeline.ingestion",
    "Request": "records",
    "RequestError": "errors",
    "RequestOutcome": "records",
    "Requests": "operations.requests",
    "Retention": "rules.model",
    "Retry": "delivery.retries",
    "RetryLater": "delivery.retries",
    "RulePause": "records",
    "RuleStatistics": "operations.statistics",
    "Rulebook": "rules.model",
    "RulesInvalidError": "errors",
    "RunPage": "operations.broadcast_runs",
    "RunPlace": "records",
    "RunProgress": "operations.broadcast_runs",
    "RunState": "records",
    "Exemption": "records",
    "SendKind": "records",
    "Sender": "ports",
    "SetAside": "records",
    "Source": "messages.model",
    "Statistics": "operations.statistics",
    "Status": "api.config",
    "StoreAddress": "storage",
    "StoreError": "errors",
    "Subscriptions": "delivery.subscriptions",
    "SuppressedAddress": "records",
    "SystemClock": "scheduling",
    "Triggered": "operations.broadcasts",
    "UnknownChannels": "api.parts",
    "UnknownNameError": "errors",
    "WhereuponError": "errors",
    "Why": "pipeline.work_scope",
    "WireMessage": "pipeline.ingestion",
    "bulk": "runtime.gc_pause",
    "open_config": "config",
}


if not TYPE_CHECKING:  # else a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
