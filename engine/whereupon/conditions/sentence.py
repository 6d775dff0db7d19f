"""Conditions as sentences for marketers: ``price is greater than 20``."""

import json
from collections.abc import Sequence

from whereupon.conditions.condition import Performed
from whereupon.conditions.jsonlogic.coercion import as_text
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.jsonlogic.standard import COMPARISONS
from whereupon.conditions.paths import path_of
from whereupon.conditions.same import Same
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import format_duration


def value_words(value: JsonValue) -> str:
    """A fixed value, or a list of fixed values, in a sentence."""
    if isinstance(value, list):
        return ", ".join(map(value_words, value))
    return json.dumps(value) if isinstance(value, dict) or value == "" else as_text(value)


def all_words(texts: Sequence[str]) -> str:
    """Several conditions that must all hold."""
    return " and ".join(texts)


def any_words(groups: Sequence[Sequence[str]]) -> str:
    """Several conditions of which one must hold; each has one or more parts."""
    return " or ".join(f"({all_words(group)})" if len(group) > 1 else group[0] for group in groups)


def logic_words(logic: JsonValue) -> str:
    """JSONLogic: a comparison of two simple operands in words, anything else as JSON."""
    if isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        sides = [_operand_words(operand) for operand in operands]
        if name in COMPARISONS and len(sides) == 2 and all(sides):  # noqa: PLR2004 - two sides
            return f"{sides[0]} {COMPARISONS[name].words} {sides[1]}"
    return f"the logic {json.dumps(logic)} holds"


def performed_words(performed: Performed) -> str:
    """A question to the history: ``has performed purchase at least 3 times within 30d``."""
    where = performed.where.conjuncts if performed.where is not None else ()
    what = performed.event
    if where:
        what = f"{what} where {all_words([conjunct.text for conjunct in where])}"
    if performed.same is not None:
        what = f"{what} with {same_words(performed.same)}"
    never = performed.most == 0
    within = f" within {format_duration(performed.within)}" if performed.within is not None else ""
    counted = "" if never else f" {_count_words(performed)}"
    return f"has {'never ' if never else ''}performed {what}{counted}{within}"


def same_words(same: Same) -> str:
    """What ties a message to the triggering message: ``the same order_id``, ``invoice_id as the trigger's id``."""
    return all_words(
        [
            f"the same {path_of(theirs)}"
            if theirs == triggers
            else f"{path_of(theirs)} as the trigger's {path_of(triggers)}"
            for theirs, triggers in same.pairs
        ]
    )


def _count_words(performed: Performed) -> str:
    least, most = performed.least, performed.most
    if most is None:
        return f"at least {_times(least)}"
    if least == most:
        return f"exactly {_times(least)}"
    return f"at most {_times(most)}" if least == 0 else f"{least} to {_times(most)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _operand_words(operand: JsonValue) -> str | None:
    if isinstance(operand, dict | list):
        return fixed_path(operand)
    return value_words(operand)
