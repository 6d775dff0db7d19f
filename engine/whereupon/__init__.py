"""whereupon: a campaign-trigger rules engine that a backend embeds.

from whereupon import Engine

with Engine.open("sqlite:///shop.db", rules="rules") as engine:
    engine.track("purchase", user_id="ada", properties={"product": "socks", "price": 23.45})
"""

from whereupon.decisions import Decision, Reason
from whereupon.delivery import RetryLater, RetryPolicy
from whereupon.engine import Engine
from whereupon.errors import (
    Diagnostic,
    MessageRejectedError,
    RulesInvalidError,
    StoreError,
    UnknownNameError,
    WhereuponError,
)
from whereupon.identity import IdentityPolicy
from whereupon.ingesting import Ingested
from whereupon.state import Delivery, Request

__all__ = [
    "Decision",
    "Delivery",
    "Diagnostic",
    "Engine",
    "IdentityPolicy",
    "Ingested",
    "MessageRejectedError",
    "Reason",
    "Request",
    "RetryLater",
    "RetryPolicy",
    "RulesInvalidError",
    "StoreError",
    "UnknownNameError",
    "WhereuponError",
]
