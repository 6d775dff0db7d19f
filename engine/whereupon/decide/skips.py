"""What a message's skips cost: one word for all rules that it cannot satisfy, one each for the rest.

The rules of a roll that are no candidates (see `Roll.candidates`) are not looked at. They are told
as a `Skipped`, which becomes decisions when somebody reads it, and stored as `SkipSummary`: the roll's
revision, the places that are meant, and the person's attributes that had a say. `explaining` decides
them again from the stored message and the kept rule versions, to the same reason, condition and values:
everything that such a decision looks at is stored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.decision_list import Skipped
from whereupon.decide.decisions import Case, Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.matching import Candidate, Selected
from whereupon.messages.times import as_micros
from whereupon.records import Person, Skips, SkipSummary, SkipVerdict
from whereupon.rules.model import Rule


def skip_every_rule(
    work: BatchState, putting: Evaluation, rules: Selected, case: Case, reason: Reason | None
) -> None:
    """Skip every rule of the roll, as most messages do: for one reason, or each for its own."""
    span = (0, len(rules.roll))
    if rules.size(*span):
        _tell(work, putting, rules, span, reason)
        _record(work, putting, (), _all_others(work, putting, rules, case, reason))
        putting.occurrence.body.forget()


def _all_others(
    work: BatchState, putting: Evaluation, rules: Selected, case: Case, reason: Reason | None
) -> tuple[SkipSummary, ...]:
    """The word for all of a roll. Where the person has no say, messages that come together share it."""
    roll, span = rules.roll, (0, len(rules.roll))
    if roll.attributes:
        return (_others(work, putting, rules, case, span, (), reason),)
    of = (putting.now, putting.retroactive, reason, rules.kind)
    known = work.words.get(roll.revision)
    if known is None or known[0] != of:
        others = (_others(work, putting, rules, case, span, (), reason),)
        known = work.words[roll.revision] = (of, others)
    return known[1]


def skipped_together(
    work: BatchState, rules: Selected, person: Person, claimed_at: datetime
) -> SkipSummary:
    """The word for all campaigns that skip messages which a claim brings and nothing evaluates."""
    roll = work.out.rolls[rules.roll.revision] = rules.roll
    span, known = (0, len(roll)), _known(person.attributes, roll.attributes)
    kind = None if rules.kind is None else rules.kind.value
    return SkipSummary(
        roll.revision,
        kind,
        *span,
        (),
        as_micros(claimed_at),
        retroactive=True,
        reason=None,
        person=known,
    )


class Skipping:
    """Takes note of the rules that one message does not open, in their order.

    Args:
        rules: those that the message is put to.
        forced: ids of rules to be decided one by one whatever they ask.
    """

    def __init__(
        self, work: BatchState, putting: Evaluation, rules: Selected, forced: Iterable[str] = ()
    ) -> None:
        self._work = work
        self._putting = putting
        self._rules = rules
        self._forced = frozenset(forced)
        self._case: Case | None = None
        self._found: Iterator[Candidate] = iter(())
        self._since = self._next = 0
        self._decided: list[int] = []
        self._verdicts: list[SkipVerdict] = []
        self._others: list[SkipSummary] = []

    def look(self, case: Case, found: Sequence[Candidate] | None = None) -> None:
        """Look for rules to decide, behind the last one: at first, and when the person has changed.

        Args:
            found: those that were found already.
        """
        self._keep()
        self._case, self._since, self._decided = case, self._next, []
        if found is None:
            found = self._rules.candidates(case.data, since=self._next)
        self._found = iter(self._with_forced(found))

    def next(self) -> Candidate | None:
        """The next rule to decide; those between are passed over. None behind the last."""
        candidate = next(self._found, None)
        if candidate is None:
            self._pass_over(len(self._rules.roll))
            return None
        self._pass_over(candidate.place)
        self._next = candidate.place + 1
        self._decided.append(candidate.place)
        return candidate

    def skip_all(self, case: Case, reason: Reason) -> None:
        """Skip every rule of the roll for one reason."""
        self._case = case
        self._pass_over(len(self._rules.roll), reason)
        self._keep(reason)

    def note(self, rule: Rule, verdict: Verdict) -> None:
        """Take note of a rule that was decided by itself."""
        failure = verdict.failure
        text, values = (failure.text, failure.values) if failure else (None, {})
        self._verdicts.append((rule.id, rule.digest, str(verdict.reason), text, values))

    def close(self) -> None:
        """Put what was noted among what is to be written."""
        self._keep()
        if self._verdicts or self._others:
            _record(self._work, self._putting, tuple(self._verdicts), tuple(self._others))

    def _with_forced(self, found: Sequence[Candidate]) -> Iterable[Candidate]:
        if not self._forced:
            return found
        rules, places = self._rules, {each.place: each for each in found}
        for place in map(rules.place_of, self._forced):
            if place is not None and place >= self._next:
                places.setdefault(place, Candidate(place, rules.roll[place], is_certain=False))
        return [places[place] for place in sorted(places)]

    def _pass_over(self, until: int, reason: Reason | None = None) -> None:
        """Tell of the rules from the next up to that place."""
        since, self._next = self._next, until
        if self._case is not None and self._rules.size(since, until):
            _tell(self._work, self._putting, self._rules, (since, until), reason)

    def _keep(self, reason: Reason | None = None) -> None:
        """Store one word for what was passed over while the person was the same."""
        case, span = self._case, (self._since, self._next)
        self._case = None
        if case is not None and self._rules.size(*span) > len(self._decided):
            decided = tuple(self._decided)
            others = _others(self._work, self._putting, self._rules, case, span, decided, reason)
            self._others.append(others)


def _tell(
    work: BatchState,
    putting: Evaluation,
    rules: Selected,
    span: tuple[int, int],
    reason: Reason | None,
) -> None:
    """Tell of rules of the roll that are skipped, from one place up to another."""
    person = work.persons.get(putting.person_key)
    work.out.emitted.append(Skipped(rules, *span, putting, person, reason))


def _others(
    work: BatchState,
    putting: Evaluation,
    rules: Selected,
    case: Case,
    span: tuple[int, int],
    decided: tuple[int, ...],
    reason: Reason | None,
) -> SkipSummary:
    """The word that is stored for those rules, but for the decided ones among them."""
    roll, kind = rules.roll, rules.kind
    work.out.rolls[roll.revision] = roll
    return SkipSummary(
        roll.revision,
        None if kind is None else kind.value,
        *span,
        decided,
        as_micros(putting.now),
        putting.retroactive,
        None if reason is None else reason.value,
        {} if reason else _attributes(case, roll.attributes),
    )


def _attributes(case: Case, names: frozenset[str]) -> dict[str, JsonValue]:
    person = case.data.get("person")
    return _known(person, names) if names and isinstance(person, Mapping) else {}


def _known(attributes: Mapping[str, JsonValue], names: frozenset[str]) -> dict[str, JsonValue]:
    return {name: attributes[name] for name in names if name in attributes}


def _record(
    work: BatchState,
    putting: Evaluation,
    verdicts: tuple[SkipVerdict, ...],
    others: tuple[SkipSummary, ...],
) -> None:
    key = putting.occurrence.key
    work.changes.skips.append(
        Skips(key, putting.person_key, putting.now, putting.retroactive, verdicts, others)
    )
