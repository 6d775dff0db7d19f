"""``whereupon status``: what an engine with these rules would leave alone in a store."""

import sys
from contextlib import closing

from whereupon.cli.exit_status import settles
from whereupon.cli.options import AsJson, RulesIfAny, StoreUrl
from whereupon.cli.questions import existing_store, rules_asked
from whereupon.matching import RuleIndex
from whereupon.messages.times import format_instant
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.work_scope import LeftAlone, Why, left_alone
from whereupon.render.formatting import clean
from whereupon.render.records import JsonLines

_WHY = {
    Why.UNKNOWN_RULE: "there is no such rule here",
    Why.UNREADABLE: "a newer whereupon wrote the version that they follow",
    Why.PAUSED: "the rule is switched off",
}


@settles
def status_command(store: StoreUrl, rules: RulesIfAny = None, as_json: AsJson = False) -> None:
    """Say who is inside of rules that these rules leave alone: unknown, unreadable, or switched off.

    They stand still until an engine comes that has the rule, and has not switched it off.
    """
    versions = RuleVersions(RuleIndex(rules_asked(rules, store)))
    with closing(existing_store(store)) as kept, kept.reading() as session:
        left = left_alone(session, versions)
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for each in left:
            out.write(
                {"kind": "left-alone", **each._asdict(), "due_at": format_instant(each.due_at)}
            )
        return
    for each in left:
        sys.stdout.write(f"{_line(each)}\n")
    if not left:
        sys.stdout.write("Nothing is left alone.\n")


def _line(left: LeftAlone) -> str:
    inside = f"{left.entries} inside" if left.entries else ""
    runs = f"{left.runs} broadcasts to send" if left.runs else ""
    what = ", ".join(part for part in (inside, runs) if part)
    return f"{clean(left.rule)}  {what}, due {format_instant(left.due_at)}: {_WHY[left.why]}"
