"""A replay as a timeline for people: by day, then by moment; who did what, and what came of it.

Skips are told in short: those between two moments in which something happened are counted together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from rich.text import Text

from whereupon.decisions import Decision, Outcome
from whereupon.fold import Warned
from whereupon.render import phrases
from whereupon.render.lines import Lines
from whereupon.render.moments import Key, Moment, Sending
from whereupon.render.records import Record
from whereupon.render.texts import clean, in_words, named
from whereupon.rules import Rule, RuleKind, Wait
from whereupon.state import Delivery, Request
from whereupon.streams import BadLine

_MOST_HELD_BACK = 200


class Skipping(StrEnum):
    """How much is said of who did not enter: like skips counted together, each one, or nothing."""

    BRIEF = "brief"
    ALL = "all"
    NONE = "none"


@dataclass(slots=True)
class _Run:
    """Like skips in a row."""

    first: Decision
    last: Decision
    count: int = 0


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
        self._passed: dict[Key, _Run] = {}
        self._entered_at: dict[tuple[str, str | None], datetime] = {}
        self._waiting = {
            rule.id for rule in rules.values() if any(isinstance(s, Wait) for s in rule.steps)
        }

    def tell(self, record: Record) -> None:
        """Take one record. Lines that are no message have no time: they are not shown here."""
        match record:
            case Decision():
                self._decide(record)
            case Delivery():
                self._deliver(record)
            case Request():
                title = _deed(record.person, clean(record.event))
                key = ("message", record.message_id, record.person)
                moment = self._at(key, record.decided_at, title)
                moment.add(phrases.requested(record), message_id=record.message_id)
            case Warned():
                self._warn(record)
            case BadLine():
                pass

    def close(self) -> None:
        """Print what was held back to see whether more belongs to it."""
        self._leave_moment()
        self._tell_passed()

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
            title = _deed(decision.person, "known now, so what they did anonymously counts:")
            key: Key = ("claim", decision.decided_at, decision.person)
            return self._at(key, decision.decided_at, title)
        title = _done(decision)
        if age := phrases.age_of(decision):
            title.append(f", {age} earlier", "dim")
        key = ("message", decision.message_id, decision.person)
        return self._at(key, decision.decided_at, title)

    def _sending(self, decision: Decision) -> Sending:
        key = ("broadcast", decision.message_id, decision.rule, decision.decided_at)
        if isinstance(self._moment, Sending) and self._moment.key == key:
            return self._moment
        title = Text.assemble("broadcast ", (decision.rule, "bold green"))
        if decision.event:
            title.append(f", by {clean(decision.event)}")
        self._leave_moment()
        sending = self._moment = Sending(key, decision.decided_at, title)
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

    def _waited(self, delivery: Delivery) -> Text:
        since = self._entered_at.get((delivery.rule, delivery.message_id))
        if since is None:
            return _deed(delivery.person, f"next step of {delivery.rule}")
        waited = in_words(delivery.due_at - since)
        return _deed(delivery.person, f"{waited} after entering {delivery.rule}")

    def _warn(self, warning: Warned) -> None:
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
                self._pass(skip)
            return
        self._tell_passed()
        self._lines.moment(moment.at, moment.title, moment.lines())

    def _pass(self, skip: Decision) -> None:
        run = self._passed.setdefault(_alike(skip), _Run(skip, skip))
        run.last = skip
        run.count += 1
        if len(self._passed) > _MOST_HELD_BACK:
            self._tell_passed()

    def _tell_passed(self) -> None:
        passed, self._passed = self._passed, {}
        for run in passed.values():
            skip = run.first if run.count == 1 else replace(run.first, values={})
            title = _done(skip)
            if run.count > 1:
                title.append(f", {run.count:,} times{_until(run)}")
            reason = phrases.skipped(skip, self._rules.get(skip.rule)).text
            title.append(" · ").append_text(reason).stylize("dim")
            self._lines.moment(skip.decided_at, title, [])


def _until(run: _Run) -> str:
    last = f"{run.last.decided_at:%H:%M}"
    return "" if last == f"{run.first.decided_at:%H:%M}" else f" until {last}"


def _alike(skip: Decision) -> Key:
    day = skip.decided_at.date()
    return (day, skip.person, skip.type, skip.event, skip.rule, skip.reason, skip.condition)


def _deed(person: str | None, what: str) -> Text:
    return Text.assemble((named(person or phrases.NOBODY), "bold"), f"  {what}")


def _done(decision: Decision) -> Text:
    """The title of what somebody did; a broadcast's time has come without anybody."""
    if decision.type is None:
        return Text(f"broadcast {decision.rule}")
    return _deed(phrases.actor(decision), phrases.subject(decision))
