"""Starting: a process that imports the library, opens an engine or runs a command, beside one that does nothing.

    python -m tests.benchmarks.starting

pyperf runs each as a process of its own, again and again, and takes the time from its start to its end; what
an empty Python takes in the same run is taken off. The bar is on ``import whereupon``; an engine and a
command bring what they use, and their figures are for comparison.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyperf  # type: ignore[import-untyped]
from tests.benchmarks.table import Row, at_most, exit_status, show

SECONDS_BAR = 0.150
REPRODUCE = "python -m tests.benchmarks.starting"
ROUNDS = 2
TIMING = ("--quiet", "--processes", "3", "--values", "2", "--warmups", "1", "--loops", "1")
EMPTY, IMPORT = "python -c pass", "import whereupon"
STORE = "Engine.open(…) on SQLite, {}"


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of one process: the median of the runs, and their standard deviation."""

    median: float
    deviation: float


def commands(folder: Path) -> dict[str, list[str]]:
    """The commands by their names; ``folder`` is for stores."""
    opened = "from whereupon import Engine; Engine.open('sqlite:///{}', rules={!r}).close()"
    kept = folder / "kept.db"
    subprocess.run(_python(opened.format(kept, None)), check=True)
    command_line = [sys.executable, "-m", "whereupon"]
    return {
        EMPTY: _python("pass"),
        IMPORT: _python("import whereupon"),
        "from whereupon import Engine": _python("from whereupon import Engine"),
        STORE.format("no rules"): _python(opened.format(kept, None)),
        STORE.format("rules/"): _python(opened.format(kept, "rules")),
        "whereupon --help": [*command_line, "--help"],
        "whereupon lint rules": [*command_line, "lint", "rules"],
    }


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def timed(folder: Path) -> dict[str, Time]:
    """Measure each command, in turns, so that other load of the machine affects all of them."""
    found: dict[str, pyperf.Benchmark] = {}
    running = commands(folder)
    for turn in range(ROUNDS):
        for place, (name, command) in enumerate(running.items()):
            written = folder / f"{turn}-{place}.json"
            run = [sys.executable, "-m", "pyperf", "command", *TIMING, "-o", str(written), "--"]
            subprocess.run([*run, *command], check=True, stdout=subprocess.DEVNULL)
            measured = pyperf.Benchmark.load(str(written))
            if name in found:
                found[name].add_runs(measured)
            else:
                found[name] = measured
    return {name: Time(float(each.median()), float(each.stdev())) for name, each in found.items()}


def rows() -> list[Row]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        found = timed(Path(folder))
    empty = found.pop(EMPTY)
    return [_row(name, time, empty) for name, time in found.items()]


def _row(name: str, time: Time, empty: Time) -> Row:
    """One start: beside the bar for what the import adds, else beside the empty Python."""
    added = time.median - empty.median
    spread = 100 * time.deviation / time.median
    value, bare = f"{time.median * 1e3:.0f} ms", f"{EMPTY} {empty.median * 1e3:.0f} ms"
    if name != IMPORT:
        return Row(name, value, bare, time.median / empty.median, "", True, spread, REPRODUCE)
    words, met = at_most(added / SECONDS_BAR, 1)
    reference = f"{bare}, and {SECONDS_BAR * 1e3:.0f} ms more"
    return Row(name, value, reference, added / SECONDS_BAR, words, met, spread, REPRODUCE)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    measured = rows()
    show(measured)
    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
