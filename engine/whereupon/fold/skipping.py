"""What a message's skips cost: one word for all rules that it cannot satisfy, one each for the rest.

The rules of a roll that are no candidates (see `Roll.candidates`) are not looked at. They are told
as a `Skipped`, which becomes decisions when somebody reads it, and stored as `Others`: the roll's
revision, the places that are meant, and the person's attributes that had a say. `explaining` decides
them again from the stored message and the kept wordings, to the same reason, condition and values:
everything that such a decision looks at is stored.
"""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from whereupon.decisions import Case, Reason, Verdict
from whereupon.fold.telling import Skipped
from whereupon.fold.working import Putting, Working
from whereupon.matching import Candidate, Selected
from whereupon.rules import Rule
from whereupon.state import Others, Skips, SkipVerdict
from whereupon.times import as_micros


class Skipping:
    """Takes note of the rules that one message does not open, in their order.

    Args:
        rules: those that the message is put to.
        forced: ids of rules to be decided one by one whatever they ask.
    """

    def __init__(
        self, work: Working, putting: Putting, rules: Selected, forced: Iterable[str] = ()
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
        self._others: list[Others] = []

    def look(self, case: Case) -> None:
        """Look for rules to decide, behind the last one: at first, and when the person has changed."""
        self._keep()
        self._case, self._since, self._decided = case, self._next, []
        self._found = iter(self._to_decide(case))

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
            putting, verdicts = self._putting, tuple(self._verdicts)
            key, person_key = putting.occurrence.key, putting.person_key
            met = Skips(key, person_key, putting.now, putting.retroactive, verdicts)
            self._work.changes.skips.append(met._replace(others=tuple(self._others)))

    def _to_decide(self, case: Case) -> Iterable[Candidate]:
        rules = self._rules
        found = rules.candidates(case.data, since=self._next)
        if not self._forced:
            return found
        places = {each.place: each for each in found}
        for place in map(rules.place_of, self._forced):
            if place is not None and place >= self._next:
                places.setdefault(place, Candidate(place, rules.roll[place], is_certain=False))
        return [places[place] for place in sorted(places)]

    def _pass_over(self, until: int, reason: Reason | None = None) -> None:
        """Tell of the rules from the next up to that place."""
        since, self._next = self._next, until
        putting, occurrence = self._putting, self._putting.occurrence
        if self._case is None or not self._rules.size(since, until):
            return
        person = self._work.persons.get(putting.person_key)
        self._work.out.told.append(
            Skipped(
                rules=self._rules,
                since=since,
                until=until,
                case=self._case,
                type=occurrence.type,
                event=occurrence.name or None,
                source=occurrence.source,
                decided_at=putting.now,
                person=person.user_id if person else None,
                reason=reason,
            )
        )

    def _keep(self, reason: Reason | None = None) -> None:
        """Store one word for what was passed over while the person was the same."""
        since, until, case = self._since, self._next, self._case
        self._case = None
        if case is None or self._rules.size(since, until) <= len(self._decided):
            return
        roll, kind = self._rules.roll, self._rules.kind
        self._work.out.rolls[roll.revision] = roll
        self._others.append(
            Others(
                revision=roll.revision,
                kind=None if kind is None else kind.value,
                since=since,
                until=until,
                decided=tuple(self._decided),
                decided_at=as_micros(self._putting.now),
                retroactive=self._putting.retroactive,
                reason=None if reason is None else reason.value,
                person={} if reason else _attributes(case, roll.attributes),
            )
        )


def _attributes(case: Case, names: frozenset[str]) -> dict[str, JsonValue]:
    person = case.data.get("person")
    known = person if names and isinstance(person, Mapping) else {}
    return {name: known[name] for name in names if name in known}
