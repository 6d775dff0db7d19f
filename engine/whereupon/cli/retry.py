"""``whereupon retry``: having dead deliveries sent again, one of them or all."""

import sys
from contextlib import closing
from datetime import timedelta
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, fail, settles
from whereupon.cli.options import StoreUrl
from whereupon.cli.questions import existing_store
from whereupon.messages.times import format_duration, parse_duration
from whereupon.operations.outbox import Outbox
from whereupon.ports import Session, Store
from whereupon.records import Delivery, DeliveryState
from whereupon.render.formatting import counted
from whereupon.render.outbox import outbox_line
from whereupon.scheduling import SystemClock


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        message = f"{text!r} is not a duration such as 90s, 15m, 2h or 7d"
        raise typer.BadParameter(message)
    return duration


@settles
def retry_command(
    store: StoreUrl,
    key: Annotated[
        str | None, typer.Argument(help="The delivery's idempotency key; or say --all.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every dead delivery, or those that the options name.")
    ] = False,
    channel: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --all: only those of this channel.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="With --all: only those of this rule.")
    ] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(
            metavar="DURATION",
            parser=_duration,
            help="With --all: only those that died no longer ago, such as 2h.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask again.")] = False,
) -> None:
    """Put dead deliveries back into the outbox, due now, under their old idempotency keys."""
    narrowed = channel is not None or rule is not None or since is not None
    if every == (key is not None) or (narrowed and not every):
        fail("name one delivery by its KEY, or say --all, with --channel, --rule and --since")
    with closing(existing_store(store)) as kept:
        if key is not None:
            _retry_one(kept, key)
        else:
            _retry_all(kept, channel, rule, since, yes=yes)


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
        fail("no such delivery is dead; see: whereupon deliveries --state dead", FINDINGS)
    which = counted(count, "dead delivery", "dead deliveries")
    words = (
        f" of the channel {channel}" if channel is not None else "",
        f" of the rule {rule}" if rule is not None else "",
        f" of the last {format_duration(since)}" if since is not None else "",
    )
    said = which + "".join(words)
    if not yes and not typer.confirm(f"Send {said} again?", err=True):
        fail("nothing was done", FINDINGS)
    done = outbox.retry_all(channel=channel, rule=rule, since=since)
    sys.stdout.write(f"{counted(done, 'delivery is', 'deliveries are')} due again.\n")
