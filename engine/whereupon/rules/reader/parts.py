"""From what one key of a rule file says to the value of it: triggers, steps, exits and the rest.

A `RuleReader` reads; it keeps the problems that the conditions and templates have, and goes on.
"""

from typing import assert_never, cast

from pydantic import JsonValue

import whereupon.rules.model as rules
import whereupon.rules.reader.triggers as triggers
from whereupon.conditions.paths import parts_of
from whereupon.messages.model import MessageType
from whereupon.rules.reader.words import misplaced_words
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step import StepForm

# --- when, exit ----------------------------------------------------------------------------------


def read_trigger(
    form: triggers.CampaignWhen | triggers.BroadcastWhen,
    reader: RuleReader,
    *,
    kind: rules.RuleKind,
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
    return _on_segment(form, reader)


def _on_segment(
    form: triggers.EntersForm | triggers.LeavesForm, reader: RuleReader
) -> rules.OnSegment:
    if isinstance(form, triggers.EntersForm):
        return rules.OnSegment(reader.segment(form.enters, ("when", "enters")), rules.Change.ENTERS)
    return rules.OnSegment(reader.segment(form.leaves, ("when", "leaves")), rules.Change.LEAVES)


def _on_message(type_: MessageType, *names: str) -> rules.OnMessage:
    return rules.OnMessage(
        type_,
        names=tuple(name for name in names if not name.endswith("*")),
        prefixes=tuple(name[:-1] for name in names if name.endswith("*")),
    )


def read_exits(form: triggers.ExitForm | None, reader: RuleReader) -> tuple[rules.Exit, ...]:
    """What ends the entry: any of these."""
    if isinstance(form, list):
        return tuple(_exit(one, reader, ("exit", i)) for i, one in enumerate(form))
    return () if form is None else (_exit(form, reader, ("exit",)),)


def _exit(form: triggers.OneExit, reader: RuleReader, path: Path) -> rules.Exit:
    if isinstance(form, str):
        return rules.ExitOnEvent(form)
    if isinstance(form, triggers.ExitEventForm):
        where = reader.condition(form.where, (*path, "where"), root="properties")
        return rules.ExitOnEvent(form.event, where)
    if isinstance(form, triggers.LeavesForm):
        return rules.ExitOnLeaving(reader.segment(form.leaves, (*path, "leaves")))
    return rules.ExitOnCondition(reader.condition(form, path, root="person"))


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


def read_active(form: triggers.ActiveChoice, reader: RuleReader) -> rules.Active:
    """When the rule lets people in; its end must be later than its start."""
    if isinstance(form, bool):
        return rules.Active(on=form)
    if form.since is not None and form.until is not None and form.until <= form.since:
        message = "until is not later than from: nobody could ever enter"
        reader.report(("active", "until"), "bad-instant", message)
    return rules.Active(since=form.since, until=form.until)


# --- whereupon ------------------------------------------------------------------------------------


def read_steps(
    forms: list[StepForm], reader: RuleReader, *, raw: JsonValue
) -> tuple[rules.Step, ...]:
    """The steps in their order; ``raw`` is what was written."""
    written = repr(raw)
    known = reader.pool.steps.get(written)
    if known is not None:
        return cast("tuple[rules.Step, ...]", known)
    before = len(reader.diagnostics)
    steps: list[rules.Step] = []
    for i, form in enumerate(forms):
        steps.append(form.read(reader, ("whereupon", i)))
        reader.diagnostics.extend(misplaced_words(form, ("whereupon", i)))
    found = tuple(steps)
    if not before and not reader.diagnostics:
        reader.pool.steps[written] = found
    return found
