"""What is wrong with test files in view of the rules of their folder."""

from collections.abc import Iterable, Iterator, Mapping
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


class FolderChecks:
    """Checks test files against the rules and guards of a folder, and the names in these."""

    def __init__(self, folder: Folder, subjects: Mapping[str, Subject]) -> None:
        self._subjects = subjects
        self._refused = folder.refused
        steps = [step for rule in folder.book.rules for step in rule.route.every_step()]
        self._rules = [rule.id for rule in folder.book.rules]
        self._functions = {step.function for step in steps if isinstance(step, Run)}
        self._splits = {
            step.split: [arm.label for arm in step.arms]
            for step in steps
            if isinstance(step, Split)
        }

    def checked(self, file: RuleTestFile) -> RuleTestFile:
        """The file with what is wrong with it in view of the folder."""
        found = [self._located(file, each) for each in self._diagnostics(file)]
        return replace(file, diagnostics=(*found, *file.diagnostics))

    def _located(self, file: RuleTestFile, diagnostic: Diagnostic) -> Diagnostic:
        return file.positions.locate(diagnostic, file.name)

    def _diagnostics(self, file: RuleTestFile) -> Iterator[Diagnostic]:
        subject = self._subjects.get(file.subject)
        if subject is None and file.subject not in self._refused:
            yield self._without_rule(file)
        elif isinstance(subject, Guard) and not file.is_broken:
            yield from _not_guarded(file, subject)
        yield from self._of_functions(("functions",), file.functions)
        for number, test in enumerate(file.tests):
            path = ("tests", number)
            yield from self._of_functions(
                (*path, "functions"), test.functions.keys() - file.functions.keys()
            )
            if test.holdout is not None and isinstance(subject, Rule) and subject.holdout is None:
                text = "this rule has no holdout; take this out, or write holdout: in the rule"
                yield Diagnostic.at((*path, "holdout"), "unsupported-key", text)
            for split, arm in test.arms.items():
                key = (*path, "arms", split)
                yield from _unknown_arm(key, key, split, arm, self._splits)
            for place, expected in enumerate(test.expected):
                yield from self._of_expected((*path, "expect", place), expected, subject)

    def _of_expected(
        self, path: Path, expected: Effect, subject: Subject | None
    ) -> Iterator[Diagnostic]:
        """What an expectation names that there is not."""
        named = expected.facts.get("rule")
        rule = self._subjects.get(named) if isinstance(named, str) else subject
        if isinstance(named, str) and not isinstance(rule, Rule) and named not in self._refused:
            hint = nearest(named, self._rules) or "; write it, or name another"
            text = f"there is no rule {named!r}{hint}"
            yield Diagnostic.at((*path, "rule"), "unknown-rule", text)
        if expected.kind is EffectKind.RAN:
            yield from self._of_functions(path, [str(expected.facts["function"])], key="ran")
        if expected.kind is EffectKind.ARM and isinstance(rule, Rule):
            of, arm = str(expected.facts["of"]), str(expected.facts["arm"])
            yield from _unknown_arm((*path, "of"), (*path, "arm"), of, arm, _arms_of(rule))

    def _without_rule(self, file: RuleTestFile) -> Diagnostic:
        hint = nearest(file.subject, self._subjects) or "; write it, or rename this file"
        text = f"no rule and no guard is called {file.subject}{hint}"
        return Diagnostic.at((), "test-without-rule", text)

    def _of_functions(
        self, path: Path, names: Iterable[str], key: str | None = None
    ) -> Iterator[Diagnostic]:
        """Functions that no rule runs. A rule that is refused may be one that does."""
        for name in sorted(names):
            if name not in self._functions and not self._refused:
                hint = nearest(name, self._functions) or "; take it out, or write the step run:"
                text = f"no rule runs a function called {name!r}{hint}"
                yield Diagnostic.at((*path, key or name), "unknown-function", text)


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
    """That there is no split or step of that name, or that it has no such arm."""
    labels = known.get(base_of(of))
    if labels is None:
        there = f"; there are {', '.join(known)}" if known else "; no step here has arms"
        text = f"there is no split and no step with arms called {of!r}{nearest(of, known) or there}"
        yield Diagnostic.at(path_of, "unknown-arm", text)
    elif arm not in labels:
        hint = nearest(arm, labels) or f"; there are {', '.join(labels)}"
        yield Diagnostic.at(path_arm, "unknown-arm", f"{of} has no arm {arm!r}{hint}")
