"""Warnings about what is legal in a rule and likely a mistake: one function for each kind of warning.

A warning about one key alone stands in the module of the key. Here are those that need the whole rule.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias, cast

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.conditions.analysis import guaranteed_by
from whereupon.conditions.paths import parts_of, path_of, root_of
from whereupon.conditions.values import RESULTS
from whereupon.errors import Diagnostic
from whereupon.messages.codec import LazyObject
from whereupon.messages.model import MessageType
from whereupon.rules.files.rule import PARTIALS
from whereupon.rules.keys import BROADCAST_KEYS, CAMPAIGN_KEYS
from whereupon.rules.loading.goal_lint import goal_warnings
from whereupon.rules.loading.mail_lint import mail_warnings
from whereupon.rules.loading.result_lint import results_in_conditions, unknown_result
from whereupon.rules.loading.time_lint import unknown_moments
from whereupon.rules.model import (
    OncePerKey,
    OnDate,
    OnKnown,
    OnMessage,
    OnQuiet,
    OnSegment,
    Rule,
    RuleKind,
    Segment,
    SegmentChange,
    Trigger,
)
from whereupon.rules.route import ends_always
from whereupon.rules.spelling import nearest
from whereupon.rules.texts_in import Path, mentioned, templates_in
from whereupon.templates import NO_PARTIALS, VARIABLE_ROOTS, Template

Segments: TypeAlias = Mapping[str, Segment]
Names: TypeAlias = tuple[str, ...]

_SIZES = ("size", "first", "last")
"""Parts that Liquid finds in every list and text."""


def lint(rule: Rule, segments: Segments) -> tuple[Diagnostic, ...]:
    """Every warning about a rule, and what keeps it from being used as a whole.

    Args:
        rule: a rule that may come from a file with errors.
        segments: all segments of the folder, by id.
    """
    if isinstance(rule.source, LazyObject):  # else what is read of it would stay with the rule
        rule = replace(rule, source=rule.source.copy())
    return tuple(diagnostic for check in _CHECKS for diagnostic in check(rule, segments))


def _undescribed(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    misspelt = any(nearest(key, ["description"]) for key in rule.source if key != "description")
    if rule.kind is RuleKind.CAMPAIGN and not rule.description.strip() and not misspelt:
        message = "say in one sentence what this campaign is for: add description:"
        yield Diagnostic.warning_at((), "no-description", message)


def _keys(rule: Rule, segments: Segments) -> Iterator[Diagnostic]:
    """What the keys warn of, each in its own module."""
    conditions = {name: segment.who for name, segment in segments.items()}
    keys = CAMPAIGN_KEYS if rule.kind is RuleKind.CAMPAIGN else BROADCAST_KEYS
    for key in keys:
        if key.lint is not None:
            yield from key.lint(getattr(rule, key.attribute), rule.source.get(key.name), conditions)


def _own_trigger(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    for place in rule.route.places.values():
        for type_, name in place.step.messages_sent:
            if _is_triggered_by(rule, type_, name):
                message = f"this sends {name}, which triggers this rule again"
                path = (*place.path, place.step.key)
                yield Diagnostic.warning_at(path, "triggers-itself", message)


def _unreachable(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    """Steps that no entry ever comes to."""
    for steps, path in rule.route.lists():
        over = next((i for i, step in enumerate(steps) if ends_always(step)), len(steps))
        if over + 1 < len(steps):
            message = "no entry comes here: the step above ends it in any case; take this step out"
            yield Diagnostic.warning_at((*path, over + 1), "unreachable-step", message)


def _is_triggered_by(rule: Rule, type_: MessageType, name: str) -> bool:
    return any(
        isinstance(trigger, OnMessage) and trigger.names_message(type_, name)
        for trigger in rule.triggers
    )


_SIGN_UP = re.compile(
    r"\b(sign(ed)?[ _-]?up|regist(er|ered|ration)|(account|user|person)[ _-]created)\b", re.I
)
"""Names of events that happen in the minute in which a person is identified."""


def _without_grace(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    """A `who` over attributes, asked in the very minute in which an identify may set them."""
    reads = any(root_of(path) == "person" for path in rule.who.variables)
    if rule.kind is not RuleKind.CAMPAIGN or not reads or "grace" in rule.source:
        return
    if any(map(_comes_with_an_identify, rule.triggers)):
        message = (
            "who reads attributes that an identify of the same minute may set: if that arrives second, the "
            "person is skipped; add grace: 30m, or grace: 0s if who must hold already"
        )
        yield Diagnostic.warning_at(("who",), "no-grace", message)


def _comes_with_an_identify(trigger: Trigger) -> bool:
    if isinstance(trigger, OnKnown):
        return True
    return isinstance(trigger, OnMessage) and any(map(_SIGN_UP.search, trigger.names))


# --- templates ------------------------------------------------------------------------------------


def _bare_variables(rule: Rule, segments: Segments) -> Iterator[Diagnostic]:
    given = _given(rule, segments)
    for path, template in _templates(rule):
        needed = {_behind_size(each): each for each in reversed(template.required_variables())}
        for name, variable in reversed(needed.items()):
            if name[0] in ("properties", "person", "context") and not _is_there(name, given):
                message = f"if {path_of(name)} is missing, nothing is sent; add | default: '…'"
                found = Diagnostic.warning_at(path, "no-default", message)
                yield mentioned(found, template, variable)


def _templates(rule: Rule) -> Iterator[tuple[Path, Template]]:
    partials = rule.source.get(PARTIALS)
    known = cast("Mapping[str, str]", partials) if isinstance(partials, dict) else NO_PARTIALS
    return templates_in(rule.source.get("whereupon"), ("whereupon",), known)


def _behind_size(variable: Path) -> Names:
    """The value that must be there: the list, for the size of a list."""
    name = tuple(map(str, variable))
    while len(name) > 2 and name[-1] in _SIZES:  # noqa: PLR2004 - a root and a name
        name = name[:-1]
    return name


def _is_there(name: Names, given: set[Names]) -> bool:
    return name == ("person", "user_id") or any(known[: len(name)] == name for known in given)


def _given(rule: Rule, segments: Segments) -> set[Names]:
    """The values that the rule's conditions guarantee for everyone who enters.

    The keys of the conditions as written count, too, since a rule from a file with errors may have no conditions.
    """
    conditions = [rule.where, rule.who, *_segments_entered(rule, segments)]
    given = set(map(parts_of, chain.from_iterable(map(guaranteed_by, conditions))))
    for root, key in (("properties", "where"), ("person", "who")):
        written = rule.source.get(key)
        for name, asked in written.items() if isinstance(written, Mapping) else ():
            if asked != {"exists": False}:
                given.add((root, *parts_of(name)))
    given |= {name for trigger in rule.triggers for name in _given_by(trigger)}
    return given | ({rule.reentry.path} if isinstance(rule.reentry, OncePerKey) else set())


def _given_by(trigger: Trigger) -> Iterator[Names]:
    """What a trigger by time says in place of a message's properties."""
    if isinstance(trigger, OnDate):
        yield from (("properties", "date"), ("properties", "attribute"))
        yield ("person", *trigger.path)
    elif isinstance(trigger, OnQuiet):
        yield ("properties", "quiet_since")


