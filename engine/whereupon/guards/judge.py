"""The guards before a semantic event's action, all in one function.

Pure: what is asked, what the guard files say, and what is known of the asking go in; a verdict comes
out. The same function judges a request when it comes in and every time that it is looked at again,
so nothing runs by a way around it. Carrying the action out is the fold's.
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
    """Why a request did not run: the guard that spoke."""

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
    """What a request is about is not there: where it runs, it takes nothing away. For ever."""

    PERSON = "unknown-person"
    SUPPRESSION = "not-suppressed"
    DEVICE = "unknown-device"
    OBJECT = "unknown-object"
    RELATIONSHIP = "unknown-relationship"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the guard files say of one action; the defaults are the product's."""

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
        """How many must agree to what this class of sender asks for."""
        held = self.sources.get(source, Consent.REFUSE) is Consent.HOLD
        return max(self.approvals.needed, int(held))


DEFAULT_POLICY = Policy({SenderClass.SERVER: Consent.RUN, SenderClass.CLIENT: Consent.HOLD})

OWN_DEVICE_POLICY = Policy({SenderClass.SERVER: Consent.RUN, SenderClass.CLIENT: Consent.RUN})
"""A device is taken from its owner alone (`GuardFacts.is_theirs`), and every logout on a phone asks for it."""


def default_policy(action: str) -> Policy:
    """What holds of an action of which no guard file speaks."""
    return OWN_DEVICE_POLICY if action == ActionName.DELETE_DEVICE else DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What is known of a request and its surroundings at the moment of judging.

    Attributes:
        asked_at, now: when it came in, and the present.
        is_open: whether it is still to be decided; one that has ended never runs again.
        silenced_by: the reason of the tombstone that lies over who asks; None where there is none.
        is_theirs: whether what it is about is the named person's own, or nobody's.
        missing: what it is about is not there; None where it is.
        person: the attributes of whom it is about.
        overtaken: the person did something after the request's own time, which would go too.
        open_breakers: of the guard files about the action, those whose breaker is open.
        spent: how many ran within the window of each of the policy's limits.
        people: how many persons there are.
        approvals: how many agreed to the plan as it is now.
        plan_changed: the plan is no longer the one that was shown.
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
class Verdict:
    """What becomes of a request, and which guard said so.

    Attributes:
        detail: what the guard saw; of one that runs, the `Absence` of what it is about, if it is not there.
        due_at: of a held one, when it is to be judged again by itself.
        passed: the limit that it would pass, whose breaker opens.
    """

    outcome: RequestOutcome
    reason: str | None = None
    detail: str | None = None
    due_at: datetime | None = None
    passed: Limit | None = None


AGREED = Verdict(RequestOutcome.RAN)


def judge(message: Message, action: Action, policy: Policy, seen: GuardFacts) -> Verdict:
    """The first objection of a guard; without any, the request runs, though it may find nothing."""
    agreed = replace(AGREED, detail=seen.missing) if seen.missing else AGREED
    return next(_objections(message, action, policy, seen), agreed)


