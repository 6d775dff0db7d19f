"""``whereupon retry``: sends dead deliveries again, one of them or all."""

import sys
from contextlib import closing
from datetime import timedelta
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import Confirmed, StoreUrl, duration
from whereupon.cli.stores import existing_store
from whereupon.messages.times import format_duration
from whereupon.operations.outbox import Outbox
from whereupon.ports import Session, Store
from whereupon.records import Delivery, DeliveryState
from whereupon.render.formatting import counted
from whereupon.render.outbox import outbox_line
from whereupon.scheduling import SystemClock

IdempotencyKey: TypeAlias = Annotated[
    str | None, typer.Argument(help="The delivery's idempotency key, unless --all is given.")
]
AllDead: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Every dead delivery, or those that match the options.")
]
ChannelName: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --all: only deliveries of this channel.")
]
RuleId: TypeAlias = Annotated[
    str | None, typer.Option(metavar="RULE", help="With --all: only deliveries of this rule.")
]
Since: TypeAlias = Annotated[
    timedelta | None,
    typer.Option(
        metavar="DURATION",
        parser=duration,
        help="With --all: only deliveries given up within this time, such as 2h.",
    ),
]


@exits_with_status
def retry_command(
    store: StoreUrl,
    key: IdempotencyKey = None,
    every: AllDead = False,
    channel: ChannelName = None,
    rule: RuleId = None,
    since: Since = None,
    yes: Confirmed = False,
) -> None:
    """Put dead deliveries back into the outbox, due now, under their old idempotency keys."""
    is_filtered = channel is not None or rule is not None or since is not None
    if every == (key is not None) or (is_filtered and not every):
        fail("name one delivery by its KEY, or use --all, with --channel, --rule and --since")
    with closing(existing_store(store)) as event_store:
        if key is not None:
            _retry_one(event_store, key)
        else:
            _retry_all(event_store, channel, rule, since, yes=yes)


def _retry_one(store: Store, key: str) -> None:
    with store.session() as session:
        delivery = _dead(session, key)
        if delivery is None or not session.revive(delivery.key, SystemClock().now()):
            fail(f"no dead delivery has the key {key!r}; see: whereupon deliveries", FINDINGS)
    sys.stdout.write(f"{outbox_line(delivery)}\nIt is due again.\n")


def _dead(session: Session, key: str) -> Delivery | None:
    dead = session.deliveries([DeliveryState.DEAD], session.counts().deliveries or 1)
    return next((delivery for delivery in dead if delivery.idempotency_key == key), None)


def _retry_all(
    store: Store, channel: str | None, rule: str | None, since: timedelta | None, *, yes: bool
) -> None:
    outbox = Outbox(store, SystemClock(), lambda: None)
    count = outbox.dead(channel=channel, rule=rule, since=since)
    if not count:
        fail("there is no such dead delivery; see: whereupon deliveries --state dead", FINDINGS)
    filters = (
        f" of the channel {channel}" if channel is not None else "",
        f" of the rule {rule}" if rule is not None else "",
        f" of the last {format_duration(since)}" if since is not None else "",
    )
    selected = counted(count, "dead delivery", "dead deliveries") + "".join(filters)
    if not yes and not typer.confirm(f"Send {selected} again?", err=True):
        fail("nothing was done", FINDINGS)
    revived = outbox.retry_all(channel=channel, rule=rule, since=since)
    sys.stdout.write(f"{counted(revived, 'delivery is', 'deliveries are')} due again.\n")
