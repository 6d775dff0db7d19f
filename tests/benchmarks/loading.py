"""Loading many rules: from the plain data of their files to an index that has met every name, and one rule changed.

    python -m tests.benchmarks.loading [--rules N]

Reading YAML text is left out. Seconds are of this process's own time; memory is what the process grew by.
Rules are those of `rule_mix`.
"""

import argparse
import gc
import resource
import sys
from pathlib import Path
from time import process_time

from tests.benchmarks.peers.rule_mix import Mix
from tests.benchmarks.table import Row, at_most, exit_status, show

from whereupon.matching import RuleIndex
from whereupon.messages import MessageType
from whereupon.rulefiles import Shared, parse_rule_file
from whereupon.rules import Rule, Rulebook

SECONDS_BAR, MEGABYTES_BAR = 10.0, 300.0
REPRODUCE = "python -m tests.benchmarks.loading"


def megabytes() -> float:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def read(count: int) -> list[Rule]:
    """The rules, from plain data, which is not kept but in them."""
    rules, shared = [], Shared()
    for source in Mix().rules(count):
        rule, problems = parse_rule_file(
            source, stem=source["campaign"], segments={}, shared=shared
        )
        assert isinstance(rule, Rule), problems
        rules.append(rule)
    return rules


def arrange(rules: list[Rule]) -> RuleIndex:
    """The index, with the tables of every name made."""
    index = RuleIndex(Rulebook(rules=tuple(rules)))
    meet(index)
    return index


def meet(index: RuleIndex) -> None:
    """Let every name be met once."""
    _, data = Mix().messages(1)[0]
    for place in range(Mix().names):
        index.naming(MessageType.TRACK, f"event-{place}").candidates(data)


def _row(figure: str, value: float, unit: str, bar: float) -> Row:
    words, met = at_most(value / bar, 1)
    return Row(
        figure, f"{value:.2f} {unit}", f"bar {bar:g} {unit}", value / bar, words, met, 0, REPRODUCE
    )


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", type=int, default=100_000, help="how many; bars are scaled")
    count = parser.parse_args().rules
    scale = count / 100_000
    gc.disable()
    before, begun = megabytes(), process_time()
    rules = read(count)
    held, done = megabytes(), process_time()
    index = arrange(rules)
    ready, arranged = megabytes(), process_time()
    meet(index.with_rule(rules[0]))
    changed = process_time()
    found = [
        _row(f"read {count:,} rules", done - begun, "s", SECONDS_BAR * scale),
        _row(f"hold {count:,} rules", held - before, "MB", MEGABYTES_BAR * scale),
        _row(f"arrange {count:,} rules", arranged - done, "s", SECONDS_BAR * scale),
        _row(f"hold the tables of {count:,} rules", ready - held, "MB", MEGABYTES_BAR * scale),
        _row("change one of them", changed - arranged, "s", arranged - done),
    ]
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
