"""Campaign and broadcast files: a rule, made of its keys."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import ConfigDict, Field, JsonValue, create_model
from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition
from whereupon.conditions.clocks import Clock
from whereupon.errors import Diagnostic
from whereupon.messages.codec import JsonError, LazyObject, encode
from whereupon.messages.model import MessageType
from whereupon.records import NO_EXEMPTION, Exemption
from whereupon.rules.digests import digest_of
from whereupon.rules.field_types import Id
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.keys import BROADCAST_KEYS, CAMPAIGN_KEYS
from whereupon.rules.keys.active import DEFAULT_ACTIVE, Active
from whereupon.rules.keys.exit import Exit, ExitOnWho
from whereupon.rules.keys.goal import Goal
from whereupon.rules.keys.holdout import Holdout
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.max_age import DEFAULT_MAX_AGE
from whereupon.rules.keys.rate import AudienceRate
from whereupon.rules.keys.reentry import (
    EVERY_TIME,
    EveryTime,
    OncePerCalendar,
    OncePerKey,
    Reentry,
)
from whereupon.rules.keys.retroactive import DEFAULT_RETROACTIVE, Retroactive
from whereupon.rules.keys.schedule import OnSchedule
from whereupon.rules.keys.timed_triggers import OnDate, OnQuiet
from whereupon.rules.keys.when import API, OnCall, OnMessage, Trigger, opening_events
from whereupon.rules.route import Route
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.steps.step_form import Steps
from whereupon.rules.texts_in import partials_in
from whereupon.templates import NO_PARTIALS

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

PARTIALS = "partials"
"""The key of a stored rule with the partials that its texts render; a rule file has no such key."""


class RuleKind(StrEnum):
    """Who enters a rule: the person who did something, or an audience."""

    CAMPAIGN = "campaign"
    BROADCAST = "broadcast"


@dataclass(frozen=True, slots=True)
class Rule:
    """One campaign or broadcast.

    Attributes:
        source: the file's content as plain values, from which this rule can be read again: the texts that
            it names stand in it, and the partials that they render under `PARTIALS`.
        digest: 16 hexadecimal digits of a hash of the content and of the segments it refers to. They
            change if the meaning may have changed.
        route: its steps, by address.
        clock: whose clock the rule goes by; None where the settings say it.
        live: whether people who entered with earlier versions get the texts of this one (`content: live`).
        grace: how long a skip by `who` stays open; None if it does not.
        exits: what ends an entry early; that `who` no longer holds is among them if the rule says `stay`.
        ignores_quiet_hours: whether what it sends goes out in the quiet hours of the settings, too.
        ignores_caps: whether what it sends goes out whatever the caps of the settings say.
        priority: of rules that compete at one moment the one with the higher number goes first.
        rate: of a broadcast, how many people a run lets in at most; None for as fast as it can.
        reentry: always `EveryTime` for a broadcast, since each run admits a person once.
        asks_past_entries: whether earlier entries of a person decide on another (see `_asks_past_entries`).
        asks_data: whether data of the person or of the message decide besides `where` (see `_asks_data`).
        exempt: what the rule's marketing deliveries go out in spite of.
    """

    id: str
    kind: RuleKind
    description: str
    triggers: tuple[Trigger, ...]
    route: Route
    source: Mapping[str, JsonValue]
    digest: str
    where: Condition = ALWAYS
    who: Condition = ALWAYS
    reentry: Reentry = EVERY_TIME
    max_age: timedelta = DEFAULT_MAX_AGE
    retroactive: Retroactive = DEFAULT_RETROACTIVE
    active: Active = DEFAULT_ACTIVE
    exits: tuple[Exit, ...] = ()
    stay: bool = False
    grace: timedelta | None = None
    clock: Clock | None = None
    live: bool = False
    goal: Goal | None = None
    holdout: Holdout | None = None
    ignores_quiet_hours: bool = False
    ignores_caps: bool = False
    priority: int = 0
    rate: AudienceRate | None = None
    asks_past_entries: bool = field(init=False, repr=False, compare=False)
    asks_data: bool = field(init=False, repr=False, compare=False)
    exempt: frozenset[Exemption] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep what is asked for every entry."""
        object.__setattr__(self, "asks_past_entries", _asks_past_entries(self))
        object.__setattr__(self, "asks_data", _asks_data(self))
        object.__setattr__(self, "exempt", _exempt(self))

    @property
    def zone(self) -> tzinfo:
        """The timezone of dates in the rule's conditions: the schedule's, or UTC without a schedule."""
        zones = (each.zone for each in self.triggers if isinstance(each, OnSchedule))
        return next(zones, UTC)

    @property
    def precedence(self) -> tuple[int, str]:
        """Of rules that compete at one moment the one with the smaller value goes first: by priority, then by id."""
        return -self.priority, self.id

    @property
    def steps(self) -> Steps:
        """The steps of the top level; `Route.every_step` gives those of arms, too."""
        return self.route.steps

    @property
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The messages, by type and name, that its steps send; they may trigger rules and end entries."""
        return self.route.messages_sent


def _asks_past_entries(rule: Rule) -> bool:
    """Whether earlier entries of a person decide on another: by re-entry, or whether a moment has opened the rule before.

    They also say which message of a claim counts. A message opens a rule once, since it is recorded once; a moment
    in time may come again, by another process's clock.
    """
    if type(rule.reentry) is not EveryTime or rule.retroactive.takes_one:
        return True
    return any(type(trigger) is not OnMessage for trigger in rule.triggers)


def _asks_data(rule: Rule) -> bool:
    """Whether data decide besides `where`: of the person, of their past, a key, or a clock. Times of entries are no data."""
    if rule.who is not ALWAYS or rule.goal is not None:
        return True
    return type(rule.reentry) in {OncePerKey, OncePerCalendar}


def _exempt(rule: Rule) -> frozenset[Exemption]:
    """What the rule's marketing deliveries go out in spite of."""
    if not (rule.ignores_quiet_hours or rule.ignores_caps):
        return NO_EXEMPTION
    said = {
        Exemption.QUIET_HOURS: rule.ignores_quiet_hours,
        Exemption.CAP: rule.ignores_caps,
    }
    return frozenset(each for each, is_said in said.items() if is_said)


