"""Lint of conditions over time: moments that nobody can compute, and dates on either side of now."""

from pathlib import Path

import pytest

from whereupon.errors import Diagnostic
from whereupon.rules.loading import load_rules

HOUR = '{logic: {"==": [{substr: [{var: timestamp}, 11, 2]}, "09"]}}'
BARE = '{logic: {">": [{var: timestamp}, "2026-12-01"]}}'


def _found(folder: Path, **files: str) -> list[Diagnostic]:
    """The diagnostics over time of a folder with these campaigns, each its further lines, and segments."""
    for name, text in files.items():
        head = f"campaign: {name}\ndescription: One.\nreentry: every_time\ngrace: 0s\n"
        steps = "" if "whereupon:" in text else "whereupon: [exit]\n"
        whole = text if text.startswith("segment") else f"{head}{text}\n{steps}"
        (folder / f"{name}.yaml").write_text(whole)
    return [each for each in load_rules(folder)[1] if each.code in {"unknown-moment", "both-sides"}]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("when: {enters: early}", 5),
        ("when: {leaves: early}", 5),
        ("when: x\nexit: {leaves: early}", 6),
        (f"when: x\nexit: {HOUR}", 6),
        (f"when: x\nexit: [refund, {{any: [{{plan: free}}, {HOUR}]}}]", 6),
        (f"when: x\nwho: {HOUR}\nstay: true", 7),
        (f"when: x\nwhereupon: [{{wait_for: [{{who: {HOUR}}}], up_to: 1d}}, exit]", 6),
        ("when: x\nexit: {segment: early}", 6),
    ],
)
def test_a_condition_of_which_that_moment_cannot_be_computed_is_an_error_where_a_rule_acts_at_it(
    rule: str, line: int, tmp_path: Path
) -> None:
    """As a trigger, an exit, `stay` or the `who` of a wait; also inside of a segment."""
    (found,) = _found(tmp_path, early=f"segment: early\nwho: {HOUR}\n", a=rule)
    assert (found.code, found.severity, found.location.line) == ("unknown-moment", "error", line)


@pytest.mark.parametrize(
    "rule",
    [
        f"when: x\nwho: {HOUR}",
        f"when: x\nwhere: {HOUR}",
        "when: x\nwho: {segment: early}",
        f"when: x\nwhereupon: [{{branch: [{{if: {HOUR}, then: [exit]}}, {{else: []}}]}}]",
        f"when: x\nexit: {BARE}",
        'when: x\nexit: {logic: {"==": [{substr: [{var: properties.at}, 11, 2]}, "09"]}}',
        "when: x\nexit: {performed: {event: y, within: 7d}, renews_at: {in_next: 7d, on_day: +1d}}",
    ],
)
def test_where_a_condition_is_asked_at_a_message_or_a_step_it_may_compute_with_the_time(
    rule: str, tmp_path: Path
) -> None:
    """Nothing waits for its moment."""
    assert _found(tmp_path, early=f"segment: early\nwho: {HOUR}\n", a=rule) == []


def test_within_keeps_its_meaning_and_lint_says_once_a_folder_that_it_is_either_side(
    tmp_path: Path,
) -> None:
    """At the first such date, with what to write instead; a window of `performed` has one side alone."""
    (found,) = _found(
        tmp_path,
        a="when: x\nwho: {performed: {event: y, within: 7d}}",
        b="when: x\nwho: {segment: near}\nretroactive: {within: 1d}",
        c="when: x\nwho: {not: {any: [{plan: pro}, {renews_at: {within: 3d}}]}}",
        d="when: x\nwho: {renews_at: {within: 5d}}",
        near="segment: near\nwho: {at: {within: 9d}}\n",
    )
    assert (found.code, found.severity) == ("both-sides", "warning")
    assert Path(found.location.file).name == "c.yaml"
    assert (found.location.line, found.location.column) == (6, 53)
    assert "in_next: 3d" in found.message
    assert "in_last: 3d" in found.message


@pytest.mark.parametrize(
    "rule",
    [
        "when: x\nwhere: {list: {any_item: {at: {within: 3d}}}}",
        "when: x\nexit: {at: {within: 3d}}",
        "when: x\nwhereupon: [{send: push, title: Hi, if: {at: {within: 3d}}}]",
        "when: x\nwhereupon: [{wait_for: [{who: {at: {within: 3d}}}], up_to: 1d}, exit]",
        "when: x\nwho: {performed: {event: y, where: {at: {within: 3d}}}}",
        "when: x\nexit: {event: y, where: {at: {within: 3d}}}",
        "when: x\ngoal: {event: y, where: {at: {within: 3d}}, within: 7d}",
    ],
)
def test_it_is_found_wherever_a_condition_stands(rule: str, tmp_path: Path) -> None:
    """Also in a `where` over an event."""
    assert [each.code for each in _found(tmp_path, a=rule)] == ["both-sides"]
