"""Spans for OpenTelemetry: batches of messages, rounds of due work, and each call of a channel or an action.

    from whereupon.contrib.opentelemetry import instrument

    instrument(engine)

A call is a child of the round of due work that it belongs to, and the channel's own spans, such as those of an
HTTP client, are children of the call. A span says the rule, the channel, the attempt and the idempotency key. It
says neither content, nor an address, nor whose it is. Of an error it says the type alone, since an error's text
may quote an address. Needs the extra ``otel``; the host configures OpenTelemetry as for its other spans.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Protocol

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from whereupon.ports import Span, SpanFacts, Tracer


class Traced(Protocol):
    """What has spans made of its work: an `Engine`."""

    def trace(self, tracer: Tracer) -> None:
        """Use a tracer from now on."""
        ...


def instrument(engine: Traced, *, provider: TracerProvider | None = None) -> None:
    """Have an engine's work traced.

    Args:
        engine: an open `Engine`.
        provider: where spans go; the one that is set for the process by default.
    """
    made = trace.get_tracer("whereupon", version("whereupon"), tracer_provider=provider)
    engine.trace(_Adapter(made))


class _Adapter:
    """A `Tracer` of OpenTelemetry's spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str, facts: SpanFacts, parent: object = None) -> Iterator[Span]:
        """A span that is current within the block."""
        around = parent if isinstance(parent, context.Context) else None
        kind = SpanKind.CLIENT if name.startswith("call ") else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name,
            around,
            kind,
            _attributes(facts),
            record_exception=False,
            set_status_on_exception=False,
        ) as begun:
            span = _Spanned(begun)
            try:
                yield span
            except BaseException as error:
                span.fail(error)
                raise

    def current(self) -> object:
        """The context of the calling thread."""
        return context.get_current()


class _Spanned:
    """A `Span` that is one of OpenTelemetry's."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, facts: SpanFacts) -> None:
        """Add attributes."""
        self._span.set_attributes(_attributes(facts))

    def fail(self, error: BaseException) -> None:
        """Say the error's type, as the semantic conventions do."""
        name = type(error).__qualname__
        self._span.set_attribute("error.type", name)
        self._span.set_status(Status(StatusCode.ERROR, name))


def _attributes(facts: SpanFacts) -> dict[str, str | int]:
    return {f"whereupon.{name}": value for name, value in facts.items()}
