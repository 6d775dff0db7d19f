"""The management API under schemathesis: whatever its document allows, much that it does not, and calls one after another.

The calls are those of a seed, so that a run can be repeated: with the same seed, the same calls are made.
"""

from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from tests.management import Api, shop_with_api

PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_no_call_is_answered_otherwise_than_the_document_says(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No error of ours, no undeclared answer, nothing wrong accepted, nothing right refused, no call without a key."""
    url = "sqlite://" if store == "sqlite" else request.getfixturevalue("postgres")
    with shop_with_api(tmp_path, url) as api:
        findings, statuses = _findings(api, seed=20_261_129, examples=10)
    assert not findings, "\n\n".join(findings)
    assert {200, 201, 304, 400, 401, 404, 405, 409, 422} <= statuses.keys()
    assert statuses.total() > 2_000


def _findings(api: Api, *, seed: int, examples: int) -> tuple[list[str], Counter[int]]:
    """What schemathesis finds, each once, and how often each status was answered."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {api.secret('admin')}"},
            "generation": {"max-examples": examples, "database": "none"},
            "continue-on-failure": True,
            "phases": {name: {"enabled": True} for name in PHASES},
        }
    )
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", api.app, config=config)
    found: dict[tuple[str, str | None], str] = {}
    statuses: Counter[int] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            found["error", event.label] = f"{event.label}: {event.value!r}"
        if isinstance(event, events.PhaseFinished) and event.phase.name.value.lower() in PHASES:
            assert event.phase.skip_reason is None, event.phase
        if not isinstance(event, events.ScenarioFinished):
            continue
        answers = (each.response for each in event.recorder.interactions.values())
        statuses.update(each.status_code for each in answers if each is not None)
        for check in (each for some in event.recorder.checks.values() for each in some):
            if (info := check.failure_info) is not None:
                said = f"{check.name}: {info.failure.message}\n{info.code_sample}"
                found[check.name, event.recorder.label] = f"{event.recorder.label} {said}"
    return list(found.values()), statuses
