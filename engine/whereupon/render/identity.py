"""The identity of a person, and the preview of an identify, as lines for people."""

from collections.abc import Iterator
from datetime import datetime

from whereupon.decide.decisions import Decision
from whereupon.insight import describe
from whereupon.insight.identify_preview import ClaimedMessage, Preview
from whereupon.insight.person_report import ClaimedId, ClaimReport, Identity
from whereupon.messages.times import format_instant
from whereupon.records import Delivery, DeliveryState
from whereupon.render.formatting import clean, counted, headline, named
from whereupon.render.phrases import subject
from whereupon.rules.model import Rulebook


def identity_lines(identity: Identity) -> Iterator[str]:
    """The ids and merges of a person; for each anonymous id, its claims and what they triggered."""
    yield f"{named(identity.person)} is known as {', '.join(map(named, identity.user_ids))}."
    for merge in identity.merges:
        when = format_instant(merge.merged_at)
        yield f"{named(merge.person)} became {named(identity.person)} by {clean(merge.message_id)}, {when}."
    if identity.inbox:
        items = counted(identity.inbox, "item")
        yield f"Their inbox has {items}; whereupon inbox lists them."
    for claimed in identity.anonymous_ids:
        yield from _claimed_id_lines(claimed, identity.person)
    if not identity.anonymous_ids:
        yield "No anonymous id was ever claimed by them."


def _claimed_id_lines(claimed: ClaimedId, person: str) -> Iterator[str]:
    yield ""
    yield clean(claimed.anonymous_id)
    for run in claimed.claims:
        yield f"  {_span(run)} {named(run.person)}'s, by {clean(run.message_id)}"
        for message in run.brought:
            happened = format_instant(message.timestamp)
            yield f"    {clean(message.subject)} of {happened} ({clean(message.message_id)})"
            for decision in message.decisions:
                yield f"      {clean(decision.sentence)}"
        if run.person == person and not run.brought:
            yield "    it brought nothing"


def _span(run: ClaimReport) -> str:
    since, until = format_instant(run.since), format_instant(run.until)
    return since if since == until else f"{since} to {until}"


def preview_lines(preview: Preview, person: str, book: Rulebook) -> Iterator[str]:
    """What an identify would claim, decide, send and leave waiting."""
    yield "A dry run: nothing was written, and nothing is sent."
    if preview.silenced:
        yield f"{named(person)} is silenced: suppressed, or deleted after this time. Nothing would happen."
        return
    count = counted(len(preview.claimed), "message")
    yield f"Identifying {named(person)} would claim {count}{':' if preview.claimed else '.'}"
    yield from (f"  {_claimed(message)}" for message in preview.claimed)
    yield from _block("It would be decided:", [decided(d, book) for d in preview.decisions])
    yield from _block("Due at once:", [_delivery(each) for each in preview.deliveries])
    waits = [f"{e.rule}, {_until(e.due_at)}" for e in preview.waiting]
    yield from _block("Waiting:", waits)
    yield from _block("Ended:", [f"{entry.rule}, which is running" for entry in preview.ended])
    yield from _block("Broadcasts started:", [*preview.broadcasts])
    yield from _block("Worth a look:", [clean(each.message) for each in preview.warnings])


def _block(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in lines)


def _claimed(message: ClaimedMessage) -> str:
    whose = f", which is {named(message.before)}'s until now" if message.before else ""
    happened = format_instant(message.timestamp)
    return f"{clean(message.subject)} of {happened} ({clean(message.message_id)}){whose}"


def decided(decision: Decision, book: Rulebook) -> str:
    """A decision as a line: which person enters which rule by which message, or why not."""
    who, by = named(decision.person or "nobody"), subject(decision)
    if decision.reason is None:
        retroactively = ", retroactively" if decision.retroactive else ""
        return f"{who} enters {decision.rule} by {by}{retroactively}"
    because = clean(describe(decision, book.rule(decision.rule)))
    return f"{who} does not enter {decision.rule} by {by}: {because}"


def _delivery(delivery: Delivery) -> str:
    to = f"{clean(delivery.channel)} to {named(delivery.person)} ({delivery.rule})"
    if delivery.state is DeliveryState.WITHHELD:
        return f"{to}, held back: {clean(delivery.reason or '')}"
    title = headline(delivery.content)
    return f"{to}: “{title}”" if title else to


def _until(due_at: datetime | None) -> str:
    return "for ever" if due_at is None else f"until {format_instant(due_at)}"
