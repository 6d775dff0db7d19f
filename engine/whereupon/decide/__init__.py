"""The fold: state and messages in, changes and decisions out; no I/O, no clock, no randomness.

    decide(loaded, messages, index, settings) -> Folded

Modules, from below: `occurrences` (a message as rules see it), `telling` and `given` (what goes in and comes
out), `working` (the state of one batch while it is folded), `people` (identify, claim, merge, erase),
`merging` (two become one), `silencing` (who is under a tombstone), `skipping` (rules that a message does not open), `lapsing` (what ends
an entry though nothing is said), `entering` (decide, enter, run steps), `requesting` (the guards' verdicts, and
requests that wait), `enacting` (what semantic events do), `choosing` (rules that take one of what a claim
brings), `folding` (the way of one message), `claiming` (claims in parts), `sending` (broadcasts). The same input
gives the same output on every machine; the caller loads everything that it may need and writes everything
that it made.
"""

from whereupon.decide.batch import decide
from whereupon.decide.broadcasts import audience_of, broadcast_chunk, left_out_by, prefilter_for
from whereupon.decide.claiming import carry_on
from whereupon.decide.decision_list import Decisions, Skipped
from whereupon.decide.evaluation import data_for, occurrence_of
from whereupon.decide.requests import object_key, recorded
from whereupon.decide.semantic_actions import give_up, plan_of, resume
from whereupon.decide.snapshot import (
    BatchResult,
    Emitted,
    Ended,
    GuardSnapshot,
    KeysExhausted,
    Notice,
    Part,
    PoisonError,
    Settings,
    Snapshot,
)

__all__ = [
    "BatchResult",
    "Decisions",
    "Emitted",
    "Ended",
    "GuardSnapshot",
    "KeysExhausted",
    "Notice",
    "Part",
    "PoisonError",
    "Settings",
    "Skipped",
    "Snapshot",
    "audience_of",
    "broadcast_chunk",
    "carry_on",
    "data_for",
    "decide",
    "give_up",
    "left_out_by",
    "object_key",
    "occurrence_of",
    "plan_of",
    "prefilter_for",
    "recorded",
    "resume",
]
