"""A rule's tree of steps as lines for people and as JSON."""

from collections.abc import Iterator, Sequence

from whereupon.insight.rule_graph import GraphArm, GraphStep, People, RuleGraph
from whereupon.records import EntryCount
from whereupon.render.formatting import clean, counted
from whereupon.render.records import JsonObject
from whereupon.rules.model import END
from whereupon.rules.route import MOST_ROUNDS

_INDENT = "  "
AGAIN = f"then the wait starts anew, at most {MOST_ROUNDS} times"


def graph_lines(graph: RuleGraph) -> Iterator[str]:
    """An indented tree: what stands above the steps, each step with its address, each arm with who takes it."""
    about = f": {graph.description}" if graph.description else ""
    yield clean(f"{graph.rule}, a {graph.kind}{about}")
    width = max(len(name) for name, _ in graph.about)
    for name, words in graph.about:
        yield clean(f"{_INDENT}{name:<{width}}  {words}")
    yield ""
    yield from _step_lines(graph.steps, _INDENT)
    yield f"{_INDENT}{END}{_standing(graph.at_end)}"
    yield from _lost_lines(graph)


def _step_lines(steps: Sequence[GraphStep], indent: str) -> Iterator[str]:
    width = max((len(step.address) for step in steps), default=0)
    for step in steps:
        words = step.words if step.condition is None else f"{step.words}, only if {step.condition}"
        yield clean(f"{indent}{step.address:<{width}}  {words}{_standing(step.people)}")
        for arm in step.arms:
            yield clean(f"{indent}{_INDENT}{arm.words}{'' if arm.steps else ': goes on'}")
            yield from _step_lines(arm.steps, indent + _INDENT * 2)
            if arm.again:
                yield f"{indent}{_INDENT * 2}{AGAIN}"


def _standing(people: People) -> str:
    said = people_words(people)
    return f"  [{said}]" if said else ""


def people_words(people: People) -> str:
    """How many people stand at a step; empty if nobody does."""
    parts = []
    if people.here:
        paused = f", {people.paused:,} of them paused" if people.paused else ""
        parts.append(f"{counted(people.here, 'person', 'people')}{paused}")
    if people.elsewhere:
        number = f"{people.elsewhere:,}"
        parts.append(f"{number} in other versions")
    return ", and ".join(parts)


def _lost_lines(graph: RuleGraph) -> Iterator[str]:
    if graph.lost:
        yield ""
        yield "At steps that this version lacks:"
    for each in graph.lost:
        yield clean(_INDENT + lost_words(each))


def lost_words(count: EntryCount) -> str:
    """People in another version at a step that the version which is drawn lacks."""
    people = counted(count.people, "person", "people")
    return f"{people} before step {count.address} of version {count.version[:12]}"


def graph_object(graph: RuleGraph) -> JsonObject:
    """The same as JSON; ``people`` is None if nobody was counted."""
    return {
        "kind": "graph",
        "rule": graph.rule,
        "rule_kind": graph.kind,
        "version": graph.version,
        "description": graph.description,
        "about": [{"word": name, "words": words} for name, words in graph.about],
        "steps": [_step_object(step, graph) for step in graph.steps],
        "end": _people_object(graph.at_end, graph),
        "lost": [
            {"version": each.version, "step": each.address, "people": each.people}
            for each in graph.lost
        ],
    }


def _step_object(step: GraphStep, graph: RuleGraph) -> JsonObject:
    return {
        "step": step.address,
        "does": step.kind,
        "words": step.words,
        "if": step.condition,
        "people": _people_object(step.people, graph),
        "arms": [_arm_object(arm, graph) for arm in step.arms],
    }


def _arm_object(arm: GraphArm, graph: RuleGraph) -> JsonObject:
    steps = [_step_object(step, graph) for step in arm.steps]
    return {"arm": arm.label, "words": arm.words, "again": arm.again, "steps": steps}


def _people_object(people: People, graph: RuleGraph) -> JsonObject | None:
    return people._asdict() if graph.is_counted else None
