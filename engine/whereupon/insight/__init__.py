"""What the engine decided about somebody, and what came of it, as sentences that a marketer understands.

Modules, from below: `clauses` (why a rule skipped a message), `outcomes` (what an entry sent, how it ended),
`explanations` (one for each message, with the values behind its sentence), `audiences` (broadcasts, for those
to whom they did not go), `asking` (all that is to be said of one person and one rule).
"""

from whereupon.insight.asking import explain_rule
from whereupon.insight.clauses import describe, sentence_for, subject_of
from whereupon.insight.explanations import Explanation, explain, told_once
from whereupon.insight.identifying import (
    BroughtMessage,
    ClaimedId,
    ClaimRun,
    Identity,
    MergedPerson,
    identify_person,
)
from whereupon.insight.outcomes import delivered, ended_by, headline_of, next_step, why_withheld
from whereupon.insight.previewing import (
    ClaimedMessage,
    EndedEntry,
    Preview,
    WaitingEntry,
    preview_identify,
)

__all__ = [
    "BroughtMessage",
    "ClaimRun",
    "ClaimedId",
    "ClaimedMessage",
    "EndedEntry",
    "Explanation",
    "Identity",
    "MergedPerson",
    "Preview",
    "WaitingEntry",
    "delivered",
    "describe",
    "ended_by",
    "explain",
    "explain_rule",
    "headline_of",
    "identify_person",
    "next_step",
    "preview_identify",
    "sentence_for",
    "subject_of",
    "told_once",
    "why_withheld",
]
