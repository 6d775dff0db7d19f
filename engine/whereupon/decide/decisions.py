"""Decisions as values: what became of one message, one rule and one person, and why."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.conditions import Failure
from whereupon.messages.model import MessageType
from whereupon.records import NOTHING
from whereupon.rules.model import RuleKind


class Outcome(StrEnum):
    """The two outcomes of a decision."""

    ENTERED = "entered"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a person did not enter. A reason keeps its name for ever."""

    WHERE = "where"
    WHO = "who"
    GOAL_MET = "goal-met"
    REENTRY = "reentry"
    KEY_MISSING = "key-missing"
    HOLDOUT = "holdout"
    TOO_OLD = "too-old"
    RETROACTIVE_OFF = "retroactive-off"
    RETROACTIVE_TAKE = "retroactive-take"
    INACTIVE = "inactive"
    PAUSED = "paused"
    SUPPRESSED = "suppressed"
    DELETED = "deleted"
    SOURCE = "source"
    LOOP = "loop"
    CLAIMED_BEFORE = "claimed-before"
    CHANGED_BACK = "changed-back"


class Decision(NamedTuple):
    """The stored verdict on one message, rule and person.

    Attributes:
        type, event: of the message; None for a scheduled broadcast, whose `message_id` is the
            occasion: the rule and the time.
        person: the person's first user id; None if no person is known (yet).
        reason: None if the person entered.
        digest: of the rule version that decided.
        condition, values: the part of a condition that failed, and the values that it read.
    """

    message_id: str
    type: MessageType | None
    event: str | None
    timestamp: datetime
    decided_at: datetime
    person: str | None
    rule: str
    rule_kind: RuleKind
    outcome: Outcome
    reason: Reason | None
    retroactive: bool
    digest: str
    condition: str | None = None
    values: Mapping[str, JsonValue] = NOTHING


class Verdict(NamedTuple):
    """Entered or skipped.

    Attributes:
        reason: why the rule skips the message; None if the person enters.
        failure: the part of a condition that does not hold, if one does not.
        slot: the re-entry slot that the entry takes, if the rule limits re-entry.
    """

    reason: Reason | None = None
    failure: Failure | None = None
    slot: str | None = None


ENTERED = Verdict()
