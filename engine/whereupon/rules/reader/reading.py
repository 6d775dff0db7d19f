"""From one rule file's plain data to what it says (a rule, a segment, …), or to all its problems."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from pydantic import JsonValue, ValidationError

import whereupon.rules.reader.forms as forms
from whereupon.errors import Diagnostic, Severity
from whereupon.messages.codec import JsonError, Unread, encode
from whereupon.rules.model import (
    DEFAULT_MAX_AGE,
    EventPlan,
    EveryTime,
    FolderSettings,
    Guard,
    OnCall,
    OnSchedule,
    Retroactive,
    Rule,
    RuleKind,
    Segment,
)
from whereupon.rules.reader.digests import digest_of
from whereupon.rules.reader.faults import place_of, problem_from
from whereupon.rules.reader.guardforms import GuardForm
from whereupon.rules.reader.guards import read_guard
from whereupon.rules.reader.parts import (
    read_active,
    read_exits,
    read_reentry,
    read_retroactive,
    read_steps,
    read_trigger,
)
from whereupon.rules.reader.salvage import without_faults
from whereupon.rules.reader.settings import read_settings
from whereupon.rules.reader.settingsforms import SettingsForm
from whereupon.rules.reader.valuetypes import type_problems
from whereupon.rules.rule_reader import InternPool, RuleReader
from whereupon.rules.spelling import nearest

_WITHOUT_MESSAGE: Mapping[type, str] = {
    OnSchedule: "a schedule has none; write who for the audience",
    OnCall: "the host's call is none; write who for the audience",
}
RuleFile: TypeAlias = Rule | Segment | Guard | EventPlan | FolderSettings


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file says.

    Attributes:
        file: that, unless a problem is an error.
        rest: what can be made of it all the same, for what else there is to say of it; never to be used.
        problems: all at once.
    """

    file: RuleFile | None
    rest: RuleFile | None
    problems: tuple[Diagnostic, ...]


def parse_rule_file(
    data: JsonValue,
    *,
    stem: str,
    segments: Mapping[str, JsonValue],
    shared: InternPool | None = None,
) -> tuple[RuleFile | None, tuple[Diagnostic, ...]]:
    """What one file's content says, unless a problem is an error; and all problems: see `read_rule_file`."""
    reading = read_rule_file(data, stem=stem, segments=segments, shared=shared)
    return reading.file, reading.problems


def read_rule_file(
    data: JsonValue,
    *,
    stem: str,
    segments: Mapping[str, JsonValue],
    shared: InternPool | None = None,
) -> Reading:
    """Read one file's content.

    Args:
        data: the content, as plain values.
        stem: the file's, which its id must be.
        segments: the raw condition of every segment there is.
        shared: what the files before it say, where there are many; None to share nothing.
    """
    if not isinstance(data, dict):
        message = "a rule file is a mapping that starts with campaign:, broadcast:, segment:, "
        problem = Diagnostic.at((), "wrong-type", f"{message}event:, guard: or settings:")
        return Reading(None, None, (problem,))
    kind = next((key for key in forms.FILE_FORMS if key in data), None)
    if kind is None:
        return Reading(None, None, (_kindless(data),))
    form, problems = _validated(data, kind)
    reader = RuleReader(segments, InternPool() if shared is None else shared, problems)
    file = None if form is None else _read(form, data, reader)
    reader.diagnostics.extend(_id_problems(data.get(kind), kind=kind, stem=stem))
    is_broken = any(p.severity is Severity.ERROR for p in reader.diagnostics)
    return Reading(None if is_broken else file, file, tuple(dict.fromkeys(reader.diagnostics)))


def rule_from_source(source: Mapping[str, JsonValue], segments: Mapping[str, JsonValue]) -> Rule:
    """Read a rule again from its stored ``source``; raises ValueError where that is no good rule."""
    stem = str(source.get("campaign", source.get("broadcast", "")))
    file, problems = parse_rule_file(dict(source), stem=stem, segments=segments)
    if isinstance(file, Rule):
        return file
    found = "; ".join(p.message for p in problems) or "it is no campaign and no broadcast"
    message = f"the stored rule {stem!r} cannot be read: {found}"
    raise ValueError(message)


def segment_from_source(name: str, segments: Mapping[str, JsonValue]) -> Segment:
    """Read a segment again, from the raw conditions of all; raises ValueError where it is none."""
    said: dict[str, JsonValue] = {"segment": name, "description": "", "who": segments.get(name)}
    file, problems = parse_rule_file(said, stem=name, segments=segments)
    if isinstance(file, Segment):
        return file
    message = (
        f"the stored segment {name!r} cannot be read: {'; '.join(p.message for p in problems)}"
    )
    raise ValueError(message)


