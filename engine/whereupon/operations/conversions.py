"""What became of the people who entered a rule: sent to, converted; by arm, and beside the holdout."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add

from whereupon.operations.intervals import Difference, difference
from whereupon.records import EntryFigures, EntryGroup

_NONE = EntryFigures()


@dataclass(frozen=True, slots=True)
class ArmStatistics:
    """The entries that took an arm of a split.

    Attributes:
        difference: of its conversion rate to the holdout's, or to the first arm's if there is no holdout; None for
            that arm itself, and if one of the groups is empty.
    """

    arm: str
    entries: EntryFigures
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Conversions:
    """What became of the entries of a rule.

    Attributes:
        entries: of everybody who entered.
        holdout: of those who were held out; None if nobody was.
        difference: of the conversion rate of those who entered to that of the holdout; None if one of the
            groups is empty.
        splits: by the split's name, its arms by name.
        has_goal: whether entries are, or were, watched for a goal.
    """

    entries: EntryFigures = _NONE
    holdout: EntryFigures | None = None
    difference: Difference | None = None
    splits: Mapping[str, tuple[ArmStatistics, ...]] = field(default_factory=dict)
    has_goal: bool = False


def conversions(groups: Iterable[EntryGroup]) -> Conversions:
    """The conversions of one rule.

    Args:
        groups: the rule's entries, by what they have in common.
    """
    entered, held_out = list[EntryGroup](), list[EntryFigures]()
    for group in groups:
        if group.is_held_out:
            held_out.append(group.figures)
        else:
            entered.append(group)
    every = _total(group.figures for group in entered)
    holdout = _total(held_out) if held_out else None
    has_goal = any(each.converted or each.watched for each in (every, holdout or _NONE))
    base = holdout if has_goal else None
    splits = {
        name: _arms(arms, base, has_goal=has_goal) for name, arms in _by_split(entered).items()
    }
    told = None if base is None else _difference(every, base)
    return Conversions(every, holdout, told, splits, has_goal)


def _by_split(groups: Iterable[EntryGroup]) -> Mapping[str, Mapping[str, EntryFigures]]:
    """The figures of each arm, by split; an entry counts once in each split that it took."""
    found: dict[str, dict[str, EntryFigures]] = defaultdict(dict)
    for group in groups:
        for taken in filter(None, group.arms.split(",")):
            split, _, arm = taken.partition("=")
            found[split][arm] = found[split].get(arm, _NONE) + group.figures
    return dict(sorted(found.items()))


def _arms(
    figures: Mapping[str, EntryFigures], holdout: EntryFigures | None, *, has_goal: bool
) -> tuple[ArmStatistics, ...]:
    names = sorted(figures)
    base = figures[names[0]] if holdout is None else holdout
    return tuple(
        ArmStatistics(
            name,
            figures[name],
            _difference(figures[name], base) if has_goal and figures[name] is not base else None,
        )
        for name in names
    )


def _difference(one: EntryFigures, other: EntryFigures) -> Difference | None:
    return difference(one.converted, one.entered, other.converted, other.entered)


def _total(figures: Iterable[EntryFigures]) -> EntryFigures:
    return reduce(add, figures, _NONE)
