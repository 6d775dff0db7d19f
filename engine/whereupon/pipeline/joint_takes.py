"""Single messages that several threads send at the same time, loaded, decided and written together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from whereupon.decide import BatchResult
from whereupon.messages.model import Message
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.load import SMALL_BATCH
from whereupon.ports import JointWork, Session

MOST = 2
"""The most messages of one sender that are taken with others'; of more, each shares what it costs already."""
_AT_ONCE = SMALL_BATCH // MOST
"""Senders."""


class JointTake(JointWork[BatchResult]):
    """Takes one sender's messages, alone or with those of others.

    Args:
        messages: a few (see `MOST`).
        now: the clock's time.

    Attributes:
        batch: the messages, and the time.
    """

    def __init__(self, pipeline: Pipeline, messages: Sequence[Message], now: datetime) -> None:
        self.kind = pipeline
        self.batch = messages, now
        self._pipeline = pipeline

    def __call__(self, session: Session) -> BatchResult:
        """Take these messages alone."""
        messages, now = self.batch
        return self._pipeline.take(session, messages, now=now, chunked=True)

    def together(self, session: Session, works: Sequence[Self]) -> Sequence[BatchResult]:
        """Take them all, in the order of the works, by small batches: of larger ones ids are compared less."""
        results: list[BatchResult] = []
        for first in range(0, len(works), _AT_ONCE):
            batches = [work.batch for work in works[first : first + _AT_ONCE]]
            results += self._pipeline.take_together(session, batches)
        return results
