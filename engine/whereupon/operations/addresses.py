"""Suppressed addresses: whether one is, and how an operator suppresses or lifts one. Both are audited."""

from pydantic import JsonValue

from whereupon.decide.addresses import address_digest, address_digests
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import BY_HAND, AuditRecord, Changes, SuppressedAddress


class Addresses:
    """The suppressed addresses of a store."""

    def __init__(self, store: Store, current: CurrentPipeline, clock: Clock) -> None:
        self._store = store
        self._current = current
        self._clock = clock

    def suppression(self, channel: str, address: str) -> SuppressedAddress | None:
        """See `Engine.suppression`."""
        digests = self._digests(channel, address)
        with self._store.reading() as session:
            return session.suppressed(channel, digests)

    def suppress(self, channel: str, address: str, *, by: str) -> SuppressedAddress:
        """See `Engine.suppress`."""
        digests, now = self._digests(channel, address), self._clock.now()
        digest = address_digest(self._current.pipeline.settings, channel, address) or digests[0]

        def work(session: Session) -> SuppressedAddress:
            session.lock_requests()
            known = session.suppressed(channel, digests)
            if known is not None:
                return known
            added = SuppressedAddress(channel, digest, BY_HAND, now)
            self._write(session, added, by, Changes(suppressed={(channel, digest): added}))
            return added

        return self._store.transact(work)

    def unsuppress(self, channel: str, address: str, *, by: str | None) -> bool:
        """See `Engine.unsuppress`."""
        digests = self._digests(channel, address)

        def work(session: Session) -> bool:
            session.lock_requests()
            known = session.suppressed(channel, digests)
            if known is None:
                return False
            lifted: dict[tuple[str, bytes], SuppressedAddress | None]
            lifted = {(channel, digest): None for digest in digests}
            self._write(session, known, by, Changes(suppressed=lifted), is_lifted=True)
            return True

        return self._store.transact(work)

    def _digests(self, channel: str, address: str) -> list[bytes]:
        digests = address_digests(self._current.pipeline.settings, channel, address)
        if not digests:
            message = f"{address!r} is no address"
            raise ValueError(message)
        return digests

    def _write(
        self,
        session: Session,
        address: SuppressedAddress,
        by: str | None,
        changes: Changes,
        *,
        is_lifted: bool = False,
    ) -> None:
        facts: dict[str, JsonValue] = {
            "kind": "address-unsuppressed" if is_lifted else "address-suppressed",
            "channel": address.channel,
            "address": address.digest.hex(),
            "reason": address.reason,
        }
        if by is not None:
            facts["actor"] = by
        changes.records.append(AuditRecord(self._clock.now(), 0, facts))
        self._current.pipeline.write(session, changes)
