"""Requests for destructive actions, for the people who decide them: look, approve, cancel, erase.

A decision needs the name of the person who makes it. The guard files say who may decide, and the person who asked
never approves. The host vouches for the name.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, TypeVar
from unicodedata import normalize

from whereupon.decide import BatchResult, audit_record
from whereupon.errors import RequestError, UnknownNameError
from whereupon.guards.judge import Policy, Refusal
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import SenderClass
from whereupon.messages.semantic_events import ActionName, normalized
from whereupon.messages.wire import parse_message
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, HostTransaction, Session, Store
from whereupon.records import (
    Approval,
    AuditRecord,
    Breaker,
    Changes,
    IdKind,
    Request,
    RequestOutcome,
)

T = TypeVar("T")
RequestList: TypeAlias = list[Request]

_ALL = 1_000_000_000
_BY_A_BREAKER = frozenset({Refusal.BREAKER, Refusal.LIMIT})


class _DryRunError(Exception):
    """Raised to roll a transaction back; it carries what the transaction would have led to."""

    def __init__(self, request: Request) -> None:
        self.request = request
        super().__init__()


class Requests:
    """What semantic events asked for, and what people decided about it.

    Calling it gives the newest requests, as `list` does.
    """

    def __init__(
        self, store: Store, current: CurrentPipeline, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._current = current
        self._claims = ClaimRunner(store, current)
        self._clock = clock
        self._wake = wake

    def __call__(self, limit: int = 100) -> RequestList:
        """What was asked for, and what became of it, newest first."""
        return self.list(limit=limit)

    def list(
        self, *outcomes: RequestOutcome, limit: int = 100, before: int | None = None
    ) -> RequestList:
        """Requests with these outcomes (all by default), newest first, behind that number if one is given."""
        with self._store.reading() as session:
            return session.requests(outcomes or tuple(RequestOutcome), limit, before)

    def show(self, key: int) -> Request:
        """One request, by its number; raises `UnknownNameError`."""
        with self._store.reading() as session:
            return _found(session, key)

    def approvals(self, key: int) -> tuple[Approval, ...]:
        """Who approved a request, oldest first; approvals of a plan that has changed do not count any more."""
        with self._store.reading() as session:
            return tuple(session.approvals(_found(session, key).key))

    # --- deciding ---------------------------------------------------------------------------------

    def approve(
        self,
        key: int,
        *,
        by: str,
        plan: str | None = None,
        connection: HostTransaction | None = None,
    ) -> Request:
        """Approve a held request; it runs as soon as every guard allows it.

        Args:
            by: who approves, by name.
            plan: the digest of the plan that this person saw; by default the stored one.
            connection: the host's connection, whose transaction is used; so for every call that writes.

        Raises:
            UnknownNameError: there is no such request.
            RequestError: the request is not held (``not-held``), this person may not decide it (``not-allowed``),
                asked for it (``own-request``) or approved it before (``approved-already``), or the data that it would
                delete has changed since (``plan-changed``: the request now shows the new plan).
        """
        now = self._clock.now()

        def work(session: Session) -> Request | None:
            """The request as it is then; None if its plan differs from the approved one."""
            request = _held(session, key)
            self._check_approver(session, request, by)
            current = self._current.pipeline.plan(session, request)
            digest = current.digest if current else ""
            if request.plan is None or request.plan.digest != digest:
                self._resumed(session, request, now)  # which shows the plan as it is now
                return None
            if plan is not None and plan != digest:
                return None
            self._agree(session, request, Approval(key, normalized(by), digest, now), by)
            return self._resumed(session, request, now)

        told = self._done(work, connection)
        if told is None:
            reason = f"what request {key} would take away has changed: look at it again"
            raise RequestError(code=Refusal.PLAN_CHANGED, key=key, reason=reason)
        return told

    def _done(self, work: Callable[[Session], T], connection: HostTransaction | None) -> T:
        """Do work while no other transaction uses the ledger, in a transaction of the store or of the host."""

        def alone(session: Session) -> T:
            self._current.pipeline.prepare_erasing(session)
            return work(session)

        if connection is None:
            return self._claims.transact(alone)
        with self._store.session(connection) as session:
            return self._claims.within(session).transact(alone)

    def _agree(self, session: Session, request: Request, approval: Approval, by: str) -> None:
        given = session.approvals(request.key)
        names = _names_of(session, by)
        if any(each.actor in names and each.plan == approval.plan for each in given):
            reason = f"{by} has agreed to request {request.key} already"
            raise RequestError(code="approved-already", key=request.key, reason=reason)
        agreed = self._record(request, "agreed", approval.approved_at, by)
        self._current.pipeline.write(session, Changes(approvals=[approval], records=[agreed]))

    def _resumed(self, session: Session, request: Request, now: datetime) -> Request:
        return _told(self._current.pipeline.resume(session, [request], now), request.key) or request

    def cancel(self, key: int, *, by: str, connection: HostTransaction | None = None) -> Request:
        """Cancel a held request for good; the person who asked for it may do so, too. Raises as `approve` does."""
        now = self._clock.now()

        def work(session: Session) -> Request:
            request = _held(session, key)
            if not _is_same(session, by, request.requester or request.person):
                _check_allowed(by, self._policy(request), key)
            outcome = RequestOutcome.CANCELLED
            done = self._current.pipeline.give_up(session, [request], now, outcome=outcome, by=by)
            return _told(done, key) or request

        return self._done(work, connection)

    def retry(self, key: int, *, by: str, connection: HostTransaction | None = None) -> Request:
        """Call the host's action again for a request that failed. Raises as `approve` does."""
        now = self._clock.now()

        def work(session: Session) -> Request:
            request = _found(session, key)
            _check_allowed(by, self._policy(request), key)
            if request.outcome is not RequestOutcome.FAILED or request.message is None:
                reason = f"request {key} is {request.outcome}; only one that failed is tried again"
                raise RequestError(code="not-failed", key=key, reason=reason)
            again = replace(
                request, outcome=RequestOutcome.APPROVED, reason=None, due_at=now, attempts=0
            )
            changes = Changes(requests={key: again})
            changes.records.append(self._record(again, "retried", now, by))
            self._current.pipeline.write(session, changes)
            return again

        again = self._done(work, connection)
        self._wake()
        return again

    # --- asking -----------------------------------------------------------------------------------

    def erase(
        self,
        person: str,
        *,
        by: str,
        dry_run: bool = False,
        connection: HostTransaction | None = None,
    ) -> Request:
        """Ask for a person to be deleted, as ``Delete Person`` from a server does; every guard has a say.

        Args:
            person: one of the person's user ids.
            by: who asks; this person cannot approve it.
            dry_run: write nothing; answer what the guards would say and what would be deleted.
        """
        _check_named(by, 0)
        now = self._clock.now()
        wire = {
            "type": "track",
            "event": str(ActionName.DELETE_PERSON),
            "userId": person,
            "context": {"actor": by},
        }
        arrival = Arrival(now, SenderClass.SERVER, lambda: secrets.token_hex(12))
        message = parse_message(wire, arrival)

        def work(session: Session) -> Request:
            told = self._current.pipeline.take(session, [message], now=now).emitted
            made = [each for each in told if isinstance(each, Request)]
            asked = next(each for each in made if each.message_id == message.message_id)
            if dry_run:
                raise _DryRunError(asked)
            return asked

        try:
            asked = self._done(work, connection)
        except _DryRunError as tried:
            return tried.request
        self._wake()
        return asked

    # --- breakers ---------------------------------------------------------------------------------

    def breakers(self) -> tuple[Breaker, ...]:
        """Every breaker that was ever opened, and whether it is open now."""
        with self._store.reading() as session:
            return tuple(session.breakers())

    def close(self, guard: str, *, by: str, connection: HostTransaction | None = None) -> int:
        """Close a guard file's breaker: the requests that it held are judged again, and the count starts at zero.

        Returns:
            How many requests it held.

        Raises:
            UnknownNameError: that breaker is not open.
            RequestError: this person may not close it (``not-allowed``).
        """
        now = self._clock.now()

        def work(session: Session) -> int:
            breakers = {b.guard: b for b in session.breakers() if b.is_open}
            if guard not in breakers:
                raise UnknownNameError(kind="open breaker", name=guard, known=tuple(breakers))
            self._check_closer(guard, by)
            closed = replace(breakers[guard], closed_at=now, closed_by=by)
            facts = {"kind": "breaker-closed", "guard": guard, "actor": by}
            changes = Changes(breakers={guard: closed}, records=[AuditRecord(now, 0, dict(facts))])
            for request in session.requests([RequestOutcome.HELD], _ALL):
                if request.reason in _BY_A_BREAKER and guard in self._policy(request).guards:
                    changes.requests[request.key] = replace(request, due_at=now)
            self._current.pipeline.write(session, changes)
            return len(changes.requests)

        held = self._done(work, connection)
        self._wake()
        return held

    # --- who may ----------------------------------------------------------------------------------

    def check_decider(self, key: int, *, by: str) -> None:
        """Raise as `approve` does if this person may decide nothing about a request."""
        _check_allowed(by, self._policy(self.show(key)), key)

    def _policy(self, request: Request) -> Policy:
        return self._current.pipeline.settings.policy_on(request.action)

    def _check_approver(self, session: Session, request: Request, by: str) -> None:
        _check_allowed(by, self._policy(request), request.key)
        for asker in (request.requester, request.person):
            if _is_same(session, by, asker):
                reason = f"{by} asked for request {request.key}: somebody else must agree to it"
                raise RequestError(code="own-request", key=request.key, reason=reason)

    def _check_closer(self, guard: str, by: str) -> None:
        for policy in self._current.pipeline.settings.policies.values():
            if guard in policy.guards:
                _check_allowed(by, policy, 0)
                return
        _check_named(by, 0)

    def _record(self, request: Request, kind: str, now: datetime, by: str) -> AuditRecord:
        return audit_record(request, self._current.pipeline.settings, kind, now, actor=by)


