"""Rules as values: what the files of a folder say, read and checked, and the book of all of them.

Each value stands in the module of its step, key or file; the names for other packages are gathered
here. Nothing here decides anything or opens a file. A rule is frozen; its `digest` names its content, so
that a stored decision says by which version of the rule it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from whereupon.rules.files.event import EventPlan
from whereupon.rules.files.guard import DEFAULT_EXPIRY, Aftermath, Consent, Guard
from whereupon.rules.files.rule import Rule, RuleKind
from whereupon.rules.files.segment import Segment
from whereupon.rules.files.settings import DEFAULT_SETTINGS, FolderSettings
from whereupon.rules.keys.active import Active
from whereupon.rules.keys.approvals import NO_APPROVALS, Approvals
from whereupon.rules.keys.cap import SKIP, Cap, Skip, WaitUpTo
from whereupon.rules.keys.exit import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, ExitOnWho
from whereupon.rules.keys.goal import Goal
from whereupon.rules.keys.holdout import Holdout
from whereupon.rules.keys.keep import Retention
from whereupon.rules.keys.limits import Limit, Scope
from whereupon.rules.keys.max_age import DEFAULT_MAX_AGE
from whereupon.rules.keys.quiet_hours import QuietHours
from whereupon.rules.keys.rate import AudienceRate
from whereupon.rules.keys.reentry import (
    CalendarSpan,
    EveryTime,
    NotWhileActive,
    Once,
    OncePer,
    OncePerCalendar,
    OncePerKey,
    Reentry,
)
from whereupon.rules.keys.retroactive import Retroactive, Take
from whereupon.rules.keys.schedule import (
    DEFAULT_LATE,
    OPEN_FOR,
    OnSchedule,
    closing_of,
    local_time_of,
)
from whereupon.rules.keys.timed_triggers import OnDate, OnQuiet
from whereupon.rules.keys.when import (
    OnCall,
    OnKnown,
    OnMessage,
    OnSegment,
    SegmentChange,
    Trigger,
)
from whereupon.rules.route import END, Place, Route
from whereupon.rules.steps.branch import Branch
from whereupon.rules.steps.exit import Leave
from whereupon.rules.steps.on_failure import OnFailure
from whereupon.rules.steps.run import Run
from whereupon.rules.steps.send import Send
from whereupon.rules.steps.set import SetAttributes
from whereupon.rules.steps.split import Split
from whereupon.rules.steps.step_form import Step
from whereupon.rules.steps.track import TrackEvent
from whereupon.rules.steps.wait import UntilDate, UntilTime, Wait
from whereupon.rules.steps.wait_for import Since, WaitArm, WaitFor

__all__ = [
    "DEFAULT_EXPIRY",
    "DEFAULT_LATE",
    "DEFAULT_MAX_AGE",
    "END",
    "NO_APPROVALS",
    "OPEN_FOR",
    "SKIP",
    "Active",
    "Aftermath",
    "Approvals",
    "AudienceRate",
    "Branch",
    "CalendarSpan",
    "Cap",
    "Consent",
    "EventPlan",
    "EveryTime",
    "Exit",
    "ExitOnCondition",
    "ExitOnEvent",
    "ExitOnLeaving",
    "ExitOnWho",
    "FolderSettings",
    "Goal",
    "Guard",
    "Holdout",
    "Leave",
    "Limit",
    "NotWhileActive",
    "OnCall",
    "OnDate",
    "OnFailure",
    "OnKnown",
    "OnMessage",
    "OnQuiet",
    "OnSchedule",
    "OnSegment",
    "Once",
    "OncePer",
    "OncePerCalendar",
    "OncePerKey",
    "Place",
    "QuietHours",
    "Reentry",
    "Retention",
    "Retroactive",
    "Route",
    "Rule",
    "RuleKind",
    "Rulebook",
    "Run",
    "Scope",
    "Segment",
    "SegmentChange",
    "Send",
    "SetAttributes",
    "Since",
    "Skip",
    "Split",
    "Step",
    "Take",
    "TrackEvent",
    "Trigger",
    "UntilDate",
    "UntilTime",
    "Wait",
    "WaitArm",
    "WaitFor",
    "WaitUpTo",
    "closing_of",
    "local_time_of",
]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything that one rules folder says."""

    rules: tuple[Rule, ...] = ()
    segments: Mapping[str, Segment] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    events: tuple[EventPlan, ...] = ()
    settings: FolderSettings = DEFAULT_SETTINGS

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id, if there is one."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)
