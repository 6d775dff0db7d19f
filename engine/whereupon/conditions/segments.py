"""``segment``: the condition of a named group of persons, written out where it is referred to."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, TypeAlias

from whereupon.conditions.condition import Conjunct, conjunction
from whereupon.conditions.conjuncts import combined
from whereupon.conditions.context import Setting
from whereupon.conditions.validation import Path, too_large
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic, Severity

Read: TypeAlias = Callable[[JsonValue, Path, Setting], list[Conjunct]]

_LONGEST_TRAIL: Final = 30


def segment_conjuncts(
    raw: JsonValue, path: Path, setting: Setting, *, read: Read
) -> list[Conjunct]:
    """One conjunct for each segment named; all must hold."""
    if isinstance(raw, str):
        return _conjunct(raw, path, setting, read)
    if not isinstance(raw, list):
        setting.report(
            path, "wrong-type", "segment takes a name, or a list of names that must all hold"
        )
        return []
    if not raw:
        setting.report(path, "empty-condition", "segment names none; write one, or leave it out")
    conjuncts = []
    for place, name in enumerate(raw):
        if isinstance(name, str):
            conjuncts += _conjunct(name, (*path, place), setting, read)
        else:
            setting.report((*path, place), "wrong-type", "this takes the name of a segment")
    return conjuncts


def _conjunct(name: str, path: Path, setting: Setting, read: Read) -> list[Conjunct]:
    if name not in setting.segments:
        close = get_close_matches(name, setting.segments, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "write it in a file of its own"
        setting.report(path, "unknown-segment", f"there is no segment {name!r}; {hint}")
        return []
    if name in setting.trail or len(setting.trail) > _LONGEST_TRAIL:
        trail = " → ".join((*setting.trail, name))
        code = "segment-cycle" if name in setting.trail else "too-deep"
        setting.report(
            path, code, f"segments refer to each other: {trail}; take one reference away"
        )
        return []
    if name not in setting.read:
        setting.read[name] = _read(name, setting, read)
    found = setting.read[name]
    if isinstance(found, Diagnostic):
        setting.report(path, found.code, found.message)
        return []
    return [combined(conjunction(found), f"is in segment {name}", found, segment=name)]


def _read(name: str, setting: Setting, read: Read) -> tuple[Conjunct, ...] | Diagnostic:
    """The segment's conjuncts, or the one problem that stands for those of its own file."""
    raw = setting.segments[name]
    inner = Setting(
        "person",
        setting.segments,
        history_allowed=True,
        zone=setting.zone,
        known=setting.known,
        trail=(*setting.trail, name),
        read=setting.read,
    )
    oversize = too_large(raw, ())
    conjuncts = () if oversize or raw is None else tuple(read(raw, (), inner))
    problems = [oversize] if oversize else inner.problems
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors and errors[0].code == "segment-cycle":
        return errors[0]
    if errors:
        text = f"segment {name!r} has errors of its own: {errors[0].message}"
        return Diagnostic.at((), "broken-segment", text)
    return conjuncts
