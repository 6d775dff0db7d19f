"""The parser of conditions in the short form: a mapping from dotted paths to what is expected there.

Every key is one conjunct, or several, and all of them must hold. ``all``, ``any``, ``not``,
``logic``, ``segment`` and ``performed`` are keys of their own. A missing value satisfies no comparison, so
``not: {price: {gt: 20}}`` holds for a message without a price, and ``price: {lte: 20}`` does not.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.conditions.condition import ALWAYS, Condition, Conjunct, conjunction
from whereupon.conditions.conjuncts import assemble, combine, conjunct_of
from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.items import (
    NOT_OUTSIDE,
    OUTSIDE,
    is_outside,
    label,
    list_conjunct,
    misplaced_outside,
    outer,
    outer_paths,
    outside_fault,
    outside_of,
    read_items,
    with_outer,
    with_outside,
)
from whereupon.conditions.jsonlogic.expressions import is_call, operands_of, variables_of
from whereupon.conditions.operators import OPERATORS, Operand, Operator
from whereupon.conditions.parse_context import NO_TRIGGER, UTC, ConjunctPool, ParseContext
from whereupon.conditions.paths import root_of
from whereupon.conditions.performed import PERFORMED, question, read_performed
from whereupon.conditions.segments import segment_conjuncts
from whereupon.conditions.sentence import all_words, any_words, logic_words, performed_words
from whereupon.conditions.validation import (
    Path,
    did_you_mean,
    literal_diagnostics,
    logic_diagnostics,
    placeholder_fault,
    template_in_name,
    too_large,
)
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic

_SYMBOLS: Final = MappingProxyType(
    {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
)


_OTHER_ROOTS: Final = MappingProxyType(
    {
        "properties": ("person.", "context."),
        "person": ("properties.", "context."),
    }
)
"""The beginnings of paths that are meant to start elsewhere."""
_NO_SEGMENTS: Final[Mapping[str, JsonValue]] = MappingProxyType({})


def parse_condition(  # noqa: PLR0913 - one for each thing that a condition may refer to
    raw: JsonValue,
    *,
    root: Literal["properties", "person"],
    segments: Mapping[str, JsonValue] = _NO_SEGMENTS,
    history_allowed: bool = False,
    zone: str = UTC,
    clock: Clock = DEFAULT_CLOCK,
    pool: ConjunctPool | None = None,
    untied: str | None = NO_TRIGGER,
    in_steps: bool = False,
) -> tuple[Condition, tuple[Diagnostic, ...]]:
    """Parse the ``where`` or ``who`` of a rule file, and find everything that is wrong with it.

    Args:
        raw: the condition as the file has it; None (there is none) always holds.
        root: the object that the paths of the short form start from.
        segments: the raw condition of every segment, by its name.
        history_allowed: whether ``segment`` and ``performed`` may be used, as in ``who``.
        zone: the timezone of dates without an offset, in the condition and in the data, where they are
            compared with fixed instants.
        clock: the person's clock: of days, and of dates that are compared with now.
        pool: conjuncts that other conditions of the folder share; None to share nothing.
        untied: why there is no triggering message that `same` could compare with; None if there is one.
        in_steps: whether it is asked in a step, where paths may start from ``run``: what functions returned.

    Returns:
        The condition, which is `ALWAYS` if there is an error; and every diagnostic, with its path
        within ``raw``.
    """
    if raw is None:
        return ALWAYS, ()
    oversize = too_large(raw, ())
    if oversize is not None:
        return ALWAYS, (oversize,)
    context = ParseContext(
        root,
        segments,
        history_allowed=history_allowed,
        zone=zone,
        clock=clock,
        pool={} if pool is None else pool,
        untied=untied,
        in_steps=in_steps,
    )
    condition = assemble(read_condition(raw, (), context), (), context)
    return condition, tuple(context.diagnostics)


def read_condition(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    """The conjuncts of a condition; every diagnostic is noted in the context."""
    if not isinstance(raw, dict):
        context.report(path, "wrong-type", "a condition is a mapping; write {PATH: VALUE}")
        return []
    if not raw:
        text = "this condition is empty; write what must hold, or leave the key out"
        context.report(path, "empty-condition", text)
    conjuncts: list[Conjunct] = []
    for key, value in raw.items():
        if key in _REFERRING:
            conjuncts += _REFERRING[key](value, (*path, key), context)
        else:
            conjuncts += _pooled(key, value, (*path, key), context)
    return conjuncts


def _pooled(key: str, value: JsonValue, path: Path, context: ParseContext) -> Sequence[Conjunct]:
    """The conjuncts of a key that depends on nothing but itself: parsed once, unless it has a diagnostic."""
    steps = " in steps" if context.in_steps else ""
    asked = (f"{context.root} {context.zone}{steps}{_clock_words(context)}", key, repr(value))
    found = context.pool.get(asked)
    if found is None:
        before = len(context.diagnostics)
        if key == "logic":
            found = tuple(logic_conjuncts(value, path, context))
        else:
            found = tuple(_field(key, value, path, context))
        if len(context.diagnostics) == before:
            context.pool[asked] = found
    return found


def _clock_words(context: ParseContext) -> str:
    """What distinguishes the clock; nothing for the clock of most folders."""
    clock = context.clock
    return "" if clock is DEFAULT_CLOCK else f" by {clock.path} or {clock.otherwise}"


def _field(name: str, expected: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    fault = template_in_name(name)
    if context.root == "item":
        if name in OPERATORS or name in ITEM_TESTS:  # of the item itself
            return _expectation("", name, expected, path, context)
        fault = fault or (outside_fault(name) if is_outside(name) else None)
    else:
        _warn_of_root(name, path, context)
    if fault is not None:
        context.report(path, *fault)
        return []
    if expected == {}:
        context.report(path, "empty-condition", f"say what {name} must be, or leave it out")
        return []
    if not isinstance(expected, dict):
        operator = "in" if isinstance(expected, list) else "eq"
        return _expectation(name, operator, expected, path, context)
    conjuncts = []
    for operator, value in expected.items():
        conjuncts += _expectation(name, operator, value, (*path, operator), context)
    return conjuncts


def _warn_of_root(name: str, path: Path, context: ParseContext) -> None:
    """Warn of a path that starts at a root, because all paths of the condition start at one."""
    if name.startswith(f"{context.root}."):
        short = name.removeprefix(f"{context.root}.")
        text = f"paths start at the {context.root} already; write {short}"
        context.warn(path, "repeated-root", text)
    elif name.startswith((*_OTHER_ROOTS[context.root], OUTSIDE)):
        root = name.partition(".")[0]
        what = "a property" if context.root == "properties" else "an attribute"
        text = (
            f"this asks for {what} called {root}; for what is elsewhere write "
            f'logic: {{"==": [{{"var": "{name.removeprefix(OUTSIDE)[:60]}"}}, …]}}'
        )
        context.warn(path, "other-root", text)
    elif context.root == "person" and name == "user_id":
        text = (
            "this reads an attribute called user_id, which a message may have set; it is not the id by "
            "which the engine knows the person, and no condition reads that"
        )
        context.warn(path, "attribute-not-id", text)


def _variable(name: str, context: ParseContext) -> tuple[JsonValue, str | None]:
    """The logic that reads a name, and the absolute path of it; None inside of an item."""
    if context.root != "item":
        path = name if context.starts_at_root(name) else f"{context.root}.{name}"
        return {"var": path}, path
    if is_outside(name):
        return outer(outside_of(name)), outside_of(name)
    return {"var": [name, None] if name == "timestamp" else name}, None  # not the message's


def _expectation(
    name: str, operator: str, expected: JsonValue, path: Path, context: ParseContext
) -> list[Conjunct]:
    variable, read = _variable(name, context)
    if operator in ITEM_TESTS:
        conjuncts = read_items(expected, path, context, read=read_condition)
        test = ITEM_TESTS[operator]
        return [list_conjunct(name, test, conjuncts, variable, read)] if conjuncts else []
    row = OPERATORS.get(operator)
    if row is None:
        context.report(path, "unknown-operator", _no_operator(name, operator))
        return []
    if context.root == "item" and is_outside(expected) and operator not in NOT_OUTSIDE:
        return _beside_outside(name, row, str(expected), path, context)
    fault = placeholder_fault(expected) or row.operand.check(expected)
    if fault is not None:
        is_inside = context.root == "item" and operator not in NOT_OUTSIDE
        context.report(path, *(with_outside(fault, expected) if is_inside else fault))
        return []
    logic = row.logic(variable, _on_clock(row.operand, expected, context))
    reads_time = row.addition is not None and row.addition.timed_test is not None
    further = (
        "timestamp" if reads_time else None,
        context.clock.path if row.operand.of_person else None,
    )
    variables = [each for each in (read, *further) if each is not None]
    return [conjunct_of(logic, f"{label(name)} {row.words(expected)}", variables=variables)]


def _beside_outside(
    name: str, row: Operator, expected: str, path: Path, context: ParseContext
) -> list[Conjunct]:
    """A value of an item beside one that stands outside of the item."""
    fault = outside_fault(expected)
    if fault is not None:
        context.report(path, *fault)
        return []
    outside, (variable, read) = outside_of(expected), _variable(name, context)
    wanted = outer(outside, row.operand, context.zone)
    logic: JsonValue = {"and": [{"!=": [wanted, None]}, row.logic(variable, wanted)]}
    variables = [outside] if read is None else [read, outside]
    return [conjunct_of(logic, f"{label(name)} {row.words(outside)}", variables=variables)]


def _on_clock(operand: Operand, expected: JsonValue, context: ParseContext) -> JsonValue:
    """The operand, with the person's clock beside it, or the timezone of its dates if that is not UTC."""
    if operand.of_person:
        return context.clock.beside(expected)
    zone = context.zone
    if zone == UTC or operand.on_clock is None or not isinstance(expected, str):
        return expected
    return operand.on_clock(expected, zone)


