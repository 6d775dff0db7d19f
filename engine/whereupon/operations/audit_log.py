"""The audit log for its readers: rows, receipts, verification, export."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from whereupon.errors import UnknownNameError
from whereupon.guards.audit_chain import Flaw, verify
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import AuditHead, AuditRecord, AuditRow, Changes

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of what was done about one request, to hand to the person who asked for it.

    Attributes:
        person: keyed hash of the user id; the host can compute it again from the id and its key.
        counts: how many rows of each table were deleted.
        sequence, hash: the row of the log that proves it.
    """

    request: int
    action: str
    outcome: str
    asked_at: str
    done_at: str
    person: str | None
    counts: Mapping[str, JsonValue]
    agreed: tuple[str, ...]
    sequence: int
    hash: str

    @property
    def text(self) -> str:
        """The receipt in words."""
        gone = ", ".join(f"{count} {name}" for name, count in self.counts.items()) or "nothing"
        lines = [
            f"Receipt for request {self.request}: {self.action}",
            f"Asked for at {self.asked_at}, {self.outcome} at {self.done_at}.",
            f"Erased: {gone}." if self.outcome == "ran" else "Nothing was erased.",
        ]
        if self.agreed:
            lines.append(f"Agreed to by {', '.join(self.agreed)}.")
        if self.person is not None:
            lines.append(f"The person's mark (a keyed hash of the user id): {self.person}")
        lines.append(f"Row {self.sequence} of the audit log: {self.hash}")
        return "\n".join(lines)


class Audit:
    """An append-only log of every request, verdict, approval, cancellation and execution."""

    def __init__(self, store: Store, current: CurrentPipeline, clock: Clock) -> None:
        self._store = store
        self._current = current
        self._clock = clock

    def rows(self, after: int = 0) -> Iterator[AuditRow]:
        """Every row after a sequence number, in order."""
        while True:
            with self._store.reading() as session:
                page = session.audit_rows(after, _PAGE)
            if not page:
                return
            yield from page
            after = page[-1].sequence

    def page(self, *, after: int = 0, limit: int = _PAGE) -> list[AuditRow]:
        """The first rows after a sequence number, in order."""
        with self._store.reading() as session:
            return session.audit_rows(after, limit)

    def newest(self, *, before: int | None = None, limit: int = _PAGE) -> list[AuditRow]:
        """The last rows, or the last before a sequence number; the newest first."""
        with self._store.reading() as session:
            head = next(iter(session.scan(AuditHead)), None)  # unlocked: nothing is written
            last = 0 if head is None else head.sequence
            end = last + 1 if before is None else min(before, last + 1)
            rows = session.audit_rows(max(end - 1 - limit, 0), limit)
        return [row for row in reversed(rows) if row.sequence < end]

    def note(self, kind: str, *, by: str, **facts: JsonValue) -> None:
        """Note what an operator did that no request asked for.

        Args:
            kind: what was done, kebab-case.
            by: who did it, by name.
            facts: what else is to be known of it, without personal data.
        """
        record = AuditRecord(self._clock.now(), 0, {"kind": kind, "actor": by, **facts})

        def work(session: Session) -> None:
            session.lock_requests()
            self._current.pipeline.write(session, Changes(records=[record]))

        self._store.transact(work)

    def head(self) -> AuditHead | None:
        """The number and hash of the last row. Keep it elsewhere, to find out later whether rows were removed."""
        with self._store.reading() as session:
            return session.audit_head()

    def rows_of(self, request: int) -> tuple[AuditRow, ...]:
        """The rows about one request, in order; none if the request could harm nobody."""
        with self._store.reading() as session:
            return tuple(session.audit_rows_of(request))

    def receipt(self, request: int) -> Receipt:
        """The receipt of one request, as of now.

        Raises:
            UnknownNameError: the log has no row about that request.
        """
        rows = self.rows_of(request)
        if not rows:
            raise UnknownNameError(kind="audited request", name=str(request))
        facts = [row.facts for row in rows]
        last = facts[-1]
        person = next((str(each["person"]) for each in facts if "person" in each), None)
        counts = last.get("counts")
        agreed = [str(each.get("actor")) for each in facts if each.get("kind") == "agreed"]
        return Receipt(
            request=request,
            action=str(last.get("action")),
            outcome=str(last.get("outcome")),
            asked_at=str(facts[0].get("at")),
            done_at=str(last.get("at")),
            person=person,
            counts=counts if isinstance(counts, dict) else {},
            agreed=tuple(agreed),
            sequence=rows[-1].sequence,
            hash=rows[-1].hash,
        )

    def verify(self, *, kept: tuple[int, str] | None = None) -> list[Flaw]:
        """Every place where the log differs from what was written (see `whereupon.guards.audit_chain`).

        Args:
            kept: a head that was kept elsewhere: its sequence number and hash.
        """
        settings = self._current.pipeline.settings
        keys = (settings.digest_key, *settings.former_keys)
        with self._store.reading() as session:  # one view of the log, though it grows
            rows = session.audit_rows(0, 1_000_000_000)
            return list(verify(rows, session.audit_head(), keys, kept=kept))