def _objections(  # noqa: C901, PLR0912 - the eight guards, one under the other, to be read in one go
    message: Message, action: Action, policy: Policy, seen: GuardFacts
) -> Iterator[Verdict]:
    """Every guard's objection.

    What refuses comes before what holds: nobody is asked to agree to what may not run anyway.
    """
    # 1. known: the action is enabled, and its properties are valid.
    if not policy.enabled:
        yield _refused(Refusal.DISABLED)
    if fault := _fault(message, action):
        yield _refused(Refusal.INVALID, fault)
    # 2. identified: the message itself carries the user id that it acts on, and acts on theirs.
    if action.needs_user and message.user_id is None:
        yield _refused(Refusal.NOT_IDENTIFIED)
    if seen.silenced_by and action.name not in (*ERASING, LIFTING):
        yield _refused(seen.silenced_by)
    if not seen.is_theirs:
        yield _refused(Refusal.NOT_THEIRS, "the device is registered for somebody else")
    if not action.destructive:
        return
    # 3. source: this class of sender may ask for it (whether it is held comes with guard 8). A rule's
    # step may not: whoever can set off the rule, by a client's event, late or imported, could.
    if message.depth:
        yield _refused(Refusal.SOURCE, "a rule's step may not ask for it")
    if policy.sources.get(message.source, Consent.REFUSE) is Consent.REFUSE:
        yield _refused(Refusal.SOURCE)
    # 4. live: no import or backfill, and it was not older than the guard file allows when it came.
    if message.origin is not Origin.LIVE:
        yield _refused(Refusal.NOT_LIVE)
    if message.received_at - message.timestamp > policy.stale_after:
        yield _refused(Refusal.STALE)
    # 5. once: its message id has not asked before (the fold drops those), and it has not ended.
    if not seen.is_open:
        yield _refused(Refusal.ENDED)
    # 6. protected: no `protect` condition holds of the person.
    if protected := _protecting(policy, seen):
        yield _refused(Refusal.PROTECTED, protected)
    if seen.missing is Absence.DEVICE:  # there is nothing that anybody could agree to
        return
    # 7. blast radius: no breaker is open, and none of the limits is passed by one more.
    if seen.open_breakers:
        yield _held(Refusal.BREAKER, f"the breaker of {', '.join(seen.open_breakers)} is open")
    for limit, spent in zip(policy.limits, seen.spent, strict=False):
        if spent >= limit.allowed(seen.people):
            yield replace(_held(Refusal.LIMIT, f"{limit.text} ({limit.guard})"), passed=limit)
    # 8. approval and cool-off: as many agree to the plan as it is, and there was time to object.
    needed = max(policy.needed(message.source), int(seen.plan_changed or seen.overtaken))
    if seen.approvals < needed:
        yield _held(_why_approval(message, policy, seen), f"{seen.approvals} of {needed} agreed")
    if seen.now < (until := later(seen.asked_at, policy.cool_off)):
        yield replace(_held(Refusal.COOL_OFF, f"until {format_instant(until)}"), due_at=until)


def _refused(reason: str, detail: str | None = None) -> Verdict:
    return Verdict(RequestOutcome.REFUSED, reason, detail)


def _held(reason: str, detail: str | None = None) -> Verdict:
    return Verdict(RequestOutcome.HELD, reason, detail)


def _why_approval(message: Message, policy: Policy, seen: GuardFacts) -> Refusal:
    """What makes somebody's agreement needed, in a word."""
    if seen.plan_changed:
        return Refusal.PLAN_CHANGED
    if seen.overtaken:
        return Refusal.OVERTAKEN
    held = policy.sources.get(message.source) is Consent.HOLD
    return Refusal.SOURCE if held and policy.approvals.needed <= 1 else Refusal.APPROVAL


def _protecting(policy: Policy, seen: GuardFacts) -> str:
    """The first `protect` condition that holds of the person, in words; empty when none does."""
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
    """What is wrong with the properties; the first needed path that holds no id, dotted."""
    if not action.needs and action.fault_in is None:
        return ""
    body = message.read()
    roots: dict[str, JsonValue] = {"properties": dict(body.data), "context": dict(body.context)}
    for path in action.needs:
        value: JsonValue = roots
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"{'.'.join(path)} is missing"
        if id_in(value) is None:
            kind = "a text without NUL" if isinstance(value, str) else "a text or a number"
            return f"{'.'.join(path)} is {kind}"
    return action.fault_in(body.data) if action.fault_in is not None else ""


# --- what the guard files say ---------------------------------------------------------------------


def policy_on(action: str, guards: Iterable[Guard]) -> Policy:
    """What the guard files together say of an action: of several, the strictest word counts."""
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
    """A limit by action counts this one alone."""
    return replace(limit, actions=(action,)) if limit.scope is Scope.ACTION else limit


def _strictest(guards: Sequence[Guard]) -> Approvals:
    """The most that any file asks for, by those whom every file that names somebody names."""
    named = [guard.approvals.by for guard in guards if guard.approvals.by is not None]
    by = tuple(n for n in named[0] if all(n in each for each in named)) if named else None
    return Approvals(max(guard.approvals.needed for guard in guards), by)
