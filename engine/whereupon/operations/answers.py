"""Answers that are kept, so that a request that is sent twice is done once.

This follows the IETF's draft on the header ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): the same
request gets the same answer, another request under its key is refused, and so is one while the first is under way.

What is kept names no person: keys and requests are hashed under the digest key, and an answer to a write names what it
wrote by number only.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from whereupon.messages.times import later
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import Changes, KeptAnswer

KEPT = timedelta(days=1)
"""How long an answer is kept."""

LEASE = timedelta(minutes=2)
"""How long a request may take. Then it counts as cut short, by a killed process, and may be done anew."""

_DIGEST_BYTES = 16


class Use(Enum):
    """Whether a request may be done.

    ``NEW``: it may. ``BUSY``: the same request is under way. ``OTHER``: the key was used for another request.
    """

    NEW = "new"
    BUSY = "busy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that carries an idempotency key.

    Attributes:
        digest: names the request by who sent it, by its address, and by its key.
        content: the hash of all that was sent.
    """

    digest: str
    content: str


class Answers:
    """The answers that one store keeps."""

    def __init__(self, store: Store, current: CurrentPipeline, clock: Clock) -> None:
        self._store = store
        self._current = current
        self._clock = clock

    def asked(self, name: tuple[str, ...], content: bytes) -> Asked:
        """A request, hashed.

        Args:
            name: who sends it, its method and address, and its idempotency key.
            content: all that was sent.
        """
        parts = b"".join(len(each).to_bytes(8) + each for each in (p.encode() for p in name))
        return Asked(self._digest(parts), self._digest(content))

    def begin(self, asked: Asked) -> Use | str:
        """Begin to answer a request: whether it may be done, or the answer that is kept for it."""
        now = self._clock.now()

        def work(session: Session) -> Use | str:
            session.lock_requests()
            kept = session.answer(asked.digest)
            if kept is not None and kept.expires_at > now:
                if kept.asked != asked.content:
                    return Use.OTHER
                if kept.answer is not None:
                    return kept.answer
                if later(kept.begun_at, LEASE) > now:
                    return Use.BUSY
            begun = KeptAnswer(asked.digest, asked.content, now, later(now, KEPT))
            session.flush(Changes(answers={asked.digest: begun}))
            return Use.NEW

        return self._store.transact(work)

    def finish(self, asked: Asked, answer: str | None) -> None:
        """Keep the answer to a request that was begun; None if it changed nothing, so that it may be sent anew."""
        now = self._clock.now()

        def work(session: Session) -> None:
            session.lock_requests()
            kept = None
            if answer is not None:
                kept = KeptAnswer(asked.digest, asked.content, now, later(now, KEPT), answer)
            session.flush(Changes(answers={asked.digest: kept}))

        self._store.transact(work)

    def _digest(self, content: bytes) -> str:
        key = self._current.pipeline.settings.digest_key
        return hmac.digest(key, content, "sha256")[:_DIGEST_BYTES].hex()
