"""Suppressed addresses: asking, suppressing and lifting. An address stands in the body, never in a URL."""

from pydantic import AwareDatetime, BaseModel, Field

from whereupon.records import Scope, SuppressedAddress
from whereupon.web.management.forms import Form
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("suppression")


class AddressGiven(Form):
    """An address on a channel."""

    channel: str = Field(min_length=1, max_length=200, pattern=r"^[^\u0000]+$", examples=["email"])
    address: str = Field(
        max_length=1_000,
        pattern=r"[A-Za-z1-9]",
        description="In plain text; it is compared without case, and kept as a hash.",
        examples=["ada@example.com"],
    )


class SuppressionShown(BaseModel):
    """Whether an address gets nothing more on a channel, why, and since when."""

    is_suppressed: bool
    reason: str | None = Field(examples=["bounced"])
    since: AwareDatetime | None


def _shown(found: SuppressedAddress | None) -> SuppressionShown:
    if found is None:
        return SuppressionShown(is_suppressed=False, reason=None, since=None)
    return SuppressionShown(is_suppressed=True, reason=found.reason, since=found.since)


@routes.post("/suppression/look-up", **needs(Scope.VIEWER, 400, only_reads=True))
def look_up_suppression(asked: AddressGiven, engine: EngineGiven) -> SuppressionShown:
    """Whether an address is suppressed on a channel."""
    return _shown(engine.suppression(asked.channel, asked.address))


@routes.post("/suppression", **needs(Scope.EDITOR, 400, 409))
def suppress(asked: AddressGiven, engine: EngineGiven, caller: CallerGiven) -> SuppressionShown:
    """Suppress an address on a channel, under the key's name; one that is suppressed stays as it is."""
    return _shown(engine.suppress(asked.channel, asked.address, by=caller.name))


class Lifted(BaseModel):
    """Whether the address was suppressed."""

    was_suppressed: bool


@routes.post("/suppression/lift", **needs(Scope.EDITOR, 400, 409))
def unsuppress(asked: AddressGiven, engine: EngineGiven, caller: CallerGiven) -> Lifted:
    """Lift the suppression of an address on a channel, under the key's name."""
    lifted = engine.unsuppress(asked.channel, asked.address, by=caller.name)
    return Lifted(was_suppressed=lifted)
