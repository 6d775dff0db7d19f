"""Loading many rules: from the plain data of their files to an index that has met every name, and one rule changed.

    python -m tests.benchmarks.loading [--rules N] [--rounds N]

Each round is a process of its own, in which Python collects garbage as it does in a host's. Reading YAML
text is left out, and so is making the rules, which are those of `rule_mix`. Seconds are of the process's
own time; memory is what it grew by until the last rule was arranged, and at its peak until then.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median, stdev
from time import process_time
from typing import Any

from tests.benchmarks.peers.rule_mix import Mix
from tests.benchmarks.table import Row, at_most, exit_status, show

from whereupon.matching import RuleIndex
from whereupon.messages.model import MessageType
from whereupon.rules.model import Rule, Rulebook
from whereupon.rules.reader import parse_rule_file
from whereupon.rules.rule_reader import InternPool

RULES, ROUNDS = 100_000, 3
SECONDS_BAR, MEGABYTES_BAR, CHANGE_BAR = 10.0, 300.0, 0.05
REPRODUCE = "python -m tests.benchmarks.loading"
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Figures:
    """One round: seconds of reading, arranging and changing, and megabytes."""

    read: float
    arranged: float
    changed: float
    held: float
    peak: float


def measured(count: int) -> Figures:
    """Load so many rules in this process."""
    parsed(next(Mix().rules(1)), InternPool())  # what the first one imports does not count
    before = _resident()
    rules, read = _read(count)
    started = process_time()
    index = arranged(rules)
    done = process_time()
    held, peak = _resident() - before, _peak() - before
    edited = replace(rules[0], digest="edited")
    meet(index.with_book(Rulebook(rules=(edited, *rules[1:]))))
    changed = process_time() - done
    return Figures(read, done - started, changed, held, peak)


def _read(count: int) -> tuple[list[Rule], float]:
    """The rules, from plain data that is let go of, and the seconds that reading it took."""
    rules, pool, seconds = list[Rule](), InternPool(), 0.0
    sources = Mix().rules(count)
    while several := list(islice(sources, _AT_ONCE)):
        started = process_time()
        rules += [parsed(source, pool) for source in several]
        seconds += process_time() - started
    return rules, seconds


def parsed(source: dict[str, Any], pool: InternPool) -> Rule:
    """One rule."""
    rule, diagnostics = parse_rule_file(source, stem=source["campaign"], segments={}, pool=pool)
    assert isinstance(rule, Rule), diagnostics
    return rule


def arranged(rules: Iterable[Rule]) -> RuleIndex:
    """The index, with the tables of every name made."""
    index = RuleIndex(Rulebook(rules=tuple(rules)))
    meet(index)
    return index


def meet(index: RuleIndex) -> None:
    """Let every name be met once."""
    _, data = Mix().messages(1)[0]
    for place in range(Mix().names):
        index.triggered_by(MessageType.TRACK, f"event-{place}").candidates(data)


def _resident() -> float:
    """Megabytes that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _peak() -> float:
    """Megabytes that it ever held; what `getrusage` says counts the parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def rows(count: int = RULES, rounds: int = ROUNDS) -> list[Row]:
    """Measure, each round in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.loading", "--once", "--rules", str(count)]
    found = [
        Figures(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        for _ in range(rounds)
    ]
    scale = count / RULES
    loads = [each.read + each.arranged for each in found]
    shares = [each.changed / load for each, load in zip(found, loads, strict=True)]
    load = median(loads)
    parts = (
        f"read {median(each.read for each in found):.2f} s, "
        f"arrange {median(each.arranged for each in found):.2f} s"
    )
    return [
        replace(
            _row(f"load {count:,} rules", loads, "s", SECONDS_BAR * scale),
            value=f"{load:.2f} s ({parts})",
        ),
        _row(f"hold {count:,} rules", [each.held for each in found], "MB", MEGABYTES_BAR * scale),
        _row("at the peak", [each.peak for each in found], "MB", MEGABYTES_BAR * scale),
        Row(
            "change one of them",
            f"{median(each.changed for each in found):.2f} s",
            f"load all {load:.2f} s",
            median(shares),
            *at_most(median(shares), CHANGE_BAR),
            _spread(shares),
            REPRODUCE,
        ),
    ]


def _row(figure: str, values: Sequence[float], unit: str, bar: float) -> Row:
    middle = median(values)
    words, met = at_most(middle / bar, 1)
    value, reference = f"{middle:.2f} {unit}", f"bar {bar:g} {unit}"
    return Row(figure, value, reference, middle / bar, words, met, _spread(values), REPRODUCE)


def _spread(values: Sequence[float]) -> float:
    return 100 * stdev(values) / median(values) if len(values) > 1 else 0.0


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", type=int, default=RULES, help="how many; bars are scaled")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--once", action="store_true", help="one round here, as JSON")
    options = parser.parse_args()
    if options.once:
        sys.stdout.write(json.dumps(asdict(measured(options.rules))))
        return 0
    found = rows(options.rules, options.rounds)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
