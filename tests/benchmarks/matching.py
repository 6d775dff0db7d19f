"""Matching beside a loop over the rules of the name, in one run.

    python -m tests.benchmarks.matching [--plot FILE]

Rules and messages are those of `rule_mix`. pytest-benchmark times both ways in one process, on the same
messages, after both gave the same rules for each; medians are compared. A figure of 100,000 rules
takes minutes, nearly all of them the loop's. The plot shows events/s over the number of rules, those
of other libraries too (`make bench-peers`), each in a loop over the rules of the message's name.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyperf  # type: ignore[import-untyped]
from tests.benchmarks.plotting import Line, plot
from tests.benchmarks.table import Row, at_least, exit_status, show
from tests.benchmarks.timing import Time, timed

BARS = {10_000: 15.0, 100_000: 30.0}
SIZES = (10, 100, 1_000, 10_000, 100_000)
INDEX, LOOP = "test_matching[by_index]", "test_matching[by_loop]"
NAMES = {INDEX: "whereupon", LOOP: "our conditions in a loop"}
REPRODUCE = "python -m tests.benchmarks.matching"
PEER_SIZES = (10, 100, 1_000)
PEERS_PYTHON = Path(".venv-peers/bin/python")
PEERS_TIMING = ("--quiet", "-p", "2", "-n", "3", "-w", "1", "--min-time", "0.01")


def timed_ours(rules: int) -> dict[str, Time]:
    """What one message takes by the index and by the loop."""
    return timed("bench_matching.py", {"WHEREUPON_RULES": rules})


def timed_peers(rules: int) -> dict[str, Time]:
    """What one message takes other libraries, in a loop over the rules of its name."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "times.json"
        command = [str(PEERS_PYTHON), "tests/benchmarks/peers/matching.py", *PEERS_TIMING]
        asked = os.environ | {"WHEREUPON_RULES": str(rules)}
        given = ["--inherit-environ", "WHEREUPON_RULES", "-o", str(written)]
        subprocess.run([*command, *given], check=True, stdout=subprocess.DEVNULL, env=asked)
        suite = pyperf.BenchmarkSuite.load(str(written))
    return {
        each.get_name(): Time(each.median(), 100 * each.stdev() / each.median()) for each in suite
    }


def row(rules: int, found: dict[str, Time]) -> Row:
    """One number of rules beside its bar."""
    ours, loop = found[INDEX], found[LOOP]
    ratio = loop.median / ours.median
    bar, met = at_least(ratio, BARS[rules]) if rules in BARS else ("", True)
    return Row(
        figure=f"{rules:,} rules, fifty names by Zipf",
        value=ours.rate,
        reference=f"loop over the name's rules {loop.rate}",
        ratio=ratio,
        bar=bar,
        is_met=met,
        spread=ours.spread,
        reproduce=REPRODUCE,
    )


def _lines(measured: Mapping[int, Mapping[str, Time]]) -> list[Line]:
    """Events/s over the number of rules, of each way or library."""
    names = dict.fromkeys(name for times in measured.values() for name in times)
    return [
        Line(NAMES.get(name, name), [(n, 1 / times[name].median) for n, times in measured.items()])
        for name in names
    ]


def rows(sizes: Sequence[int] = SIZES, plotted: Path | None = None) -> list[Row]:
    """Measure every number of rules; and draw the plot, if it is given a place."""
    measured = {rules: timed_ours(rules) for rules in sizes}
    if plotted is not None:
        peers = {n: timed_peers(n) for n in PEER_SIZES} if PEERS_PYTHON.exists() else {}
        lines = [*_lines(measured), *_lines(peers)]
        plotted.write_text(plot(lines, x="rules", y="events/s, one core"))
    return [row(rules, times) for rules, times in measured.items()]


def main() -> int:
    """Measure, print the table, draw the plot, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plot", type=Path, help="write events/s over the rules there, as SVG")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of rules")
    options = parser.parse_args()
    found = rows(options.sizes, options.plot)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
