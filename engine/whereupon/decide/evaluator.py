"""From a recorded message to verdicts on the rules, and from verdicts to entries and broadcasts."""

from collections.abc import Collection, Container, Mapping, Sequence

from pydantic import JsonValue

from whereupon.conditions.values import ROOTS
from whereupon.decide.batch_state import BatchState
from whereupon.decide.decision_list import decision
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.entries import hold_out, open_entry
from whereupon.decide.evaluation import Evaluation, MessageFacts
from whereupon.decide.history import HistoryUntil
from whereupon.decide.holdouts import is_held_out
from whereupon.decide.open_skips import leave_open
from whereupon.decide.skips import SkipRecorder, skip_every_rule
from whereupon.decide.verdicts import opening_verdict, verdict_on
from whereupon.matching import Candidate, RuleSelection
from whereupon.messages.model import SenderClass
from whereupon.messages.structs import Frozen
from whereupon.records import NOTHING, BroadcastRun
from whereupon.rules.model import Rule, RuleKind

_CAMPAIGN, _BROADCAST = RuleKind.CAMPAIGN, RuleKind.BROADCAST  # looked up slowly as attributes
_WHO, _HOLDOUT = Reason.WHO, Reason.HOLDOUT
_OTHER_TAKEN, _SERVER = Reason.RETROACTIVE_TAKE, SenderClass.SERVER
MAX_DEPTH = 8
"""How many `track` or `set` steps may lead to one another. A message further on is skipped as a loop."""


def see_now(work: BatchState, evaluation: Evaluation, roots: Container[str] = ROOTS) -> Evaluation:
    """Set what conditions read of the message to the person's state as it is now.

    Args:
        roots: see `Evaluation.see`.
    """
    person = work.persons.get(evaluation.person_key)
    moment, trigger = evaluation.timestamp, evaluation.properties
    attributes = person.attributes if person else NOTHING
    history = HistoryUntil(work.history, evaluation.person_key, moment, trigger, attributes)
    return evaluation.see(attributes, history, roots)


def evaluate(
    work: BatchState,
    evaluation: Evaluation,
    rules: RuleSelection,
    excluded: Collection[str] = (),
    found: Sequence[Candidate] | None = None,
) -> None:
    """Decide the message for each of the rules: let the person in, or record why not.

    Rules that the message cannot open are not looked at one by one (see `skips`).

    Args:
        excluded: ids of rules that take another of the messages that a claim brings.
        found: the candidates among the rules, if they are known.
    """
    reason = evaluation.reason or (Reason.LOOP if evaluation.depth > MAX_DEPTH else None)
    is_past = evaluation.now - evaluation.timestamp > rules.rule_list.longest_age
    if reason is not None or is_past:
        found = ()
    elif found is None:
        see_now(work, evaluation, rules.roots)
        found = rules.candidates(evaluation.data)
    elif rules.besides or [e.rule for e in found if e.rule.asks_data or not e.is_certain]:
        see_now(work, evaluation, rules.roots)
    if found or excluded or rules.besides:
        _decide_each(work, evaluation, rules, excluded, found, reason)
    else:
        skip_every_rule(work, evaluation, rules, reason)


def _decide_each(
    work: BatchState,
    evaluation: Evaluation,
    rules: RuleSelection,
    excluded: Collection[str],
    found: Sequence[Candidate],
    reason: Reason | None,
) -> None:
    skips, person_key = SkipRecorder(work, evaluation, rules), evaluation.person_key
    if reason is not None:
        skips.skip_all(reason)
        excluded = ()
    turns: Sequence[Candidate | _Turn] = found  # as mostly
    if excluded or rules.besides:
        turns = _in_turn(rules, found, excluded, rules.besides)
    waiting = iter(turns)
    while (turn := next(waiting, None)) is not None:
        place, rule, is_certain = turn.place, turn.rule, turn.is_certain
        if place is not None:
            skips.pass_to(place)
        person = work.persons.get(person_key)
        out = reason or (_OTHER_TAKEN if rule.id in excluded else None)
        verdict = Verdict(out) if out else _verdict(work, evaluation, rule, certain=is_certain)
        _carry_out(work, evaluation, rule, verdict, skips)
        if work.persons.get(person_key) is not person:  # by a `set` step
            see_now(work, evaluation, rules.roots)
            skips.look_anew()
            found = rules.candidates(evaluation.data, since=skips.next)
            besides = [each.rule for each in waiting if each.place is None]
            waiting = iter(_in_turn(rules, found, excluded, besides, since=skips.next))
    skips.close()
    if evaluation.data:
        evaluation.unsee()