def _segments_entered(rule: Rule, segments: Segments) -> Iterator[Condition]:
    """The condition of the segment by which a person enters."""
    triggers = [each for each in rule.triggers if isinstance(each, OnSegment)]
    if len(rule.triggers) == 1 and triggers and triggers[0].change is SegmentChange.ENTERS:
        entered = segments.get(triggers[0].segment)
        if entered is not None:
            yield entered.who


_BARE_PATH = re.compile(r"\s*(?:properties|person|context)(?:\.\w+)+\s*")


def _paths_as_texts(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    """A path without braces, which is sent as a text."""
    for path, text in _texts(rule.source.get("whereupon"), ("whereupon",)):
        if path[-1] not in _PATHS and _BARE_PATH.fullmatch(text):
            message = (
                f"this is the text itself; for what stands there write {{{{ {text.strip()} }}}}"
            )
            yield Diagnostic.warning_at(path, "path-as-text", message)


_PATHS = frozenset({"until", "var"})
"""Keys after which a path stands as a path."""


def _texts(raw: JsonValue, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(raw, str):
        yield path, raw
    inner = (
        raw.items() if isinstance(raw, dict) else enumerate(raw if isinstance(raw, list) else ())
    )
    for key, value in inner:
        yield from _texts(value, (*path, key))


_HABITS: Mapping[str, str] = {
    **dict.fromkeys(
        ("customer", "user", "contact", "profile", "subscriber", "recipient"), "person"
    ),
    **dict.fromkeys(("traits", "attributes", "custom_attribute", "custom_attributes"), "person"),
    **dict.fromkeys(("trigger", "event_properties", "message", "data"), "properties"),
}
"""The roots of variables in other tools, and the root here."""


def _unknown_variables(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    for path, template in _templates(rule):
        for variable in template.variables():
            found = _unknown_variable(rule, path, [str(each) for each in variable])
            if found is not None:
                yield mentioned(found, template, variable)


def _unknown_variable(rule: Rule, path: Path, variable: Sequence[str]) -> Diagnostic | None:
    root, *rest = variable
    if root == RESULTS and rest:
        return unknown_result(rule, path, rest[0])
    if root == "event" and rest and rest[0] not in _SIZES:
        message = f"event is the event's name, and has no {rest[0]}; write {_in_our_words(rest, 'properties')}"
        return Diagnostic.at(path, "unknown-variable", message)
    if root in _HABITS and rest:
        message = f"there is no {root} here; write {_in_our_words(rest, _HABITS[root])}"
        return Diagnostic.at(path, "unknown-variable", message)
    if root not in VARIABLE_ROOTS:
        hint = nearest(root, VARIABLE_ROOTS) or f"; there are {', '.join(VARIABLE_ROOTS)}"
        return Diagnostic.warning_at(path, "unknown-variable", f"there is no {root}{hint}")
    return None


def _in_our_words(rest: Sequence[str], root: str) -> str:
    """The variable by our root; a person's id has a name of its own here."""
    names = ["user_id"] if root == "person" and rest[0] == "id" else rest
    return path_of([root, *names])


def _unknown_results(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    return results_in_conditions(rule)


def _goals(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    return goal_warnings(rule)


def _mails(rule: Rule, _: Segments) -> Iterator[Diagnostic]:
    return mail_warnings(rule.source.get("whereupon"))


def _moments(rule: Rule, segments: Segments) -> Iterator[Diagnostic]:
    return unknown_moments(rule, segments)


_CHECKS: Sequence[Callable[[Rule, Segments], Iterator[Diagnostic]]] = (
    _undescribed,
    _own_trigger,
    _unreachable,
    _without_grace,
    _goals,
    _bare_variables,
    _unknown_variables,
    _unknown_results,
    _paths_as_texts,
    _mails,
    _moments,
    _keys,
)
