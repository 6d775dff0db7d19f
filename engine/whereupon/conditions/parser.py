"""The two ways into this package: a condition of a rule file, and plain JSONLogic."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from whereupon.conditions.condition import ALWAYS, Condition
from whereupon.conditions.conjuncts import assembled
from whereupon.conditions.context import UTC, Known, Setting
from whereupon.conditions.short_form import read_condition
from whereupon.conditions.validation import too_large
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic

_NO_SEGMENTS: Final[Mapping[str, JsonValue]] = MappingProxyType({})


def parse_condition(
    raw: JsonValue,
    *,
    root: Literal["properties", "person"],
    segments: Mapping[str, JsonValue] = _NO_SEGMENTS,
    history_allowed: bool = False,
    zone: str = UTC,
    known: Known | None = None,
) -> tuple[Condition, tuple[Diagnostic, ...]]:
    """Compile the ``where`` or ``who`` of a rule file, and say everything that is wrong with it.

    Args:
        raw: the condition as the file has it; None, where it has none, always holds.
        root: what the paths of the short form start from.
        segments: the raw condition of every segment, by its name.
        history_allowed: whether ``segment`` and ``performed`` may be used, as in ``who``.
        zone: the timezone of dates without an offset, in the condition and in the data.
        known: where conjuncts are kept that more conditions may share; None to share nothing.

    Returns:
        The condition, which is `ALWAYS` where a problem is an error; and every problem, with its
        path within ``raw``.
    """
    if raw is None:
        return ALWAYS, ()
    oversize = too_large(raw, ())
    if oversize is not None:
        return ALWAYS, (oversize,)
    setting = Setting(
        root,
        segments,
        history_allowed=history_allowed,
        zone=zone,
        known={} if known is None else known,
    )
    condition = assembled(read_condition(raw, (), setting), (), setting)
    return condition, tuple(setting.problems)
