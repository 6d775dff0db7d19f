"""``python -m tests.chaos --kills 200``: kill, start again, compare; exit status 1 on any difference."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.chaos import crowding, serving
from tests.chaos.harness import Verdict, disturbed_and_not
from tests.chaos.killing import PHASES, Victim
from tests.servers import Server, mortal

_MOST_LINES = 40
_KILLED = {
    Victim.PROCESS: "processes",
    Victim.SERVER: "its server",
    Victim.DELIVERY: "processes that deliver by mail and HTTP",
    Victim.JOURNEY: "processes that take people through journeys",
    Victim.BROADCAST: "processes that send broadcasts at each person's own time and at a rate",
    Victim.DOOR: "servers under load",
    Victim.CAP: "processes that send to the same people under caps",
}


def main() -> int:
    """Run with the options of the command line, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="processes to kill, a database")
    parser.add_argument("--workers", type=int, default=2, help="processes that share the store")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--victim", choices=list(Victim), default=Victim.PROCESS)
    chosen = parser.parse_args()
    databases = chosen.database or ["sqlite", "postgresql"]
    if chosen.victim == Victim.SERVER:
        databases = ["postgresql"]
    run = {Victim.DOOR: _serve, Victim.CAP: _crowd}.get(chosen.victim, _run)
    return max([run(database, chosen) for database in databases])


def _run(database: str, chosen: argparse.Namespace) -> int:
    began = perf_counter()
    with (
        TemporaryDirectory(prefix="whereupon-chaos-") as folder,
        _stores(database, folder) as (urls, server),
    ):
        logs = Path(folder, "disturbed.log"), Path(folder, "undisturbed.log")
        # Which people a rate lets in first goes by their keys, and so by which of several processes is faster.
        workers = 1 if chosen.victim == Victim.BROADCAST else chosen.workers
        verdict = disturbed_and_not(
            chosen.kills,
            urls,
            logs,
            workers=workers,
            seed=chosen.seed,
            server=server if chosen.victim == Victim.SERVER else None,
            at=Victim(chosen.victim),
        )
    killed = _KILLED[Victim(chosen.victim)]
    sys.stdout.write(f"{database}, {workers} processes, seed {chosen.seed}, {killed}: ")
    return _report(verdict, perf_counter() - began)


def _serve(database: str, chosen: argparse.Namespace) -> int:
    began, write = perf_counter(), sys.stdout.write
    processes = 1 if database == "sqlite" else chosen.workers
    with (
        TemporaryDirectory(prefix="whereupon-chaos-") as folder,
        _stores(database, folder) as ((url, _), _),
    ):
        served = serving.run(
            url, Path(folder), kills=chosen.kills, seed=chosen.seed, processes=processes
        )
    write(f"{database}, {processes} processes, seed {chosen.seed}, {_KILLED[Victim.DOOR]}: ")
    write(f"{served.kills.total()} kills in {perf_counter() - began:.0f} s\n")
    for victim, count in served.kills.items():
        write(f"  {count:5}  {victim}\n")
    write(f"{served.messages} messages acknowledged; {served.resent} requests sent again\n")
    write(f"answers: {dict(served.answers)}\n")
    for line in served.faults[:_MOST_LINES]:
        write(f"{line}\n")
    write(f"{len(served.faults)} faults\n" if served.faults else "nothing lost, nothing twice\n")
    return 1 if served.faults or served.kills.total() < chosen.kills else 0


def _crowd(database: str, chosen: argparse.Namespace) -> int:
    began, write = perf_counter(), sys.stdout.write
    with (
        TemporaryDirectory(prefix="whereupon-chaos-") as folder,
        _stores(database, folder) as ((url, _), _),
    ):
        left = crowding.crowd(
            url,
            processes=chosen.workers,
            threads=4,
            most=20,
            kills=chosen.kills,
            seed=str(chosen.seed),
        )
    write(f"{database}, {chosen.workers} processes, seed {chosen.seed}, {_KILLED[Victim.CAP]}: ")
    write(f"{left.kills} kills in {perf_counter() - began:.0f} s\n")
    write(f"{left.sent} mails sent to {len(crowding.PEOPLE)} people, {left.held_back} held back\n")
    for line in left.wrong[:_MOST_LINES]:
        write(f"{line}\n")
    write(f"{len(left.wrong)} faults\n" if left.wrong else "nobody got more than a cap allows\n")
    return 1 if left.wrong or left.kills < chosen.kills else 0


@contextmanager
def _stores(database: str, folder: str) -> Iterator[tuple[tuple[str, str], Server | None]]:
    """The URLs of two empty stores, whose commits wait for the disk."""
    if database == "sqlite":
        yield (f"sqlite:///{folder}/disturbed.db", f"sqlite:///{folder}/undisturbed.db"), None
        return
    with (
        mortal() as server,
        server.empty() as disturbed,
        server.empty() as undisturbed,
    ):
        yield (disturbed, undisturbed), server


def _report(verdict: Verdict, seconds: float) -> int:
    figures = verdict.figures
    write = sys.stdout.write
    write(f"{figures.kills} kills in {seconds:.0f} s, of {figures.planned} planned\n")
    for phase in PHASES:
        write(f"  {figures.phases[phase]:5}  {phase}\n")
    write(f"{figures.messages} messages sent, {figures.resent} of them sent again after a kill; ")
    write(f"{figures.accepted} acknowledged as new\n")
    write(f"{figures.failed} orders failed with an error of ours, and were given again\n")
    rows = {table: len(found) for table, found in verdict.contents.items() if found}
    write("rows: " + ", ".join(f"{table} {count}" for table, count in rows.items()) + "\n")
    write(f"{verdict.dispatched} deliveries dispatched, {verdict.repeated} calls made again, ")
    write("each under one key\n")
    if figures.under_way:
        write(f"{figures.under_way.total()} calls were under way at a kill\n")
    found_out = verdict.differences
    for line in found_out[:_MOST_LINES]:
        write(f"{line}\n")
    write(f"{len(found_out)} differences\n" if found_out else "no difference\n")
    return 1 if found_out or figures.kills < figures.planned else 0


if __name__ == "__main__":
    sys.exit(main())
