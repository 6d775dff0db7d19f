"""Answers that are kept for requests that are sent twice (the IETF's draft on the header ``Idempotency-Key``)."""

from datetime import datetime
from typing import NamedTuple


class KeptAnswer(NamedTuple):
    """A request that carried an idempotency key, and its answer. Neither names a person.

    Attributes:
        digest: the keyed hash of who asked, of the address, and of the idempotency key; 32 hexadecimal digits.
        asked: the keyed hash of all that was sent.
        begun_at: when the request came.
        expires_at: from when on the key may be used anew.
        answer: as JSON text; None while the request is being answered.
    """

    digest: str
    asked: str
    begun_at: datetime
    expires_at: datetime
    answer: str | None = None
