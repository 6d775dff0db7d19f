"""People inside rules, pauses, moves and runs of broadcasts, as lines for people and as JSON."""

from collections.abc import Collection
from datetime import datetime

from whereupon.messages.model import id_in_ref
from whereupon.messages.times import format_instant
from whereupon.operations.audience_preview import AudiencePreview
from whereupon.operations.entry_moves import Moved, MoveGroup, MoveRefusal
from whereupon.records import (
    NEVER,
    BroadcastRun,
    Delivery,
    DeliveryState,
    Entry,
    EntryCount,
    EntryState,
    Operations,
    RulePause,
)
from whereupon.render.formatting import clean, counted, headline, named
from whereupon.render.records import JsonObject, mark_object
from whereupon.rules.model import END

_SHORT = 12
"""The digits of a version that are shown to people; they suffice where a version is asked for."""

_REFUSALS = {
    MoveRefusal.NO_COUNTERPART: "they wait at a step that the new version has not; name the next step with --map",
    MoveRefusal.REPEATS: "a step that would come next was done for them before",
    MoveRefusal.UNREADABLE: "a newer whereupon wrote their version",
}


def version_name(digest: str, current: Collection[str]) -> str:
    """The beginning of a version's digest, and whether the version is in use."""
    return f"{digest[:_SHORT]}{' (current)' if digest in current else ''}"


def count_line(count: EntryCount, current: Collection[str], where: str) -> str:
    """People in one version at one step.

    Args:
        where: the step, in words.
    """
    people = counted(count.people, "person", "people")
    state = "" if count.state == "active" else f" ({count.state})"
    place = f"version {version_name(count.version, current)}, {clean(where)}"
    parts = [clean(count.rule), f"{people}{state}", place]
    if count.due_at != NEVER:
        due = "was due" if count.state == "paused" else "due"
        parts.append(f"first {due} {format_instant(count.due_at)}")
    return "  ".join(parts)


def count_object(count: EntryCount, current: Collection[str], where: str) -> JsonObject:
    """The same as JSON; ``step`` is the address of the step that comes next."""
    return {
        "kind": "inside",
        "rule": count.rule,
        "version": count.version,
        "current": count.version in current,
        "step": count.address,
        "state": count.state,
        "people": count.people,
        "due_at": due_time(count.due_at),
        "words": where,
    }


def due_time(at: datetime | None) -> str | None:
    """When something is due, as JSON; None if it waits for something without an end."""
    return None if at is None or at == NEVER else format_instant(at)


def entry_line(entry: Entry, person: str) -> str:
    """One entry: its number, person, state, place and times, and what operators did."""
    parts = [f"{entry.key}", f"{entry.state}", f"{clean(entry.rule)} of {named(person)}"]
    parts.append(
        f"entered {format_instant(entry.entered_at)} by {clean(id_in_ref(entry.occasion))}"
    )
    if entry.due_at is not None:
        due = "was due" if entry.state is EntryState.PAUSED else "due"
        when = "" if entry.due_at == NEVER else f", {due} {format_instant(entry.due_at)}"
        parts.append(f"before step {entry.address}{when}")
    if entry.ended is not None:
        parts.append(f"ended {format_instant(entry.ended.at)} ({clean(entry.ended.reason)})")
    return "  ".join([*parts, *_operation_words(entry.operations)])


def entry_object(entry: Entry, person: str) -> JsonObject:
    """The same as JSON."""
    ended = entry.ended
    return {
        "kind": "entry",
        "entry": entry.key,
        "rule": entry.rule,
        "version": entry.digest,
        "person": person,
        "state": entry.state,
        "step": entry.address,
        "message_id": id_in_ref(entry.occasion),
        "entered_at": format_instant(entry.entered_at),
        "due_at": due_time(entry.due_at),
        "ended_at": None if ended is None else format_instant(ended.at),
        "reason": None if ended is None else ended.reason,
        "operations": operation_objects(entry.operations),
        "trail": [mark_object(mark) for mark in entry.trail],
    }


def operation_objects(operations: Operations) -> list[JsonObject]:
    """What operators did, as JSON."""
    return [
        {"did": each.kind, "by": each.by, "at": format_instant(each.at), "detail": each.detail}
        for each in operations
    ]


def _operation_words(operations: Operations) -> list[str]:
    return [
        f"{each.kind} by {clean(each.by)} {format_instant(each.at)}" for each in operations[-1:]
    ]


def pause_line(pause: RulePause) -> str:
    """A paused rule, since when and by whom."""
    since = format_instant(pause.since)
    return f"{clean(pause.rule)} is paused since {since} by {clean(pause.by)}"


def pause_object(pause: RulePause) -> JsonObject:
    """The same as JSON."""
    since = format_instant(pause.since)
    return {"kind": "paused", "rule": pause.rule, "run": None, "by": pause.by, "since": since}


def paused_run_line(run: BroadcastRun) -> str:
    """A paused run, since when and by whom."""
    paused = run.paused
    who = "" if paused is None else f" since {format_instant(paused.at)} by {clean(paused.by)}"
    return f"{clean(id_in_ref(run.occasion))} is paused{who}"


