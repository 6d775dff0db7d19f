"""The page on reasons: it has every reason, each with an example that leads to it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.reference import PAGES
from tests.scenarios.commands import Record, whereupon
from tests.scenarios.rule_pages import Section, folders_of, sections_of

from whereupon.decide import consent
from whereupon.decide.decisions import Reason
from whereupon.guards.judge import Absence, Refusal
from whereupon.insight import ended_by, why_withheld
from whereupon.insight.outcomes import TEMPLATE
from whereupon.messages.times import format_instant
from whereupon.ports import NO_CHANNEL
from whereupon.records import WITHDRAWN, DeliveryState, EndReason, EntryEnd, RequestOutcome
from whereupon.render.phrases import requested
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.testing.case_reader import read_test_file
from whereupon.testing.cases import GivenMessage
from whereupon.testing.contracts import samples

_DID_NOT_ENTER = "Why a person did not enter"
_ENDED = "Why an entry ended"
_HELD_BACK = "Why a delivery was held back"
_DID_NOT_RUN = "Why a request did not run"

REASONS: Mapping[str, frozenset[str]] = {
    _DID_NOT_ENTER: frozenset(Reason),
    _ENDED: frozenset(EndReason),
    _HELD_BACK: frozenset(
        {
            *(consent.UNSUBSCRIBED, consent.TOPIC, consent.ERASED),
            *(TEMPLATE.rstrip(": "), NO_CHANNEL, EndReason.MERGED, WITHDRAWN),
        }
    ),
    _DID_NOT_RUN: frozenset(Refusal),
}
"""Every reason, under the heading under which it is to be found."""

SECTIONS = sections_of(PAGES / "reasons.md")
ENTRIES = [s for s in SECTIONS if s.group in REASONS and s.heading != s.group]


def _reason_of(section: Section) -> str:
    """Its heading; behind the word may stand of what it is the reason, where the word is taken."""
    return section.heading.partition(" ")[0]


def test_every_reason_is_on_the_page_and_no_other() -> None:
    """A new reason gets an entry."""
    shown = {
        group: frozenset(_reason_of(each) for each in ENTRIES if each.group == group)
        for group in REASONS
    }
    assert shown == REASONS


def test_everything_that_a_request_may_not_find_is_on_the_page() -> None:
    """It is in the output of an example, which the tests of pages compare with the real output."""
    (section,) = (s for s in SECTIONS if s.heading == "Requests that find nothing")
    assert set(section.blocks[-1].text.split()) - {"ran"} == set(Absence)


@pytest.mark.parametrize("section", [s for s in ENTRIES if s.group != _ENDED], ids=str)
def test_the_example_of_a_reason_leads_to_it(section: Section) -> None:
    """A test expects it and passes (see `test_rule_pages`), or the engine's sentence is on the page."""
    reason = _reason_of(section)
    kinds = {block.kind for block in section.blocks}
    text = section.blocks[-1].text
    if "tests" in kinds:
        assert f"reason: {reason}" in text
    elif section.blocks[-1].language == "text":
        assert _clause_for(section.group, reason) in text
    else:
        assert reason in text


def _clause_for(group: str, reason: str) -> str:
    """The sentence on a reason that no rule file leads to."""
    if group == _HELD_BACK:
        held_back = samples.delivery(1).changed(state=DeliveryState.WITHHELD, reason=reason)
        return why_withheld(held_back)
    request = replace(samples.request(1, outcome=RequestOutcome.REFUSED), reason=reason)
    return requested(request).text.plain.partition(": ")[2]


@pytest.mark.parametrize("section", [s for s in ENTRIES if s.group == _ENDED], ids=str)
def test_the_example_of_an_end_ends_an_entry_so(section: Section, tmp_path: Path) -> None:
    """In a replay; completion is not an early end, and an end without a rule file has a sentence."""
    reason = _reason_of(section)
    if section.blocks[-1].language == "text":
        assert ended_by(EntryEnd(reason, samples.NOON)) in section.blocks[-1].text
        return
    (rules,) = folders_of(section, tmp_path)
    records = _replayed(rules)
    ends = [record["reason"] for record in records if record["kind"] == "ended"]
    assert ends == ([] if reason == EndReason.COMPLETED else [reason])
    assert records[-1]["waiting"] == 0


def _replayed(rules: Path) -> list[Record]:
    """The records of a replay of the folder's test."""
    (test,) = read_test_file(rules / "example.test.yaml", TrackingPlan()).tests
    stream = rules.parent / "stream.jsonl"
    lines = [
        {
            **given.wire,
            "messageId": f"m-{place}",
            "timestamp": format_instant(test.start + given.at),
        }
        for place, given in enumerate(test.given)
        if isinstance(given, GivenMessage)
    ]
    stream.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return whereupon("replay", stream, "--rules", rules, "--json").records
