"""The guards before a semantic event's action, all in one function.

The function is pure: the message, the policy of the guard files and the facts go in, a judgement comes out. It judges a
request when the request comes in and every time that it is looked at again, so there is no way around it. `decide`
carries the action out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import JsonValue

from whereupon.conditions import NO_HISTORY, Condition
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.semantic_events import ERASING, LIFTING, Action, ActionName, id_in
from whereupon.messages.times import ZERO, format_instant, later
from whereupon.records import RequestOutcome
from whereupon.rules.model import (
    DEFAULT_EXPIRY,
    DEFAULT_MAX_AGE,
    NO_APPROVALS,
    Aftermath,
    Approvals,
    Consent,
    Guard,
    Limit,
    Scope,
)


class Refusal(StrEnum):
    """Why a request did not run: the guard that objected."""

    DISABLED = "disabled"
    INVALID = "invalid-properties"
    NOT_IDENTIFIED = "not-identified"
    NOT_THEIRS = "not-theirs"
    SOURCE = "source"
    NOT_LIVE = "not-live"
    STALE = "stale"
    ENDED = "ended"
    PROTECTED = "protected"
    OVERTAKEN = "overtaken"
    BREAKER = "breaker"
    LIMIT = "limit"
    PLAN_CHANGED = "plan-changed"
    APPROVAL = "approval"
    COOL_OFF = "cool-off"
    ERASED = "person-erased"
    EXPIRED = "expired"


class Absence(StrEnum):
    """Why a request that runs deletes nothing: its object does not exist. The words never change."""

    PERSON = "unknown-person"
    SUPPRESSION = "not-suppressed"
    DEVICE = "unknown-device"
    OBJECT = "unknown-object"
    RELATIONSHIP = "unknown-relationship"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the guard files say of one action; without them the defaults hold."""

    sources: Mapping[str, Consent]
    stale_after: timedelta = DEFAULT_MAX_AGE
    enabled: bool = True
    protect: tuple[Condition, ...] = ()
    limits: tuple[Limit, ...] = ()
    guards: tuple[str, ...] = ()
    approvals: Approvals = NO_APPROVALS
    cool_off: timedelta = ZERO
    expires_after: timedelta = DEFAULT_EXPIRY
    tombstone: Aftermath = Aftermath.LATE

    def needed(self, source: SenderClass) -> int:
        """How many approvals a request from this class of sender needs."""
        held = self.sources.get(source, Consent.REFUSE) is Consent.HOLD
        return max(self.approvals.needed, int(held))


DEFAULT_POLICY = Policy({SenderClass.SERVER: Consent.RUN, SenderClass.CLIENT: Consent.HOLD})

OWN_DEVICE_POLICY = Policy({SenderClass.SERVER: Consent.RUN, SenderClass.CLIENT: Consent.RUN})
"""Only its owner loses a device (`GuardFacts.is_theirs`), and every logout on a phone asks for that."""


