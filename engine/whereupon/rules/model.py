"""Rules as values: what one rule file says, read and checked, and the book of all of them.

Nothing here decides anything (`decisions`) or reads files (`loading`). A rule is frozen; its
`digest` names its content, so that a stored decision says by which wording it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from whereupon.conditions import ALWAYS, Condition
from whereupon.messages.model import MessageType
from whereupon.messages.times import ZERO, format_duration
from whereupon.rules.steps.exit import Leave
from whereupon.rules.steps.send import Send
from whereupon.rules.steps.set_attributes import SetAttributes
from whereupon.rules.steps.step import Step
from whereupon.rules.steps.track import TrackEvent
from whereupon.rules.steps.wait import Wait

__all__ = [
    "DEFAULT_EXPIRY",
    "DEFAULT_LATE",
    "DEFAULT_MAX_AGE",
    "NO_APPROVALS",
    "Active",
    "Aftermath",
    "Approvals",
    "Change",
    "Consent",
    "EventPlan",
    "EveryTime",
    "Exit",
    "ExitOnCondition",
    "ExitOnEvent",
    "ExitOnLeaving",
    "FolderSettings",
    "Guard",
    "Leave",
    "Limit",
    "NotWhileActive",
    "OnCall",
    "OnKnown",
    "OnMessage",
    "OnSchedule",
    "OnSegment",
    "Once",
    "OncePer",
    "OncePerKey",
    "Reentry",
    "Retention",
    "Retroactive",
    "Rule",
    "RuleKind",
    "Rulebook",
    "Scope",
    "Segment",
    "Send",
    "SetAttributes",
    "Step",
    "Take",
    "TrackEvent",
    "Trigger",
    "Wait",
]

DEFAULT_MAX_AGE = timedelta(hours=72)
DEFAULT_LATE = timedelta(hours=24)


class RuleKind(StrEnum):
    """Whom a rule speaks to: the person who did something, or an audience."""

    CAMPAIGN = "campaign"
    BROADCAST = "broadcast"


# --- when -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnMessage:
    """A track, page or screen message by name: exact names, and prefixes (``Product *``)."""

    type: MessageType
    names: tuple[str, ...]
    prefixes: tuple[str, ...] = ()

    def names_message(self, type_: MessageType, name: str) -> bool:
        """Whether a message of this type and name is meant."""
        return type_ is self.type and (name in self.names or name.startswith(self.prefixes))


class Change(StrEnum):
    """The two ways a person's membership of a segment changes."""

    ENTERS = "enters"
    LEAVES = "leaves"


@dataclass(frozen=True, slots=True)
class OnSegment:
    """A person enters or leaves a segment."""

    segment: str
    change: Change


@dataclass(frozen=True, slots=True)
class OnKnown:
    """Somebody becomes known: once for each person, by whichever message that is."""


@dataclass(frozen=True, slots=True)
class OnSchedule:
    """A broadcast's times: a crontab expression of five fields, in a named timezone.

    Attributes:
        late: how late a time that was missed may still be made up for.
    """

    cron: str
    timezone: str = "UTC"
    late: timedelta = DEFAULT_LATE

    @property
    def zone(self) -> tzinfo:
        """The timezone, as Python knows it."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class OnCall:
    """A broadcast that the host triggers (``when: api``)."""


Trigger: TypeAlias = OnMessage | OnSegment | OnKnown | OnSchedule | OnCall


# --- reentry, retroactive, active, exit --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Once:
    """A person enters once, ever."""


@dataclass(frozen=True, slots=True)
class EveryTime:
    """Every message that matches opens an entry."""


@dataclass(frozen=True, slots=True)
class OncePer:
    """No two entries closer than ``period``, on the messages' own times, in both directions."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class OncePerKey:
    """One entry per value found at ``path`` in the message, such as ``("properties", "order_id")``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotWhileActive:
    """No second entry while one is still running."""


Reentry: TypeAlias = Once | EveryTime | OncePer | OncePerKey | NotWhileActive


class Take(StrEnum):
    """Which of the messages that one claim brings may trigger."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Retroactive:
    """The policy for claimed messages; ``within`` limits their age before the claim."""

    take: Take = Take.ALL
    within: timedelta | None = None

    @property
    def takes_one(self) -> bool:
        """Whether only one of the messages that a claim brings may trigger."""
        return self.take in {Take.FIRST, Take.LAST}


@dataclass(frozen=True, slots=True)
class Active:
    """When the rule lets people in: switched on, and between two instants (end excluded)."""

    on: bool = True
    since: datetime | None = None
    until: datetime | None = None

    def allows(self, instant: datetime) -> bool:
        """Whether the rule lets people in at ``instant``."""
        if not self.on or (self.since is not None and instant < self.since):
            return False
        return self.until is None or instant < self.until


@dataclass(frozen=True, slots=True)
class ExitOnEvent:
    """The person does something (``where`` narrows it) that ends the entry."""

    event: str
    where: Condition = ALWAYS


@dataclass(frozen=True, slots=True)
class ExitOnLeaving:
    """The person leaves a segment."""

    segment: str


@dataclass(frozen=True, slots=True)
class ExitOnCondition:
    """The person comes to satisfy a condition."""

    condition: Condition


Exit: TypeAlias = ExitOnEvent | ExitOnLeaving | ExitOnCondition


