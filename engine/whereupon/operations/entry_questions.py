"""Questions about entries: which there are, and what an operator means by the names of rules and versions."""

from collections.abc import Callable, Collection, Iterable, Iterator
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

        Of a rule that is switched off or paused, those who are inside are shown as ``paused``.

        Args:
            rule: only of this rule.
            person: only of the person who has this user id.
            state: only in this state; by default those that have not ended. Without ``rule``, entries that were
                paused one by one are meant by ``paused``, and not those of rules that stand still.
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
            still = self._still(session)
            states: tuple[EntryState, ...] = INSIDE if state is None else (state,)
            if rule in still and state in INSIDE:
                states = INSIDE if state is EntryState.PAUSED else ()
            page = session.entries_after(which._replace(states=states), after, limit, REACH)
            return EntryPage([_as_it_stands(each, still) for each in page[0]], page[1])

    def show(self, key: int) -> Entry:
        """One entry, by its number; raises `UnknownNameError`."""
        with self._store.reading() as session:
            return _as_it_stands(found_entry(session, key), self._still(session))

    def counts(self, rule: str | None = None) -> EntryCounts:
        """How many people are inside, by rule, version, next step and state.

        Of a rule that is switched off or paused everybody is ``paused``.
        """
        with self._store.reading() as session:
            still = self._still(session)
            return list(_counted(session.count_inside(rule), still))

    def _still(self, session: Session) -> frozenset[str]:
        """The rules whose people all stand still: an operator has paused it, or its file has switched it off."""
        paused = (each.rule for each in session.rule_pauses())
        rules = self._current.pipeline.index.book.rules
        return frozenset((*paused, *(rule.id for rule in rules if not rule.active.on)))

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


def _as_it_stands(entry: Entry, still: Collection[str]) -> Entry:
    """The entry as people see it: paused if its rule stands still."""
    is_still = entry.state is EntryState.ACTIVE and entry.rule in still
    return entry.changed(state=EntryState.PAUSED) if is_still else entry


def _counted(counts: Iterable[EntryCount], still: Collection[str]) -> Iterator[EntryCount]:
    """The counts as people see them: one for each place of a rule that stands still."""
    seen: dict[tuple[str, str, str, EntryState], EntryCount] = {}
    for each in counts:
        state = EntryState.PAUSED if each.rule in still else each.state
        place = (each.rule, each.version, each.address, state)
        was = seen.get(place)
        people, due_at = (0, each.due_at) if was is None else (was.people, was.due_at)
        seen[place] = each._replace(
            state=state, people=people + each.people, due_at=min(due_at, each.due_at)
        )
    yield from seen.values()


def found_entry(session: Session, key: int) -> Entry:
    """An entry by its key; raises `UnknownNameError`."""
    found = session.entries([key])
    if not found:
        raise UnknownNameError(kind="entry", name=str(key))
    return found[0]
