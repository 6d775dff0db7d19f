"""Log records of events: one line for people, attributes and JSON for machines."""

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO

import pytest

from whereupon.runtime.log_lines import JsonLines, log_event

_LOG = logging.getLogger("whereupon.test-of-lines")


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What a handler with the JSON formatter writes."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    _LOG.addHandler(handler)
    yield stream
    _LOG.removeHandler(handler)


def test_an_event_is_one_line_and_its_facts_are_attributes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fact that is None is left out, and a line feed in a fact begins no line."""
    log_event(_LOG, logging.WARNING, "it-rained", rule="a\nb", attempt=2, key=None)
    (record,) = caplog.records
    assert record.getMessage() == 'it-rained rule="a\\nb" attempt=2'
    said = vars(record)
    assert (said["event"], said["rule"], said["attempt"]) == ("it-rained", "a\nb", 2)
    assert "key" not in said
    assert record.funcName == "test_an_event_is_one_line_and_its_facts_are_attributes"


def test_each_record_is_one_json_object_on_one_line(lines: StringIO) -> None:
    """Ours have their event and facts, others their message; a traceback stays on the line."""
    log_event(_LOG, logging.ERROR, "it-rained", rule="a\nb", attempt=2)
    _LOG.error("say %s", "it")
    try:
        sys.exit(3)
    except SystemExit as error:
        log_event(_LOG, logging.ERROR, "it-stopped", raised=error)
    ours, other, stopped = map(json.loads, lines.getvalue().splitlines())
    time = ours.pop("time")
    assert time.endswith("Z")
    assert ours == {
        "level": "ERROR",
        "logger": _LOG.name,
        "event": "it-rained",
        "rule": "a\nb",
        "attempt": 2,
    }
    assert (other["message"], "event" in other) == ("say it", False)
    assert stopped["traceback"].splitlines()[-1] == "SystemExit: 3"


def test_what_json_cannot_hold_becomes_text(lines: StringIO) -> None:
    """A record of the host's may have any object among its attributes."""
    _LOG.error("odd", extra={"place": {1}})
    assert json.loads(lines.getvalue())["place"] == "{1}"
