"""From what one key of a rule file says to the value of it: triggers, steps, exits and the rest.

A `RuleReader` reads; it keeps the problems that the conditions and templates have, and goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from pydantic import JsonValue

import whereupon.rules.model as rules
import whereupon.rules.reader.steps as steps
import whereupon.rules.reader.triggers as triggers
from whereupon.conditions import ALWAYS, Condition, parse_condition
from whereupon.conditions.paths import parts_of
from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.records import SendKind
from whereupon.rules.reader.faults import Path, nearest
from whereupon.rules.reader.reserved import RECIPIENT_KEYS, SENDER_KEYS
from whereupon.rules.reader.sharing import InternPool
from whereupon.rules.reader.words import misplaced
from whereupon.templates import (
    Content,
    ContentValue,
    TemplateError,
    Use,
    is_template,
    one_line,
    parse_template,
    use_of,
)


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Where the parts of one file are read, and their problems collected."""

    segments: Mapping[str, JsonValue]
    shared: InternPool
    problems: list[Diagnostic] = field(default_factory=list)
    zone: str = "UTC"

    def condition(
        self, raw: JsonValue, path: Path, *, root: Literal["properties", "person"]
    ) -> Condition:
        """Read a condition; over a person it may also ask for segments and history."""
        if raw is None:
            return ALWAYS
        condition, problems = parse_condition(
            raw,
            root=root,
            segments=self.segments,
            history_allowed=root == "person",
            zone=self.zone,
            known=self.shared.conjuncts,
        )
        self.problems.extend(
            Diagnostic.at((*path, *p.path), p.code, p.message, p.severity) for p in problems
        )
        return condition

    def segment(self, name: str, path: Path) -> str:
        """A segment's id, which some file must define."""
        if name not in self.segments:
            hint = nearest(name, self.segments) or "; write it in a file of its own"
            message = f"there is no segment {name!r}{hint}"
            self.problems.append(Diagnostic.at(path, "unknown-segment", message))
        return name

    def content(
        self, raw: Mapping[str, JsonValue], path: Path, *, fields: tuple[str, ...] | None = None
    ) -> Content:
        """A mapping whose texts are templates where they hold anything Liquid acts on.

        Args:
            fields: of a message that is sent: the names that lead here, which say what texts are for.
        """
        return {
            key: self._content_value(
                value, (*path, key), None if fields is None else (*fields, key)
            )
            for key, value in raw.items()
        }

    def _content_value(
        self, value: JsonValue, path: Path, fields: tuple[str, ...] | None
    ) -> ContentValue:
        if isinstance(value, dict):
            return self.content(value, path, fields=fields)
        if isinstance(value, list):
            return [self._content_value(item, (*path, i), fields) for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        use = Use.TEXT if fields is None else use_of(fields)
        if not is_template(value):
            return one_line(value) if use is Use.LINE else value
        try:
            return parse_template(value, use)
        except TemplateError as error:
            self.problems.append(Diagnostic.at(path, "bad-template", error.reason))
            return value


# --- when, exit ----------------------------------------------------------------------------------


def read_trigger(
    form: triggers.CampaignWhen | triggers.BroadcastWhen, desk: RuleReader, *, kind: rules.RuleKind
) -> rules.Trigger:
    """What `when:` says; ``api`` is an event's name in a campaign, the host's call in a broadcast."""
    if form == "api" and kind is rules.RuleKind.BROADCAST:
        return rules.OnCall()
    match form:
        case str() | list():
            names = [form] if isinstance(form, str) else form
            return _on_message(MessageType.TRACK, *names)
        case triggers.PageForm():
            return _on_message(MessageType.PAGE, form.page)
        case triggers.ScreenForm():
            return _on_message(MessageType.SCREEN, form.screen)
        case triggers.KnownForm():
            return rules.OnKnown()
        case triggers.CronForm():
            return rules.OnSchedule(form.cron, form.timezone, form.late)
    return _on_segment(form, desk)


def _on_segment(
    form: triggers.EntersForm | triggers.LeavesForm, desk: RuleReader
) -> rules.OnSegment:
    if isinstance(form, triggers.EntersForm):
        return rules.OnSegment(desk.segment(form.enters, ("when", "enters")), rules.Change.ENTERS)
    return rules.OnSegment(desk.segment(form.leaves, ("when", "leaves")), rules.Change.LEAVES)


def _on_message(type_: MessageType, *names: str) -> rules.OnMessage:
    return rules.OnMessage(
        type_,
        names=tuple(name for name in names if not name.endswith("*")),
        prefixes=tuple(name[:-1] for name in names if name.endswith("*")),
    )


def read_exits(form: triggers.ExitForm | None, desk: RuleReader) -> tuple[rules.Exit, ...]:
    """What ends the entry: any of these."""
    if isinstance(form, list):
        return tuple(_exit(one, desk, ("exit", i)) for i, one in enumerate(form))
    return () if form is None else (_exit(form, desk, ("exit",)),)


def _exit(form: triggers.OneExit, desk: RuleReader, path: Path) -> rules.Exit:
    if isinstance(form, str):
        return rules.ExitOnEvent(form)
    if isinstance(form, triggers.ExitEventForm):
        where = desk.condition(form.where, (*path, "where"), root="properties")
        return rules.ExitOnEvent(form.event, where)
    if isinstance(form, triggers.LeavesForm):
        return rules.ExitOnLeaving(desk.segment(form.leaves, (*path, "leaves")))
    return rules.ExitOnCondition(desk.condition(form, path, root="person"))


# --- reentry, retroactive, active -----------------------------------------------------------------


def read_reentry(form: triggers.ReentryForm) -> rules.Reentry:
    """Whether, and when, the same person may enter again."""
    match form:
        case "once":
            return rules.Once()
        case "every_time":
            return rules.EveryTime()
        case "not_while_active":
            return rules.NotWhileActive()
        case triggers.OncePerForm():
            return rules.OncePer(form.once_per)
        case triggers.OncePerKeyForm():
            return rules.OncePerKey(parts_of(form.once_per_key))
        case _:
            assert_never(form)


def read_retroactive(form: triggers.RetroactiveChoice) -> rules.Retroactive:
    """Which of the messages that one claim brings may trigger."""
    if isinstance(form, bool):
        return rules.Retroactive(rules.Take.ALL if form else rules.Take.NONE)
    return rules.Retroactive(rules.Take(form.take), form.within)


def read_active(form: triggers.ActiveChoice, desk: RuleReader) -> rules.Active:
    """When the rule lets people in; its end must be later than its start."""
    if isinstance(form, bool):
        return rules.Active(on=form)
    if form.since is not None and form.until is not None and form.until <= form.since:
        message = "until is not later than from: nobody could ever enter"
        desk.problems.append(Diagnostic.at(("active", "until"), "bad-instant", message))
    return rules.Active(since=form.since, until=form.until)


# --- whereupon ------------------------------------------------------------------------------------


def read_steps(
    forms: list[steps.StepForm], desk: RuleReader, *, raw: JsonValue
) -> tuple[rules.Step, ...]:
    """The steps in their order; ``raw`` is what was written."""
    written = repr(raw)
    known = desk.shared.steps.get(written)
    if known is None:
        before = len(desk.problems)
        known = tuple(_step(form, desk, ("whereupon", i)) for i, form in enumerate(forms))
        if not before and not desk.problems:
            desk.shared.steps[written] = known
    return known


def _step(form: steps.StepForm, desk: RuleReader, path: Path) -> rules.Step:
    match form:
        case steps.WaitForm():
            return rules.Wait(form.wait)
        case steps.SetForm():
            return rules.SetAttributes(desk.content(form.set, (*path, "set")))
        case steps.TrackForm():
            properties = desk.content(form.properties, (*path, "properties"))
            return rules.TrackEvent(form.track, properties)
        case steps.SendForm():
            return _send(form, desk, path)
        case "exit":
            return rules.Leave()
        case _:
            assert_never(form)


def _send(form: steps.SendForm, desk: RuleReader, path: Path) -> rules.Send:
    raw = form.__pydantic_extra__
    for key, value in raw.items():
        if key in RECIPIENT_KEYS:
            message = f"a delivery goes to the person of the entry; take {key} out"
            desk.problems.append(Diagnostic.at((*path, key), "unsupported-key", message))
        elif key in SENDER_KEYS and _has_template(value):
            message = f"write {key} out: no template, so no event's data, ever chooses the sender"
            desk.problems.append(Diagnostic.at((*path, key), "bad-template", message))
        elif found := misplaced((*path, key), "send"):
            desk.problems.append(found)
    kind = SendKind(form.kind)
    if form.topic is not None and kind is not SendKind.MARKETING:
        message = f"a {kind} delivery asks no topic: take topic out, or make it kind: marketing"
        desk.problems.append(Diagnostic.at((*path, "topic"), "unsupported-key", message))
    return rules.Send(form.send, desk.content(raw, path, fields=()), kind, form.topic)


def _has_template(value: JsonValue) -> bool:
    """Whether any text of the value, however deep, is one that Liquid would act on."""
    if isinstance(value, dict | list):
        return any(map(_has_template, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and is_template(value)