class _Turn(Frozen, frozen=True):
    """A rule that is decided by itself; ``place`` is None if it is not in the list."""

    place: int | None
    rule: Rule
    is_certain: bool


def _in_turn(
    rules: RuleSelection,
    found: Sequence[Candidate],
    excluded: Collection[str],
    besides: Sequence[Rule],
    *,
    since: int = 0,
) -> Sequence[Candidate | _Turn]:
    """The rules that are decided one by one, in the order in which they go.

    Args:
        found: the candidates among the rules of the list.
        excluded: see `evaluate`; these rules are decided whatever they ask.
        besides: rules that are not in the list.
        since: the place of the first rule that is not decided yet.
    """
    turns = {each.place: _Turn(each.place, each.rule, each.is_certain) for each in found}
    for place in map(rules.place_of, excluded):
        if place is not None and place >= since:
            turns.setdefault(place, _Turn(place, rules.rule_list[place], is_certain=False))
    others = (_Turn(None, rule, is_certain=False) for rule in besides)
    return sorted((*others, *turns.values()), key=lambda each: each.rule.precedence)


def _verdict(work: BatchState, evaluation: Evaluation, rule: Rule, *, certain: bool) -> Verdict:
    rule_id = rule.id
    is_paused = rule_id in work.paused
    if rule.kind is _CAMPAIGN:
        verdict = verdict_on(
            rule,
            evaluation,
            work.past_entries.get((rule_id, evaluation.person_key), ()),
            where_holds=certain,
            is_paused=is_paused,
            settings=work.index.book.settings,
        )
        return (
            verdict if rule.holdout is None else _unless_held_out(work, evaluation, rule, verdict)
        )
    if evaluation.source is not _SERVER:
        return Verdict(Reason.SOURCE)
    return opening_verdict(rule, evaluation, where_holds=certain, is_paused=is_paused)


def _unless_held_out(
    work: BatchState, evaluation: Evaluation, rule: Rule, verdict: Verdict
) -> Verdict:
    """The verdict, unless the person would enter and belongs to the rule's holdout."""
    person = work.persons.get(evaluation.person_key)
    if verdict.reason is not None or person is None or not is_held_out(rule, person.user_id):
        return verdict
    return verdict._replace(reason=Reason.HOLDOUT)


def _carry_out(
    work: BatchState, evaluation: Evaluation, rule: Rule, verdict: Verdict, skips: SkipRecorder
) -> None:
    reason = None if verdict is ENTERED else verdict.reason
    if reason is not None:
        emit_decision(work, evaluation, rule, verdict)
        skips.note(rule, verdict)
        if reason is _WHO:
            leave_open(work, evaluation, rule)
        if reason is _HOLDOUT:
            hold_out(work, evaluation, rule, verdict.slot, evaluation.facts())
    elif rule.kind is _BROADCAST:
        _start_broadcast(work, evaluation, rule)
    else:
        let_in(work, evaluation, rule, verdict)


def _start_broadcast(work: BatchState, evaluation: Evaluation, rule: Rule) -> None:
    """Add a run of the broadcast; its audience is let in later, chunk by chunk."""
    work.out.versions_used.add(rule.digest)
    work.changes.runs[rule.id, evaluation.ref] = BroadcastRun(
        rule=rule.id,
        digest=rule.digest,
        occasion=evaluation.ref,
        timestamp=evaluation.timestamp,
        due_at=evaluation.now,
        cursor=0,
        facts=evaluation.facts(),
        depth=evaluation.depth,
        message_key=evaluation.key,
    )


def let_in(
    work: BatchState,
    evaluation: Evaluation,
    rule: Rule,
    verdict: Verdict,
    *,
    facts: Mapping[str, JsonValue] | None = None,
) -> bool:
    """Emit the verdict, and open the entry if the person enters; gives whether they do.

    Of a broadcast, a person of its holdout is kept out here.

    Args:
        facts: see `Evaluation.facts`, if many entries share them.
    """
    if rule.holdout is not None:
        verdict = _unless_held_out(work, evaluation, rule, verdict)
    emit_decision(work, evaluation, rule, verdict)
    known = MessageFacts(evaluation) if facts is None else facts
    reason, _, slot = verdict
    if reason is None:
        open_entry(work, evaluation, rule, slot, known)
    elif reason is _HOLDOUT:
        hold_out(work, evaluation, rule, slot, known)
    return reason is None


def emit_decision(work: BatchState, evaluation: Evaluation, rule: Rule, verdict: Verdict) -> None:
    """Emit the decision on a message and a rule."""
    person = work.persons.get(evaluation.person_key)
    work.out.emitted.append(decision(evaluation, rule, verdict, person))
