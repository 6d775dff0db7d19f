"""Requests that wait: judged again, ended, and what they would delete."""

from collections.abc import Sequence
from datetime import datetime

from whereupon.decide import BatchResult, end_requests, plan_of_request, resume_request
from whereupon.pipeline.decision_rounds import DecisionRounds
from whereupon.ports import Session
from whereupon.records import Plan, Request, RequestOutcome


class RequestRounds(DecisionRounds):
    """Decides about requests for destructive actions."""

    @staticmethod
    def prepare_erasing(session: Session) -> None:
        """Lock what an erasure touches besides its person, before anything else is locked."""
        session.lock_runs()
        session.lock_requests()

    def resume(self, session: Session, requests: Sequence[Request], now: datetime) -> BatchResult:
        """Judge a waiting request again, as of now; requests that have expired end together."""
        request = requests[0]
        if request.message is None:
            return BatchResult()
        if request.expires_at is not None and request.expires_at <= now:
            return self.give_up(session, requests, now, outcome=RequestOutcome.EXPIRED)
        approvals = session.approvals(request.key)
        snapshot = self._loader(session).for_batch([request.message], None, now)
        return self._decide_and_write(
            session,
            snapshot,
            64,
            lambda: resume_request(
                snapshot, request, approvals, self.index, self.settings, now=now
            ),
        )

    def give_up(
        self,
        session: Session,
        requests: Sequence[Request],
        now: datetime,
        *,
        outcome: RequestOutcome,
        by: str | None = None,
    ) -> BatchResult:
        """End waiting requests without carrying them out.

        Args:
            by: the person who decided it; None if nobody did.
        """
        asked = [request.message for request in requests if request.message is not None]
        snapshot = self._loader(session).for_ending(asked)

        def attempt() -> BatchResult:
            return end_requests(
                snapshot, requests, self.index, self.settings, outcome=outcome, now=now, by=by
            )

        return self._decide_and_write(session, snapshot, 1, attempt)

    def plan(self, session: Session, request: Request) -> Plan | None:
        """What a waiting request would delete now."""
        if request.message is None:
            return None
        snapshot = self._loader(session).for_batch([request.message], None)
        return plan_of_request(snapshot, request, self.index, self.settings)