def _no_operator(name: str, operator: str) -> str:
    if operator in _SYMBOLS:
        return f"there is no operator {operator!r} in the short form; write {_SYMBOLS[operator]}"
    hint = did_you_mean(operator, (*OPERATORS, *ITEM_TESTS))
    return f"there is no operator {operator!r}; {hint}; to look inside, write {name}.{operator}"


def _all(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    return [conjunct for group in _groups("all", raw, path, context) for conjunct in group]


def _any(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    groups = [group for group in _groups("any", raw, path, context) if group]
    if not groups:
        return []
    text = any_words([[conjunct.text for conjunct in group] for group in groups])
    logic: JsonValue = {"or": [conjunction(group) for group in groups]}
    return [combine(logic, text, (conjunct for group in groups for conjunct in group))]


def _not(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    conjuncts = read_condition(raw, path, context)
    if not conjuncts:
        return []
    text = f"not ({all_words([conjunct.text for conjunct in conjuncts])})"
    return [combine({"!": [conjunction(conjuncts)]}, text, conjuncts)]


def _groups(key: str, raw: JsonValue, path: Path, context: ParseContext) -> list[list[Conjunct]]:
    if not isinstance(raw, list):
        context.report(
            path, "wrong-type", f"{key} takes a list of conditions; write [{{…}}, {{…}}]"
        )
        return []
    if not raw:
        context.report(
            path, "empty-condition", f"{key} has no conditions; write some, or leave it out"
        )
    return [read_condition(item, (*path, place), context) for place, item in enumerate(raw)]


def _segment(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    if not context.history_allowed:
        context.report(path, "not-allowed-here", "a segment is a group of persons; name it in who")
        return []
    return segment_conjuncts(raw, path, context, read=read_condition)


def _performed(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    if not context.history_allowed:
        text = "performed asks about a person's past; write it in who"
        context.report(path, "not-allowed-here", text)
        return []

    def parse_where(where: JsonValue, place: Path) -> Condition:
        inner = ParseContext(
            "properties",
            {},
            history_allowed=False,
            zone=context.zone,
            clock=context.clock,
            pool=context.pool,
            diagnostics=context.diagnostics,
        )
        return (
            ALWAYS if where is None else assemble(read_condition(where, place, inner), place, inner)
        )

    ask = read_performed(
        raw, path, report=context.report, parse_where=parse_where, untied=context.untied
    )
    if ask is None:
        return []
    if ask.event.endswith("*"):
        text = (
            f"a * is not read here: this counts what is called {ask.event!r}; write one whole name"
        )
        context.warn((*path, "event"), "wrong-value", text)
    logic: JsonValue = {PERFORMED: [question(ask)]}
    paths = () if ask.where is None else sorted(ask.where.variables)
    of_person = [path for path in paths if root_of(path) == "person"]  # the rest is the event's
    return [conjunct_of(logic, performed_words(ask), variables=of_person, performed=(ask,))]


_REFERRING: Final = MappingProxyType[
    str, Callable[[JsonValue, Path, ParseContext], list[Conjunct]]
]({"all": _all, "any": _any, "not": _not, "segment": _segment, "performed": _performed})
"""The keys whose meaning depends on the context: the segments, and the place of the condition."""


_NO_CALL: Final = 'logic takes JSONLogic; write one operator and its operands: {">": [a, b]}'


def logic_conjuncts(raw: JsonValue, path: Path, context: ParseContext) -> list[Conjunct]:
    """The conjuncts of ``logic:``: one for each operand of an ``and`` at its top."""
    if raw == {}:
        context.report(path, "empty-condition", "logic is empty; write {OPERATOR: [OPERANDS]}")
        return []
    if not isinstance(raw, dict) or not is_call(raw):
        context.report(path, "wrong-type", _NO_CALL)
        return []
    context.diagnostics.extend(logic_diagnostics(raw, path))
    context.diagnostics.extend(literal_diagnostics(raw, path))
    if context.root == "item":
        return _item_logic(raw, path, context)
    for name in dict.fromkeys(variables_of(raw)):
        if root_of(name) not in context.roots:
            seen = ", ".join(context.roots)
            text = f"logic sees {seen}, and so no {name}; write {context.root}.{name}"
            context.warn(path, "unknown-root", text)
    return [
        conjunct_of(logic, logic_words(logic), variables=variables_of(logic))
        for logic in _operands_of_and(raw)
    ]


def _item_logic(raw: dict[str, JsonValue], path: Path, context: ParseContext) -> list[Conjunct]:
    """The conjuncts of ``logic:`` about an item; a ``var`` may reach outside."""
    for place, fault in misplaced_outside(raw, path):
        context.report(place, *fault)
    return [
        conjunct_of(with_outer(logic), logic_words(logic), variables=outer_paths(with_outer(logic)))
        for logic in _operands_of_and(raw)
    ]


def _operands_of_and(logic: dict[str, JsonValue]) -> list[JsonValue]:
    name, operands = operands_of(logic)
    return operands if name == "and" and operands else [logic]
