"""What a host sees: the page, the alerts and the dashboard agree with the code, and nobody's data is in any of it."""

import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Delivery, Engine, GiveUp, Retry
from whereupon.contrib.opentelemetry import instrument
from whereupon.contrib.prometheus import collector
from whereupon.delivery.monitor import Event
from whereupon.runtime.log_lines import JsonLines

_PAGE = (ROOT / "engine" / "docs" / "monitoring.md").read_text()
_SOURCE = ROOT / "engine" / "whereupon"
_ALERTS = ROOT / "fixtures" / "monitoring" / "whereupon.rules.yaml"
_DASHBOARD = ROOT / "fixtures" / "monitoring" / "grafana.json"

_CALL = re.compile(
    r'log_event\(\s*_LOG,\s*(?:logging\.(\w+)|_LEVELS\[event\]),\s*(?:f?"([^"]+)"|(event\.value))'
)
_LOGGER = re.compile(r'_LOG = logging\.getLogger\("([\w.]+)"\)')
_OF_KEYS = {f"key-{what}" for what in ("created", "changed", "rotated", "revoked")}
_OTHER = {"console-channel", *_OF_KEYS}
"""Events that are logged without `log_event`, since their message has a sentence for people; and by a name of a record
of the audit log, as those of keys (`test_api_keys` has them)."""


def _logged() -> set[tuple[str, str, str]]:
    """Every event in the code: its name, logger and level; the level of hooks' events is left out."""
    found: set[tuple[str, str, str]] = set()
    for file in _SOURCE.rglob("*.py"):
        text = file.read_text()
        assert text.count("log_event(\n") + text.count("log_event(_LOG") >= len(_CALL.findall(text))
        for level, name, is_event in _CALL.findall(text):
            logger = _LOGGER.search(text)
            assert logger is not None, file
            names = [event.value for event in Event] if is_event else [name]
            if "{self._kind}" in name:
                names = [name.replace("{self._kind}", kind) for kind in ("channel", "action")]
            found |= {(each, logger.group(1), level) for each in names}
    return found


def _rows(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head; each cell as it is written."""
    part = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_has_every_event_with_its_logger_and_level() -> None:
    """And no other: a machine word that somebody alerts on stays what it is."""
    listed = {(row[0].strip("`"), row[1].strip("`"), row[2]) for row in _rows("Logs")}
    logged = _logged()
    assert {name for name, *_ in listed} - _OTHER == {name for name, *_ in logged}
    for name, logger, level in logged:
        row = next(row for row in listed if row[0] == name)
        assert row[1] == logger
        assert level in {"", row[2]}


def test_every_event_is_logged_by_one_function() -> None:
    """Else its facts are no attributes of the record."""
    for file in _SOURCE.rglob("*.py"):
        direct = re.findall(r"_LOG\.(?:debug|info|warning|error|exception|log)\(", file.read_text())
        assert not direct or file.name == "console.py", file


def test_the_page_has_every_hook() -> None:
    """The events that `engine.on` knows."""
    part = _PAGE.partition("\n## Hooks\n")[2].partition("\n## ")[0]
    listed = {name for row in part.splitlines() if row.startswith("| `") for name in re.findall(r"`([a-z]+-[a-z]+)`", row)}  # fmt: skip
    assert listed == {event.value for event in Event}


# --- metrics -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def families() -> Mapping[str, str]:
    """Every metric that is exported, with its kind."""
    registry = CollectorRegistry()
    with Engine.open("memory://") as engine:
        registry.register(collector(engine))
        return {
            f"{family.name}_total" if family.type == "counter" else family.name: family.type
            for family in registry.collect()
        }


def test_the_page_has_every_metric_with_its_kind(families: Mapping[str, str]) -> None:
    """And no other."""
    rows = _rows("Metrics for Prometheus")
    assert {row[0].strip("`"): row[1] for row in rows} == families


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(families: Mapping[str, str]) -> None:
    """Each metric is on the dashboard, and no expression names another."""
    alerts = [rule["expr"] for group in _groups() for rule in group["rules"]]
    dashboard = json.loads(_DASHBOARD.read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    known = set(families) | {f"{name}_bucket" for name, kind in families.items() if kind == "histogram"}  # fmt: skip
    for asked in (*alerts, *panels):
        names = set(re.findall(r"\bwhereupon_\w+", asked))
        assert names
        assert names <= known, asked
        assert asked.count("(") == asked.count(")")


def test_every_alert_says_what_is_wrong_and_the_page_what_to_do() -> None:
    """The page has a row for each, and no other."""
    rules = [rule for group in _groups() for rule in group["rules"]]
    for rule in rules:
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys()
        assert rule["annotations"]["summary"]
    assert [row[0].strip("`") for row in _rows("Alerts")] == [rule["alert"] for rule in rules]


def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(_ALERTS.read_text())["groups"]
    return groups


# --- nobody's data -----------------------------------------------------------------------------

_PERSON = {"email": "ada.lovelace@example.com", "phone": "+15550101", "name": "Adelaide"}
_SECRETS = ("user-1815", "anon-1815", "secret socks", *_PERSON.values())
_REFUSED = "secret\0socks"  # no text of PostgreSQL's has a NUL
_RULES = book_of(
    thanks(whereupon=[{"send": "push", "title": "{{ person.name }}: {{ properties.note }}"}]),
    thanks(campaign="mail", whereupon=[{"send": "email", "subject": "{{ person.email }}"}]),
    thanks(campaign="letter", whereupon=[{"send": "post", "title": "{{ person.phone }}"}]),
)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON and as text."""
    stream, logger = io.StringIO(), logging.getLogger("whereupon")
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(stream)]
    handlers[0].setFormatter(JsonLines())
    for handler in handlers:
        logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.setLevel(before)
    for handler in handlers:
        logger.removeHandler(handler)


