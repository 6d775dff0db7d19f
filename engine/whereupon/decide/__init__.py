"""Deciding: state and messages in, changes and what is emitted out.

    decide(loaded, messages, index, settings) -> BatchResult

The package does no I/O, reads no clock and draws no random number: the same input gives the same output on
every machine. The caller loads everything that a batch may need (`Snapshot`) and writes all that it changes.

A message goes through `batch`, `arrivals`, `person_changes`, `evaluator` and `verdicts`; an entry through
`entries`, `steps` and `exits`; a request through `semantic_actions`, `requests` and `guard_facts`.

For others: all names below, `decisions` (`Decision`, `Reason`, `Outcome`) and `consent`.
"""

from whereupon.decide.batch import decide, decide_together
from whereupon.decide.broadcasts import (
    NO_PROPERTIES,
    OwnProperties,
    audience_of,
    broadcast_chunk,
    excluded_by,
    goal_reached_by,
    miss_own_time,
    prefilter_for,
    room_for,
)
from whereupon.decide.claim_chunks import carry_on
from whereupon.decide.decision_list import Decisions, Skipped, SkippedTogether, Unread
from whereupon.decide.decisions import Reason
from whereupon.decide.engine_settings import Settings
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.guard_facts import object_key
from whereupon.decide.guard_snapshot import GuardSnapshot
from whereupon.decide.own_times import own_time, turns_at
from whereupon.decide.requests import audit_record
from whereupon.decide.result import (
    BatchResult,
    Converted,
    Emitted,
    Ended,
    KeysExhausted,
    Notice,
    Passage,
    PoisonError,
)
from whereupon.decide.resumed_requests import resume_request
from whereupon.decide.semantic_actions import end_requests, plan_of_request
from whereupon.decide.snapshot import ClaimChunk, GivenUp, Snapshot
from whereupon.decide.timed import armed
from whereupon.decide.verdicts import verdict_on_unmatched

__all__ = [
    "NO_PROPERTIES",
    "BatchResult",
    "ClaimChunk",
    "Converted",
    "Decisions",
    "Emitted",
    "Ended",
    "Evaluation",
    "GivenUp",
    "GuardSnapshot",
    "KeysExhausted",
    "Notice",
    "OwnProperties",
    "Passage",
    "PoisonError",
    "Reason",
    "Settings",
    "Skipped",
    "SkippedTogether",
    "Snapshot",
    "Unread",
    "armed",
    "audience_of",
    "audit_record",
    "broadcast_chunk",
    "carry_on",
    "decide",
    "decide_together",
    "end_requests",
    "excluded_by",
    "goal_reached_by",
    "miss_own_time",
    "object_key",
    "own_time",
    "plan_of_request",
    "prefilter_for",
    "resume_request",
    "room_for",
    "turns_at",
    "verdict_on_unmatched",
]
