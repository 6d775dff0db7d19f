"""A replay as a timeline for people: days, paragraphs, and what each paragraph led to.

`skip_buffer` shortens paragraphs that led only to skips.
"""

from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

import whereupon.render.phrases as phrases
from whereupon.decide import Converted, Ended, Notice, Passage
from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.messages.streams import BadLine
from whereupon.records import Delivery, EndReason, MarkKind, Request
from whereupon.render.choices import SkipDetail
from whereupon.render.console import TimelinePrinter
from whereupon.render.formatting import clean, in_words
from whereupon.render.paragraphs import BroadcastParagraph, Cause, Paragraph
from whereupon.render.skip_buffer import SkipBuffer
from whereupon.replay.records import Record
from whereupon.rules.model import Rule, RuleKind


class Timeline:
    """Prints records in order. `close` prints the last ones.

    Args:
        rules: the rules by id, which the reasons of skips quote.
    """

    def __init__(
        self,
        printer: TimelinePrinter,
        rules: Mapping[str, Rule],
        *,
        detail: SkipDetail = SkipDetail.BRIEF,
    ) -> None:
        self._printer = printer
        self._rules = rules
        self._detail = detail
        self._paragraph: Paragraph | None = None
        self._skips = SkipBuffer(printer, rules)
        self._entered_at: dict[tuple[str, str | None], datetime] = {}
        self._waiting = {
            rule.id
            for rule in rules.values()
            if any(step.takes_time for step in rule.route.every_step())
        }

    def emit(self, record: Record) -> None:
        """Take one record. Rejected lines have no time, so they are not shown here."""
        match record:
            case Decision():
                self._decide(record)
            case Delivery():
                self._deliver(record)
            case Request():
                title = phrases.title_of(record.person, clean(record.event))
                cause = ("message", record.message_id, record.person)
                paragraph = self._at(cause, record.decided_at, title)
                paragraph.add(phrases.requested(record), message_id=record.message_id)
            case Ended() | Converted() | Passage():
                self._tell(record)
            case Notice():
                self._warn(record)
            case BadLine() | WaitingEntry():  # the end of the report shows them
                pass

    def close(self) -> None:
        """Print the last paragraph and the last skips, which were kept in case more belongs to them."""
        self._leave_paragraph()
        self._skips.end_day()

    def _decide(self, decision: Decision) -> None:
        is_entry = decision.outcome is Outcome.ENTERED
        if not is_entry and self._detail is SkipDetail.NONE:
            return
        if is_entry and decision.rule in self._waiting:
            self._entered_at[decision.rule, decision.message_id] = decision.decided_at
        if is_entry and decision.rule_kind is RuleKind.BROADCAST:
            self._broadcast(decision).add_person(decision)
            return
        rule = self._rules.get(decision.rule)
        paragraph = self._paragraph_of(decision)
        as_phrase = phrases.decided_later if decision.retroactive else phrases.decided
        skip = None if is_entry else decision
        paragraph.add(as_phrase(decision, rule), message_id=decision.message_id, skip=skip)

    def _paragraph_of(self, decision: Decision) -> Paragraph:
        if decision.retroactive:
            title = phrases.title_of(
                decision.person, "known now, so what they did anonymously counts:"
            )
            cause: Cause = ("claim", decision.decided_at, decision.person)
            return self._at(cause, decision.decided_at, title)
        cause = ("message", decision.message_id, decision.person)
        return self._at(cause, decision.decided_at, phrases.decision_title(decision))

    def _broadcast(self, decision: Decision) -> BroadcastParagraph:
        cause = ("broadcast", decision.message_id, decision.rule, decision.decided_at)
        if isinstance(self._paragraph, BroadcastParagraph) and self._paragraph.cause == cause:
            return self._paragraph
        self._leave_paragraph()
        title = phrases.broadcast_title(decision)
        paragraph = BroadcastParagraph(cause, decision.decided_at, title, rule=decision.rule)
        self._paragraph = paragraph
        return paragraph

    def _deliver(self, delivery: Delivery) -> None:
        paragraph = self._paragraph
        if paragraph is None or not paragraph.owns(delivery):
            cause: Cause = (
                "wait",
                delivery.rule,
                delivery.message_id,
                delivery.due_at,
                delivery.person,
            )
            paragraph = self._at(cause, delivery.due_at, self._waited(delivery))
        if isinstance(paragraph, BroadcastParagraph):
            paragraph.deliver(delivery)
        else:
            paragraph.add(phrases.delivered(delivery), message_id=delivery.message_id or "")

    def _tell(self, record: Ended | Converted | Passage) -> None:
        """Take what becomes of an entry."""
        match record:
            case Ended():
                self._end(record)
            case Converted():
                self._convert(record)
            case Passage():
                self._pass(record)

    def _end(self, ended: Ended) -> None:
        """A message may end entries before the decisions on it, or between them."""
        paragraph = self._paragraph
        if isinstance(paragraph, BroadcastParagraph) and paragraph.rule == ended.rule:
            paragraph.exits += 1
            return
        if paragraph is None or (paragraph.at, paragraph.cause[-1]) != (ended.end.at, ended.person):
            by = ended.end.message_id
            cause: Cause = (
                ("message", by, ended.person) if by else ("end", ended.end.at, ended.person)
            )
            paragraph = self._at(cause, ended.end.at, self._ending(ended))
        paragraph.add(phrases.entry_ended(ended), message_id=ended.message_id)

    def _convert(self, converted: Converted) -> None:
        """A message may convert entries before the decisions on it, or between them."""
        paragraph, mark = self._paragraph, converted.mark
        if paragraph is None or (paragraph.at, paragraph.cause[-1]) != (
            converted.decided_at,
            converted.person,
        ):
            cause: Cause = ("message", mark.message_id, converted.person)
            title = phrases.title_of(converted.person, clean(mark.detail or ""))
            paragraph = self._at(cause, converted.decided_at, title)
        paragraph.add(phrases.converted(converted), message_id=converted.message_id)

    def _pass(self, passage: Passage) -> None:
        """An entry passes a step when its rule is entered, by a message, or when its time has come."""
        paragraph, mark = self._paragraph, passage.mark
        if isinstance(paragraph, BroadcastParagraph) and paragraph.rule == passage.rule:
            if mark.kind is MarkKind.ARM:
                paragraph.arms[mark.address, mark.arm or "(none)"] += 1
            return
        if paragraph is None or (paragraph.at, paragraph.cause[-1]) != (mark.at, passage.person):
            paragraph = self._at(*self._passing(passage))
        phrase = phrases.passed(passage, self._rules.get(passage.rule))
        paragraph.add(phrase, message_id=passage.message_id)

    def _passing(self, passage: Passage) -> tuple[Cause, datetime, Text]:
        by, at, person = passage.mark.message_id, passage.mark.at, passage.person
        if by is None:
            title = phrases.title_of(
                person, f"{in_words(at - passage.entered_at)} after entering {passage.rule}"
            )
            return ("wait", passage.rule, passage.message_id, at, person), at, title
        is_event = "timestamp" in passage.mark.values
        said = clean(passage.mark.detail or "") if is_event else "what is known of them changes"
        return ("message", by, person), at, phrases.title_of(person, said)

    def _ending(self, ended: Ended) -> Text:
        if ended.end.reason == EndReason.EVENT and ended.end.message_id:
            return phrases.title_of(ended.person, clean(ended.end.detail or ""))
        if ended.end.message_id:
            return phrases.title_of(ended.person, "what is known of them changes")
        waited = in_words(ended.end.at - ended.entered_at)
        return phrases.title_of(ended.person, f"{waited} after entering {ended.rule}")

    def _waited(self, delivery: Delivery) -> Text:
        since = self._entered_at.get((delivery.rule, delivery.message_id))
        if since is None:
            return phrases.title_of(delivery.person, f"next step of {delivery.rule}")
        waited = in_words(delivery.due_at - since)
        return phrases.title_of(delivery.person, f"{waited} after entering {delivery.rule}")

    def _warn(self, warning: Notice) -> None:
        paragraph = self._paragraph
        if paragraph is None or warning.message_id not in paragraph.messages:
            paragraph = self._at(("warning",), None, Text("worth a look", "yellow"))
        paragraph.add(phrases.warned(warning), message_id=warning.message_id)

    def _at(self, cause: Cause, at: datetime | None, title: Text) -> Paragraph:
        if self._paragraph is not None and self._paragraph.cause == cause:
            return self._paragraph
        self._leave_paragraph()
        self._paragraph = Paragraph(cause, at, title)
        return self._paragraph

    def _leave_paragraph(self) -> None:
        paragraph, self._paragraph = self._paragraph, None
        if paragraph is None:
            return
        if paragraph.skips and self._detail is SkipDetail.BRIEF:
            for skip in paragraph.skips:
                self._skips.add(skip)
            return
        if paragraph.at is not None:
            self._skips.reach(paragraph.at.date())
        self._skips.flush()
        self._printer.print_paragraph(paragraph.at, paragraph.title, paragraph.lines())