def test_nothing_of_a_whole_run_that_a_host_watches_says_whose_it_is(
    place: str, lines: io.StringIO
) -> None:
    """Errors that quote addresses, deaths, withheld and held deliveries, actions, and a store that is away."""
    kept, provider, registry = InMemorySpanExporter(), TracerProvider(), CollectorRegistry()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with Engine.open(place, rules=_RULES, retry=Retry(tries=1)) as engine:
        instrument(engine, provider=provider)
        registry.register(collector(engine))
        engine.channel("push", breaker=(1, "1h"))(_quote)
        engine.channel("email")(_give_up)
        engine.action("Close Account", destructive=False)(_quote_request)
        engine.track("browse", anonymous_id="anon-1815")
        engine.identify("user-1815", anonymous_id="anon-1815", traits=_PERSON)
        for number in range(3):
            engine.ingest([_bought(number)])
            engine.track("Close Account", user_id="user-1815")
            engine.run_due()
        engine.identify("user-1815", traits={"unsubscribed": True})
        engine.run_due()
        engine.ingest([{"type": "track", "event": "purchase", "userId": "user-1815", "timestamp": "secret socks"}])  # fmt: skip
        scraped = generate_latest(registry).decode()
    traces = "".join(span.to_json() for span in kept.get_finished_spans())
    logged = lines.getvalue()
    for event in ("delivery-failed", "delivery-dead", "delivery-held", "channel-down", "action-dead"):  # fmt: skip
        assert event in logged
    assert '"call channel"' in traces
    assert 'channel="push"' in scraped
    for secret in _SECRETS:
        assert secret not in logged
        assert secret not in scraped
        assert secret not in traces


def _bought(number: int) -> dict[str, object]:
    made = dict(purchase(number, "user-1815"))
    return {**made, "properties": {**dict(made["properties"]), "note": "secret socks"}}  # type: ignore[call-overload]


def _quote(delivery: Delivery) -> None:
    message = f"refused: {delivery.recipient} {delivery.content}"
    raise ConnectionError(message)


def _give_up(delivery: Delivery) -> None:
    try:
        _quote(delivery)
    except ConnectionError as error:
        raise GiveUp(str(error)) from error


def _quote_request(call: object) -> None:
    raise ValueError(repr(call))


def test_a_log_of_a_failed_round_shows_no_parameters_of_a_statement(
    postgres: str, lines: io.StringIO
) -> None:
    """A statement that the database refuses is logged without the values that it was given."""
    with Engine.open(postgres) as engine, pytest.raises(Exception, match=r".") as caught:
        engine.store.transact(lambda session: session.known_messages([_REFUSED]))
    logging.getLogger("whereupon.test").error("it failed", exc_info=caught.value)
    assert "secret" not in lines.getvalue()


def test_the_fixtures_are_where_the_page_says() -> None:
    """Both files are named on it."""
    for file in (_ALERTS, _DASHBOARD):
        assert f"`{Path(file).relative_to(ROOT)}`" in _PAGE
