"""``whereupon status``: the entries and broadcasts of a store that an engine would leave alone."""

import sys
from contextlib import closing

from whereupon.cli.exit_status import exits_with_status
from whereupon.cli.options import AsJson, RulesIfAny, StoreUrl
from whereupon.cli.stores import existing_store, rules_for
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


@exits_with_status
def status_command(store: StoreUrl, rules: RulesIfAny = None, as_json: AsJson = False) -> None:
    """List the rules whose entries and broadcasts an engine with these rules leaves alone, and why.

    A rule is unknown, unreadable or switched off. Its entries wait until an engine runs that knows the rule
    and has it switched on.
    """
    versions = RuleVersions(RuleIndex(rules_for(rules, store)))
    with closing(existing_store(store)) as event_store, event_store.reading() as session:
        ignored = left_alone(session, versions)
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for each in ignored:
            out.write(
                {"kind": "left-alone", **each._asdict(), "due_at": format_instant(each.due_at)}
            )
        return
    for each in ignored:
        sys.stdout.write(f"{_line(each)}\n")
    if not ignored:
        sys.stdout.write("Nothing is left alone.\n")


def _line(ignored: LeftAlone) -> str:
    entries = f"{ignored.entries} inside" if ignored.entries else ""
    runs = f"{ignored.runs} broadcasts to send" if ignored.runs else ""
    what = ", ".join(part for part in (entries, runs) if part)
    due = format_instant(ignored.due_at)
    return f"{clean(ignored.rule)}  {what}, due {due}: {_WHY[ignored.why]}"
