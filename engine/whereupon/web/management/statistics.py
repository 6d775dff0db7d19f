"""Statistics: how many people entered each rule, what was sent to them, and what became of it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from whereupon.operations.conversions import Conversions
from whereupon.operations.statistics import RuleStatistics, Statistics
from whereupon.records import DeliveryFigures, Scope
from whereupon.render.conversions import conversions_object, says_something
from whereupon.web.management.forms import RuleId
from whereupon.web.management.routing import EngineGiven, needs, router

routes = router("statistics")


class FiguresShown(BaseModel):
    """How many deliveries are, or were, what the names say; each delivery counts once under a name."""

    pending: int
    held: int
    sent: int
    withheld: int
    dead: int
    delivered: int
    opened: int
    clicked: int
    converted: int
    bounced: int
    complained: int
    unsubscribed: int
    dropped: int
    deferred: int
    failed: int


class DifferenceShown(BaseModel):
    """The difference of two shares, in parts of one, with its 95 % interval; ``few``: one group is small."""

    value: float
    low: float
    high: float
    few: bool


class EntriesShown(BaseModel):
    """How many entries there are, were sent something, converted, and may still convert."""

    entered: int
    sent: int
    converted: int
    open: int
    difference: DifferenceShown | None


class ConversionsShown(EntriesShown):
    """What became of everybody who entered, of the holdout, and of each arm by split."""

    holdout: EntriesShown | None
    splits: dict[str, dict[str, EntriesShown]]


class RuleStatisticsShown(BaseModel):
    """The figures of one rule, in all and by channel; ``goal`` for one with a goal, a holdout or a split.

    Attributes:
        held_back: how many deliveries were held back for good, by reason.
        waiting: how many sends wait now: ``quiet`` for the end of quiet hours, ``cap`` for a place under a cap.
    """

    rule: str = Field(examples=["sock-thanks"])
    entered: int
    total: FiguresShown
    channels: dict[str, FiguresShown]
    goal: ConversionsShown | None
    held_back: dict[str, int] = Field(examples=[{"unsubscribed": 3, "cap": 1}])
    waiting: dict[str, int] = Field(examples=[{"quiet": 12}])


class StatisticsShown(BaseModel):
    """The figures of rules, by what the store still keeps.

    Attributes:
        since, until: from when on, and before when was counted; null for all.
        entries_kept_since, deliveries_kept_since: from when on all are kept; null if none were pruned.
    """

    rules: list[RuleStatisticsShown]
    since: AwareDatetime | None
    until: AwareDatetime | None
    entries_kept_since: AwareDatetime | None
    deliveries_kept_since: AwareDatetime | None


def _figures(figures: DeliveryFigures) -> FiguresShown:
    return FiguresShown.model_validate(asdict(figures))


def _rule_shown(found: RuleStatistics) -> RuleStatisticsShown:
    return RuleStatisticsShown(
        rule=found.rule,
        entered=found.entered,
        total=_figures(found.total),
        channels={name: _figures(each) for name, each in found.channels.items()},
        goal=_conversions(found.conversions) if says_something(found.conversions) else None,
        held_back=dict(found.held_back),
        waiting=dict(found.waiting),
    )


def _conversions(found: Conversions) -> ConversionsShown:
    return ConversionsShown.model_validate(conversions_object(found))


def _shown(found: Statistics) -> StatisticsShown:
    return StatisticsShown(
        rules=list(map(_rule_shown, found.rules)),
        since=found.since,
        until=found.until,
        entries_kept_since=found.entries_kept_since,
        deliveries_kept_since=found.deliveries_kept_since,
    )


Since = Annotated[
    int | None,
    Query(
        ge=1,
        le=10**9,
        description="Only entries opened, and deliveries that ended or are due, in so many seconds.",
        examples=[604_800],
    ),
]


Until = Annotated[
    int | None,
    Query(
        ge=1,
        le=10**9,
        description="Only entries opened, and deliveries that ended or are due, longer than so many seconds ago.",
        examples=[86_400],
    ),
]


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


@routes.get("/stats", **needs(Scope.VIEWER))
def get_statistics(
    engine: EngineGiven, since_seconds: Since = None, until_seconds: Until = None
) -> StatisticsShown:
    """The figures of every rule."""
    return _shown(engine.stats(since=_span(since_seconds), until=_span(until_seconds)))


@routes.get("/stats/{rule}", **needs(Scope.VIEWER, 404))
def get_rule_statistics(
    rule: RuleId, engine: EngineGiven, since_seconds: Since = None, until_seconds: Until = None
) -> StatisticsShown:
    """The figures of one rule, with its conversions by arm and beside the holdout."""
    period = {"since": _span(since_seconds), "until": _span(until_seconds)}
    return _shown(engine.stats(rule, **period))
