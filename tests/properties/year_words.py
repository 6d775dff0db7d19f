"""What the words of rule files say, for the model of a year: conditions, clocks, moments.

Nothing is taken from the engine. Instants are whole microseconds since 1970. A word that is not modelled raises
`NotImplementedError`, so that no rule is compared without it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.properties.year_clock import days_of, in_year, local, moment_of, on_clock, span

Data = dict[str, Any]


@dataclass(slots=True)
class Said:
    """A message: its event's or page's name, or its type; ``at`` is when it happened, ``arrives`` when it came."""

    id: str
    kind: str
    name: str
    user: str | None
    device: str | None
    data: Data
    at: int
    arrives: int
    owner: Any = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a condition sees.

    Attributes:
        root: where its names begin: a person's attributes, a message's properties, or an item of a list.
        seen: the data that `logic` and ``$.`` reach.
        now: the instant that it is asked as of.
        zone: the clock by which days go.
        past: what the person did, in the order in which they did it.
        segments: their conditions.
    """

    root: Any
    seen: Data
    now: int
    zone: ZoneInfo
    past: list[Said] = field(default_factory=list)
    segments: Mapping[str, Data] = field(default_factory=dict)


# --- values ---------------------------------------------------------------------------------------


def found(data: Any, path: str) -> Any:
    """The value of a path; None if there is none."""
    for name in (part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def key_of(value: Any) -> str | None:
    """A value as a key: 7, 7.0 and ``"7"`` are one, and a blank one is none."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if text.strip() else None


def number(value: Any) -> float | None:
    """A number, or a text that reads as one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def equal(value: Any, wanted: Any) -> bool:
    """Whether a value is the one that is wanted: of numbers and truths, words count, too."""
    if isinstance(value, list | dict) or value is None:
        return False
    if isinstance(wanted, bool) or isinstance(value, bool):
        return str(value).lower() == str(wanted).lower()
    if value == wanted:
        return True
    if isinstance(value, str) and isinstance(wanted, str):
        return False
    return number(value) is not None and number(value) == number(wanted)


# --- conditions -----------------------------------------------------------------------------------


def holds(condition: Any, look: Look) -> bool:
    """Whether everything in a condition holds."""
    return all(_part(name, wanted, look) for name, wanted in (condition or {}).items())


def _part(name: str, wanted: Any, look: Look) -> bool:
    match name:
        case "all":
            return all(holds(each, look) for each in wanted)
        case "any":
            return any(holds(each, look) for each in wanted)
        case "not":
            return not holds(wanted, look)
        case "logic":
            return bool(logic(wanted, look))
        case "segment":
            return all(holds(look.segments[each], look) for each in _listed(wanted))
        case "performed":
            return performed(wanted, look)
    value = found(look.seen, name[2:]) if name.startswith("$.") else found(look.root, name)
    if isinstance(wanted, dict):
        return all(_test(operator, value, than, look) for operator, than in wanted.items())
    return any(equal(value, _outside(each, look)) for each in _listed(wanted))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _outside(wanted: Any, look: Look) -> Any:
    is_path = isinstance(wanted, str) and wanted.startswith("$.")
    return found(look.seen, wanted[2:]) if is_path else wanted


def _test(operator: str, value: Any, wanted: Any, look: Look) -> bool:
    if operator == "exists":
        return (value is not None) is wanted
    if value is None:
        return False
    if operator in _ITEMS:
        items = [replace(look, root=each) for each in value] if isinstance(value, list) else None
        return items is not None and _ITEMS[operator](_item(wanted, each) for each in items)
    if operator in _NUMBERS:
        return _compared(_NUMBERS[operator], number(value), number(_outside(wanted, look)))
    if operator in _TIMES:
        return _timely(operator, value, wanted, look)
    return _TESTS[operator](value, _outside(wanted, look))


def _item(wanted: Any, look: Look) -> bool:
    if not isinstance(wanted, dict):
        return any(equal(look.root, _outside(each, look)) for each in _listed(wanted))
    if wanted.keys() <= _NUMBERS.keys() | _TESTS.keys() | _TIMES:
        return all(_test(operator, look.root, than, look) for operator, than in wanted.items())
    return holds(wanted, look)


def _compared(than: Callable[[float, float], bool], one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and than(one, other)


def _between(value: Any, wanted: list[Any]) -> bool:
    least, most = map(number, wanted)
    given = number(value)
    return None not in (least, most, given) and least <= given <= most  # type: ignore[operator]


_ITEMS: dict[str, Callable[[Iterator[bool]], bool]] = {
    "any_item": any,
    "all_items": all,
    "no_item": lambda each: not any(each),
}
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": equal,
    "ne": lambda value, wanted: not equal(value, wanted),
    "in": lambda value, wanted: any(equal(value, each) for each in wanted),
    "not_in": lambda value, wanted: not any(equal(value, each) for each in wanted),
    "between": _between,
    "contains": lambda value, wanted: (
        wanted in value if isinstance(value, str) else any(equal(each, wanted) for each in value)
    ),
    "starts_with": lambda value, wanted: str(value).startswith(wanted),
    "ends_with": lambda value, wanted: str(value).endswith(wanted),
}
_TIMES = frozenset(
    ["before", "after", "within", "in_next", "in_last", "not_in_last", "on_day", "anniversary"]
)


def _timely(operator: str, value: Any, wanted: Any, look: Look) -> bool:
    moment, now = moment_of(value, look.zone), look.now
    if moment is None:
        return False
    match operator:
        case "before" | "after":
            other = moment_of(str(wanted), look.zone)
            assert other is not None
            return moment < other if operator == "before" else moment > other
        case "within":
            return abs(moment - now) <= span(wanted)
        case "in_next":
            return 0 < moment - now <= span(wanted)
        case "in_last":
            return 0 <= now - moment < span(wanted)
        case "not_in_last":
            return not 0 <= now - moment < span(wanted)
    day = local(now, look.zone).date() + timedelta(days=days_of(wanted))
    meant = local(moment, look.zone).date()
    return day == (meant if operator == "on_day" else in_year(meant, day.year))


def performed(asked: Data, look: Look) -> bool:
    """Whether the person did something as often as is asked, up to the instant of the question."""
    since = look.now - span(asked["within"]) if "within" in asked else 0
    last = bisect_left(look.past, look.now + 1, key=lambda each: each.at)
    times = 0
    for each in reversed(look.past[:last]):
        if each.at < since:
            break
        if each.kind == "track" and each.name == asked["event"]:
            pairs = _pairs(asked.get("same"))
            keys = [key_of(found(look.seen.get("properties"), b)) for _, b in pairs]
            alike = [key_of(found(each.data, a)) for a, _ in pairs] == keys
            times += alike and holds(asked.get("where"), replace(look, root=each.data))
    if any(
        key_of(found(look.seen.get("properties"), b)) is None for _, b in _pairs(asked.get("same"))
    ):
        return False
    if asked.get("never"):
        return times == 0
    if "exactly" in asked:
        return bool(times == asked["exactly"])
    least = asked.get("at_least", 0 if "at_most" in asked else 1)
    return bool(least <= times <= asked.get("at_most", times))


def _pairs(same: Any) -> list[tuple[str, str]]:
    pairs = same.items() if isinstance(same, dict) else [(name, name) for name in same or []]
    return list(pairs)


def is_same(same: Any, theirs: Data, opening: Data) -> bool:
    """Whether two messages are about the same things; what is missing is no thing."""
    keys = [(key_of(found(theirs, a)), key_of(found(opening, b))) for a, b in _pairs(same)]
    return all(a is not None and a == b for a, b in keys)


def logic(expression: Any, look: Look) -> Any:
    """JSONLogic, as far as it is used."""
    if not isinstance(expression, dict):
        return expression
    ((operator, arguments),) = expression.items()
    if operator == "var":
        return found(look.seen, arguments)
    given = [logic(each, look) for each in _listed(arguments)]
    match operator:
        case "in":
            return given[0] in given[1] if isinstance(given[1], list | str) else False
        case "!":
            return not given[0]
        case "and" | "or":
            return (all if operator == "and" else any)(given)
        case "==" | "!=":
            return (given[0] == given[1]) is (operator == "==")
        case "<" | ">" | "<=" | ">=":
            one, other = (each or 0 for each in given)
            name = {"<": "lt", ">": "gt", "<=": "lte", ">=": "gte"}[operator]
            return _compared(_NUMBERS[name], number(one), number(other))
    raise NotImplementedError(operator)


# --- when time alone changes something ------------------------------------------------------------


def is_timed(condition: Any, segments: Mapping[str, Data]) -> bool:
    """Whether time alone may change whether a condition holds."""
    return any(
        (name == "performed" and "within" in part) or name in _TIMES - {"before", "after"}
        for name, part in _parts(condition, segments)
    )


def _parts(condition: Any, segments: Mapping[str, Data]) -> Iterator[tuple[str, Any]]:
    if isinstance(condition, list):
        for each in condition:
            yield from _parts(each, segments)
    elif isinstance(condition, dict):
        for name, part in condition.items():
            if name == "segment":
                for each in _listed(part):
                    yield from _parts(segments[each], segments)
            elif name != "logic":
                yield name, part
                yield from _parts(part, segments)


def next_turn(condition: Any, look: Look) -> int | None:
    """The next instant at which the condition may be another one; it is asked then whether it is."""
    return min((at for at in _turns(condition, look) if at > look.now), default=None)


def _turns(condition: Any, look: Look) -> Iterator[int]:
    for name, part in (condition or {}).items():
        below = part if name in {"all", "any"} else [part] if name == "not" else []
        if name == "segment":
            below = [look.segments[each] for each in _listed(part)]
        for each in below:
            yield from _turns(each, look)
        if name == "performed" and "within" in part:
            for event in look.past:
                if event.name == part["event"]:
                    yield from (event.at, event.at + span(part["within"]) + 1)
        elif not below and name not in {"performed", "logic"} and isinstance(part, dict):
            yield from _date_turns(found(look.root, name), part, look)


def _date_turns(value: Any, tests: Data, look: Look) -> Iterator[int]:
    moment = moment_of(value, look.zone)
    if moment is None:
        return
    for operator, wanted in tests.items():
        match operator:
            case "within":
                yield from (moment - span(wanted), moment + span(wanted) + 1)
            case "in_next":
                yield from (moment - span(wanted), moment)
            case "in_last" | "not_in_last":
                yield from (moment, moment + span(wanted))
            case "on_day" | "anniversary":
                yield from _midnights(moment, wanted, look, every_year=operator == "anniversary")


def _midnights(moment: int, wanted: str, look: Look, *, every_year: bool) -> Iterator[int]:
    meant, year = local(moment, look.zone).date(), local(look.now, look.zone).year
    for day in [in_year(meant, year + n) for n in (0, 1, 2)] if every_year else [meant]:
        first = day - timedelta(days=days_of(wanted))
        for each in (first, first + timedelta(days=1)):
            yield on_clock(each, time(0), look.zone)
