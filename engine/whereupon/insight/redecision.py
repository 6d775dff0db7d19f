"""Deciding again what the store keeps as one word for many rules (see `SkipSummary`), for the rules in question."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from whereupon.conditions import NO_HISTORY
from whereupon.conditions.clocks import Clock
from whereupon.decide import Evaluation, verdict_on_unmatched
from whereupon.messages.times import from_micros
from whereupon.pipeline.rule_versions import read_rule_version
from whereupon.records import (
    RulePause,
    Skips,
    SkipSummary,
    SkipVerdict,
    StoredMessage,
    read_rule_list,
)
from whereupon.rules.model import Rule


class DecidedAgain:
    """Rules, decided again in the versions to which messages were put.

    Args:
        stored: what the store keeps under a digest; everything is read once.
        current: a rule as the rulebook words it now, by its id, if it still has it.
        pauses: the rules that operators have paused.
        clock: the clock of people, by the settings of today.
    """

    def __init__(
        self,
        stored: Callable[[str], bytes | None],
        current: Callable[[str], Rule | None],
        pauses: Iterable[RulePause] = (),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock
        self.current = current
        self.pauses = {pause.rule: pause for pause in pauses}
        self._stored = stored
        self._rule_lists: dict[str, Mapping[str, tuple[int, str, str]]] = {}
        self._versions: dict[str, Rule | None] = {}

    def rules_of(self, skips: Skips) -> Collection[str]:
        """The ids of the rules that the record says something of."""
        named = dict.fromkeys(verdict[0] for verdict in skips.verdicts)
        for others in skips.summaries:
            rule_list = self._rule_list(others).items()
            named |= dict.fromkeys(
                i for i, (place, _, kind) in rule_list if others.covers(place, kind)
            )
        return named

    def verdicts(self, skips: Skips, message: StoredMessage, rule_id: str) -> Iterator[SkipVerdict]:
        """What the record says of a rule."""
        yield from (verdict for verdict in skips.verdicts if verdict[0] == rule_id)
        for others in skips.summaries:
            found = self._rule_list(others).get(rule_id)
            if found is None or not others.covers(found[0], found[2]):
                continue
            if others.reason is not None:
                yield rule_id, found[1], others.reason, None, {}
            elif (rule := self.version_of(rule_id, found[1])) is not None:
                yield _verdict(rule, others, message)

    def _rule_list(self, others: SkipSummary) -> Mapping[str, tuple[int, str, str]]:
        revision = others.revision
        if revision not in self._rule_lists:
            self._rule_lists[revision] = read_rule_list(self._stored(revision))
        return self._rule_lists[revision]

    def version_of(self, rule_id: str, digest: str) -> Rule | None:
        """A rule as that digest words it; None where that is not kept."""
        current = self.current(rule_id)
        if current is not None and current.digest == digest:
            return current
        if digest not in self._versions:
            self._versions[digest] = read_rule_version(self._stored(digest), self._clock)
        return self._versions[digest]


def _verdict(rule: Rule, others: SkipSummary, message: StoredMessage) -> SkipVerdict:
    decided_at, retroactive = from_micros(others.decided_at), others.retroactive
    evaluation = Evaluation.of(message, 0, decided_at, retroactive=retroactive)
    verdict = verdict_on_unmatched(rule, evaluation.see(others.person, NO_HISTORY))
    text, values = (verdict.failure.text, verdict.failure.values) if verdict.failure else (None, {})
    return rule.id, rule.digest, str(verdict.reason), text, values