def paused_run_object(run: BroadcastRun) -> JsonObject:
    """The same as JSON."""
    paused = run.paused
    return {
        "kind": "paused",
        "rule": run.rule,
        "run": run.occasion,
        "by": None if paused is None else paused.by,
        "since": None if paused is None else format_instant(paused.at),
    }


# --- moves --------------------------------------------------------------------------------------------


def moved_lines(moved: Moved, *, dry_run: bool) -> list[str]:
    """What a move did, or would do: a line for each group of people."""
    found = sorted(moved.people.items(), key=lambda each: (each[0].version, each[0].step))
    if not found:
        return [f"Everybody inside {clean(moved.rule)} is in version {moved.version[:_SHORT]}."]
    return [_group_line(group, number, dry_run=dry_run) for group, number in found]


def _group_line(group: MoveGroup, number: int, *, dry_run: bool) -> str:
    people = counted(number, "person", "people")
    place = f"version {group.version[:_SHORT]}, before step {group.step}"
    if group.refusal is not None:
        return f"{people}  {place}  stay: {_REFUSALS[group.refusal]} ({group.refusal})"
    how = "would go on" if dry_run else "go on"
    where = "behind the last step" if group.to_step == END else f"before step {group.to_step}"
    return f"{people}  {place}  {how} {where} of the new version"


def moved_objects(moved: Moved, *, dry_run: bool) -> list[JsonObject]:
    """The same as JSON."""
    return [
        {
            "kind": "move",
            "rule": moved.rule,
            "from_version": group.version,
            "to_version": moved.version,
            "step": group.step,
            "to_step": group.to_step,
            "refusal": group.refusal,
            "people": number,
            "dry_run": dry_run,
        }
        for group, number in sorted(moved.people.items(), key=lambda each: each[0][:2])
    ]


# --- broadcasts ---------------------------------------------------------------------------------------


def run_line(
    run: BroadcastRun, now: datetime, waiting: int | None = None, ahead: int | None = None
) -> str:
    """One run: its occasion, state, time, and how many were let in, and how many are ahead of it."""
    parts = [clean(id_in_ref(run.occasion)), f"{run.state_at(now)}"]
    parts.append(f"due {format_instant(run.due_at)}")
    parts.append(f"{counted(run.admitted, 'person', 'people')} let in")
    if ahead:
        parts.append(f"{counted(ahead, 'person', 'people')} ahead")
    if waiting is not None:
        parts.append(f"{counted(waiting, 'delivery waits', 'deliveries wait')}")
    return "  ".join([*parts, *_operation_words(run.operations)])


def run_object(
    run: BroadcastRun, now: datetime, waiting: int | None = None, ahead: int | None = None
) -> JsonObject:
    """The same as JSON."""
    shown: JsonObject = {
        "kind": "run",
        "broadcast": run.rule,
        "run": run.occasion,
        "state": run.state_at(now),
        "due_at": format_instant(run.due_at),
        "admitted": run.admitted,
        "reason": run.reason,
        "operations": operation_objects(run.operations),
    }
    return shown if waiting is None else {**shown, "waiting": waiting, "ahead": ahead}


def preview_lines(preview: AudiencePreview) -> list[str]:
    """Whom a broadcast would reach."""
    people = counted(preview.people, "person is", "people are")
    lines = [f"{people} in the audience of {clean(preview.broadcast)} now."]
    numbers = (
        (preview.unsubscribed, "unsubscribed"),
        (preview.suppressed, "suppressed"),
        (preview.without_address, "without an address"),
        (preview.capped, "capped"),
        (preview.held_out, "held out"),
        (preview.unreachable, "would get nothing at all"),
    )
    lines += [f"  {number} {what}" for number, what in numbers]
    if preview.sample:
        lines.append(f"  such as {', '.join(map(named, preview.sample))}")
    return [*lines, *map(_text_line, preview.texts)]


def _text_line(delivery: Delivery) -> str:
    """What one person of the sample would be sent at once, or why not."""
    withheld = delivery.state is DeliveryState.WITHHELD
    said = f"withheld: {delivery.reason}" if withheld else headline(delivery.content)
    return f"  {named(delivery.person)}  {clean(delivery.channel)}  {said}".rstrip()


def preview_object(preview: AudiencePreview) -> JsonObject:
    """The same as JSON."""
    return {
        "kind": "audience",
        "broadcast": preview.broadcast,
        "people": preview.people,
        "unsubscribed": preview.unsubscribed,
        "suppressed": preview.suppressed,
        "without_address": preview.without_address,
        "capped": preview.capped,
        "held_out": preview.held_out,
        "unreachable": preview.unreachable,
        "sample": list(preview.sample),
        "texts": [_text_object(each) for each in preview.texts],
    }


def _text_object(delivery: Delivery) -> JsonObject:
    withheld = delivery.state is DeliveryState.WITHHELD
    return {
        "person": delivery.person,
        "channel": delivery.channel,
        "content": dict(delivery.content),
        "withheld": delivery.reason if withheld else None,
    }
