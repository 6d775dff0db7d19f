"""Single messages that several threads send at the same time, loaded, decided and written together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from whereupon.decide import BatchResult
from whereupon.messages.model import Message
from whereupon.pipeline.batches import Pipeline
from whereupon.ports import JointWork, Session

MOST = 10
"""The most messages of one sender that are taken with others'; of more, each shares what it costs already."""


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
        """Take them all, in the order of the works."""
        return self._pipeline.take_together(session, [work.batch for work in works])
