"""The record of the rules that a message does not open: one summary for most of them, one verdict for the rest.

Rules that are no candidates (see `RuleList.candidates`) are not looked at one by one. They are emitted as
a `Skipped`, which becomes decisions when it is read, and stored as a `SkipSummary`: the revision of the
rule list, the places in it, and the person's attributes that its rules read. `insight` decides these
rules again from the stored message and the stored rule versions, to the same reason, condition and
values, since everything that such a decision depends on is stored.

Most messages skip their whole list as they arrive. They say so themselves, by the list's revision, and have
no other record (see `SkippedList`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.decision_list import Skipped, SkippedTogether
from whereupon.decide.decisions import Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.matching import RuleSelection
from whereupon.messages.times import as_micros
from whereupon.records import (
    Person,
    SkippedList,
    Skips,
    SkipSummary,
    SkipVerdict,
    StoredMessage,
    TimeSkip,
)
from whereupon.rules.model import Rule

_new = tuple.__new__  # a named tuple of values that are in its order already
_micros_of = lru_cache(maxsize=64)(as_micros)  # of moments that many summaries have


def skip_every_rule(
    work: BatchState, evaluation: Evaluation, rules: RuleSelection, reason: Reason | None
) -> None:
    """Skip every rule of the list: for one reason, or each rule for its own."""
    if not rules.selected:
        return
    person = work.persons.get(evaluation.person_key)
    skipped = Skipped(rules, 0, rules.end, evaluation, person, reason)
    work.out.emitted.append(skipped)
    key, said = evaluation.key, work.changes.skipped_lists
    is_arrival = key in work.own_keys and not evaluation.retroactive and key not in said
    whole = whole_list(work, rules) if is_arrival and reason is None else None
    if whole is not None:
        said[key] = whole
    else:
        when = evaluation.now, evaluation.retroactive
        _record(work, evaluation, (), _summaries(work, rules, person, when, reason))
    evaluation.forget()


def whole_list(work: BatchState, rules: RuleSelection) -> SkippedList | None:
    """What new messages say that skip the whole list as they arrive; None if the list asks about the person."""
    whole = rules.skipped_whole
    if whole is not None:
        work.skipped_whole[rules] = whole
        work.out.rule_lists[whole.revision] = rules.rule_list
    return whole


def skip_together(
    work: BatchState, stored: StoredMessage, person: Person, rules: RuleSelection
) -> None:
    """Skip every rule of the list for its own reason, as most messages do, which have no `Evaluation`."""
    together = work.together
    if together is None or together.claimed_at or work.out.emitted[-1] is not together:
        together = _together(work, None)
    together.rules.append(rules)
    together.messages.append(stored)
    together.persons.append(person)
    whole = work.skipped_whole.get(rules) or whole_list(work, rules)
    if whole is None:
        when = stored.message.received_at, False
        said = _summaries(work, rules, person, when, None)
        work.changes.skips.append(Skips(stored.key, person.key, *when, (), said))
    else:
        work.changes.skipped_lists[stored.key] = whole


def skip_claimed(
    work: BatchState,
    messages: Sequence[StoredMessage],
    person: Person,
    rules: Sequence[RuleSelection],
    claimed_at: datetime,
) -> None:
    """The same of messages that a claim brings to a person: each skips every rule of its list, and has a record of that.

    Args:
        rules: the list of each message.
        claimed_at: when the claim arrived.
    """
    together, when = _together(work, claimed_at), (claimed_at, True)
    together.rules.extend(rules)
    together.messages.extend(messages)
    together.persons.extend([person] * len(messages))
    known = work.claimed_summaries.setdefault(claimed_at, {})
    skips, person_key = work.changes.skips, person.key
    for stored, each in zip(messages, rules, strict=True):
        summaries = known.get(each)
        if summaries is None:
            summaries = _summaries(work, each, person, when, None)
            if not each.rule_list.attributes:
                known[each] = summaries
        skips.append(_new(Skips, (stored.key, person_key, claimed_at, True, (), summaries)))


def _together(work: BatchState, claimed_at: datetime | None) -> SkippedTogether:
    """The last that was emitted, if more may be added to it; else a new one."""
    last = work.together
    if last is None or last.claimed_at != claimed_at or work.out.emitted[-1] is not last:
        last = work.together = SkippedTogether(claimed_at, [], [], [])
        work.out.emitted.append(last)
    return last


def _summaries(
    work: BatchState,
    rules: RuleSelection,
    person: Person | None,
    when: tuple[datetime, bool],
    reason: Reason | None,
) -> tuple[SkipSummary, ...]:
    """The summary of a whole list. Messages of one moment share it if no rule reads the person.

    Args:
        when: the moment, and whether a claim brings the message.
    """
    rule_list, span = rules.rule_list, (0, rules.end, ())
    if rule_list.attributes:
        return (_summary(work, rules, person, span, when, reason),)
    of = (rule_list.revision, rules.kind, reason, when)
    known = work.summaries.get(of)
    if known is None:
        known = work.summaries[of] = (_summary(work, rules, person, span, when, reason),)
    return known


def discard_skips(work: BatchState, messages: Iterable[StoredMessage]) -> None:
    """Discard the skips of messages that turn out to belong to another person.

    These skips were decided with the former owner's attributes. The skips of broadcasts, which are decided
    when the message comes in and for no person, are kept.
    """
    match = work.index.trigger_match
    discarded = {
        stored.key: frozenset(rule.id for rule in match(stored.type, stored.name).broadcasts)
        for stored in messages
    }
    work.changes.discarded_skips |= discarded
    left = (
        skips.without_person(discarded[skips.message_key])
        if skips.message_key in discarded
        else skips
        for skips in work.changes.skips
    )
    work.changes.skips = [skips for skips in left if skips is not None]


def skipped_together(
    work: BatchState, rules: RuleSelection, person: Person, claimed_at: datetime
) -> SkipSummary:
    """The summary of all campaigns that skip messages which a claim brings and nothing evaluates."""
    rule_list = work.out.rule_lists[rules.rule_list.revision] = rules.rule_list
    kind = None if rules.kind is None else rules.kind.value
    return SkipSummary(
        rule_list.revision,
        kind,
        *(0, len(rule_list)),
        (),
        _micros_of(claimed_at),
        retroactive=True,
        reason=None,
        person=_known(person.attributes, rule_list.attributes),
    )


class SkipRecorder:
    """Records the rules of a list that one message does not open.

    Args:
        evaluation: the message.
        rules: those that the message is evaluated against.

    Attributes:
        next: the place of the first rule that is neither decided nor skipped yet.
    """

    __slots__ = (
        *("_decided", "_evaluation", "_person", "_rules", "_since", "_summaries", "_verdicts"),
        *("_work", "next"),
    )

    def __init__(self, work: BatchState, evaluation: Evaluation, rules: RuleSelection) -> None:
        self._work = work
        self._evaluation = evaluation
        self._rules = rules
        self._person = work.persons.get(evaluation.person_key)
        self._since = self.next = 0
        self._decided: list[int] = []
        self._verdicts: list[tuple[Rule, Verdict]] = []
        self._summaries: list[SkipSummary] = []

    def pass_to(self, place: int) -> None:
        """Skip the rules up to a place, whose rule is decided by itself."""
        if place > self.next:
            self._skip_up_to(place)
        self.next = place + 1
        self._decided.append(place)

    def look_anew(self) -> None:
        """Note that the person has changed: the rules from here on are skipped as the person is now."""
        self._summarize()
        self._person = self._work.persons.get(self._evaluation.person_key)
        self._since, self._decided = self.next, []

    def skip_all(self, reason: Reason) -> None:
        """Skip every rule of the list for one reason."""
        self._skip_rest(reason)
        self._summarize(reason)
        self._since = self.next

    def note(self, rule: Rule, verdict: Verdict) -> None:
        """Record the verdict on a rule that was decided by itself."""
        self._verdicts.append((rule, verdict))

    def close(self) -> None:
        """Skip the rules that are left, and add what was recorded to the batch's changes."""
        if self.next < self._rules.end:
            self._skip_rest()
        if self.next - self._since > len(self._decided):
            self._summarize()
        if self._verdicts or self._summaries:
            verdicts = _verdicts(self._verdicts)
            _record(self._work, self._evaluation, verdicts, tuple(self._summaries))

    def _skip_rest(self, reason: Reason | None = None) -> None:
        """Emit the skips of the rules that are left."""
        end = self._rules.end
        if end > self.next:
            self._skip_up_to(end, reason)

    def _skip_up_to(self, until: int, reason: Reason | None = None) -> None:
        """Emit the skips of the rules from the next up to that place, which is behind the next."""
        rules, since, self.next = self._rules, self.next, until
        if rules.kind is None or rules.size(since, until):
            skipped = Skipped(rules, since, until, self._evaluation, self._person, reason)
            self._work.out.emitted.append(skipped)

    def _summarize(self, reason: Reason | None = None) -> None:
        """Keep one summary of the rules that were skipped while the person was the same."""
        rules, decided = self._rules, self._decided
        since, until = self._since, self.next
        size = until - since if rules.kind is None else rules.size(since, until)
        if size > len(decided):
            evaluation, span = self._evaluation, (since, until, tuple(decided))
            when = evaluation.now, evaluation.retroactive
            summary = _summary(self._work, rules, self._person, span, when, reason)
            self._summaries.append(summary)


