"""Tracing: spans of what the engine does, for a library of the host's such as OpenTelemetry.

A span has a name and facts. No fact is content, an address, or an id of a person.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TypeAlias

SpanFacts: TypeAlias = Mapping[str, str | int]
"""What a span says, such as the rule and the channel."""


class Span(Protocol):
    """One thing that is done, from its begin to its end."""

    def note(self, facts: SpanFacts) -> None:
        """Add facts that are known only now."""
        ...

    def fail(self, error: BaseException) -> None:
        """Record that it failed. Only the error's type may be kept: its text may quote an address."""
        ...


class Tracer(Protocol):
    """Begins spans. Any thread may use it."""

    def span(
        self, name: str, facts: SpanFacts, parent: object = None
    ) -> AbstractContextManager[Span]:
        """A span that lasts as long as the block; an exception that leaves the block has it fail.

        Args:
            parent: what `current` returned within the span to be its parent, in any thread; None for the
                span that the calling thread is in.
        """
        ...

    def current(self) -> object:
        """The span that the calling thread is in, for `parent`."""
        ...


class NoTracer:
    """Traces nothing; it is its own span, so that a block costs no object."""

    def span(self, _name: str, _facts: SpanFacts, _parent: object = None) -> "NoTracer":
        """Itself."""
        return self

    def current(self) -> None:
        """Nothing."""

    def note(self, facts: SpanFacts) -> None:
        """Keep nothing."""

    def fail(self, error: BaseException) -> None:
        """Keep nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
