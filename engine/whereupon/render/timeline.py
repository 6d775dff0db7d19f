"""A replay as a timeline for people: by day, then by moment; who did what, and what came of it.

What led to skips alone is told in short, by `skips`.
"""

from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

import whereupon.render.phrases as phrases
from whereupon.decide import Ended, Notice
from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.messages.streams import BadLine
from whereupon.records import Delivery, EndReason, Request
from whereupon.render.choices import Skipping
from whereupon.render.formatting import clean, in_words
from whereupon.render.lines import Lines
from whereupon.render.moments import Key, Moment, Sending
from whereupon.render.records import Record
from whereupon.render.skips import Skips
from whereupon.rules.model import Rule, RuleKind


class Timeline:
    """Prints records as they come. `close` prints what is still held back.

    Args:
        rules: by id, for the words of a skip.
    """

    def __init__(
        self, lines: Lines, rules: Mapping[str, Rule], *, skipping: Skipping = Skipping.BRIEF
    ) -> None:
        self._lines = lines
        self._rules = rules
        self._skipping = skipping
        self._moment: Moment | None = None
        self._skips = Skips(lines, rules)
        self._entered_at: dict[tuple[str, str | None], datetime] = {}
        self._waiting = {
            rule.id for rule in rules.values() if any(step.takes_time for step in rule.steps)
        }

    def tell(self, record: Record) -> None:
        """Take one record. Lines that are no message have no time: they are not shown here."""
        match record:
            case Decision():
                self._decide(record)
            case Delivery():
                self._deliver(record)
            case Request():
                title = phrases.deed(record.person, clean(record.event))
                key = ("message", record.message_id, record.person)
                moment = self._at(key, record.decided_at, title)
                moment.add(phrases.requested(record), message_id=record.message_id)
            case Ended():
                self._end(record)
            case Notice():
                self._warn(record)
            case BadLine() | WaitingEntry():  # told when all is over
                pass

    def close(self) -> None:
        """Print what was held back to see whether more belongs to it."""
        self._leave_moment()
        self._skips.end_day()

    # --- from records to moments ----------------------------------------------------------------

    def _decide(self, decision: Decision) -> None:
        is_entry = decision.outcome is Outcome.ENTERED
        if not is_entry and self._skipping is Skipping.NONE:
            return
        if is_entry and decision.rule in self._waiting:
            self._entered_at[decision.rule, decision.message_id] = decision.decided_at
        if is_entry and decision.rule_kind is RuleKind.BROADCAST:
            self._sending(decision).admit(decision)
            return
        rule = self._rules.get(decision.rule)
        moment = self._moment_of(decision)
        as_phrase = phrases.earlier_deed if decision.retroactive else phrases.decided
        skip = None if is_entry else decision
        moment.add(as_phrase(decision, rule), message_id=decision.message_id, skip=skip)

    def _moment_of(self, decision: Decision) -> Moment:
        if decision.retroactive:
            title = phrases.deed(decision.person, "known now, so what they did anonymously counts:")
            key: Key = ("claim", decision.decided_at, decision.person)
            return self._at(key, decision.decided_at, title)
        key = ("message", decision.message_id, decision.person)
        return self._at(key, decision.decided_at, phrases.done(decision))

    def _sending(self, decision: Decision) -> Sending:
        key = ("broadcast", decision.message_id, decision.rule, decision.decided_at)
        if isinstance(self._moment, Sending) and self._moment.key == key:
            return self._moment
        self._leave_moment()
        sending = self._moment = Sending(
            key, decision.decided_at, phrases.broadcast(decision), rule=decision.rule
        )
        return sending

    def _deliver(self, delivery: Delivery) -> None:
        moment = self._moment
        if moment is None or not moment.owns(delivery):
            key = ("wait", delivery.rule, delivery.message_id, delivery.due_at, delivery.person)
            moment = self._at(key, delivery.due_at, self._waited(delivery))
        if isinstance(moment, Sending):
            moment.deliver(delivery)
        else:
            moment.add(phrases.delivered(delivery), message_id=delivery.message_id or "")

    def _end(self, ended: Ended) -> None:
        """What somebody does may end entries before anything is decided on it, or amid that."""
        moment = self._moment
        if isinstance(moment, Sending) and moment.rule == ended.rule:
            moment.exits += 1
            return
        if moment is None or (moment.at, moment.key[-1]) != (ended.end.at, ended.person):
            by = ended.end.message_id
            key: Key = ("message", by, ended.person) if by else ("end", ended.end.at, ended.person)
            moment = self._at(key, ended.end.at, self._ending(ended))
        moment.add(phrases.left(ended), message_id=ended.message_id)

    def _ending(self, ended: Ended) -> Text:
        if ended.end.reason == EndReason.EVENT and ended.end.message_id:
            return phrases.deed(ended.person, clean(ended.end.detail or ""))
        if ended.end.message_id:
            return phrases.deed(ended.person, "what is known of them changes")
        waited = in_words(ended.end.at - ended.entered_at)
        return phrases.deed(ended.person, f"{waited} after entering {ended.rule}")

    def _waited(self, delivery: Delivery) -> Text:
        since = self._entered_at.get((delivery.rule, delivery.message_id))
        if since is None:
            return phrases.deed(delivery.person, f"next step of {delivery.rule}")
        waited = in_words(delivery.due_at - since)
        return phrases.deed(delivery.person, f"{waited} after entering {delivery.rule}")

    def _warn(self, warning: Notice) -> None:
        moment = self._moment
        if moment is None or warning.message_id not in moment.messages:
            moment = self._at(("warning",), None, Text("worth a look", "yellow"))
        moment.add(phrases.warned(warning), message_id=warning.message_id)

    # --- from moments to lines ------------------------------------------------------------------

    def _at(self, key: Key, at: datetime | None, title: Text) -> Moment:
        if self._moment is not None and self._moment.key == key:
            return self._moment
        self._leave_moment()
        self._moment = Moment(key, at, title)
        return self._moment

    def _leave_moment(self) -> None:
        moment, self._moment = self._moment, None
        if moment is None:
            return
        if moment.skips and self._skipping is Skipping.BRIEF:
            for skip in moment.skips:
                self._skips.add(skip)
            return
        if moment.at is not None:
            self._skips.reach(moment.at.date())
        self._skips.tell()
        self._lines.moment(moment.at, moment.title, moment.lines())