class RuleForm(FileForm):
    """What campaigns and broadcasts share.

    Attributes:
        kind: which of the two it is.
        keys: the rows that its fields are made from.
    """

    kind: ClassVar[RuleKind]
    keys: ClassVar[Sequence[Key]]

    @override
    def read(self, reader: RuleReader) -> Rule:
        """Each key makes the attribute of `Rule` that its row names."""
        values: dict[str, Any] = {
            key.attribute: key.read(getattr(self, key.name), reader) for key in self.keys
        }
        if values["stay"]:
            values["exits"] = (*values["exits"], ExitOnWho(values["who"]))
        _report_idle_keys(values["triggers"][0], reader)
        used = partials_in(reader.source.get("whereupon"), reader.partials)
        source = {**reader.source, PARTIALS: used} if used else reader.source
        return Rule(
            id=getattr(self, self.kind),
            kind=self.kind,
            description=self.description,
            source=_stored(source),
            digest=digest_of(source, reader.segments),
            **values,
        )

    @override
    @classmethod
    def check(cls, source: Mapping[str, JsonValue], checker: "PlanChecker") -> Iterator[Diagnostic]:
        """The names in each key whose row has a check."""
        partials = source.get(PARTIALS)
        known = cast("Mapping[str, str]", partials) if isinstance(partials, dict) else NO_PARTIALS
        opening = cls.opening_events(source.get("when"))
        checker = replace(checker, opening=opening, partials=known)
        for key in cls.keys:
            if key.check is not None:
                yield from key.check(source.get(key.name), checker)

    @classmethod
    def opening_events(cls, when: JsonValue) -> list[str] | None:
        """The events that open an entry; None if other messages open one, too."""
        return opening_events(when)


