"""The guards before a semantic event's action (design §8), all in one function.

Pure: what is asked, what the registry and the guard files say, and whether it was asked before, go
in; a verdict comes out. Carrying the action out is the fold's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pydantic import JsonValue

from whereupon.messages import Message, Origin, Source
from whereupon.rules import DEFAULT_MAX_AGE, Consent, Guard
from whereupon.semantics import Action
from whereupon.state import RequestOutcome


class Refusal(StrEnum):
    """Why a request did not run: the guard that spoke."""

    DISABLED = "disabled"
    INVALID = "invalid-properties"
    NOT_IDENTIFIED = "not-identified"
    SOURCE = "source"
    NOT_LIVE = "not-live"
    STALE = "stale"
    NO_SUCH_PERSON = "no-such-person"


@dataclass(frozen=True, slots=True)
class Stance:
    """What the guard files say of one action; the defaults are the product's."""

    sources: Mapping[str, Consent]
    stale_after: timedelta = DEFAULT_MAX_AGE


DEFAULT_STANCE = Stance({Source.SERVER: Consent.RUN, Source.CLIENT: Consent.HOLD})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request, and which guard said so."""

    outcome: RequestOutcome
    reason: str | None = None
    detail: str | None = None


def stance_on(action: Action, guards: Iterable[Guard]) -> Stance:
    """What the guard files together say of an action: of several, the strictest word counts."""
    sources = dict(DEFAULT_STANCE.sources)
    stale_after = DEFAULT_STANCE.stale_after
    about = [guard for guard in guards if action.name in guard.actions]
    for source in Source:
        said = [guard.sources[source] for guard in about if source in guard.sources]
        if said:
            sources[source] = max(said, key=list(Consent).index)
    if about:
        stale_after = min(guard.stale_after for guard in about)
    return Stance(sources, stale_after)


def judge(message: Message, action: Action, stance: Stance) -> Verdict:
    """Every guard before an action, in order; the first that objects decides.

    Guard 5, *once*, has spoken before: a message whose id was recorded already never gets here.
    """
    # 1. known: the properties that the action needs are there.
    if missing := _missing(message, action):
        return _refused(Refusal.INVALID, f"{missing} is missing")
    # 2. identified: the message itself carries the user id that it acts on.
    if action.needs_user and message.user_id is None:
        return _refused(Refusal.NOT_IDENTIFIED)
    if not action.destructive:
        return Verdict(RequestOutcome.RAN)
    # 3. source: this class of sender may ask for it.
    consent = stance.sources.get(message.source, Consent.REFUSE)
    if consent is Consent.REFUSE:
        return _refused(Refusal.SOURCE)
    # 4. live: no import or backfill, and not older than the guard file allows.
    if message.origin is not Origin.LIVE:
        return _refused(Refusal.NOT_LIVE)
    if message.received_at - message.timestamp > stance.stale_after:
        return _refused(Refusal.STALE)
    if consent is Consent.HOLD:
        return Verdict(RequestOutcome.HELD, Refusal.SOURCE)
    # 6. protected, 7. blast radius, 8. approval and cool-off: they join here.
    return Verdict(RequestOutcome.RAN)


def _refused(reason: Refusal, detail: str | None = None) -> Verdict:
    return Verdict(RequestOutcome.REFUSED, reason, detail)


def _missing(message: Message, action: Action) -> str:
    """The first needed path that is not there, dotted; empty when all are."""
    roots: dict[str, JsonValue] = {
        "properties": dict(message.data),
        "context": dict(message.context),
    }
    for path in action.needs:
        value: JsonValue = roots
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or value == "":
            return ".".join(path)
    return ""
