"""What a guard file says, and what is likely a mistake in it."""

from collections.abc import Iterator

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.conditions.paths import root_of
from whereupon.conditions.values import OF_THE_PERSON, ROOTS
from whereupon.errors import Diagnostic, Severity
from whereupon.messages.model import MessageType
from whereupon.messages.semantic_events import ERASING, ActionName, folded
from whereupon.messages.times import ZERO
from whereupon.rules.model import (
    DEFAULT_EXPIRY,
    DEFAULT_MAX_AGE,
    NO_APPROVALS,
    Aftermath,
    Approvals,
    Consent,
    Guard,
    Limit,
)
from whereupon.rules.reader.guardforms import GuardForm, limit_parts
from whereupon.rules.reserved import ACTION_EVENTS, action_of
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.spelling import nearest


def read_guard(form: GuardForm, reader: RuleReader) -> Guard:
    """What a guard file says."""
    for i, action in enumerate(form.actions):
        if action not in ACTION_EVENTS and (hint := _action_hint(action)):
            message = f"there is no action {action!r}{hint}"
            reader.report(("actions", i), "unknown-action", message)
    sources = {str(source): Consent(consent) for source, consent in form.sources.items()}
    actions = tuple(form.actions)
    return Guard(
        id=form.guard,
        description=form.description,
        actions=actions,
        sources=sources,
        stale_after=DEFAULT_MAX_AGE if form.stale_after is None else form.stale_after,
        enabled=form.enabled,
        protect=tuple(_protected(form.protect, reader)),
        limits=tuple(_limits(form, actions)),
        approvals=_approvals(form, reader),
        cool_off=form.cool_off or ZERO,
        expires_after=DEFAULT_EXPIRY if form.expires_after is None else form.expires_after,
        tombstone=Aftermath(form.tombstone),
    )


def _action_hint(action: str) -> str:
    """Only a near miss is an error: the host may register actions of its own."""
    if folded(action) == MessageType.ALIAS:
        return f"; did you mean {str(ActionName.MERGE_PEOPLE)!r}?"
    meant = action_of(action)
    return f"; did you mean {meant!r}?" if meant else nearest(action, ACTION_EVENTS)


def _protected(raw: JsonValue, reader: RuleReader) -> Iterator[Condition]:
    if raw is None:
        return
    listed = raw if isinstance(raw, list) else [raw]
    for place, each in enumerate(listed):
        path = ("protect", place) if isinstance(raw, list) else ("protect",)
        if each is None:
            message = "nothing is written here: give it a condition, or take the - out"
            reader.report(path, "wrong-type", message)
            continue
        condition = reader.condition(each, path, root="person")
        if condition.performed:
            message = "protect looks at a person's attributes; what they did is not read here"
            reader.report(path, "history-in-protect", message)
        if strange := _not_of_the_person(condition):
            message = (
                f"protect looks at a person's attributes, and would never see {', '.join(strange)}: "
                "nobody would be protected by it; write person.NAME"
            )
            reader.report(path, "message-in-protect", message)
        yield condition


def _not_of_the_person(condition: Condition) -> list[str]:
    """What a condition reads besides the person; nothing where it computes what it reads."""
    read = condition.variables
    if read.issuperset(ROOTS):
        return []
    return sorted(name for name in read if root_of(name) not in OF_THE_PERSON)


def _limits(form: GuardForm, actions: tuple[str, ...]) -> Iterator[Limit]:
    for text in form.limits:
        parts = limit_parts(text)
        if parts is not None:
            most, share, per, scope = parts
            yield Limit(form.guard, actions, per, most, share, scope)


def _approvals(form: GuardForm, reader: RuleReader) -> Approvals:
    said = form.approvals
    if said is None:
        return NO_APPROVALS
    if isinstance(said, int):
        return Approvals(said)
    by = None if said.by is None else tuple(said.by)
    different = {folded(name) for name in by or ()}
    if by is not None and len(different) < said.needed:
        message = f"{said.needed} must agree, and {len(different)} may: name more, or ask for fewer"
        reader.report(("approvals", "by"), "too-few-approvers", message)
    return Approvals(said.needed, by)


# --- legal, and yet likely a mistake ----------------------------------------------------------------


def lint_guard(guard: Guard) -> Iterator[Diagnostic]:
    """Every warning about a guard file."""
    if not guard.description.strip():
        message = "say in one sentence what this guard is for: add description:"
        yield Diagnostic.at((), "no-description", message, Severity.WARNING)
    erasing = [name for name in guard.actions if name in ERASING]
    if erasing and guard.sources.get("client") is Consent.RUN:
        message = "a browser's write key travels in clear: with client: run anybody can have anybody deleted"
        yield Diagnostic.at(("sources", "client"), "client-may-erase", message, Severity.WARNING)
    if guard.expires_after < guard.cool_off:
        message = "a request waits out its cool_off first; expires_after is shorter, and counts for nothing"
        yield Diagnostic.at(("expires_after",), "expires-too-soon", message, Severity.WARNING)