def _verdicts(noted: Sequence[tuple[Rule, Verdict]]) -> tuple[SkipVerdict, ...]:
    """What is stored of rules that were decided by themselves."""
    if len(noted) == 1:
        ((rule, verdict),) = noted
        if verdict.failure is None:
            return _sole_verdict(rule.id, rule.digest, str(verdict.reason))
    return tuple(
        (rule.id, rule.digest, str(reason), failure.text, failure.values)
        if failure
        else (rule.id, rule.digest, str(reason), None, {})
        for rule, (reason, failure, _) in noted
    )


@lru_cache(maxsize=1024)
def _sole_verdict(rule: str, digest: str, reason: str) -> tuple[SkipVerdict, ...]:
    """The verdict on one rule for a reason without a condition: one object, so that it is written once (see `skips_columns`)."""
    return ((rule, digest, reason, None, {}),)


def _summary(
    work: BatchState,
    rules: RuleSelection,
    person: Person | None,
    span: tuple[int, int, tuple[int, ...]],
    when: tuple[datetime, bool],
    reason: Reason | None,
) -> SkipSummary:
    """The summary that is stored of rules of the list.

    Args:
        span: from which place to which, without which places.
    """
    rule_list, kind = rules.rule_list, rules.kind
    work.out.rule_lists[rule_list.revision] = rule_list
    names = rule_list.attributes if reason is None and person is not None else ()
    skipped: tuple[object, ...] = (
        rule_list.revision,
        None if kind is None else kind.value,
        *span,
        _micros_of(when[0]),
        when[1],
        None if reason is None else reason.value,
        _known(person.attributes, names) if names and person is not None else {},
    )
    return _new(SkipSummary, skipped)


def _known(attributes: Mapping[str, JsonValue], names: Iterable[str]) -> dict[str, JsonValue]:
    return {name: attributes[name] for name in names if name in attributes}


def _record(
    work: BatchState,
    evaluation: Evaluation,
    verdicts: tuple[SkipVerdict, ...],
    summaries: tuple[SkipSummary, ...],
) -> None:
    key, now = evaluation.key, evaluation.now
    if not key:  # no message came, so no message's record has them
        place = evaluation.person_key, evaluation.message_id, evaluation.timestamp, now
        work.changes.time_skips += (TimeSkip(work.new_key(), *place, each) for each in verdicts)
        return
    met = (key, evaluation.person_key, now, evaluation.retroactive, verdicts, summaries)
    work.changes.skips.append(_new(Skips, met))
