"""Records as styled phrases for people. `timeline` puts the phrases in order."""

from dataclasses import dataclass
from datetime import timedelta

from rich.text import Text

from whereupon.decide import Converted, Ended, Notice, Passage
from whereupon.decide.decisions import Decision, Reason
from whereupon.guards.judge import Absence, Refusal
from whereupon.insight import (
    Tense,
    describe,
    ended_by,
    led_by_time,
    passage_words,
    waits_at,
    why_withheld,
)
from whereupon.messages.model import MessageType
from whereupon.records import Delivery, DeliveryState, MarkKind, Request, RequestOutcome
from whereupon.render.formatting import clean, headline, in_words, named
from whereupon.rules.model import Rule, RuleKind

ANONYMOUS = "an anonymous visitor"
_NOTEWORTHY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One line under the title of a moment; its mark is one cell wide."""

    mark: str
    text: Text
    style: str


def subject(decision: Decision) -> str:
    """What the person did: the name of the event, or the type of the call with the name of the page."""
    name = clean(decision.event or "")
    if decision.type in (None, MessageType.TRACK):
        return name
    return f"{decision.type} {name}".strip()


def actor(decision: Decision) -> str:
    """The name of the person, or words for a person who is not known or was deleted."""
    match decision.reason:
        case Reason.DELETED:
            return "a deleted person"
        case Reason.SUPPRESSED:
            return "a suppressed person"
        case _:
            return decision.person or ANONYMOUS


def age_of(decision: Decision) -> str:
    """How long the message came before the decision, in words; empty for less than a second."""
    age = decision.decided_at - decision.timestamp
    return in_words(age) if age >= _NOTEWORTHY else ""


def title_of(person: str | None, what: str) -> Text:
    """The title of a moment: a person, and what they did."""
    return Text.assemble((named(person or ANONYMOUS), "bold"), f"  {what}")


def decision_title(decision: Decision) -> Text:
    """The title for a decision: the person, the message and its age; or the broadcast."""
    if decision.rule_kind is RuleKind.BROADCAST:
        return broadcast_title(decision)
    moment = led_by_time(decision.message_id) if decision.type is None else None
    title = title_of(actor(decision), subject(decision) if moment is None else clean(moment))
    if age := age_of(decision):
        title.append(f", {age} earlier", "dim")
    return title


def broadcast_title(decision: Decision) -> Text:
    """A broadcast, and the event that started it, unless a schedule did."""
    title = Text.assemble("broadcast ", (decision.rule, "bold"))
    return title.append(f", by {clean(decision.event)}") if decision.event else title


def entered(decision: Decision) -> Phrase:
    """A person enters a rule."""
    text = Text.assemble("enters ", (decision.rule, "bold green"))
    if decision.retroactive:
        text.append(", retroactively", "magenta")
    return Phrase("✓", text, "green")


def skipped(decision: Decision, rule: Rule | None) -> Phrase:
    """A person does not enter a rule, and why; or the audience of a broadcast is empty."""
    if decision.rule_kind is RuleKind.BROADCAST and decision.reason is Reason.WHO:
        return Phrase("·", Text("nobody is in its audience"), "dim")
    return Phrase("·", Text(f"not {decision.rule}: {clean(describe(decision, rule))}"), "dim")


def decided(decision: Decision, rule: Rule | None) -> Phrase:
    """A decision: the person enters the rule, or does not."""
    return entered(decision) if decision.reason is None else skipped(decision, rule)


def decided_later(decision: Decision, rule: Rule | None) -> Phrase:
    """A decision on an earlier message, after the message and its age."""
    phrase = decided(decision, rule)
    lead = Text(subject(decision))
    if age := age_of(decision):
        lead.append(f", {age} earlier", "dim")
    lead.append(": ")
    return Phrase(phrase.mark, lead.append_text(phrase.text), phrase.style)


def delivered(delivery: Delivery) -> Phrase:
    """A delivery: its channel, person and title; or why it was withheld."""
    if delivery.state is DeliveryState.WITHHELD:
        return _withheld(delivery)
    text = Text.assemble((clean(delivery.channel), "bold cyan"), f" to {named(delivery.person)}")
    if title := headline(delivery.content):
        text.append(": ").append(f"“{title}”", "cyan")
    return Phrase("→", text.append(f" ({delivery.rule})", "dim"), "cyan")


def _withheld(delivery: Delivery) -> Phrase:
    who = f" to {named(delivery.person)} held back: {clean(why_withheld(delivery))}"
    text = Text.assemble((clean(delivery.channel), "bold yellow"), who)
    return Phrase("✗", text.append(f" ({delivery.rule})", "dim"), "yellow")


def entry_ended(ended: Ended) -> Phrase:
    """An entry ends early, and why."""
    text = Text.assemble("leaves ", (ended.rule, "bold magenta"), f" {clean(ended_by(ended.end))}")
    return Phrase("←", text, "magenta")


def converted(conversion: Converted) -> Phrase:
    """A person reaches the goal of a rule, and after which delivery."""
    rule = (conversion.rule, "bold green")
    text = Text.assemble("reaches the goal of ", rule, f": {clean(conversion.mark.detail or '')}")
    if conversion.is_held_out:
        text.append(", held out")
    elif conversion.mark.address:
        text.append(f", after step {conversion.mark.address}")
    if conversion.mark.arm is not None:
        text.append(f", in arm {conversion.mark.arm}")
    return Phrase("★", text, "green")


def passed(passage: Passage, rule: Rule | None) -> Phrase:
    """What an entry passes at a step: an arm and why, a wait and until when, a step that is left out."""
    mark = passage.mark
    if mark.kind is MarkKind.WAITS and rule is not None:
        words = waits_at(rule, mark.address, passage.due_at)
    else:
        words = passage_words(mark, rule, Tense.PRESENT)
    sign, style = _SIGNS.get(mark.kind, ("·", "dim"))
    return Phrase(sign, Text(clean(words)).append(f" ({passage.rule})", "dim"), style)


_SIGNS: dict[str, tuple[str, str]] = {
    MarkKind.ARM: ("◇", "blue"),
    MarkKind.WAITS: ("…", "blue"),
    MarkKind.QUIET: ("…", "yellow"),
    MarkKind.CAP: ("…", "yellow"),
    MarkKind.PASSED: ("»", "blue"),
    MarkKind.EXPIRED: ("»", "yellow"),
    MarkKind.RAN: ("→", "cyan"),
    MarkKind.FAILED: ("✗", "yellow"),
}


def requested(request: Request) -> Phrase:
    """The outcome of a request for an action."""
    what = (clean(request.action), "bold")
    whose = f" of {named(request.person)}" if request.person else ""
    match request.outcome:
        case RequestOutcome.RAN if request.detail is not None:
            but = f", and found nothing: {absent(request)}"
            return Phrase("·", Text.assemble("ran ", what, whose, but), "yellow")
        case RequestOutcome.RAN:
            return Phrase("✓", Text.assemble("ran ", what, whose), "red")
        case RequestOutcome.HELD:
            because = f": {holding(request)}"
            return Phrase("‖", Text.assemble("held ", what, whose, because), "yellow")
        case RequestOutcome.APPROVED:
            return Phrase(
                "‖", Text.assemble("approved ", what, whose, ": its handler is due"), "yellow"
            )
        case _:
            because = f": {_refusal(request)}"
            return Phrase("✗", Text.assemble(f"{request.outcome} ", what, whose, because), "yellow")


def _refusal(request: Request) -> str:
    why = _REFUSALS.get(request.reason or "", request.reason or "no reason given")
    return clean(f"{why} ({request.detail})" if request.detail else why)


def holding(request: Request) -> str:
    """Why a request is held, as a clause."""
    why = _HOLDINGS.get(request.reason or "", request.reason or "no reason given")
    return clean(f"{why} ({request.detail})" if request.detail else why)


def absent(request: Request) -> str:
    """What a request that ran did not find, as a clause."""
    return _ABSENCES.get(request.detail or "", clean(request.detail or ""))


_ABSENCES: dict[str, str] = {
    Absence.PERSON: "nobody is known by that id",
    Absence.SUPPRESSION: "nobody is suppressed by that id",
    Absence.DEVICE: "nobody has that device",
    Absence.OBJECT: "no such object is known",
    Absence.RELATIONSHIP: "there is no such relationship",
}

_HOLDINGS: dict[str, str] = {
    Refusal.SOURCE: "nobody has agreed to it, and a client may not run it alone",
    Refusal.APPROVAL: "it waits for an approval",
    Refusal.COOL_OFF: "it can be cancelled until its time comes",
    Refusal.LIMIT: "it would pass a limit, so the breaker opened",
    Refusal.BREAKER: "too many ran before it, and nobody has closed the breaker",
    Refusal.PLAN_CHANGED: "its plan has changed since it was asked for",
    Refusal.OVERTAKEN: "the person has sent messages since, which would be deleted too",
}

_REFUSALS: dict[str, str] = {
    Refusal.DISABLED: "the action is switched off here",
    Refusal.INVALID: "the event lacks what the action needs",
    Refusal.NOT_IDENTIFIED: "the message carries no user id of its own",
    Refusal.SOURCE: "the guard file does not let this source ask for it",
    Refusal.NOT_LIVE: "its message was imported, and an import deletes nothing",
    Refusal.STALE: "it was asked for too long ago",
    Refusal.NOT_THEIRS: "it is about something of another person",
    Refusal.ENDED: "it has ended before",
    Refusal.PROTECTED: "the person is protected",
    Refusal.ERASED: "the person is gone",
    Refusal.EXPIRED: "nobody decided on it in time",
}


def warned(warning: Notice) -> Phrase:
    """A notice."""
    return Phrase("!", Text(clean(warning.message)), "yellow")
