"""Status: what the store holds, what waits, what stands still, and what this process did."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from whereupon.engine import Engine
from whereupon.records import RetainedKind, Scope
from whereupon.web.management.etags import tag_of
from whereupon.web.management.routing import EngineGiven, needs, router

routes = router("status")


class CountsShown(BaseModel):
    """How many rows the store holds."""

    messages: int
    persons: int
    entries: int
    deliveries: int


class BacklogShown(BaseModel):
    """The deliveries of one channel that are pending, held or dead; ``oldest`` is when the first was due, or died."""

    state: str
    channel: str
    number: int
    oldest: AwareDatetime


class ChannelShown(BaseModel):
    """A channel of this process, as all processes see it.

    Attributes:
        failures: how many calls have failed since the last that did not.
        rests_until: no call is made before; null if it does not rest.
    """

    name: str
    failures: int
    rests_until: AwareDatetime | None


class LeftAloneShown(BaseModel):
    """Due work of one rule that this process leaves alone, and why."""

    rule: str
    why: str = Field(examples=["paused"])
    entries: int
    runs: int
    due_at: AwareDatetime


class StatusShown(BaseModel):
    """How things are.

    Attributes:
        counts: how many rows the store holds; null if that was not asked.
        rules: how many rules are in use here; ``rules_tag`` is the entity tag of their list.
        work_due: when the first wait or broadcast that this process may run is due, or was.
        request_due: likewise for requests and actions.
        claims: how many large claims are unfinished; it counts no further than 1,000.
        set_aside: how many messages the engine itself failed on; it counts no further than 1,000.
        messages: what came into this process, by outcome.
        kept_since: from when on all records of a kind are kept; null if none were pruned.
    """

    now: AwareDatetime
    rules: int
    rules_tag: str
    counts: CountsShown | None
    backlog: list[BacklogShown]
    channels: list[ChannelShown]
    resting: list[ChannelShown]
    left_alone: list[LeftAloneShown]
    work_due: AwareDatetime | None
    request_due: AwareDatetime | None
    claims: int
    set_aside: int
    messages: dict[str, int]
    kept_since: dict[str, AwareDatetime | None]


_MOST_COUNTED = 1_000


@routes.get("/status", **needs(Scope.VIEWER))
def get_status(
    engine: EngineGiven,
    *,
    counts: Annotated[bool, Query(description="Whether to count whole tables, too.")] = False,
) -> StatusShown:
    """What waits, what stands still, and what came into this process; if asked, what the store holds."""
    status, waiting = engine.status(), engine.waiting()
    with engine.store.reading() as session:
        held = session.counts() if counts else None
        aside = len(session.set_aside(_MOST_COUNTED))
    book = engine.pipeline.index.book
    return StatusShown.model_validate(
        {
            "now": engine.clock.now(),
            "rules": len(book.rules),
            "rules_tag": tag_of(book),
            "counts": None if held is None else asdict(held),
            "backlog": [BacklogShown(**each._asdict()) for each in waiting.deliveries],
            "channels": [_channel(c.name, c.failures, c.rests_until) for c in waiting.channels],
            "resting": [_channel(c.name, c.failures, c.rests_until) for c in status.resting],
            "left_alone": [LeftAloneShown(**each._asdict()) for each in status.left_alone],
            "work_due": waiting.work_due,
            "request_due": waiting.request_due,
            "claims": waiting.claims,
            "set_aside": aside,
            "messages": dict(engine.activity().messages),
            "kept_since": _kept_since(engine),
        }
    )


def _channel(name: str, failures: int, rests_until: object) -> dict[str, object]:
    return {"name": name, "failures": failures, "rests_until": rests_until}


def _kept_since(engine: Engine) -> dict[str, object]:
    kinds = (RetainedKind.SKIPS, RetainedKind.DELIVERIES, RetainedKind.ENTRIES)
    return {kind.value: engine.kept_since(kind) for kind in (*kinds, RetainedKind.SET_ASIDE)}