def default_policy(action: str) -> Policy:
    """The policy of an action that no guard file mentions."""
    return OWN_DEVICE_POLICY if action == ActionName.DELETE_DEVICE else DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """The facts about a request at the moment of judging.

    Attributes:
        asked_at, now: when the request came in, and the present.
        is_open: whether the request can still be decided; an ended request never runs again.
        silenced_by: the reason of the sender's tombstone; None without one.
        is_theirs: whether the object of the request belongs to the named person, or to nobody.
        missing: set if the object of the request does not exist.
        person: the attributes of the person in question.
        overtaken: whether the person did something after the request's own time; that would be deleted, too.
        open_breakers: the guard files about the action whose breaker is open.
        spent: how many requests ran within the window of each of the policy's limits.
        people: how many persons there are.
        approvals: how many people approved the present plan.
        plan_changed: whether the present plan differs from the one that was shown.
    """

    asked_at: datetime
    now: datetime
    is_open: bool = True
    silenced_by: str | None = None
    is_theirs: bool = True
    missing: Absence | None = None
    person: Mapping[str, JsonValue] | None = None
    overtaken: bool = False
    open_breakers: Sequence[str] = ()
    spent: Sequence[int] = ()
    people: int = 0
    approvals: int = 0
    plan_changed: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What happens to a request, and which guard decided it.

    Attributes:
        detail: what the guard saw; for a request that runs, the `Absence` of its object, if it does not exist.
        due_at: when a held request is judged again by itself.
        passed: the limit that the request would pass; its breaker opens.
    """

    outcome: RequestOutcome
    reason: str | None = None
    detail: str | None = None
    due_at: datetime | None = None
    passed: Limit | None = None


AGREED = Judgement(RequestOutcome.RAN)


def judge(message: Message, action: Action, policy: Policy, seen: GuardFacts) -> Judgement:
    """The first objection of a guard; without one the request runs, though it may find nothing to delete."""
    agreed = replace(AGREED, detail=seen.missing) if seen.missing else AGREED
    return next(_objections(message, action, policy, seen), agreed)


def _objections(  # noqa: C901, PLR0912 - the eight guards, one under the other, to be read in one go
    message: Message, action: Action, policy: Policy, seen: GuardFacts
) -> Iterator[Judgement]:
    """Every guard's objection.

    Refusals come before holds: nobody is asked to approve a request that may not run anyway.
    """
    # 1. known: the action is enabled, and its properties are valid.
    if not policy.enabled:
        yield _refused(Refusal.DISABLED)
    if fault := _fault(message, action):
        yield _refused(Refusal.INVALID, fault)
    # 2. identified: the message itself carries the user id of the person that it acts on.
    if action.needs_user and message.user_id is None:
        yield _refused(Refusal.NOT_IDENTIFIED)
    if seen.silenced_by and action.name not in (*ERASING, LIFTING):
        yield _refused(seen.silenced_by)
    if not seen.is_theirs:
        yield _refused(Refusal.NOT_THEIRS, "the device is registered for somebody else")
    if fault := _server_fault(message, action):
        yield _refused(Refusal.SOURCE, fault)
    if not action.destructive:
        return
    # 3. source: this class of sender may ask for it (guard 8 says whether it is held). A rule's step may
    # not, since a client's event, a late one or an imported one can trigger the rule.
    if message.depth:
        yield _refused(Refusal.SOURCE, "a rule's step may not ask for it")
    if policy.sources.get(message.source, Consent.REFUSE) is Consent.REFUSE:
        yield _refused(Refusal.SOURCE)
    # 4. live: no import or backfill, and it was not older than the guard file allows when it came.
    if message.origin is not Origin.LIVE:
        yield _refused(Refusal.NOT_LIVE)
    if message.received_at - message.timestamp > policy.stale_after:
        yield _refused(Refusal.STALE)
    # 5. once: its message id has not asked before (duplicates are dropped earlier), and it has not ended.
    if not seen.is_open:
        yield _refused(Refusal.ENDED)
    # 6. protected: no `protect` condition holds for the person.
    if protected := _protecting(policy, seen):
        yield _refused(Refusal.PROTECTED, protected)
    if seen.missing is Absence.DEVICE:  # there is nothing to approve
        return
    # 7. blast radius: no breaker is open, and one more request passes no limit.
    if seen.open_breakers:
        yield _held(Refusal.BREAKER, f"the breaker of {', '.join(seen.open_breakers)} is open")
    for limit, spent in zip(policy.limits, seen.spent, strict=False):
        if spent >= limit.allowed(seen.people):
            yield replace(_held(Refusal.LIMIT, f"{limit.text} ({limit.guard})"), passed=limit)
    # 8. approval and cool-off: enough people approved the present plan, and there was time to object.
    needed = max(policy.needed(message.source), int(seen.plan_changed or seen.overtaken))
    if seen.approvals < needed:
        yield _held(_why_approval(message, policy, seen), f"{seen.approvals} of {needed} agreed")
    if seen.now < (until := later(seen.asked_at, policy.cool_off)):
        yield replace(_held(Refusal.COOL_OFF, f"until {format_instant(until)}"), due_at=until)


def _refused(reason: str, detail: str | None = None) -> Judgement:
    return Judgement(RequestOutcome.REFUSED, reason, detail)


def _held(reason: str, detail: str | None = None) -> Judgement:
    return Judgement(RequestOutcome.HELD, reason, detail)


def _why_approval(message: Message, policy: Policy, seen: GuardFacts) -> Refusal:
    """Why the request needs an approval, in a word."""
    if seen.plan_changed:
        return Refusal.PLAN_CHANGED
    if seen.overtaken:
        return Refusal.OVERTAKEN
    held = policy.sources.get(message.source) is Consent.HOLD
    return Refusal.SOURCE if held and policy.approvals.needed <= 1 else Refusal.APPROVAL


def _protecting(policy: Policy, seen: GuardFacts) -> str:
    """The first `protect` condition that holds for the person, in words; empty if none does."""
    if seen.person is None:
        return ""
    data: dict[str, JsonValue] = {
        "person": dict(seen.person),
        "timestamp": format_instant(seen.now),
    }
    for condition in policy.protect:
        if condition.holds(data, NO_HISTORY):
            return " and ".join(conjunct.text for conjunct in condition.conjuncts)
    return ""


def _fault(message: Message, action: Action) -> str:
    """What is wrong with the properties: the first required path without an id, dotted."""
    if not action.needs and action.fault_in is None:
        return ""
    roots: dict[str, JsonValue] = {
        "properties": dict(message.data),
        "context": dict(message.context),
    }
    for path in action.needs:
        value: JsonValue = roots
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"{'.'.join(path)} is missing"
        if id_in(value) is None:
            kind = "a text without NUL" if isinstance(value, str) else "a text or a number"
            return f"{'.'.join(path)} is {kind}"
    return action.fault_in(message.data) if action.fault_in is not None else ""


def _server_fault(message: Message, action: Action) -> str:
    """Why only a server may ask for it; empty if this sender may. What a rule's step sends is no server's."""
    if action.server_fault is None or (message.source is SenderClass.SERVER and message.depth == 0):
        return ""
    return action.server_fault(message.data)


# --- what the guard files say ---------------------------------------------------------------------


def policy_on(action: str, guards: Iterable[Guard]) -> Policy:
    """What the guard files together say of an action; of several files the strictest counts."""
    about = [guard for guard in guards if action in guard.actions]
    usual = default_policy(action)
    if not about:
        return usual
    sources = dict(usual.sources)
    for source in SenderClass:
        said = (guard.sources.get(source, usual.sources[source]) for guard in about)
        sources[source] = max(said, key=list(Consent).index)
    return Policy(
        sources,
        stale_after=min(guard.stale_after for guard in about),
        enabled=all(guard.enabled for guard in about),
        protect=tuple(condition for guard in about for condition in guard.protect),
        limits=tuple(_about(action, limit) for guard in about for limit in guard.limits),
        guards=tuple(guard.id for guard in about),
        approvals=_strictest(about),
        cool_off=max(guard.cool_off for guard in about),
        expires_after=min(guard.expires_after for guard in about),
        tombstone=max((guard.tombstone for guard in about), key=list(Aftermath).index),
    )


def _about(action: str, limit: Limit) -> Limit:
    """A limit that counts by action counts this action alone."""
    return replace(limit, actions=(action,)) if limit.scope is Scope.ACTION else limit


def _strictest(guards: Sequence[Guard]) -> Approvals:
    """The most approvals that a file asks for, by the people whom every file with names has in common."""
    named = [guard.approvals.by for guard in guards if guard.approvals.by is not None]
    by = tuple(n for n in named[0] if all(n in each for each in named)) if named else None
    return Approvals(max(guard.approvals.needed for guard in guards), by)
