"""What is wrong with test files in view of the rules of their folder."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from whereupon.errors import Diagnostic
from whereupon.rules.loading import Folder
from whereupon.rules.model import Guard, Rule, Split, WaitFor
from whereupon.rules.route import base_of
from whereupon.rules.spelling import nearest
from whereupon.rules.steps.run import Run
from whereupon.testing.cases import Effect, EffectKind, RuleTestFile
from whereupon.testing.form_reading import Path

Subject: TypeAlias = Rule | Guard


def checked(file: RuleTestFile, subjects: Mapping[str, Subject], folder: Folder) -> RuleTestFile:
    """The file with what is wrong with it in view of the rules of the folder."""
    subject = subjects.get(file.subject)
    diagnostics = [
        *_unknown_rules(file, subjects, folder),
        *_unknown_arms(file, subject, folder),
        *_unknown_functions(file, folder),
    ]
    if subject is None and file.subject not in folder.refused:
        diagnostics.append(_without_rule(file, subjects))
    elif isinstance(subject, Guard) and not file.is_broken:
        diagnostics += _not_guarded(file, subject)
    located = [file.positions.locate(diagnostic, file.name) for diagnostic in diagnostics]
    return replace(file, diagnostics=(*located, *file.diagnostics))


def _without_rule(file: RuleTestFile, subjects: Mapping[str, Subject]) -> Diagnostic:
    hint = nearest(file.subject, subjects)
    message = (
        f"no rule and no guard is called {file.subject}{hint or '; write it, or rename this file'}"
    )
    return Diagnostic.at((), "test-without-rule", message)


def _unknown_rules(
    file: RuleTestFile, subjects: Mapping[str, Subject], folder: Folder
) -> Iterator[Diagnostic]:
    """Rules that a test names and that the folder does not have."""
    for test, each in enumerate(file.tests):
        for place, expected in enumerate(each.expected):
            named = expected.facts.get("rule")
            if isinstance(named, str) and not (
                isinstance(subjects.get(named), Rule) or named in folder.refused
            ):
                rules = [name for name, one in subjects.items() if isinstance(one, Rule)]
                hint = nearest(named, rules) or "; write it, or name another"
                path = ("tests", test, "expect", place, "rule")
                yield Diagnostic.at(path, "unknown-rule", f"there is no rule {named!r}{hint}")


def _not_guarded(file: RuleTestFile, guard: Guard) -> Iterator[Diagnostic]:
    """Expected effects that no test of a guard looks at."""
    for test, each in enumerate(file.tests):
        for place, expected in enumerate(each.expected):
            path = ("tests", test, "expect", place)
            action = str(expected.facts.get("action"))
            if expected.kind is not EffectKind.REQUEST:
                text = f"a guard's tests expect requests; {expected.kind} belongs to a rule's"
                yield Diagnostic.at((*path, expected.kind.value), "not-guarded", text)
            elif action not in guard.actions:
                hint = nearest(action, guard.actions) or f"; it has {', '.join(guard.actions)}"
                text = f"this guard does not name the action {action!r}{hint}"
                yield Diagnostic.at((*path, "request"), "not-guarded", text)


# --- arms -----------------------------------------------------------------------------------------


def _unknown_arms(
    file: RuleTestFile, subject: Subject | None, folder: Folder
) -> Iterator[Diagnostic]:
    """Arms, and steps with arms, that there are not: in `arms` of a test, and in what it expects."""
    splits = {
        step.split: [arm.label for arm in step.arms]
        for rule in folder.book.rules
        for step in rule.route.every_step()
        if isinstance(step, Split)
    }
    for test, each in enumerate(file.tests):
        for name, arm in each.arms.items():
            key: Path = ("tests", test, "arms", name)
            yield from _unknown_arm(key, key, name, arm, splits)
        for place, expected in enumerate(each.expected):
            rule = _rule_of(expected, subject, folder)
            if expected.kind is EffectKind.ARM and rule is not None:
                path = ("tests", test, "expect", place)
                of, arm = str(expected.facts["of"]), str(expected.facts["arm"])
                yield from _unknown_arm((*path, "of"), (*path, "arm"), of, arm, _arms_of(rule))


def _rule_of(expected: Effect, subject: Subject | None, folder: Folder) -> Rule | None:
    """The rule that an expectation is about; None if it is refused, or is no rule."""
    named = expected.facts.get("rule")
    rule = folder.book.rule(named) if isinstance(named, str) else subject
    return rule if isinstance(rule, Rule) else None


def _arms_of(rule: Rule) -> dict[str, list[str]]:
    """The arms of each step that has any, by the names that a test may give the step."""
    found: dict[str, list[str]] = {}
    for place in rule.route.places.values():
        labels = [arm.label for arm in place.step.arms]
        if isinstance(place.step, WaitFor):
            labels += [arm.event for arm in place.step.waits if arm.event is not None]
        if isinstance(place.step, Split):
            found[place.step.split] = labels
        if labels:
            found[place.address] = labels
    return found


def _unknown_arm(
    path_of: Path, path_arm: Path, of: str, arm: str, known: Mapping[str, list[str]]
) -> Iterator[Diagnostic]:
    labels = known.get(base_of(of))
    if labels is None:
        there = f"; there are {', '.join(known)}" if known else "; no step here has arms"
        text = f"there is no split and no step with arms called {of!r}{nearest(of, known) or there}"
        yield Diagnostic.at(path_of, "unknown-arm", text)
    elif arm not in labels:
        hint = nearest(arm, labels) or f"; there are {', '.join(labels)}"
        yield Diagnostic.at(path_arm, "unknown-arm", f"{of} has no arm {arm!r}{hint}")


# --- functions ------------------------------------------------------------------------------------


def _unknown_functions(file: RuleTestFile, folder: Folder) -> Iterator[Diagnostic]:
    """Functions that no rule calls: in `functions`, and in what a test expects."""
    steps = (step for rule in folder.book.rules for step in rule.route.every_step())
    known = {step.function for step in steps if isinstance(step, Run)}
    places: list[tuple[Path, str]] = [(("functions", name), name) for name in file.functions]
    for test, each in enumerate(file.tests):
        own = each.functions.keys() - file.functions.keys()
        places += [(("tests", test, "functions", name), name) for name in own]
        for place, expected in enumerate(each.expected):
            if expected.kind is EffectKind.RAN:
                path: Path = ("tests", test, "expect", place, "ran")
                places.append((path, str(expected.facts["function"])))
    for path, name in places:
        if name not in known and not folder.refused:
            hint = nearest(name, known) or "; take it out, or write the step run:"
            text = f"no rule runs a function called {name!r}{hint}"
            yield Diagnostic.at(path, "unknown-function", text)
