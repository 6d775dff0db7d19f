"""whereupon: a campaign-trigger rules engine that a backend embeds.

from whereupon import Engine

with Engine.open("sqlite:///shop.db", rules="rules") as engine:
    engine.track("purchase", user_id="ada", properties={"product": "socks", "price": 23.45})

Each public name is imported when it is first asked for, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whereupon.decide.decisions import Decision, Reason
    from whereupon.delivery.dispatcher import GiveUp, RetryLater, RetryPolicy
    from whereupon.engine import Engine
    from whereupon.errors import (
        Diagnostic,
        MessageRejectedError,
        RulesInvalidError,
        StoreError,
        UnknownNameError,
        WhereuponError,
    )
    from whereupon.identity.algebra import IdentityPolicy
    from whereupon.operations.pruning import Pruned
    from whereupon.pipeline.ingesting import Ingested
    from whereupon.records import Delivery, Request
    from whereupon.rules.model import Retention
    from whereupon.runtime.gc_pause import bulk

__all__ = [
    "Decision",
    "Delivery",
    "Diagnostic",
    "Engine",
    "GiveUp",
    "IdentityPolicy",
    "Ingested",
    "MessageRejectedError",
    "Pruned",
    "Reason",
    "Request",
    "Retention",
    "RetryLater",
    "RetryPolicy",
    "RulesInvalidError",
    "StoreError",
    "UnknownNameError",
    "WhereuponError",
    "bulk",
]

_HOMES = {
    "Decision": "decide.decisions",
    "Delivery": "records",
    "Diagnostic": "errors",
    "Engine": "engine",
    "GiveUp": "delivery.dispatcher",
    "IdentityPolicy": "identity.algebra",
    "Ingested": "pipeline.ingesting",
    "MessageRejectedError": "errors",
    "Pruned": "operations.pruning",
    "Reason": "decide.decisions",
    "Request": "records",
    "Retention": "rules.model",
    "RetryLater": "delivery.dispatcher",
    "RetryPolicy": "delivery.dispatcher",
    "RulesInvalidError": "errors",
    "StoreError": "errors",
    "UnknownNameError": "errors",
    "WhereuponError": "errors",
    "bulk": "runtime.gc_pause",
}


if not TYPE_CHECKING:  # else a type checker would believe in every name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
