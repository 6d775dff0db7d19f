"""``performed``: a question of a condition to the person's history, from a rule file and as JSON."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

from whereupon.conditions.condition import Condition, Performed
from whereupon.conditions.operators.operands import DURATION
from whereupon.conditions.paths import path_of
from whereupon.conditions.same import Same, read_same, same_faults
from whereupon.conditions.validation import Path, did_you_mean, template_in_name
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import format_duration, parse_duration

Report: TypeAlias = Callable[[Path, str, str], None]
"""Notes an error: its path, code and message."""

PERFORMED: Final = "@performed"
"""The operator of a question in JSONLogic: ``{"@performed": [QUESTION]}``."""
KEYS: Final = ("event", "where", "same", "at_least", "at_most", "exactly", "never", "within")
_COUNTS: Final = ("at_least", "at_most", "exactly", "never")


def read_performed(
    raw: JsonValue,
    path: Path,
    *,
    report: Report,
    parse_where: Callable[[JsonValue, Path], Condition],
    untied: str | None,
) -> Performed | None:
    """Read a question, and report every error of it; None if the value is not a mapping.

    Args:
        untied: why there is no triggering message that `same` could compare with; None if there is one.
    """
    if not isinstance(raw, dict):
        report(path, "wrong-type", "performed takes a mapping; write {event: NAME}")
        return None
    for key in raw:
        if key not in KEYS:
            text = f"performed has no key {key!r}; {did_you_mean(key, KEYS)}"
            report((*path, key), "unknown-key", text)
    event = raw.get("event")
    if not isinstance(event, str) or not event:
        place = (*path, "event") if "event" in raw else path
        report(place, "wrong-type", "performed needs the name of one event; write event: NAME")
        event = ""
    elif template_in_name(event) is not None:
        text = "an event's name takes no template; write the whole name of one event"
        report((*path, "event"), "template-in-condition", text)
    least, most = _counts(raw, path, report)
    where = parse_where(raw["where"], (*path, "where")) if "where" in raw else None
    same = _same(raw["same"], (*path, "same"), report, untied) if "same" in raw else None
    return Performed(event, where, _within(raw, path, report), least, most, same)


def question(performed: Performed) -> JsonValue:
    """The question as JSON, the operand of ``@performed``."""
    within = None if performed.within is None else format_duration(performed.within)
    asked: dict[str, JsonValue] = {
        "event": performed.event,
        "where": None if performed.where is None else performed.where.logic,
        "within": within,
        "least": performed.least,
        "most": performed.most,
    }
    if performed.same is not None:
        asked["same"] = [[*map(path_of, pair)] for pair in performed.same.pairs]
    return asked


def _counts(raw: dict[str, JsonValue], path: Path, report: Report) -> tuple[int, int | None]:
    """The smallest and the largest count that satisfy; without a key, at least one."""
    given = [key for key in _COUNTS if key in raw]
    if len(given) > 1 and given != ["at_least", "at_most"]:
        text = f"{' and '.join(given)} contradict each other; keep one, or at_least with at_most"
        report((*path, given[-1]), "conflicting-counts", text)
    if "never" in raw:
        if raw["never"] is not True:
            report((*path, "never"), "wrong-type", "write never: true, or leave it out")
        return 0, 0
    if "exactly" in raw:
        exactly = _count(raw, "exactly", path, report)
        return exactly, exactly
    if "at_most" not in raw:
        return (_count(raw, "at_least", path, report) if given else 1), None
    least = _count(raw, "at_least", path, report) if "at_least" in raw else 0
    most = _count(raw, "at_most", path, report)
    if least > most:
        text = f"no count is at least {least} and at most {most}; exchange them"
        report((*path, "at_most"), "conflicting-counts", text)
    return least, most


def _count(raw: dict[str, JsonValue], key: str, path: Path, report: Report) -> int:
    count = raw[key]
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    report((*path, key), "bad-number", f"{key} takes a whole number, 0 or more")
    return 0


def _same(raw: JsonValue, path: Path, report: Report, untied: str | None) -> Same | None:
    if untied is not None:
        report(
            path, "same-without-trigger", f"same compares with the triggering message, and {untied}"
        )
        return None
    faults = [*same_faults(raw)]
    for place, fault in faults:
        report((*path, *place), *fault)
    return None if faults else read_same(raw)


def _within(raw: dict[str, JsonValue], path: Path, report: Report) -> timedelta | None:
    if "within" not in raw:
        return None
    within = raw["within"]
    fault = DURATION.check(within)
    if fault is not None:
        report((*path, "within"), *fault)
    return parse_duration(within) if isinstance(within, str) else None
