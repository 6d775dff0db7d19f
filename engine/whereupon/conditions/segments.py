"""``segment``: a reference to the condition of a named group of persons."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, TypeAlias

from whereupon.conditions.condition import Conjunct, conjunction
from whereupon.conditions.conjuncts import combine
from whereupon.conditions.parse_context import ParseContext
from whereupon.conditions.validation import Path, too_large
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic, Severity

Read: TypeAlias = Callable[[JsonValue, Path, ParseContext], list[Conjunct]]

_LONGEST_TRAIL: Final = 30


def segment_conjuncts(
    raw: JsonValue, path: Path, context: ParseContext, *, read: Read
) -> list[Conjunct]:
    """One conjunct for each name of a segment."""
    if isinstance(raw, str):
        return _conjunct(raw, path, context, read)
    if not isinstance(raw, list):
        context.report(
            path, "wrong-type", "segment takes a name, or a list of names that must all hold"
        )
        return []
    if not raw:
        context.report(
            path, "empty-condition", "this list names no segment; write one, or leave the key out"
        )
    conjuncts = []
    for place, name in enumerate(raw):
        if isinstance(name, str):
            conjuncts += _conjunct(name, (*path, place), context, read)
        else:
            context.report((*path, place), "wrong-type", "this takes the name of a segment")
    return conjuncts


def _conjunct(name: str, path: Path, context: ParseContext, read: Read) -> list[Conjunct]:
    if name not in context.segments:
        close = get_close_matches(name, context.segments, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "write it in a file of its own"
        context.report(path, "unknown-segment", f"there is no segment {name!r}; {hint}")
        return []
    if name in context.trail or len(context.trail) > _LONGEST_TRAIL:
        trail = " → ".join((*context.trail, name))
        code = "segment-cycle" if name in context.trail else "too-deep"
        context.report(
            path, code, f"segments refer to each other: {trail}; take one reference away"
        )
        return []
    if name not in context.parsed:
        context.parsed[name] = _read(name, context, read)
    found = context.parsed[name]
    if isinstance(found, Diagnostic):
        context.report(path, found.code, found.message)
        return []
    return [combine(conjunction(found), f"is in segment {name}", found, segment=name)]


def _read(name: str, context: ParseContext, read: Read) -> tuple[Conjunct, ...] | Diagnostic:
    """The conjuncts of a segment, or one diagnostic in place of those in its own file."""
    raw = context.segments[name]
    inner = ParseContext(
        "person",
        context.segments,
        history_allowed=True,
        zone=context.zone,
        clock=context.clock,
        pool=context.pool,
        trail=(*context.trail, name),
        parsed=context.parsed,
    )
    oversize = too_large(raw, ())
    conjuncts = () if oversize or raw is None else tuple(read(raw, (), inner))
    diagnostics = [oversize] if oversize else inner.diagnostics
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    if errors and errors[0].code == "segment-cycle":
        return errors[0]
    if errors:
        text = f"segment {name!r} has errors of its own: {errors[0].message}"
        return Diagnostic.at((), "broken-segment", text)
    return conjuncts
