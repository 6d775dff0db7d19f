"""Tests of `whereupon.insight.rule_graph` and of what `whereupon.render` makes of it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from whereupon.insight import GraphArm, GraphStep, People, RuleGraph, graph_of
from whereupon.records import EntryCount, EntryState
from whereupon.render.graph import graph_lines, graph_object
from whereupon.render.graph_boxes import CUT, text_width, wrapped
from whereupon.render.graph_svg import graph_svg
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rule, RuleKind

SVG = "{http://www.w3.org/2000/svg}"
DUE = datetime(2026, 3, 2, 9, tzinfo=UTC)

TRIAL = """
campaign: trial
description: A trial that ends when the person buys.
when: [Trial Started, Trial Extended]
where: {plan: {exists: true}}
who: {country: [DE, FR]}
reentry: once
exit: [{event: Order Completed, where: {total: {gt: 20}}, same: [cart]}, {plan: pro}]
stay: true
goal: {event: Order Completed, where: {total: {gt: 0}}, within: 14d, after: first_send}
holdout: {percent: 2.5, group: spring}
grace: 30m
whereupon:
  - {send: email, subject: "Welcome, {{ person.first_name | default: 'friend' }}", name: welcome}
  - wait: 2d
  - branch:
      - if: {plan: team}
        then:
          - wait_for:
              - {event: Teammate Invited, where: {role: admin}, same: [cart], then: [{track: Invited}], again: true}
              - {who: {plan: [pro, team]}, then: [exit]}
            up_to: 3d
            else: [{send: in_app, title: Invite a colleague, if: {size: {gt: 1}}}]
  - split: {name: june, arms: {a: {share: 90, then: [{set: {x: 1}}]}, held: {share: 10, then: [exit]}}}
