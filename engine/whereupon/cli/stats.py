"""``whereupon stats``: how many entered, and what became of what was sent to them."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import AsJson, StoreUrl, duration
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store
from whereupon.errors import UnknownNameError
from whereupon.operations.statistics import Period, statistics
from whereupon.render.statistics import statistics_lines, statistics_objects, statistics_svg
from whereupon.scheduling import SystemClock


@exits_with_status
def stats_command(
    store: StoreUrl,
    rule: Annotated[str | None, typer.Argument(help="Only this rule.")] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Only what is at most this old, such as 30d."
        ),
    ] = None,
    until: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Only what is at least this old, such as 7d."
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a funnel of each rule there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count who entered each rule, what was sent, delivered, opened and clicked, and who converted.

    Of a rule with a goal, the conversions are shown by arm and beside the holdout, with the difference and its
    95 % interval.

    Each delivery counts once under each name, by what the store still keeps. Rates are shares of what was
    sent; of bounces, shares of what was sent or given up.
    """
    period = Period.of(SystemClock().now(), since, until)
    with closing(existing_store(store)) as event_store, event_store.reading() as session:
        try:
            found = statistics(session, rule, period)
        except UnknownNameError as error:
            fail(str(error), FINDINGS)
    if svg is not None:
        svg.write_text(statistics_svg(found), encoding="utf-8")
    if as_json:
        print_objects(*statistics_objects(found))
    else:
        print_lines(statistics_lines(found))
