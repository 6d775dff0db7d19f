"""``whereupon bounce``: report a mail that came back, from the pipe of a mail server."""

import sys

from whereupon.channels.email.bounces import MOST_BYTES, read_bounce
from whereupon.cli.exit_status import exits_with_status, print_to_stderr
from whereupon.cli.options import RULES, RulesFolder, StoreUrl
from whereupon.cli.stores import keyed_engine


@exits_with_status
def bounce_command(store: StoreUrl, rules: RulesFolder = RULES) -> None:
    """Report the bounce or complaint on standard input, a mail, for the delivery that it is about.

    For the pipe of a mail server: ``|"whereupon bounce --store postgresql:///shop"`` in an alias. A permanent bounce
    and a complaint suppress the address. A mail that is no report changes nothing, and is no error: a mail server
    would send an error back to a person on holiday.
    """
    found = read_bounce(sys.stdin.buffer.read(MOST_BYTES))
    if found is None:
        print_to_stderr("this mail reports nothing of a delivery of ours; nothing was done")
        return
    with keyed_engine(store, rules) as engine:
        done = engine.report(
            found.key, found.metric, reason=found.reason or None, permanent=found.permanent
        )
    known = not any(remark.code == "unknown-delivery" for remark in done.warnings)
    of_whom = f"delivery {found.key}" if known else f"a delivery that is not known, {found.key}"
    sys.stdout.write(f"{found.metric} was reported of {of_whom}\n")
