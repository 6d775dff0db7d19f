"""Which pipeline is in use: a reload puts another one in its place, between two batches."""

from collections.abc import Callable

from whereupon.pipeline.batches import Pipeline
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