_BY_TIME: JsonValue = {
    "if": {
        "properties": {
            "when": {"anyOf": [{"required": ["date"]}, {"required": ["quiet"]}], "type": "object"}
        }
    },
    "then": {"not": {"anyOf": [{"required": [key]} for key in ("where", "retroactive", "grace")]}},
}


class _Campaign(RuleForm):
    model_config = ConfigDict(json_schema_extra=cast("dict[str, JsonValue]", _BY_TIME))
    kind = RuleKind.CAMPAIGN
    keys = CAMPAIGN_KEYS

    campaign: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["sock-thanks"]
    )


_NO_MESSAGE: JsonValue = {"anyOf": [{"const": "api"}, {"type": "object", "required": ["cron"]}]}
_OWN_TIMES: JsonValue = {
    "type": "object",
    "required": ["cron", "timezone"],
    "properties": {"timezone": {"anyOf": [{"const": "person"}, {"type": "object"}]}},
}
_NEVER_TOGETHER: JsonValue = [
    {"required": ["where"], "properties": {"when": _NO_MESSAGE}},
    {"required": ["rate", "when"], "properties": {"when": _OWN_TIMES}},
]


class _Broadcast(RuleForm):
    model_config = ConfigDict(json_schema_extra={"not": {"anyOf": _NEVER_TOGETHER}})
    kind = RuleKind.BROADCAST
    keys = BROADCAST_KEYS

    broadcast: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["monday-news"]
    )

    @override
    @classmethod
    def opening_events(cls, when: JsonValue) -> list[str] | None:
        return None if when == API else opening_events(when)


_WITHOUT_MESSAGE: Mapping[type, str] = {
    OnSchedule: "a schedule has none; write who for the audience",
    OnCall: "the host's call is none; write who for the audience",
    OnDate: "a date comes without one; write who",
    OnQuiet: "silence comes without one; write who",
}
_TIMED: Mapping[str, str] = {
    "retroactive": "it is about messages that a claim brings, and this rule is opened by time; take it out",
    "grace": "it is about a message that comes before an identify, and this rule is opened by time; take it out",
}
"""Why a rule that time opens has no such key."""


def _report_idle_keys(trigger: Trigger, reader: RuleReader) -> None:
    """Report the keys that say something about a message, where none opens the rule; and a rate of own times."""
    if isinstance(trigger, OnSchedule) and trigger.is_personal and "rate" in reader.source:
        message = (
            "rate lets people in one after another, and on their own clocks each comes at their own time; take one of "
            "the two out"
        )
        reader.report(("rate",), "unsupported-key", message)
    reason = _WITHOUT_MESSAGE.get(type(trigger))
    if reason is not None and "where" in reader.source:
        reader.report(("where",), "unsupported-key", f"where narrows a message, and {reason}")
    for key, why in _TIMED.items() if isinstance(trigger, OnDate | OnQuiet) else ():
        if key in reader.source:
            reader.report((key,), "unsupported-key", why)


def _with_keys(base: type[RuleForm], name: str, description: str) -> type[RuleForm]:
    """The form with a field for each of its keys."""
    fields: dict[str, Any] = {
        key.name: (key.written, deepcopy(key.field))  # some versions of pydantic change the field
        for key in base.keys
    }
    return create_model(name, __base__=base, __doc__=description, __module__=__name__, **fields)


CampaignForm = _with_keys(
    _Campaign,
    "CampaignForm",
    "A campaign: one person does something, and steps follow for that person.",
)
BroadcastForm = _with_keys(_Broadcast, "BroadcastForm", "A broadcast: everyone whom `who` admits.")


def _stored(data: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The content as JSON text, which takes a quarter of the memory; unchanged if JSON would lose a part."""
    try:
        lazy = LazyObject(encode(data).decode())
    except JsonError:
        return data
    return lazy if lazy.copy() == data else data