def _found(session: Session, key: int) -> Request:
    request = session.request(key)
    if request is None:
        raise UnknownNameError(kind="request", name=str(key))
    return request


def _held(session: Session, key: int) -> Request:
    request = _found(session, key)
    if request.outcome is not RequestOutcome.HELD:
        reason = f"request {key} is {request.outcome}: only one that is held can be decided"
        raise RequestError(code="not-held", key=key, reason=reason)
    return request


def _told(done: BatchResult, key: int) -> Request | None:
    about = [told for told in done.emitted if isinstance(told, Request) and told.key == key]
    return about[-1] if about else None


def _check_named(by: str, key: int) -> None:
    if not normalized(by):
        raise RequestError(code="no-actor", key=key, reason="say who decides this, by name")


def _check_allowed(by: str, policy: Policy, key: int) -> None:
    _check_named(by, key)
    allowed = policy.approvals.by
    if allowed is not None and _plain(by) not in map(_plain, allowed):
        reason = f"{by} may not: the guard file names {', '.join(allowed) or 'nobody'}"
        raise RequestError(code="not-allowed", key=key, reason=reason)


def _is_same(session: Session, by: str, other: str | None) -> bool:
    """Whether two names mean one person: look-alike spellings do, and the user ids of one known person do."""
    if other is None:
        return False
    return not _names_of(session, by).isdisjoint(_names_of(session, other))


def _names_of(session: Session, name: str) -> set[str]:
    """A name and, if it is a user id, every other user id of that person; case and look-alikes count as equal."""
    known = session.identifiers({name, name.strip()}, [])
    theirs = session.identifiers_of({each.key for each in known}) if known else []
    return {normalized(name)} | {normalized(i.value) for i in theirs if i.kind is IdKind.USER}


def _plain(name: str) -> str:
    return normalize("NFKC", name).strip().casefold()
