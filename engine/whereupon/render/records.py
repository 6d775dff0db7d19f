"""Records as JSON Lines. Programs depend on the keys and their order, so these never change."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, assert_never

from whereupon.decide import Converted, Emitted, Ended, Notice, Passage
from whereupon.decide.decisions import Decision
from whereupon.errors import Diagnostic
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.insight.passages import shown_values
from whereupon.messages.codec import encode
from whereupon.messages.streams import BadLine
from whereupon.messages.times import format_instant
from whereupon.records import NEVER, Delivery, DeliveryState, EntryEnd, Mark, MarkKind, Request
from whereupon.replay.records import Record

if TYPE_CHECKING:  # only some commands import these
    from whereupon.insight import Explanation
    from whereupon.insight.identify_preview import Preview
    from whereupon.insight.person_report import ClaimReport, Identity
    from whereupon.testing.reports import RuleTestResult, Uncovered

JsonObject: TypeAlias = dict[str, object]


class JsonLines:
    """Writes one JSON object a line. On a terminal, each line appears at once.

    Args:
        several: whether there is more than one stream, so that a rejected line names its stream.
        shown: members of the last line besides the counts.
    """

    def __init__(
        self, out: BinaryIO, *, several: bool = False, shown: Mapping[str, object] | None = None
    ) -> None:
        self._out = out
        self._shown = shown or {}
        self._several = several
        self._at_once = out.isatty()

    def emit(self, record: Record) -> None:
        """Write one record."""
        self.write(self._as_object(record))

    def summarize(self, counts: Mapping[str, int]) -> None:
        """Write the counts as the last line."""
        self.write({"kind": "summary", **counts, **self._shown})

    def write(self, value: Mapping[str, object]) -> None:
        """Write an object as one line."""
        self._out.write(encode(value) + b"\n")
        if self._at_once:
            self._out.flush()

    def _as_object(self, record: Record) -> JsonObject:
        if not isinstance(record, BadLine):
            return _object(record)
        rejected = rejected_object(record)
        return {**rejected, "stream": record.stream} if self._several else rejected


def _object(record: Emitted | WaitingEntry) -> JsonObject:
    match record:
        case Decision():
            return decision_object(record)
        case Delivery():
            return delivery_object(record)
        case Request():
            return request_object(record)
        case Notice():
            return warning_object(record)
        case Ended() | Converted() | Passage():
            return _entry_object(record)
        case WaitingEntry():
            return waiting_object(record)
        case _:
            assert_never(record)


def _entry_object(record: Ended | Converted | Passage) -> JsonObject:
    match record:
        case Ended():
            return ended_object(record)
        case Converted():
            return converted_object(record)
        case Passage():
            return passage_object(record)


def decision_object(decision: Decision) -> JsonObject:
    """A decision on one message, rule and person."""
    return {
        "kind": "decision",
        "message_id": decision.message_id,
        "type": decision.type,
        "event": decision.event,
        "timestamp": format_instant(decision.timestamp),
        "decided_at": format_instant(decision.decided_at),
        "person": decision.person,
        "rule": decision.rule,
        "rule_kind": decision.rule_kind,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "retroactive": decision.retroactive,
    }


def delivery_object(delivery: Delivery) -> JsonObject:
    """A delivery to a channel; one that is withheld has its own kind, and its reason."""
    shared: JsonObject = {
        "rule": delivery.rule,
        "person": delivery.person,
        "channel": delivery.channel,
        "due_at": format_instant(delivery.due_at),
        "idempotency_key": delivery.idempotency_key,
    }
    if delivery.state is DeliveryState.WITHHELD:
        return {"kind": "withheld", **shared, "reason": delivery.reason}
    return {"kind": "delivery", **shared, "content": delivery.content}


def request_object(request: Request) -> JsonObject:
    """A request for an action, and its outcome."""
    return {
        "kind": "request",
        "action": request.action,
        "message_id": request.message_id,
        "person": request.person,
        "outcome": request.outcome,
        "reason": request.reason,
    }


def warning_object(notice: Notice) -> JsonObject:
    """A notice."""
    return {
        "kind": "warning",
        "code": notice.code,
        "message_id": notice.message_id,
        "message": notice.message,
    }


def ended_object(ended: Ended) -> JsonObject:
    """An entry that ended before its last step, and why."""
    return {
        "kind": "ended",
        "rule": ended.rule,
        "person": ended.person,
        "message_id": ended.message_id,
        "ended_at": format_instant(ended.end.at),
        "outcome": ended.state,
        "reason": ended.end.reason,
        "detail": ended.end.detail,
        "by": ended.end.message_id,
    }


def converted_object(converted: Converted) -> JsonObject:
    """An entry whose person reached the goal, by what, and the delivery that it is attributed to."""
    mark = converted.mark
    return {
        "kind": "converted",
        "rule": converted.rule,
        "person": converted.person,
        "message_id": converted.message_id,
        "converted_at": format_instant(mark.at),
        "event": mark.detail,
        "by": mark.message_id,
        "step": mark.address or None,
        "delivery": mark.values.get("delivery"),
        "arms": mark.arm,
        "held_out": converted.is_held_out,
    }


def passage_object(passage: Passage) -> JsonObject:
    """What an entry passed at a step, as it happens."""
    place = {"rule": passage.rule, "person": passage.person, "message_id": passage.message_id}
    return {"kind": "step", **place, **mark_object(passage.mark), "until": _until(passage)}


_WAITING: Final = frozenset({MarkKind.WAITS, MarkKind.QUIET, MarkKind.CAP})


def _until(passage: Passage) -> str | None:
    """Until when an entry waits that has come to a wait, or waits at a send; None for ever, and if it goes on."""
    if passage.mark.kind not in _WAITING or passage.due_at == NEVER:
        return None
    return _instant(passage.due_at)


def waiting_object(waiting: WaitingEntry) -> JsonObject:
    """An entry that waits, with the end of the wait."""
    return {
        "kind": "waiting",
        "rule": waiting.rule,
        "person": waiting.person,
        "message_id": waiting.message_id,
        "due_at": _instant(waiting.due_at),
        "step": waiting.step,
    }


def rejected_object(line: BadLine) -> JsonObject:
    """A line of a stream that is not a message."""
    return {"kind": "rejected", "line": line.line, "code": line.code, "message": line.message}


def diagnostic_object(diagnostic: Diagnostic) -> JsonObject:
    """An error or a warning about a rule file or a test file."""
    place = diagnostic.location
    return {
        "kind": "diagnostic",
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
    }


def explanation_object(explanation: "Explanation") -> JsonObject:
    """Why a person did or did not enter a rule by one message."""
    return {
        "kind": "explanation",
        "message_id": explanation.message_id,
        "subject": explanation.subject,
        "timestamp": format_instant(explanation.timestamp),
        "decided_at": format_instant(explanation.decided_at),
        "person": explanation.person,
        "rule": explanation.rule,
        "outcome": explanation.outcome,
        "reason": explanation.reason,
        "retroactive": explanation.retroactive,
        "reworded": explanation.reworded,
        "sentence": explanation.sentence,
        "state": explanation.state,
        "waits_until": _instant(explanation.waits_until),
        "ended": None if explanation.ended is None else end_object(explanation.ended),
        "deliveries": [
            {
                "channel": delivery.channel,
                "state": delivery.state,
                "reason": delivery.reason,
                "due_at": format_instant(delivery.due_at),
                "idempotency_key": delivery.idempotency_key,
            }
            for delivery in explanation.deliveries
        ],
        "step": explanation.step,
        "trail": [mark_object(mark) for mark in explanation.trail],
        "converted_at": _instant(explanation.converted_at),
    }


def mark_object(mark: Mark) -> JsonObject:
    """What an entry passed at a step; ``what`` is the kind of a `Mark`."""
    return {
        "what": mark.kind,
        "step": mark.address,
        "at": format_instant(mark.at),
        "arm": mark.arm,
        "detail": mark.detail,
        "values": shown_values(mark),
        "by": mark.message_id,
    }


def end_object(end: EntryEnd) -> JsonObject:
    """The end of an entry: its reason, time, detail and message."""
    return {
        "reason": end.reason,
        "at": format_instant(end.at),
        "detail": end.detail,
        "by": end.message_id,
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def identity_objects(identity: "Identity") -> Iterator[JsonObject]:
    """A person, then each merge, claim, claimed message and decision, as one object each."""
    yield {
        "kind": "identity",
        "person": identity.person,
        "user_ids": identity.user_ids,
        "anonymous_ids": [claimed.anonymous_id for claimed in identity.anonymous_ids],
        "inbox": identity.inbox,
    }
    for merge in identity.merges:
        yield {
            "kind": "merge",
            "person": merge.person,
            "message_id": merge.message_id,
            "merged_at": format_instant(merge.merged_at),
        }
    for claimed in identity.anonymous_ids:
        for run in claimed.claims:
            yield from _claim_objects(claimed.anonymous_id, run)


def _claim_objects(anonymous_id: str, run: "ClaimReport") -> Iterator[JsonObject]:
    yield {
        "kind": "claim",
        "anonymous_id": anonymous_id,
        "person": run.person,
        "since": format_instant(run.since),
        "until": format_instant(run.until),
        "message_id": run.message_id,
    }
    for message in run.brought:
        yield {
            "kind": "claimed",
            "message_id": message.message_id,
            "subject": message.subject,
            "timestamp": format_instant(message.timestamp),
            "anonymous_id": anonymous_id,
            "by": run.message_id,
        }
        yield from map(explanation_object, message.decisions)


def preview_objects(preview: "Preview") -> Iterator[JsonObject]:
    """The preview of an identify: claimed messages, decisions, deliveries and waits; a summary is last."""
    for message in preview.claimed:
        yield {
            "kind": "claimed",
            "message_id": message.message_id,
            "subject": message.subject,
            "timestamp": format_instant(message.timestamp),
            "anonymous_id": message.anonymous_id,
            "by": preview.message_id,
            "before": message.before,
        }
    yield from map(decision_object, preview.decisions)
    yield from map(delivery_object, preview.deliveries)
    yield from map(waiting_object, preview.waiting)
    for ended in preview.ended:
        where = {"rule": ended.rule, "person": ended.person, "message_id": ended.message_id}
        yield {"kind": "ended", **where}
    for rule in preview.broadcasts:
        yield {"kind": "broadcast", "rule": rule}
    yield from map(warning_object, preview.warnings)
    yield {
        "kind": "preview",
        "silenced": preview.silenced,
        "claimed": len(preview.claimed),
        "decisions": len(preview.decisions),
        "deliveries": len(preview.deliveries),
        "waiting": len(preview.waiting),
    }


def outbox_object(delivery: Delivery) -> JsonObject:
    """A delivery of the outbox, with its state and the number of its attempts."""
    return {
        **delivery_object(delivery),
        "reports": sorted(delivery.reports),
        "kind": "delivery",
        "state": delivery.state,
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "texts": delivery.texts,
    }


def result_object(result: "RuleTestResult") -> JsonObject:
    """The result of one test of a rule."""
    return {
        "kind": "test",
        "file": result.file,
        "line": result.line,
        "rule": result.rule,
        "name": result.name,
        "outcome": "failed" if result.failures else "passed",
        "failures": result.failures,
        "seconds": round(result.seconds, 3),
    }


def uncovered_object(uncovered: "Uncovered") -> JsonObject:
    """A part of a rule of which no test has seen one thing."""
    place = uncovered.location
    return {
        "kind": "uncovered",
        "rule": uncovered.rule,
        "part": uncovered.part,
        "missing": uncovered.missing,
        "address": uncovered.address,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
    }
