"""Insight: why a person entered a rule or not, who a person is, and what an identify would do, in sentences.

The package reads and explains; it writes nothing. It shows what was decided and decides again only where the
store keeps one word for many rules.

Modules, from below: `clauses` (why a rule skipped a message), `passages` (what an
entry passed, where it stands), `outcomes` (what it sent, how it ended),
`redecision` (deciding again what is stored as one word), `explanations` (one a message), `audiences`
(broadcasts that did not go to a person), `rule_report` (one person, one rule), `person_report` (how it became
known who a person is), `next_moments` (when time opens rules for them), `person_profile` (what is known of them now), `person_timeline` (what happened to them),
`identify_preview` (what an identify would claim), `rule_graph` (a rule's steps as a tree).

For others: all names below.
"""

from whereupon.insight.clauses import describe, sentence_for, subject_of
from whereupon.insight.explanations import Explanation, explain, without_repeats
from whereupon.insight.identify_preview import (
    ClaimedMessage,
    EndedEntry,
    Preview,
    WaitingEntry,
    preview_identify,
)
from whereupon.insight.moments import led_by_time
from whereupon.insight.next_moments import NextMoment, next_moments
from whereupon.insight.outcomes import delivered, ended_by, headline_of, why_withheld
from whereupon.insight.passages import (
    Tense,
    held_at,
    next_step,
    passage_words,
    shown_values,
    standing,
    waits_at,
)
from whereupon.insight.person_profile import Profile, known_person, profile
from whereupon.insight.person_report import (
    BroughtMessage,
    ClaimedId,
    ClaimReport,
    Identity,
    MergedPerson,
    identify_person,
)
from whereupon.insight.person_timeline import Happening, TimelinePlace, timeline
from whereupon.insight.rule_graph import (
    GraphArm,
    GraphStep,
    People,
    RuleGraph,
    graph_of,
    where_words,
)
from whereupon.insight.rule_report import explain_rule

__all__ = [
    "BroughtMessage",
    "ClaimReport",
    "ClaimedId",
    "ClaimedMessage",
    "EndedEntry",
    "Explanation",
    "GraphArm",
    "GraphStep",
    "Happening",
    "Identity",
    "MergedPerson",
    "NextMoment",
    "People",
    "Preview",
    "Profile",
    "RuleGraph",
    "Tense",
    "TimelinePlace",
    "WaitingEntry",
    "delivered",
    "describe",
    "ended_by",
    "explain",
    "explain_rule",
    "graph_of",
    "headline_of",
    "held_at",
    "identify_person",
    "known_person",
    "led_by_time",
    "next_moments",
    "next_step",
    "passage_words",
    "preview_identify",
    "profile",
    "sentence_for",
    "shown_values",
    "standing",
    "subject_of",
    "timeline",
    "waits_at",
    "where_words",
    "why_withheld",
    "without_repeats",
]
