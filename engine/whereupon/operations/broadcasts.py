"""Broadcasts, for the people who send them: start one."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from pydantic import JsonValue

from whereupon.decide import BatchResult
from whereupon.decide.steps import possible_keys
from whereupon.errors import OperationError
from whereupon.messages.times import format_instant
from whereupon.pipeline.broadcasts import (
    as_properties,
    callable_broadcast,
    called_run,
    started_by_call,
)
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, HostTransaction, Session, Store
from whereupon.records import NAMED, BroadcastRun, Changes, Delivery, IdKind, Person
from whereupon.rules.model import Rule

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


class Broadcasts:
    """Starts broadcasts."""

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        wake: Callable[[], None],
        tell: Callable[[BatchResult], object],
    ) -> None:
        self._store = store
        self._current = current
        self._claims = ClaimRunner(store, current)
        self._clock = clock
        self._wake = wake
        self._tell = tell

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
            session.flush(Changes(rule_versions=dict(versions)))
            done, known = pipeline.send_to_people(session, run, rule, own)
            return _answer(run, people, known, done), done

        triggered, done = self._done(work, connection)
        self._tell(done)
        return triggered

    def _done(self, work: Callable[[Session], T], connection: HostTransaction | None) -> T:
        """Do work in a transaction of the store's own, or in the host's."""
        if connection is not None:
            with self._store.session(connection) as session:
                return self._claims.within(session).transact(work)
        done = self._claims.transact(work)
        self._wake()
        return done


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


def _check_active(rule: Rule, now: datetime) -> None:
    if not rule.active.allows(now):
        reason = f"{rule.id} is not active at {format_instant(now)}; its file says so"
        raise OperationError(code="inactive", name=rule.id, reason=reason)


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
        for key in possible_keys(rule.id, run.occasion, each.value, len(rule.steps))
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
