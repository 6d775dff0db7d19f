"""Spans as OpenTelemetry records them: names, parents, facts, and nobody's data."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Delivery, Engine, GiveUp, Retry
from whereupon.contrib.opentelemetry import instrument

_RULES = book_of(
    thanks(whereupon=[{"send": "push", "title": "For {{ person.email | default: 'you' }}"}])
)


class Traces:
    """What a provider exports."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self._kept = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans that have ended, of one name."""
        return [span for span in self._kept.get_finished_spans() if span.name == name]

    @property
    def text(self) -> str:
        """All of it, as an exporter writes it."""
        return "".join(span.to_json() for span in self._kept.get_finished_spans())


@pytest.fixture
def traces() -> Traces:
    """A provider of its own; that of the process stays as it is."""
    return Traces()


@pytest.fixture
def engine(traces: Traces) -> Iterator[Engine]:
    """An engine whose work is traced."""
    with Engine.open("memory://", rules=_RULES, retry=Retry(tries=1)) as opened:
        instrument(opened, provider=traces.provider)
        yield opened


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return {
        name.removeprefix("whereupon."): value for name, value in (span.attributes or {}).items()
    }


def test_a_call_is_a_child_of_its_round_and_says_the_rule_and_the_attempt(
    engine: Engine, traces: Traces
) -> None:
    """A span of a call is that of a client; the round says what it did."""
    engine.channel("push")(lambda _: None)
    engine.ingest([purchase(1), purchase(1)])
    engine.run_due()
    (batch,) = traces.named("take messages")
    (round_,) = traces.named("do due work")
    (call,) = traces.named("call channel")
    assert _facts(batch) == {"messages": 2, "accepted": 1, "duplicates": 1}
    assert _facts(round_) == {"sent": 1, "retried": 0, "dead": 0, "withheld": 0}
    assert call.parent is not None
    assert call.parent == round_.get_span_context()
    assert call.kind is SpanKind.CLIENT
    facts = _facts(call)
    (sent,) = engine.deliveries()
    expected = {"rule": "thanks", "channel": "push", "attempt": 1, "outcome": "returned"}
    assert facts == {**expected, "key": sent.idempotency_key}


def test_the_channels_own_spans_are_children_of_the_call(engine: Engine, traces: Traces) -> None:
    """So a trace goes on in the provider's service, by the host's instrumented HTTP client."""
    own = traces.provider.get_tracer("host")

    def send(_: Delivery) -> None:
        with own.start_as_current_span("POST"):
            pass

    async def send_async(delivery: Delivery) -> None:
        send(delivery)

    for channel in (send, send_async):
        engine.channel("push", channel)
        engine.ingest([purchase(1 if channel is send else 2)])
        engine.run_due()
    calls = [call.get_span_context() for call in traces.named("call channel")]
    assert [span.parent for span in traces.named("POST")] == calls


@pytest.mark.parametrize(("error", "outcome"), [(ConnectionError, "failed"), (GiveUp, "given-up")])
def test_an_error_is_recorded_by_its_type_and_nothing_says_whose_it_is(
    error: type[Exception], outcome: str, engine: Engine, traces: Traces
) -> None:
    """The error's text may quote an address."""

    @engine.channel("push")
    def send(delivery: Delivery) -> None:
        message = f"no mailbox {delivery.recipient['email']}"
        raise error(message)

    engine.identify("ada-1815", traits={"email": "ada@example.com"})
    engine.ingest([purchase(1, "ada-1815")])
    engine.run_due()
    (call,) = traces.named("call channel")
    assert call.status.status_code is StatusCode.ERROR
    assert call.events == ()
    facts = _facts(call)
    assert (facts["outcome"], facts["error.type"]) == (outcome, error.__name__)
    assert "ada-" not in traces.text  # ids of spans are random hexadecimal digits
    assert "example.com" not in traces.text


def test_an_action_of_the_hosts_has_a_span(engine: Engine, traces: Traces) -> None:
    """Its name and the attempt; not who asked."""
    engine.action("Close Account", destructive=False)(lambda _: None)
    engine.track("Close Account", user_id="ada-1815")
    engine.run_due()
    (call,) = traces.named("call action")
    assert _facts(call) == {"action": "Close Account", "attempt": 1, "outcome": "returned"}


def test_a_batch_belongs_to_the_hosts_request(engine: Engine, traces: Traces) -> None:
    """It is a child of the span in which the host calls the engine."""
    with traces.provider.get_tracer("host").start_as_current_span("POST /buy") as request:
        engine.ingest([purchase(1)])
        assert trace.get_current_span() is request
    (batch,) = traces.named("take messages")
    assert batch.parent == request.get_span_context()
