"""Entries, for the people who operate the engine: who is inside, pause, resume, end, move to another version.

Each decision needs the name of the person who makes it, and stands in the audit log and beside the entry. The host
vouches for the name. A decision about everybody inside a rule is carried out in chunks, each a transaction; a process
that dies in between has done some of them, and the same call does the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar, overload

from pydantic import JsonValue

from whereupon.decide.idempotency import keys_at, possible_addresses
from whereupon.errors import OperationError
from whereupon.matching import SubjectKind
from whereupon.operations.entry_moves import EntryMoves, Move, Moved
from whereupon.operations.entry_questions import REACH, EntryList, EntryQuestions, found_entry
from whereupon.operations.operators import checked_name, operator_record
from whereupon.ports import HostTransaction, Session
from whereupon.records import (
    WITHDRAWN,
    Changes,
    EndReason,
    Entry,
    EntryCount,
    EntryEnd,
    EntryFilter,
    EntryState,
    Operation,
    OperationKind,
    RulePause,
    Sweep,
    with_operation,
)
from whereupon.rules.model import END

T = TypeVar("T")
MoveList: TypeAlias = list[Move]

CHUNK = 500
"""Entries that one transaction changes."""


class Entries(EntryQuestions):
    """Who is inside which rule, and what operators do about it."""

    # --- pausing ----------------------------------------------------------------------------------

    @overload
    def pause(
        self, which: str, *, by: str, connection: HostTransaction | None = None
    ) -> RulePause: ...
    @overload
    def pause(self, which: int, *, by: str, connection: HostTransaction | None = None) -> Entry: ...
    def pause(
        self, which: str | int, *, by: str, connection: HostTransaction | None = None
    ) -> RulePause | Entry:
        """Pause a rule or one entry, until it is resumed. What is paused already stays as it is.

        Of a paused rule nobody enters, nobody goes on, no delivery is handed over, and no run of a broadcast goes
        on. Of a paused entry no step is done and no delivery is handed over. What ends an entry does so all the same.

        Args:
            which: the id of a rule, or the number of an entry.
            by: who decides it, by name.
            connection: the host's connection, whose transaction is used; so for every call that writes.

        Raises:
            UnknownNameError: there is no such rule, and nobody is inside one of that name; or no such entry.
            OperationError: the entry has ended (``ended``), or ``by`` names nobody (``no-actor``).
        """
        name, now = checked_name(by, str(which)), self._clock.now()
        if isinstance(which, str):
            return self._done(partial(self._pause_rule, RulePause(which, name, now)), connection)
        done = Operation(OperationKind.PAUSED, name, now)
        return self._done(partial(self._turn_entry, which, done, EntryState.PAUSED), connection)

    @overload
    def resume(self, which: str, *, by: str, connection: HostTransaction | None = None) -> None: ...
    @overload
    def resume(
        self, which: int, *, by: str, connection: HostTransaction | None = None
    ) -> Entry: ...
    def resume(
        self, which: str | int, *, by: str, connection: HostTransaction | None = None
    ) -> Entry | None:
        """Resume a paused rule or entry. What came due meanwhile is done at once, late; waits behind it count from then.

        Raises:
            UnknownNameError: there is no such entry.
            OperationError: it is not paused (``not-paused``), or ``by`` names nobody (``no-actor``).
        """
        name, now = checked_name(by, str(which)), self._clock.now()
        done = Operation(OperationKind.RESUMED, name, now)
        if isinstance(which, str):
            self._done(partial(self._resume_rule, which, done), connection)
            return None
        return self._done(partial(self._turn_entry, which, done, EntryState.ACTIVE), connection)

    def _pause_rule(self, pause: RulePause, session: Session) -> RulePause:
        session.lock_requests()
        self._check_rule(session, pause.rule)
        there = next((p for p in session.rule_pauses() if p.rule == pause.rule), None)
        if there is not None:
            return there
        record = operator_record("rule-paused", pause.by, pause.since, rule=pause.rule)
        self._write(session, Changes(pauses={pause.rule: pause}, records=[record]))
        return pause

    def _resume_rule(self, rule: str, done: Operation, session: Session) -> None:
        session.lock_requests()
        pause = next((each for each in session.rule_pauses() if each.rule == rule), None)
        if pause is None:
            reason = f"nobody has paused {rule}"
            if self._current.is_paused(rule):
                reason = f"{rule} is switched off by its file, which says `active: false`"
            raise OperationError(code="not-paused", name=rule, reason=reason)
        record = operator_record("rule-resumed", done.by, done.at, rule=rule)
        resumed = pause._replace(sweep=Sweep.RESUME)
        self._write(session, Changes(pauses={rule: resumed}, records=[record]))

    def _turn_entry(self, key: int, done: Operation, state: EntryState, session: Session) -> Entry:
        """Pause or resume one entry, and what it has made that still waits."""
        session.lock_requests()
        entry = self._held(session, key)
        if state is EntryState.ACTIVE and entry.state is not EntryState.PAUSED:
            reason = f"entry {key} is {entry.state}, and not paused"
            raise OperationError(code="not-paused", name=str(key), reason=reason)
        if entry.state is state:
            return entry
        turned = entry.changed(state=state, operations=with_operation(entry.operations, done))
        kind = "entry-paused" if state is EntryState.PAUSED else "entry-resumed"
        changes = Changes(entries={key: turned})
        changes.records.append(operator_record(kind, done.by, done.at, rule=entry.rule, entry=key))
        halt = state is EntryState.PAUSED
        changes.halted = dict.fromkeys(self._keys(session, [entry]), halt)
        if not halt:
            self._ask_at(done.at, changes)  # time may have changed something
        self._write(session, changes)
        return turned

    # --- ending -----------------------------------------------------------------------------------

    @overload
    def end(
        self,
        which: str,
        *,
        by: str,
        version: str | None = None,
        step: str | None = None,
        dry_run: bool = False,
        connection: HostTransaction | None = None,
    ) -> int: ...
    @overload
    def end(self, which: int, *, by: str, connection: HostTransaction | None = None) -> Entry: ...
    def end(
        self,
        which: str | int,
        *,
        by: str,
        version: str | None = None,
        step: str | None = None,
        dry_run: bool = False,
        connection: HostTransaction | None = None,
    ) -> int | Entry:
        """End one entry, or those of everybody who is inside a rule now; what they made and waits is withdrawn.

        Args:
            which: the id of a rule, or the number of an entry.
            by: who decides it, by name.
            version: only those in this version of the rule (see `list`).
            step: only those whose next step has this address.
            dry_run: change nothing; say how many it would be.

        Returns:
            The entry as it ended; or how many there were.

        Raises:
            UnknownNameError: there is no such rule, version or entry.
            OperationError: the entry has ended (``ended``), or ``by`` names nobody (``no-actor``).
        """
        name, now = checked_name(by, str(which)), self._clock.now()
        done = Operation(OperationKind.ENDED, name, now)
        if isinstance(which, int):
            return self._done(partial(self._end_one, which, done), connection)
        meant = self._asked(lambda session: self._inside(session, which, version, step), connection)
        if dry_run:
            counts = self._asked(lambda session: session.count_inside(which), connection)
            return sum(each.people for each in counts if _is_counted(meant, each))
        ended = self._by_chunks(meant, partial(self._end_all, done), connection, now)
        return sum(ended)

    def _end_one(self, key: int, done: Operation, session: Session) -> Entry:
        session.lock_requests()
        entry = self._held(session, key)
        changes = Changes(entries={key: _ended(entry, done)})
        changes.withdrawn = dict.fromkeys(self._keys(session, [entry]), WITHDRAWN)
        changes.records.append(
            operator_record("entry-ended", done.by, done.at, rule=entry.rule, entry=key)
        )
        self._write(session, changes)
        return changes.entries[key]

    def _end_all(self, done: Operation, session: Session, found: EntryList) -> int:
        changes = Changes(entries={entry.key: _ended(entry, done) for entry in found})
        changes.withdrawn = dict.fromkeys(self._keys(session, found), WITHDRAWN)
        facts: dict[str, JsonValue] = {"rule": found[0].rule, "entries": len(found)}
        changes.records.append(operator_record("entries-ended", done.by, done.at, **facts))
        self._write(session, changes)
        return len(found)

    # --- moving -----------------------------------------------------------------------------------

    def move(
        self,
        rule: str,
        *,
        by: str,
        from_version: str | None = None,
        to_version: str = "current",
        steps: Mapping[str, str] | None = None,
        dry_run: bool = False,
        connection: HostTransaction | None = None,
    ) -> Moved:
        """Move the people inside a rule to another version of it; nobody is moved who could get something twice.

        A person who waits goes on waiting until the same time, and then does the step of the new version that
        has the same address, or that ``steps`` says. Exits are the new version's from then on.

        Args:
            rule: its id.
            by: who decides it, by name.
            from_version: only people in this version (see `list`); by default in any other one.
            to_version: the version to move to.
            steps: by the address of the next step in the old version, the address of the next step in the new
                one; ``end`` is behind the last step.
            dry_run: change nothing; say what would happen to each of them.

        Raises:
            UnknownNameError: there is no such rule or version.
            OperationError: the new version cannot be read (``unreadable``), has no such step
                (``no-such-step``), or ``by`` names nobody (``no-actor``).
        """
        name, now = checked_name(by, rule), self._clock.now()
        meant = self._asked(
            lambda session: self._inside(session, rule, from_version, None), connection
        )
        moves = self._asked(
            lambda session: self._moves(session, rule, to_version, steps or {}), connection
        )
        done = Operation(OperationKind.MOVED, name, now)

        def move(session: Session, found: EntryList) -> MoveList:
            judged = moves.judged(session, found)
            changes = moves.changes(judged, done)
            self._ask_at(now, changes)  # the version has exits of its own
            if changes.entries and not dry_run:
                self._write(session, changes)
            return judged

        told = Moved(rule, moves.digest)
        for judged in self._by_chunks(meant, move, connection, now, read_only=dry_run):
            told.people.update(each.group for each in judged)
        return told

    def _moves(
        self, session: Session, rule: str, to_version: str, steps: Mapping[str, str]
    ) -> EntryMoves:
        pipeline = self._current.pipeline
        digest = self._digest(session, rule, to_version)
        version = pipeline.rule_version(session, digest)
        if version is None:
            reason = f"version {digest} of {rule} cannot be read: a newer library wrote it"
            raise OperationError(code="unreadable", name=rule, reason=reason)
        known = (*version.route.places, END)
        for address in steps.values():
            if address not in known:
                reason = f"there is no step {address} in version {digest[:8]}: {', '.join(known)}"
                raise OperationError(code="no-such-step", name=rule, reason=reason)
        current = pipeline.index.by_id.get(rule)
        is_current = current is not None and current.digest == digest
        source = pipeline.index.version_text(version) if is_current else None
        return EntryMoves(version, digest, source, pipeline.rule_version, steps)

    # --- chunks and transactions ------------------------------------------------------------------

    def _by_chunks(
        self,
        meant: EntryFilter,
        change: Callable[[Session, EntryList], T],
        connection: HostTransaction | None,
        begun: datetime,
        *,
        read_only: bool = False,
    ) -> Iterator[T]:
        """Change the entries that are meant and were open when the call began, one chunk in a transaction.

        Yields:
            What the change makes of each chunk.
        """
        after: int | None = 0
        while after is not None:
            work = partial(_chunk, meant, after, change, begun, read_only=read_only)
            if read_only:
                after, made = self._asked(work, connection)
            else:
                after, made = self._done(work, connection)
            yield from made

    def _keys(self, session: Session, entries: EntryList) -> Sequence[str]:
        """The idempotency keys of what these entries may have made."""
        persons = {p.key: p.user_id for p in session.persons({e.person_key for e in entries})}
        version_of = self._current.pipeline.rule_version
        return [
            key
            for e in entries
            for key in keys_at(
                e,
                persons.get(e.person_key, ""),
                possible_addresses(version_of(session, e.digest), e.address),
            )
        ]

    def _ask_at(self, instant: datetime, changes: Changes) -> None:
        """Have it asked at an instant what time has changed for the entries that change."""
        timed = self._current.pipeline.index.timed.by_name
        for entry in changes.entries.values():
            subject = SubjectKind.INSIDE.named(entry.rule)
            if subject in timed:
                changes.armed[entry.person_key, subject] = instant

    def _held(self, session: Session, key: int) -> Entry:
        """An entry that has not ended; nobody else changes it, or its person, any more."""
        entry = found_entry(session, key)
        while session.lock({entry.person_key}, ()):
            entry = found_entry(session, key)
        if not entry.is_inside:
            reason = f"entry {key} has ended: it is {entry.state}"
            raise OperationError(code="ended", name=str(key), reason=reason)
        return entry


def _chunk(
    meant: EntryFilter,
    after: int,
    change: Callable[[Session, EntryList], T],
    begun: datetime,
    session: Session,
    *,
    read_only: bool,
) -> tuple[int | None, Sequence[T]]:
    """Change the next entries that are meant; where to go on, and what came of it, if there were any."""
    if not read_only:
        session.lock_requests()
    while True:
        found, following = session.entries_after(meant, after, CHUNK, REACH)
        if read_only or not session.lock({entry.person_key for entry in found}, ()):
            break
    open_then = [entry for entry in found if entry.entered_at <= begun]
    return following, [change(session, open_then)] if open_then else []


def _ended(entry: Entry, done: Operation) -> Entry:
    end = EntryEnd(EndReason.OPERATOR, done.at, done.by)
    return entry.finished(end).changed(operations=with_operation(entry.operations, done))


def _is_counted(meant: EntryFilter, count: EntryCount) -> bool:
    version, address = meant.version, meant.address
    return version in {None, count.version} and address in {None, count.address}
