"""A condition's evaluation: beside the same test by hand, and beside other libraries, in one run.

    make bench-peers && python -m tests.benchmarks.conditions

One condition of three tests over six messages, of which three satisfy it; every library gives the
same answers. pyperf times each in processes of its own; the medians of one evaluation are compared.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pyperf  # type: ignore[import-untyped]
from tests.benchmarks.table import Row, at_least, at_most, exit_status, show

HAND_BAR = 1.7
PEER_BAR = 5.0
PEERS_PYTHON = Path(".venv-peers/bin/python")
OWN = [sys.executable, "-m", "tests.benchmarks.own_conditions"]
PEERS = [str(PEERS_PYTHON), "tests/benchmarks/peers/conditions.py"]
ROUNDS = 4
TIMING = ("--quiet", "--processes", "3", "--values", "3", "--warmups", "1", "--min-time", "0.02")
REPRODUCE = "python -m tests.benchmarks.conditions"


def timed(command: list[str]) -> dict[str, pyperf.Benchmark]:
    """What a pyperf script measures, by name."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "times.json"
        subprocess.run(
            [*command, *TIMING, "-o", str(written)], check=True, stdout=subprocess.DEVNULL
        )
        suite = pyperf.BenchmarkSuite.load(str(written))
    return {each.get_name(): each for each in suite.get_benchmarks()}


def _spread(benchmark: pyperf.Benchmark) -> float:
    return 100 * float(benchmark.stdev()) / float(benchmark.median())


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3f} µs"


def rows() -> list[Row]:
    """Measure everything; other libraries only where they are installed (`make bench-peers`)."""
    own, peers = timed(OWN), timed(PEERS) if PEERS_PYTHON.exists() else {}
    for _ in range(ROUNDS - 1):  # in turn, so that what else the machine does meets both
        for times, command in ((own, OWN), (peers, PEERS))[: 2 if peers else 1]:
            for name, more in timed(command).items():
                times[name].add_runs(more)
    hand = own.pop("by hand").median()
    found = []
    for name, ours in own.items():
        ratio = ours.median() / hand
        bar, met = at_most(ratio, HAND_BAR)
        value, reference = _microseconds(ours.median()), f"by hand {_microseconds(hand)}"
        figure = f"condition of three tests, {name}"
        found.append(Row(figure, value, reference, ratio, bar, met, _spread(ours), REPRODUCE))
    ours = own["JSONLogic"]
    for name, peer in peers.items():
        ratio = peer.median() / ours.median()
        bar, met = at_least(ratio, PEER_BAR)
        value, reference = _microseconds(ours.median()), _microseconds(peer.median())
        figure = f"the same JSONLogic, beside {name}"
        found.append(Row(figure, value, reference, ratio, bar, met, _spread(ours), REPRODUCE))
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    if not PEERS_PYTHON.exists():
        sys.exit("the peers are not installed; run: make bench-peers")
    measured = rows()
    show(measured)
    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
