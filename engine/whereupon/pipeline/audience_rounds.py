"""Broadcasts: the next chunk of an audience enters."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from pydantic import JsonValue

from whereupon.decide import (
    NO_PROPERTIES,
    BatchResult,
    Notice,
    OwnProperties,
    PoisonError,
    Snapshot,
    audience_of,
    broadcast_chunk,
    prefilter_for,
    room_for,
)
from whereupon.messages.model import id_in_ref
from whereupon.messages.repairs import cut_reason
from whereupon.pipeline.decision_rounds import BEYOND, DecisionRounds
from whereupon.pipeline.load import load_open_runs
from whereupon.ports import Session, Stretch
from whereupon.records import BroadcastRun, Person
from whereupon.rules.model import Rule
from whereupon.runtime.log_lines import log_event

AUDIENCE_CHUNK = 1_000
"""Persons of a broadcast's audience in one transaction."""

AUDIENCE_REACH = 10_000
"""Persons that one transaction looks through; with more, other transactions would wait for it."""

LOOKED_AT = 10
"""Persons that are looked at for each one whom a rate lets in, in one transaction; `who` may not admit them all."""

_LOG = logging.getLogger("whereupon.pipeline")


class AudienceRounds(DecisionRounds):
    """Lets the audiences of broadcasts enter, chunk by chunk."""

    def send(
        self, session: Session, run: BroadcastRun, *, now: datetime | None = None
    ) -> BatchResult:
        """Let the next chunk of a broadcast's audience in.

        The chunks go by the persons' keys. So every person who was known when the run began gets a turn. A person
        who comes later may have a key behind the cursor, since several processes hand out keys.
        """
        rule = self._versions.rule_of(session, run.digest)
        if rule is None or not rule.active.allows(run.timestamp):
            return self._send_to(session, run, rule, Stretch([], None), now)
        room = room_for(run, rule, now)
        chunk = AUDIENCE_CHUNK if room is None else min(AUDIENCE_CHUNK, LOOKED_AT * room)
        stretch = session.take_audience(
            run.cursor or 0, chunk, prefilter_for(run, rule), AUDIENCE_REACH
        )
        self._loader(session).require_all_claims()  # or the prefilter may have missed a person
        return self._send_around(session, run, rule, stretch, now, room=room)

    def audience_after(
        self, session: Session, run: BroadcastRun, rule: Rule
    ) -> tuple[list[Person], int | None]:
        """The next persons behind the run's cursor whom `who` admits, and the cursor after them; nothing is locked."""
        after, prefilter = run.cursor or 0, prefilter_for(run, rule)
        stretch = session.audience(after, AUDIENCE_CHUNK, prefilter, AUDIENCE_REACH)
        known = self._loader(session).past.for_audience(stretch.persons, rule, run.timestamp)
        met = audience_of(known, run, rule, stretch.persons, self.index, self.settings)
        return met, stretch.cursor

    def rehearse(
        self, session: Session, run: BroadcastRun, rule: Rule, persons: Sequence[Person]
    ) -> BatchResult:
        """What letting these persons in would lead to at once; nothing is written, and no key of the store used."""
        snapshot = self._loader(session).past.for_entering(persons, rule, run.timestamp)
        snapshot.first_key, snapshot.keys = BEYOND, BEYOND
        return broadcast_chunk(
            snapshot, run, rule, persons, self.index, self.settings, cursor=run.cursor
        )

    def send_to_people(
        self,
        session: Session,
        run: BroadcastRun,
        rule: Rule,
        people: Mapping[str, Mapping[str, JsonValue]],
    ) -> tuple[BatchResult, Mapping[str, Person]]:
        """Let named people in whom `who` admits, all in this transaction, and record the run as done.

        Args:
            people: by user id, what the templates and the `who` see as ``properties``.

        Returns:
            What it led to; and by user id the persons who are known.
        """
        known = self.lock_people(session, people)
        own = {known[named]: people[named] for named in reversed([*people]) if named in known}
        persons = sorted(session.persons(own), key=attrgetter("key"))
        whole = BatchResult()
        for begun in range(0, len(persons) or 1, AUDIENCE_CHUNK):
            end = begun + AUDIENCE_CHUNK
            cursor = 0 if end < len(persons) else None
            stretch = Stretch(persons[begun:end], cursor)
            part = self._send_around(session, run, rule, stretch, run.due_at, own)
            run = part.changes.runs[run.rule, run.occasion]
            whole.join(part)
        there = {person.key: person for person in persons}
        return whole, {named: there[key] for named, key in known.items() if key in there}

    def lock_people(self, session: Session, user_ids: Collection[str]) -> dict[str, int]:
        """The keys of the persons who have these user ids; nobody else changes them any more."""
        while True:
            found = session.identifiers(user_ids, ())
            known = {each.value: each.key for each in found}
            if not session.lock(set(known.values()), ()):
                break
        self._loader(session).require_claims(set(known.values()))
        return known

    def _send_around(
        self,
        session: Session,
        run: BroadcastRun,
        rule: Rule,
        stretch: Stretch,
        now: datetime | None,
        own: OwnProperties = NO_PROPERTIES,
        room: int | None = None,
    ) -> BatchResult:
        """Let a stretch of persons in; a person on whom deciding fails is left out."""
        left_out: list[Notice] = []
        while True:
            try:
                result = self._send_to(session, run, rule, stretch, now, own, room)
            except PoisonError as poison:
                person = next(each for each in stretch.persons if each.key == poison.person)
                others = [each for each in stretch.persons if each is not person]
                stretch = stretch._replace(persons=others)
                log_event(_LOG, logging.ERROR, "person-left-out", rule=run.rule, person=person.key)
                text = f"{person.user_id} was left out of {run.rule}: {cut_reason(poison.reason)}"
                left_out.append(Notice("person-left-out", id_in_ref(run.occasion), text))
                continue
            result.emitted += left_out
            return result

    def _send_to(
        self,
        session: Session,
        run: BroadcastRun,
        rule: Rule | None,
        stretch: Stretch,
        now: datetime | None,
        own: OwnProperties = NO_PROPERTIES,
        room: int | None = None,
    ) -> BatchResult:
        admitted: list[Person] = []
        snapshot = Snapshot()
        if rule is not None and stretch.persons:
            past = self._loader(session).past
            known = past.for_audience(stretch.persons, rule, run.timestamp)
            meant = audience_of(known, run, rule, stretch.persons, self.index, self.settings, own)
            admitted = past.without_entrants(meant, run)
            if room is not None and len(admitted) > room:
                admitted = admitted[:room]
                stretch = stretch._replace(cursor=admitted[-1].key if room else run.cursor)
            snapshot = past.for_entering(admitted, rule, run.timestamp)
            load_open_runs(session, self.index, snapshot, now or run.due_at)
        return self._decide_and_write(
            session,
            snapshot,
            64 + 8 * len(admitted),
            lambda: broadcast_chunk(
                snapshot,
                run,
                rule,
                admitted,
                self.index,
                self.settings,
                cursor=stretch.cursor,
                now=now,
                own=own,
            ),
        )
