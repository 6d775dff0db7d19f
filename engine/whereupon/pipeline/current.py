"""Which pipeline is in use: a reload puts another one in its place, between two batches."""

from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.quiet_hours import person_quiet_until
from whereupon.pipeline.batches import Pipeline
from whereupon.records import Delivery, Exemption
from whereupon.runtime.forks import ProcessLock


class CurrentPipeline:
    """Holds the pipeline of the rulebook in use. Threads share it.

    Each call of a pipeline's method runs from its beginning to its end on that one pipeline, so a batch is
    decided under one rulebook.

    Attributes:
        pipeline: the pipeline in use.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._lock = ProcessLock()

    def change(self, made_from: Callable[[Pipeline], Pipeline]) -> None:
        """Put the pipeline that the function makes from the present one in its place."""
        with self._lock:
            self.pipeline = made_from(self.pipeline)

    def is_paused(self, rule_id: str) -> bool:
        """Whether the rulebook in use has switched a rule off."""
        return self.pipeline.is_paused(rule_id)

    def quiet_until(
        self, delivery: Delivery, attributes: Mapping[str, JsonValue], now: datetime
    ) -> datetime | None:
        """Until when a delivery is not to be handed over, by the quiet hours of the rulebook in use; None if it may be.

        Args:
            attributes: the person's, as they are now.
        """
        index = self.pipeline.index
        if index.book.settings.quiet_hours is None or Exemption.QUIET_HOURS in delivery.exempt:
            return None
        rule = index.by_id.get(delivery.rule)
        return person_quiet_until(
            attributes,
            index.book.settings,
            None if rule is None else rule.clock,
            channel=delivery.channel,
            kind=delivery.kind,
            now=now,
        )