# --- the rule and the book --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One campaign or broadcast.

    Attributes:
        source: the file's content as plain values, from which this rule can be read again.
        digest: 16 hexadecimal digits of the content's hash (with the segments it refers to);
            they change when the meaning may have changed.
        reentry: for a broadcast always `EveryTime`; each run admits a person once anyway.
    """

    id: str
    kind: RuleKind
    description: str
    triggers: tuple[Trigger, ...]
    steps: tuple[Step, ...]
    source: Mapping[str, JsonValue]
    digest: str
    where: Condition = ALWAYS
    who: Condition = ALWAYS
    reentry: Reentry = EveryTime()
    max_age: timedelta = DEFAULT_MAX_AGE
    retroactive: Retroactive = Retroactive()
    active: Active = Active()
    exits: tuple[Exit, ...] = ()

    @property
    def zone(self) -> tzinfo:
        """Whose clock its dates are on: a schedule's, else UTC."""
        zones = (each.zone for each in self.triggers if isinstance(each, OnSchedule))
        return next(zones, UTC)

    @property
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The messages, by type and name, that its steps send; they may trigger rules and end entries."""
        return tuple(message for step in self.steps for message in step.messages_sent)


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition over the person; ``source`` is the condition as the file says it."""

    id: str
    description: str
    who: Condition
    source: JsonValue = None


class Consent(StrEnum):
    """What a guard file says of one class of sender."""

    RUN = "run"
    HOLD = "hold"
    REFUSE = "refuse"


class Scope(StrEnum):
    """What a limit counts together: all that the guard file guards, one action, one class of sender."""

    TOTAL = "total"
    ACTION = "action"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests may run in a window that ends now; of ``most`` and ``share`` one is given.

    Attributes:
        guard: the id of the guard file, whose breaker opens past it.
        actions: the actions that count together.
        share: of all people that are known, in percent; one at least.
    """

    guard: str
    actions: tuple[str, ...]
    per: timedelta
    most: int | None = None
    share: float | None = None
    scope: Scope = Scope.TOTAL

    def allowed(self, people: int) -> int:
        """How many that is, of so many people."""
        if self.most is not None:
            return self.most
        return max(1, int(people * (self.share or 0) / 100))

    @property
    def text(self) -> str:
        """In words, as ``50 in 1h`` or ``1% in 1d by source``."""
        amount = f"{self.share:g}%" if self.most is None else str(self.most)
        scope = "" if self.scope is Scope.TOTAL else f" by {self.scope}"
        return f"{amount} in {format_duration(self.per)}{scope}"


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many must agree, and who may: None for anybody; the requester never may."""

    needed: int = 0
    by: tuple[str, ...] | None = None


NO_APPROVALS = Approvals()


class Aftermath(StrEnum):
    """What a deletion does to messages of the deleted that come afterwards."""

    LATE = "late"
    """What happened before it is ignored; what happens after makes a new, empty person."""
    IGNORE = "ignore"
    """All are ignored, until the person is unsuppressed."""


DEFAULT_EXPIRY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard file: for which actions, what must hold before they run.

    Attributes:
        sources: what each class of sender (`Source` value) may ask, as far as the file says it.
        enabled: whether the actions run at all here.
        protect: nobody of whom one of these holds is touched.
        cool_off: how long a request waits, and can be cancelled.
        expires_after: how long a held request waits for people before it is given up.
    """

    id: str
    description: str
    actions: tuple[str, ...]
    sources: Mapping[str, Consent]
    stale_after: timedelta = DEFAULT_MAX_AGE
    enabled: bool = True
    protect: tuple[Condition, ...] = ()
    limits: tuple[Limit, ...] = ()
    approvals: Approvals = NO_APPROVALS
    cool_off: timedelta = ZERO
    expires_after: timedelta = DEFAULT_EXPIRY
    tombstone: Aftermath = Aftermath.LATE


@dataclass(frozen=True, slots=True)
class EventPlan:
    """An event file: one event's name and the JSON Schema types of its properties."""

    id: str
    name: str
    description: str
    properties: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the store keeps what nothing waits for any more (``keep`` of the settings file).

    Each is counted from the end of what is kept; None is for ever.

    Attributes:
        skips: decisions that let nobody in, from the message's arrival.
        deliveries: deliveries that are done with, from when they were sent, withheld or given up.
        entries: entries that have ended, from their end.
        set_aside: messages that the engine could not work on, from when they were set aside.
    """

    skips: timedelta | None = timedelta(days=30)
    deliveries: timedelta | None = timedelta(days=90)
    entries: timedelta | None = timedelta(days=365)
    set_aside: timedelta | None = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """The settings file of a rules folder: what holds for all of its files.

    Attributes:
        channels: the names of all channels there are; None where the folder does not say.
        attributes: the tracking plan of persons: the JSON Schema of each attribute by its name;
            None where the folder does not say.
        keep: how long the store keeps what is done with; defaults where the folder does not say.
    """

    id: str = "settings"
    description: str = ""
    channels: tuple[str, ...] | None = None
    attributes: Mapping[str, JsonValue] | None = None
    keep: Retention = Retention()


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything that one rules folder says."""

    rules: tuple[Rule, ...] = ()
    segments: Mapping[str, Segment] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    events: tuple[EventPlan, ...] = ()
    settings: FolderSettings = FolderSettings()

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id, if there is one."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)
