"""Times measured by pytest-benchmark, in a process of its own."""

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.table import Row, at_least

from whereupon.runtime.gc_pause import keep_loaded


class Time(NamedTuple):
    """Seconds for one unit: the median of the rounds, and their spread in percent.

    Attributes:
        peak: kilobytes that the process ever took until then, where the benchmark says so.
        longest: seconds for one, in the round that took the longest.
    """

    median: float
    spread: float
    peak: int = 0
    longest: float = 0.0

    @property
    def rate(self) -> str:
        """Units per second."""
        return f"{1 / self.median:,.0f}/s"


def timed(script: str, asked: Mapping[str, object], *, only: str | None = None) -> dict[str, Time]:
    """The time of each benchmark of a script, by its name.

    Args:
        script: its name in this folder; its benchmarks say in ``extra_info["count"]`` how many they take.
        asked: what it reads from its environment.
        only: the one benchmark to run; None for all.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "times.json"
        place = Path(__file__).parent.relative_to(Path.cwd()) / script
        named = str(place) if only is None else f"{place}::{only}"
        command = [sys.executable, "-m", "pytest", "-q", named, f"--benchmark-json={written}"]
        given = os.environ | {name: str(value) for name, value in asked.items()}
        done = subprocess.run(command, check=False, env=given, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{script} failed:\n{done.stdout}")
        found = json.loads(written.read_text())["benchmarks"]
    return {each["name"]: _time(each["stats"], **each["extra_info"]) for each in found}


def _time(stats: Mapping[str, float], *, count: int, peak: int = 0) -> Time:
    spread = 100 * stats["stddev"] / stats["median"]
    return Time(stats["median"] / count, spread, peak, stats["max"] / count)


def peak_kilobytes() -> int:
    """What this process ever took; where Linux tells, not by getrusage, which starts from the parent's size."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def rounds_of(
    benchmark: BenchmarkFixture,
    setup: Callable[[], tuple[tuple[Callable[[], None]], dict[str, object]]],
    *,
    count: int,
    rounds: int,
    warmup: int = 1,
) -> None:
    """Time what ``setup`` prepares anew for each round; ``count`` is how many of it there are.

    Python's cycle collector leaves out what a round finds loaded, as in `whereupon serve`; so it does for references.
    """
    benchmark.extra_info["count"] = count
    keep_loaded()

    def prepared() -> tuple[tuple[Callable[[], None]], dict[str, object]]:
        work = setup()
        gc.freeze()
        return work

    pedantic: Callable[..., object] = benchmark.pedantic  # which has no types
    pedantic(lambda work: work(), setup=prepared, rounds=rounds, warmup_rounds=warmup)


def rate_row(
    figure: str, ours: Time, what: str, reference: Time, least: float | None, reproduce: str
) -> Row:
    """A rate beside its reference; ``least`` is the share of it that is to be reached, if any is."""
    ratio = reference.median / ours.median
    bar, met = ("", True) if least is None else at_least(ratio, round(least, 2))
    beside = f"{what} {reference.rate}"
    return Row(figure, ours.rate, beside, ratio, bar, met, ours.spread, reproduce)
