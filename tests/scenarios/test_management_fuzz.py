"""The service under schemathesis: whatever its document allows, much that it does not, and calls one after another.

The calls are those of a seed, so that a run can be repeated: with the same seed, the same calls are made.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from tests.management import Api, shop_with_api

SEED = 20_261_129
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.mark.slow
def test_no_call_is_answered_otherwise_than_the_document_says(tmp_path: Path) -> None:
    """No error of ours, no undeclared answer, nothing wrong accepted, nothing right refused, no call without a key."""
    with shop_with_api(tmp_path) as api:
        findings, statuses = _findings(api, f"Bearer {api.secret('admin')}", examples=8)
    assert not findings, "\n\n".join(findings)
    assert {200, 201, 400, 401, 404, 405, 409, 422} <= statuses.keys()
    assert statuses.total() > 2_000


@pytest.mark.slow
@pytest.mark.postgres
def test_no_call_is_answered_otherwise_on_another_database(tmp_path: Path, postgres: str) -> None:
    """What a database can hold and look up differs: odd texts, and calls one after another."""
    phases = ("fuzzing", "stateful")
    with shop_with_api(tmp_path, postgres) as api:
        findings, statuses = _findings(
            api, f"Bearer {api.secret('admin')}", examples=4, phases=phases
        )
    assert not findings, "\n\n".join(findings)
    assert {200, 404} <= statuses.keys()


@pytest.mark.slow
def test_the_door_answers_whatever_is_sent_as_the_document_says(tmp_path: Path) -> None:
    """With a key of a server. JSON Schema counts characters and the limits bytes, so what is refused is not compared."""
    apart = {
        name: {"enabled": False} for name in ("positive_data_acceptance", "negative_data_rejection")
    }
    with shop_with_api(tmp_path) as api:
        secret = api.engine.keys.create("backend", kind="server").secret
        key = f"Basic {b64encode(f'{secret}:'.encode()).decode()}"
        findings, statuses = _findings(api, key, examples=8, checks=apart, tag="door")
    assert not findings, "\n\n".join(findings)
    assert {200, 400, 401} <= statuses.keys()


def _findings(
    api: Api,
    key: str,
    *,
    examples: int,
    phases: Collection[str] = PHASES,
    checks: Mapping[str, object] | None = None,
    tag: str | None = None,
) -> tuple[list[str], Counter[int]]:
    """What schemathesis finds, each once, and how often each status was answered."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "headers": {"Authorization": key},
            "generation": {"max-examples": examples, "database": "none"},
            "continue-on-failure": True,
            "checks": dict(checks or {}),
            "phases": {name: {"enabled": name in phases} for name in PHASES},
        }
    )
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", api.app, config=config)
    meant = schema if tag is None else schema.include(tag=tag)
    found: dict[tuple[str, str | None], str] = {}
    statuses: Counter[int] = Counter()
    for event in from_schema(meant).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            found["error", event.label] = f"{event.label}: {event.value!r}"
        if not isinstance(event, events.ScenarioFinished):
            continue
        answers = (each.response for each in event.recorder.interactions.values())
        statuses.update(each.status_code for each in answers if each is not None)
        for check in (each for some in event.recorder.checks.values() for each in some):
            if (info := check.failure_info) is not None:
                said = f"{check.name}: {info.failure.message}\n{info.code_sample}"
                found[check.name, event.recorder.label] = f"{event.recorder.label} {said}"
    return list(found.values()), statuses