def _kindless(data: Mapping[str, JsonValue]) -> Diagnostic:
    kinds = tuple(forms.FILE_FORMS)
    near = next(((key, hint) for key in data if (hint := nearest(key, kinds))), None)
    if near is not None:
        return Diagnostic.at((near[0],), "unknown-key", f"there is no key {near[0]!r}{near[1]}")
    message = f"say what this file is: its first key is one of {', '.join(kinds)}, with its id"
    return Diagnostic.at((), "missing-key", message)


def _validated(
    data: dict[str, JsonValue], kind: str
) -> tuple[forms.FileForm | None, list[Diagnostic]]:
    """The form, or what can be salvaged of it, with the problems of its shape."""
    model = forms.FILE_FORMS[kind]
    problems: list[Diagnostic] = []
    mended = data
    for attempt in range(3):
        try:
            return model.model_validate(mended), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
            problems = problems or [problem_from(d, data, kind=kind) for d in details]
            faults = {place_of(d, mended): d["type"] == "extra_forbidden" for d in details}
            mended = without_faults(mended, faults, roughly=attempt > 0)
    return None, problems


def _id_problems(raw: JsonValue, *, kind: str, stem: str) -> tuple[Diagnostic, ...]:
    if not isinstance(raw, str) or raw == stem:
        return ()
    message = f"the id is the file's name: write {kind}: {stem}, or call the file {raw[:60]}"
    if kind == "settings":
        message = "the settings of a folder stand in settings.yaml; call this file so"
    return (Diagnostic.at((kind,), "id-not-stem", message),)


# --- the kinds ------------------------------------------------------------------------------------


def _read(form: forms.FileForm, data: Mapping[str, JsonValue], reader: RuleReader) -> RuleFile:
    match form:
        case forms.CampaignForm():
            return _campaign(form, data, reader)
        case forms.BroadcastForm():
            return _broadcast(form, data, reader)
        case forms.SegmentForm():
            return _segment(form, reader)
        case forms.EventForm():
            return _event(form, reader)
        case GuardForm():
            return read_guard(form, reader)
        case SettingsForm():
            return read_settings(form, reader)


def _campaign(form: forms.CampaignForm, data: Mapping[str, JsonValue], reader: RuleReader) -> Rule:
    return Rule(
        id=form.campaign,
        kind=RuleKind.CAMPAIGN,
        description=form.description,
        triggers=reader.pool.one((read_trigger(form.when, reader, kind=RuleKind.CAMPAIGN),)),
        steps=read_steps(form.whereupon, reader, raw=data.get("whereupon")),
        source=_kept(data),
        digest=digest_of(data, reader.segments),
        where=reader.condition(form.where, ("where",), root="properties"),
        who=reader.condition(form.who, ("who",), root="person"),
        reentry=reader.pool.one(read_reentry(form.reentry)),
        max_age=DEFAULT_MAX_AGE if form.max_age is None else form.max_age,
        retroactive=reader.pool.one(read_retroactive(form.retroactive)),
        active=reader.pool.one(read_active(form.active, reader)),
        exits=read_exits(form.exit, reader),
    )


def _kept(data: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The content as JSON text, a quarter of its size; as it is where JSON would not keep all of it."""
    try:
        unread = Unread(encode(data).decode())
    except JsonError:
        return data
    return unread if unread.copy() == data else data


def _broadcast(
    form: forms.BroadcastForm, data: Mapping[str, JsonValue], reader: RuleReader
) -> Rule:
    trigger = read_trigger(form.when, reader, kind=RuleKind.BROADCAST)
    if isinstance(trigger, OnSchedule):
        reader = replace(reader, zone=trigger.timezone)  # its problems are the same list
    if form.where is not None and isinstance(trigger, OnSchedule | OnCall):
        message = f"where narrows a message, and {_WITHOUT_MESSAGE[type(trigger)]}"
        reader.report(("where",), "unsupported-key", message)
    return Rule(
        id=form.broadcast,
        kind=RuleKind.BROADCAST,
        description=form.description,
        triggers=(trigger,),
        steps=read_steps(form.whereupon, reader, raw=data.get("whereupon")),
        source=_kept(data),
        digest=digest_of(data, reader.segments),
        where=reader.condition(form.where, ("where",), root="properties"),
        who=reader.condition(form.who, ("who",), root="person"),
        reentry=EveryTime(),
        max_age=DEFAULT_MAX_AGE if form.max_age is None else form.max_age,
        retroactive=Retroactive(),
        active=reader.pool.one(read_active(form.active, reader)),
        exits=read_exits(form.exit, reader),
    )


def _segment(form: forms.SegmentForm, reader: RuleReader) -> Segment:
    who = reader.condition(form.who, ("who",), root="person")
    return Segment(form.segment, form.description, who, source=form.who)


def _event(form: forms.EventForm, reader: RuleReader) -> EventPlan:
    for name, schema in form.properties.items():
        reader.diagnostics.extend(type_problems(schema, ("properties", name)))
    name = form.event if form.name is None else form.name
    return EventPlan(form.event, name, form.description, form.properties)
