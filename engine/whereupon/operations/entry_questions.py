"""Questions about entries: which there are, and what an operator means by the names of rules and versions."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

from whereupon.errors import OperationError, UnknownNameError
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, HostTransaction, Session, Store
from whereupon.records import (
    INSIDE,
    Changes,
    Entry,
    EntryCount,
    EntryFilter,
    EntryState,
    RulePause,
)

T = TypeVar("T")
EntryList: TypeAlias = list[Entry]
EntryCounts: TypeAlias = list[EntryCount]
RulePauses: TypeAlias = list[RulePause]

REACH = 20_000
"""Entries that one page looks through, if no index finds those that are meant."""


class EntryPage(NamedTuple):
    """Some entries, by key.

    Attributes:
        next: give it as ``after`` to read on; None if there are no more.
    """

    entries: EntryList
    next: int | None


class EntryQuestions:
    """Who is inside which rule."""

    def __init__(
        self, store: Store, current: CurrentPipeline, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._wake = wake

    # --- looking ----------------------------------------------------------------------------------

    def list(
        self,
        *,
        rule: str | None = None,
        person: str | None = None,
        state: EntryState | None = None,
        version: str | None = None,
        step: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> EntryPage:
        """Entries by key, which is about the order in which they were opened.

        Args:
            rule: only of this rule.
            person: only of the person who has this user id.
            state: only in this state; by default those that have not ended.
            version: only in this version of the rule, by its digest or the beginning of it; ``current`` is the
                rulebook's.
            step: only those whose next step has this address.
            after: the key behind which to begin.
            limit: the most entries to return. A page may have fewer, and others may follow.

        Raises:
            UnknownNameError: nobody has that user id, or the rule has no such version.
        """
        with self._store.reading() as session:
            which = self._meant(session, rule, person, version, step)
            states = INSIDE if state is None else (state,)
            return EntryPage(
                *session.entries_after(which._replace(states=states), after, limit, REACH)
            )

    def show(self, key: int) -> Entry:
        """One entry, by its number; raises `UnknownNameError`."""
        with self._store.reading() as session:
            return found_entry(session, key)

    def counts(self, rule: str | None = None) -> EntryCounts:
        """How many people are inside, by rule, version, next step and state."""
        with self._store.reading() as session:
            return session.count_inside(rule)

    def pauses(self) -> RulePauses:
        """The rules that operators have paused, by id."""
        with self._store.reading() as session:
            return session.rule_pauses()

    # --- transactions -----------------------------------------------------------------------------

    def _asked(self, question: Callable[[Session], T], connection: HostTransaction | None) -> T:
        """Ask in a transaction of the store's own in which nothing is written, or in the host's."""
        if connection is not None:
            with self._store.session(connection) as session:
                return question(session)
        with self._store.reading() as session:
            return question(session)

    def _done(self, work: Callable[[Session], T], connection: HostTransaction | None) -> T:
        """Do work in a transaction of the store's own, or in the host's."""
        if connection is not None:
            with self._store.session(connection) as session:
                return work(session)
        done = self._store.transact(work)
        self._wake()
        return done

    def _write(self, session: Session, changes: Changes) -> None:
        self._current.pipeline.write(session, changes)

    # --- names ------------------------------------------------------------------------------------

    def _inside(
        self, session: Session, rule: str, version: str | None, step: str | None
    ) -> EntryFilter:
        """Everybody inside a rule, or a version of it, or before a step."""
        self._check_rule(session, rule)
        return self._meant(session, rule, None, version, step)._replace(states=INSIDE)

    def _check_rule(self, session: Session, rule: str) -> None:
        """A rule that the rulebook lacks may be meant, as long as people are inside, or it is paused."""
        known = self._current.pipeline.index.by_id
        if rule in known or any(pause.rule == rule for pause in session.rule_pauses()):
            return
        inside = EntryFilter(rule, states=INSIDE)
        if not session.entries_after(inside, 0, 1, REACH)[0]:
            raise UnknownNameError(kind="rule", name=rule, known=tuple(known))

    def _meant(
        self,
        session: Session,
        rule: str | None,
        person: str | None,
        version: str | None,
        step: str | None,
    ) -> EntryFilter:
        key = None
        if person is not None:
            found = session.identifiers({person}, ())
            if not found:
                raise UnknownNameError(kind="person", name=person)
            key = found[0].key
        digest = None if version is None else self._digest(session, rule, version)
        return EntryFilter(rule, key, version=digest, address=step)

    def _digest(self, session: Session, rule: str | None, version: str) -> str:
        """The digest of a version, of which the beginning is enough; ``current`` is the rulebook's."""
        if rule is None:
            raise OperationError(
                code="no-rule", name=version, reason="say of which rule the version is"
            )
        current = self._current.pipeline.index.by_id.get(rule)
        known = {count.version for count in session.count_inside(rule)}
        if current is not None:
            known.add(current.digest)
            if version == "current":
                return current.digest
        found = [digest for digest in sorted(known) if version and digest.startswith(version)]
        if len(found) == 1:
            return found[0]
        if version and session.rule_version(version) is not None:
            return version
        raise UnknownNameError(kind=f"version of {rule}", name=version, known=tuple(sorted(known)))


def found_entry(session: Session, key: int) -> Entry:
    """An entry by its key; raises `UnknownNameError`."""
    found = session.entries([key])
    if not found:
        raise UnknownNameError(kind="entry", name=str(key))
    return found[0]
