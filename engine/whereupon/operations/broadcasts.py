"""Broadcasts, for the people who send them: start one, say whom it would reach, look after its runs."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.decide import BatchResult
from whereupon.decide.idempotency import possible_keys
from whereupon.errors import OperationError, UnknownNameError
from whereupon.matching import RuleIndex
from whereupon.messages.times import format_instant
from whereupon.operations.audience_preview import AudienceCounter, AudiencePreview
from whereupon.operations.broadcast_runs import BroadcastRuns
from whereupon.pipeline.broadcasts import (
    as_properties,
    callable_broadcast,
    called_run,
    started_by_call,
)
from whereupon.ports import HostTransaction, Session
from whereupon.records import NAMED, BroadcastRun, Changes, Delivery, IdKind, Person
from whereupon.rules.model import Rule, RuleKind

T = TypeVar("T")

MOST_PEOPLE = 10_000
"""The most people whom one call names; all of them are let in in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """What a call that starts a broadcast did.

    Attributes:
        run: the occasion of the run, such as ``news:june``; see `BroadcastRun`.
        is_new: False if an earlier call with the same key started the run; then this call sent nothing.
        deliveries: for a call that named people: by user id, as it was given, what the run has made for that
            person so far. Those that are withheld are among them, with their reason.
        unknown: the user ids among them that nobody has.
        excluded: the user ids among them whose person was not let in, since `who` does not admit that person.
    """

    broadcast: str
    run: str
    is_new: bool
    deliveries: Mapping[str, tuple[Delivery, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


class Broadcasts(BroadcastRuns):
    """Starts broadcasts, and looks after their runs."""

    def trigger(
        self,
        broadcast: str,
        *,
        properties: Mapping[str, object] | None = None,
        key: str | None = None,
        connection: HostTransaction | None = None,
    ) -> Triggered:
        """Start a broadcast to its audience (see `Engine.trigger`)."""
        index = self._current.pipeline.index
        run, start = started_by_call(index, broadcast, properties, key, self._clock.now())
        is_new = self._done(start, connection)
        return Triggered(broadcast=broadcast, run=run.occasion, is_new=is_new)

    def preview(
        self,
        broadcast: str,
        *,
        properties: Mapping[str, object] | None = None,
        sample: int = 10,
        progress: Callable[[int], object] | None = None,
    ) -> AudiencePreview:
        """Whom a broadcast would reach, if it were sent now; nothing is written or sent.

        Goes through all people, a thousand at a time, in a transaction for each thousand. So the memory is the same
        for a million people, and no writer waits for it.

        Args:
            broadcast: the id of a broadcast, whatever starts it.
            properties: what its `who` sees as ``properties``.
            sample: how many user ids to give, with what these people would be sent; at most 1,000.
            progress: called after each stretch with the number of people counted so far.

        Raises:
            UnknownNameError: there is no such broadcast.
        """
        pipeline = self._current.pipeline
        rule = _broadcast(pipeline.index, broadcast)
        run = called_run(rule, None, self._clock.now(), as_properties(properties))
        return AudienceCounter(pipeline, run, rule, sample, progress).count(self._store)

    def people_meeting(self, broadcast: str, condition: Condition) -> list[str]:
        """The user ids of the people who meet a condition now, at most as many as one call may name.

        Goes through all people, a thousand at a time, in a transaction for each thousand.

        Args:
            broadcast: the id of the broadcast that they are meant for, whose `who` is not asked.
            condition: over persons and what they did.

        Raises:
            UnknownNameError: there is no such broadcast.
            OperationError: there are too many (``too-many-people``).
        """
        pipeline = self._current.pipeline
        rule = replace(_broadcast(pipeline.index, broadcast), who=condition)
        run, found = called_run(rule, None, self._clock.now(), {}), list[str]()
        cursor = run.cursor
        while cursor is not None:
            with self._store.reading() as session:
                met, cursor = pipeline.audience_after(session, replace(run, cursor=cursor), rule)
            found += (person.user_id for person in met)
            if len(found) > MOST_PEOPLE:
                reason = f"more than {MOST_PEOPLE:,} people are meant, and one call names at most as many: say in the `who` of {rule.id} who gets it"
                raise OperationError(code="too-many-people", name=rule.id, reason=reason)
        return found

    def trigger_people(
        self,
        broadcast: str,
        people: Sequence[str],
        per_person: Mapping[str, Mapping[str, object]],
        *,
        properties: Mapping[str, object] | None = None,
        key: str | None = None,
        connection: HostTransaction | None = None,
    ) -> Triggered:
        """Start a broadcast to named people (see `Engine.trigger`)."""
        pipeline, now = self._current.pipeline, self._clock.now()
        rule = callable_broadcast(pipeline.index, broadcast)
        _check_people(rule, people, per_person)
        _check_active(rule, now)
        _check_rate(rule, people)
        shared = as_properties(properties)
        own: dict[str, Mapping[str, JsonValue]] = {
            user_id: {**shared, **as_properties(per_person[user_id])}
            if user_id in per_person
            else shared
            for user_id in people
        }
        run = replace(called_run(rule, key, now, {}), reason=NAMED)
        versions = {rule.digest: (rule.id, pipeline.index.version_text(rule))}

        def work(session: Session) -> tuple[Triggered, BatchResult]:
            if not session.begin_run(rule.id, run.occasion):
                return _made_before(session, rule, run, people), BatchResult()
            _check_paused(session, rule)
            session.flush(Changes(rule_versions=dict(versions)))
            done, known = pipeline.send_to_people(session, run, rule, own)
            return _answer(run, people, known, done), done

        triggered, done = self._done(work, connection)
        self._emit(done)
        return triggered


def own_properties(
    broadcast: str, recipients: Iterable[Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    """The properties of each person's own, by user id; see ``recipients`` of `Engine.trigger`.

    Raises:
        OperationError: one has no ``user_id`` (``bad-recipient``), or comes twice (``named-twice``).
    """
    found: dict[str, dict[str, object]] = {}
    for place, each in enumerate(recipients):
        user_id = each.get("user_id") if isinstance(each, Mapping) else None
        if isinstance(user_id, int) and not isinstance(user_id, bool):
            user_id = str(user_id)
        if not isinstance(user_id, str) or not user_id:
            reason = f"recipients[{place}] needs a user_id, a text or a whole number"
            raise OperationError(code="bad-recipient", name=broadcast, reason=reason)
        if user_id in found:
            reason = f"recipients[{place}] names a person a second time"
            raise OperationError(code="named-twice", name=broadcast, reason=reason)
        found[user_id] = {name: value for name, value in each.items() if name != "user_id"}
    return found


def _broadcast(index: RuleIndex, name: str) -> Rule:
    """The broadcast of that name, whatever starts it."""
    known = [rule for rule in index.book.rules if rule.kind is RuleKind.BROADCAST]
    for rule in known:
        if rule.id == name:
            return rule
    names = tuple(rule.id for rule in known)
    raise UnknownNameError(kind="broadcast", name=name, known=names)


def _check_people(
    rule: Rule, people: Sequence[str], per_person: Mapping[str, Mapping[str, object]]
) -> None:
    if not people:
        raise OperationError(
            code="no-people", name=rule.id, reason=f"name the people who get {rule.id}"
        )
    if len(people) > MOST_PEOPLE:
        reason = f"one call names at most {MOST_PEOPLE:,} people, not {len(people):,}: call again for the others"
        raise OperationError(code="too-many-people", name=rule.id, reason=reason)
    if others := per_person.keys() - set(people):
        reason = f"per_person has properties of {len(others)} who are not among the people"
        raise OperationError(code="not-named", name=rule.id, reason=reason)


def _check_rate(rule: Rule, people: Sequence[str]) -> None:
    """All of the named people enter in one transaction, so that the rate has to let in all of them at once."""
    if rule.rate is not None and len(people) > rule.rate.people:
        most, named = f"{rule.rate.people:,}", f"{len(people):,}"
        reason = f"rate lets {most} people in at once, and the call names {named}: name fewer"
        raise OperationError(code="over-rate", name=rule.id, reason=reason)


def _check_active(rule: Rule, now: datetime) -> None:
    if not rule.active.allows(now):
        reason = f"{rule.id} is not active at {format_instant(now)}; its file says so"
        raise OperationError(code="inactive", name=rule.id, reason=reason)


def _check_paused(session: Session, rule: Rule) -> None:
    pause = next((each for each in session.rule_pauses() if each.rule == rule.id), None)
    if pause is not None:
        since = format_instant(pause.since)
        reason = f"{rule.id} is paused since {since} by {pause.by}; resume it, and call again"
        raise OperationError(code="paused", name=rule.id, reason=reason)


def _answer(
    run: BroadcastRun, people: Sequence[str], known: Mapping[str, Person], done: BatchResult
) -> Triggered:
    """What a call did, by the user ids that it named."""
    entered = {d.person for d in done.decisions if d.rule == run.rule and d.reason is None}
    made = [each for each in done.emitted if isinstance(each, Delivery)]
    admitted = {named: known[named].key for named in people if _is_in(known.get(named), entered)}
    return Triggered(
        broadcast=run.rule,
        run=run.occasion,
        is_new=True,
        deliveries=_by_name(run, admitted, made),
        unknown=tuple(named for named in people if named not in known),
        excluded=tuple(named for named in people if named in known and named not in admitted),
    )


def _is_in(person: Person | None, entered: Collection[str | None]) -> bool:
    return person is not None and person.user_id in entered


def _made_before(
    session: Session, rule: Rule, run: BroadcastRun, people: Sequence[str]
) -> Triggered:
    """What an earlier call with the same key did for these people, as it is now."""
    known = {each.value: each.key for each in session.identifiers(people, ())}
    ids = session.identifiers_of(set(known.values()))
    keys = {
        key
        for each in ids
        if each.kind is IdKind.USER
        for key in possible_keys(rule, run.occasion, each.value)
    }
    entered = session.past_entries([rule.id], set(known.values()))
    inside = {past.person_key for past in entered if past.occasion == run.occasion}
    admitted = {named: key for named, key in known.items() if key in inside}
    return Triggered(
        broadcast=rule.id,
        run=run.occasion,
        is_new=False,
        deliveries=_by_name(run, admitted, session.deliveries_by_key(keys)),
        unknown=tuple(named for named in people if named not in known),
        excluded=tuple(named for named in people if named in known and named not in admitted),
    )


def _by_name(
    run: BroadcastRun, admitted: Mapping[str, int], made: Iterable[Delivery]
) -> dict[str, tuple[Delivery, ...]]:
    """The run's deliveries, in the order of the steps, by the names of the people who entered."""
    theirs: dict[int, list[Delivery]] = defaultdict(list)
    for each in sorted(made, key=attrgetter("key")):
        if (each.rule, each.occasion) == (run.rule, run.occasion):
            theirs[each.person_key].append(each)
    return {named: tuple(theirs[key]) for named, key in admitted.items()}
