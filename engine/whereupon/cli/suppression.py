"""``whereupon suppression``: whether an address gets nothing more on a channel; suppress or lift it."""

from typing import Annotated

import typer

from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.options import AsJson, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import keyed_engine
from whereupon.messages.times import format_instant
from whereupon.records import SuppressedAddress
from whereupon.rules.model import Rulebook


@exits_with_status
def suppression_command(
    address: Annotated[str, typer.Argument(help="The address, in plain text.")],
    store: StoreUrl,
    channel: Annotated[str, typer.Option(metavar="NAME", help="The channel, such as email.")],
    lift: Annotated[bool, typer.Option("--lift", help="Lift it.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Suppress it.")] = False,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --lift or --add: who decides it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an address gets nothing more on a channel, and why; suppress it, or lift that.

    What decides it is the keyed hash of the address, under the digest key.
    """
    if lift and add:
        fail("choose one of --lift and --add")
    if (lift or add) != (by is not None):
        fail("--by NAME goes with --lift or --add, and these need it")
    try:
        with keyed_engine(store, Rulebook()) as engine:
            if lift:
                engine.unsuppress(channel, address, by=by)
            elif add:
                engine.suppress(channel, address, by=by or "")
            found = engine.suppression(channel, address)
    except ValueError as error:
        fail(str(error))
    if as_json:
        print_objects(_object(channel, found))
    else:
        print_lines([_line(channel, found)])


def _object(channel: str, found: SuppressedAddress | None) -> dict[str, object]:
    return {
        "kind": "suppression",
        "channel": channel,
        "suppressed": found is not None,
        "reason": None if found is None else found.reason,
        "since": None if found is None else format_instant(found.since),
    }


def _line(channel: str, found: SuppressedAddress | None) -> str:
    if found is None:
        return f"The address is not suppressed on {channel}."
    return f"The address is suppressed on {channel} since {format_instant(found.since)}: {found.reason}."