"""


def rule_of(folder: Path, text: str) -> Rule:
    """The one rule of a text."""
    id_ = re.search(r"^(?:campaign|broadcast): (\S+)$", text, re.M)
    assert id_ is not None
    (folder / f"{id_[1]}.yaml").write_text(text, encoding="utf-8")
    return open_rules(folder).rules[0]


def count(
    rule: Rule, address: str, people: int, *, version: str = "", state: str = "active"
) -> EntryCount:
    """People before one step."""
    return EntryCount(rule.id, version or rule.digest, address, EntryState(state), people, DUE)


def test_a_rule_is_told_as_an_indented_tree(tmp_path: Path) -> None:
    """Above the steps stands who enters and what ends it; each step has its address, and each arm who takes it."""
    rule = rule_of(tmp_path, TRIAL)
    assert "\n".join(graph_lines(graph_of(rule))) == (
        "trial, a campaign: A trial that ends when the person buys.\n"
        "  when      Trial Started or Trial Extended\n"
        "  where     plan exists\n"
        "  who       country is one of DE, FR\n"
        "  re-entry  once\n"
        "  exit      Order Completed where total is greater than 20 with the same cart or plan is pro "
        "or no longer one of those who may enter\n"
        "  goal      Order Completed where total is greater than 0, within 14d after the first delivery; "
        "it ends the entry\n"
        "  holdout   2.5 % are kept out to compare with, as every rule of the group spring\n"
        "  grace     30m for who\n"
        "\n"
        "  welcome  sends email “Welcome, {{ person.first_name | default: 'friend' }}”\n"
        "  1        waits 2d\n"
        "  2        branches\n"
        "    if plan is team\n"
        "      2.0.0  waits for Teammate Invited or plan is one of pro, team, up to 3d\n"
        "        on Teammate Invited where role is admin with the same cart\n"
        "          2.0.0.0.0  tracks Invited\n"
        "          then the wait starts anew, at most 10 times\n"
        "        once plan is one of pro, team\n"
        "          2.0.0.1.0  ends by its exit step\n"
        "        after 3d\n"
        "          2.0.0.else.0  sends in_app “Invite a colleague”, only if size is greater than 1\n"
        "    otherwise: goes on\n"
        "  3        is split by june\n"
        "    a: 90 %\n"
        "      3.a.0  sets x\n"
        "    held: 10 %\n"
        "      3.held.0  ends by its exit step\n"
        "  end"
    )


def test_each_step_says_how_many_people_stand_before_it(tmp_path: Path) -> None:
    """Those of the version that is drawn and of others are told apart; the round of a wait does not matter."""
    rule = rule_of(tmp_path, TRIAL)
    counts = [
        count(rule, "2", 12),
        count(rule, "2", 3, state="paused"),
        count(rule, "2", 1200, version="f" * 16),
        count(rule, "2.0.0#1", 1),
        count(rule, "2.0.0", 1),
        count(rule, "gone.b.0", 4, version="f" * 16),
        count(rule, "end", 5),
    ]
    lines = list(graph_lines(graph_of(rule, counts)))
    assert (
        "  2        branches  [15 people, 3 of them paused, and 1,200 in other versions]" in lines
    )
    assert any("up to 3d  [2 people]" in line for line in lines)
    assert "  end  [5 people]" in lines
    assert lines[-2:] == [
        "At steps that this version lacks:",
        "  4 people before step gone.b.0 of version ffffffffffff",
    ]
    pictured = graph_svg(graph_of(rule, counts))
    assert "15 here, 3 paused, 1,200 in others" in pictured
    assert "4 people before step gone.b.0 of version ffffffffffff" in pictured


def test_without_a_store_nobody_is_counted(tmp_path: Path) -> None:
    """In the JSON form ``people`` is null, and not zero."""
    rule = rule_of(tmp_path, TRIAL)
    assert _steps(graph_object(graph_of(rule)))[0]["people"] is None
    assert _steps(graph_object(graph_of(rule, [])))[0]["people"] == {
        "here": 0,
        "paused": 0,
        "elsewhere": 0,
    }


def _steps(shown: dict[str, object]) -> list[dict[str, object]]:
    steps = shown["steps"]
    assert isinstance(steps, list)
    return steps


# --- the picture --------------------------------------------------------------------------------------


class Box(NamedTuple):
    """A rectangle of the picture."""

    x: float
    y: float
    width: float
    height: float


class Drawn(NamedTuple):
    """What a picture has: boxes, the tips of arrows, and lines, each from its upper to its lower end."""

    boxes: list[Box]
    tips: list[tuple[float, float]]
    lines: list[tuple[float, float, float, float]]


def parsed(svg: str) -> ET.Element:
    """The picture as a tree of elements."""
    return ET.fromstring(svg)  # noqa: S314 - what we have just made


def drawn(svg: str) -> Drawn:
    """Boxes, tips of arrows and lines, where they are on the page."""
    found = Drawn([], [], [])
    _walk(parsed(svg), 0, 0, found)
    return found


def _walk(node: ET.Element, x: float, y: float, found: Drawn) -> None:
    moved = re.fullmatch(r"translate\((\S+) (\S+)\)", node.get("transform", ""))
    if moved is not None:
        x, y = x + float(moved[1]), y + float(moved[2])
    style = node.get("class", "")
    if node.tag == f"{SVG}rect" and style in {"b", "c"}:
        place = (x + float(node.get("x", 0)), y + float(node.get("y", 0)))
        found.boxes.append(Box(*place, float(node.get("width", 0)), float(node.get("height", 0))))
    numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", node.get("d", ""))]
    if style == "h":
        found.tips.append((x + numbers[0] + 4, y + numbers[1] + 6))
    if style == "l":
        x1, y1, x2, y2 = numbers
        found.lines.append((x + x1, y + y1, x + x2, y + y2))
    for child in node:
        _walk(child, x, y, found)


def overlapping(boxes: list[Box]) -> Iterator[tuple[Box, Box]]:
    """Boxes that lie over one another."""
    for a, b in combinations(boxes, 2):
        beside = a.x + a.width <= b.x + 0.2 or b.x + b.width <= a.x + 0.2
        above = a.y + a.height <= b.y + 0.2 or b.y + b.height <= a.y + 0.2
        if not (beside or above):
            yield a, b


def touches_box(x: float, y: float, found: Drawn) -> bool:
    """Whether the tip of an arrow stands on the upper edge of a box; each level of nesting is rounded."""
    return any(b.x <= x <= b.x + b.width and abs(b.y - y) < 2 for b in found.boxes)


def ends_somewhere(x: float, y: float, found: Drawn) -> bool:
    """Whether the end of a line touches a box or another line."""
    at_box = any(
        b.x - 1 <= x <= b.x + b.width + 1 and b.y - 15 <= y <= b.y + b.height + 6
        for b in found.boxes
    )
    touching = [
        (x1, y1, x2, y2)
        for x1, y1, x2, y2 in found.lines
        if min(x1, x2) - 1.6 <= x <= max(x1, x2) + 1.6 and min(y1, y2) - 6 <= y <= max(y1, y2) + 6
    ]
    return at_box or len(touching) > 1  # the line itself is one of them


WORDS = st.text("abc <&>\"'WM\u4e2d\u0301\n", max_size=90)
NUMBERS = st.sampled_from([0, 1, 1_234_567])
PEOPLE = st.builds(People, NUMBERS, NUMBERS, NUMBERS)
LEAVES = st.builds(
    GraphStep,
    address=st.sampled_from(["0", "2.else.0.3.else.1", "cart-reminder-" * 4]),
    kind=st.sampled_from(["send", "wait", "set", "exit"]),
    words=WORDS,
    condition=st.none() | WORDS,
    arms=st.just(()),
    people=PEOPLE,
)


def reachable(steps: list[GraphStep]) -> tuple[GraphStep, ...]:
    """The steps up to the first behind which nobody goes on: a rule has none behind it."""
    ends = [i for i, step in enumerate(steps) if step.ends]
    return tuple(steps[: ends[0] + 1] if ends else steps)


def _forked(steps: st.SearchStrategy[GraphStep]) -> st.SearchStrategy[GraphStep]:
    inner = st.lists(steps, max_size=3).map(reachable)
    arm = st.builds(GraphArm, st.sampled_from(["0", "else"]), WORDS, inner, st.booleans())
    return st.builds(
        GraphStep,
        address=st.just("2"),
        kind=st.sampled_from(["branch", "split", "wait_for"]),
        words=WORDS,
        condition=st.none() | WORDS,
        arms=st.lists(arm, min_size=1, max_size=4).map(tuple),
        people=PEOPLE,
    )


GRAPHS = st.builds(
    RuleGraph,
    rule=st.just("trial"),
    kind=st.just(RuleKind.CAMPAIGN),
    version=st.just("d87c20c495fcefbf"),
    description=WORDS,
    about=st.tuples(st.tuples(st.just("when"), WORDS)),
    steps=st.lists(st.recursive(LEAVES, _forked, max_leaves=10), min_size=1, max_size=4).map(
        reachable
    ),
    at_end=PEOPLE,
    is_counted=st.just(True),
    lost=st.just(()),
)


@examples(60)
@given(graph=GRAPHS)
def test_nothing_overlaps_and_each_line_ends_at_a_box_or_a_line(graph: RuleGraph) -> None:
    """However the steps nest, however long the texts are."""
    svg = graph_svg(graph)
    found = drawn(svg)
    assert list(overlapping(found.boxes)) == []
    for x, y in found.tips:
        assert touches_box(x, y, found), (x, y)
    for x1, y1, x2, y2 in found.lines:
        assert ends_somewhere(x1, y1, found), (x1, y1)
        assert ends_somewhere(x2, y2, found), (x2, y2)
    width, height = (float(n) for n in re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
    for box in found.boxes:
        assert 0 <= box.x <= width - box.width
        assert 0 <= box.y <= height - box.height


@given(words=WORDS, width=st.floats(20, 400), most=st.integers(1, 4))
def test_a_text_fits_into_its_box(words: str, width: float, most: int) -> None:
    """It is broken between words, and what does not fit is cut."""
    lines = wrapped(words, 13, width, most)
    assert len(lines) <= most
    assert all(text_width(line, 13) <= width or line == CUT for line in lines)


def test_a_picture_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    """It can be kept under version control beside the rule."""
    rule = rule_of(tmp_path, TRIAL)
    assert graph_svg(graph_of(rule)) == graph_svg(graph_of(rule))


def test_a_picture_has_a_title_and_a_description_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    """A screen reader reads the tree; a picture that stands in a page loads nothing."""
    rule = rule_of(tmp_path, TRIAL)
    root = parsed(graph_svg(graph_of(rule)))
    named = {node.get("id"): node.text for node in root if node.get("id")}
    assert list(named) == (root.get("aria-labelledby") or "").split()
    assert named["trial-title"] == "The steps of trial"
    assert named["trial-desc"] == "\n".join(graph_lines(graph_of(rule)))
    assert "http" not in graph_svg(graph_of(rule)).replace("http://www.w3.org/2000/svg", "")


def test_data_of_a_rule_is_never_markup(tmp_path: Path) -> None:
    """A subject with tags is shown as it is written."""
    rule = rule_of(
        tmp_path,
        "campaign: odd\ndescription: <b>&amp;\nwhen: x\nreentry: once\nwhereupon:\n"
        "  - {send: email, subject: '</text><script>alert(1)</script>'}\n",
    )
    svg = graph_svg(graph_of(rule))
    assert parsed(svg) is not None
    assert "<script" not in svg
    assert "&lt;b&gt;&amp;amp;" in svg
