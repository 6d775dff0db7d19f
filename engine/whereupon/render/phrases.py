"""One record as a phrase for people, styled; where it stands in the timeline is `timeline`'s."""

from dataclasses import dataclass
from datetime import timedelta

from rich.text import Text

from whereupon.decide import Ended, Notice
from whereupon.decide.decisions import Decision, Reason
from whereupon.guards.judge import Absence, Refusal
from whereupon.insight import describe, ended_by, why_withheld
from whereupon.messages.model import MessageType
from whereupon.records import Delivery, DeliveryState, Request, RequestOutcome
from whereupon.render.formatting import clean, headline, in_words, named
from whereupon.rules.model import Rule, RuleKind

NOBODY = "somebody anonymous"
_NOTEWORTHY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One line under a moment: a mark of one cell, and what it says."""

    mark: str
    text: Text
    style: str


def subject(decision: Decision) -> str:
    """What the person did: the event's name, or the kind of call with the page's name."""
    name = clean(decision.event or "")
    if decision.type in (None, MessageType.TRACK):
        return name
    return f"{decision.type} {name}".strip()


def actor(decision: Decision) -> str:
    """Who did it; nobody is named where nobody is known, or may be named any more."""
    match decision.reason:
        case Reason.DELETED:
            return "a deleted person"
        case Reason.SUPPRESSED:
            return "a suppressed person"
        case _:
            return decision.person or NOBODY


def age_of(decision: Decision) -> str:
    """How long before the decision it was done; empty under a second."""
    age = decision.decided_at - decision.timestamp
    return in_words(age) if age >= _NOTEWORTHY else ""


def deed(person: str | None, what: str) -> Text:
    """Who and what, as the title of a moment."""
    return Text.assemble((named(person or NOBODY), "bold"), f"  {what}")


def done(decision: Decision) -> Text:
    """The title of what somebody did, and how long ago; a broadcast's is the broadcast."""
    if decision.rule_kind is RuleKind.BROADCAST:
        return broadcast(decision)
    title = deed(actor(decision), subject(decision))
    if age := age_of(decision):
        title.append(f", {age} earlier", "dim")
    return title


def broadcast(decision: Decision) -> Text:
    """A broadcast, and the event that set it off; its time has come where there is none."""
    title = Text.assemble("broadcast ", (decision.rule, "bold"))
    return title.append(f", by {clean(decision.event)}") if decision.event else title


def entered(decision: Decision) -> Phrase:
    """The person enters the rule."""
    text = Text.assemble("enters ", (decision.rule, "bold green"))
    if decision.retroactive:
        text.append(", retroactively", "magenta")
    return Phrase("✓", text, "green")


def skipped(decision: Decision, rule: Rule | None) -> Phrase:
    """The person does not enter the rule, and why; or a broadcast has nobody to go to."""
    if decision.rule_kind is RuleKind.BROADCAST and decision.reason is Reason.WHO:
        return Phrase("·", Text("nobody is in its audience"), "dim")
    return Phrase("·", Text(f"not {decision.rule}: {clean(describe(decision, rule))}"), "dim")


def decided(decision: Decision, rule: Rule | None) -> Phrase:
    """Either of the two."""
    return entered(decision) if decision.reason is None else skipped(decision, rule)


def earlier_deed(decision: Decision, rule: Rule | None) -> Phrase:
    """A decision on something that was done before, led by what it was and how old."""
    phrase = decided(decision, rule)
    lead = Text(subject(decision))
    if age := age_of(decision):
        lead.append(f", {age} earlier", "dim")
    lead.append(": ")
    return Phrase(phrase.mark, lead.append_text(phrase.text), phrase.style)


def delivered(delivery: Delivery) -> Phrase:
    """What goes to whom by which channel; or that it does not, and why."""
    if delivery.state is DeliveryState.WITHHELD:
        return _withheld(delivery)
    text = Text.assemble((clean(delivery.channel), "bold cyan"), f" to {named(delivery.person)}")
    if said := headline(delivery.content):
        text.append(": ").append(f"“{said}”", "cyan")
    return Phrase("→", text.append(f" ({delivery.rule})", "dim"), "cyan")


def _withheld(delivery: Delivery) -> Phrase:
    who = f" to {named(delivery.person)} held back: {clean(why_withheld(delivery))}"
    text = Text.assemble((clean(delivery.channel), "bold yellow"), who)
    return Phrase("✗", text.append(f" ({delivery.rule})", "dim"), "yellow")


def left(ended: Ended) -> Phrase:
    """An entry ends early, and by what."""
    text = Text.assemble("leaves ", (ended.rule, "bold magenta"), f" {clean(ended_by(ended.end))}")
    return Phrase("←", text, "magenta")


def requested(request: Request) -> Phrase:
    """What became of an action that a semantic event asked for."""
    what = (clean(request.action), "bold")
    whose = f" of {named(request.person)}" if request.person else ""
    match request.outcome:
        case RequestOutcome.RAN if request.detail is not None:
            said = f", and found nothing: {absent(request)}"
            return Phrase("·", Text.assemble("ran ", what, whose, said), "yellow")
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
    said = _REFUSALS.get(request.reason or "", request.reason or "no reason given")
    return clean(f"{said} ({request.detail})" if request.detail else said)


def holding(request: Request) -> str:
    """Why a request is held, as a clause."""
    said = _HOLDINGS.get(request.reason or "", request.reason or "no reason given")
    return clean(f"{said} ({request.detail})" if request.detail else said)


def absent(request: Request) -> str:
    """What was not there of what a request that ran was about, as a clause."""
    return _ABSENCES.get(request.detail or "", clean(request.detail or ""))


_ABSENCES: dict[str, str] = {
    Absence.PERSON: "nobody is known by that id",
    Absence.SUPPRESSION: "nobody is suppressed by that id",
    Absence.DEVICE: "nobody has that device",
    Absence.OBJECT: "no such object is known",
    Absence.RELATIONSHIP: "there is no such tie",
}

_HOLDINGS: dict[str, str] = {
    Refusal.SOURCE: "nobody has agreed to it, and a client may not run it alone",
    Refusal.APPROVAL: "it waits for somebody to agree",
    Refusal.COOL_OFF: "it can be cancelled until its time comes",
    Refusal.LIMIT: "it would pass a limit, so the breaker opened",
    Refusal.BREAKER: "too many ran before it, and nobody has closed the breaker",
    Refusal.PLAN_CHANGED: "what it would take away is not what it was when it was asked for",
    Refusal.OVERTAKEN: "the person has done things since, which would go too",
}

_REFUSALS: dict[str, str] = {
    Refusal.DISABLED: "the action is switched off here",
    Refusal.INVALID: "the event lacks what the action needs",
    Refusal.NOT_IDENTIFIED: "the message carries no user id of its own",
    Refusal.SOURCE: "the guard file does not let this source ask for it",
    Refusal.NOT_LIVE: "it was imported, and history never destroys anything",
    Refusal.STALE: "it was asked for too long ago",
    Refusal.NOT_THEIRS: "it is about something of somebody else's",
    Refusal.ENDED: "it has ended before",
    Refusal.PROTECTED: "the person is protected",
    Refusal.ERASED: "the person is gone",
    Refusal.EXPIRED: "nobody decided it in time",
}


def warned(warning: Notice) -> Phrase:
    """Something worth a look that changed nothing."""
    return Phrase("!", Text(clean(warning.message)), "yellow")
