"""The harness: workers get orders, are killed, are started again, and get all unanswered messages again.

What is left in the end must be what one worker makes of the same rounds when nobody disturbs it. A
killed process leaves the operating system's caches; that a commit also waits for the disk is said by
`PRAGMA synchronous` and PostgreSQL's own defaults, and is not tried here.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from random import Random
from threading import Lock

from tests.chaos.contents import Contents, Handed, contents_of, differences
from tests.chaos.killing import Aim, Aims, Victim
from tests.chaos.nest import Nest
from tests.chaos.processes import Answer, Order, Worker
from tests.chaos.receivers import receivers
from tests.chaos.script import LEASE, ROUND, START, Round, rounds
from tests.servers import Server

from whereupon.messages.times import format_instant
from whereupon.storage import open_store

_MOST_STEPS = 25  # of dispatching in one round, a lease each
_AIMED_STEPS = 4  # of these; a kill in every one would let no delivery through
_THE_END = timedelta(days=2)
_MOST_ROUNDS = 2  # a kill
_BOOKS = {Victim.JOURNEY: "journeys", Victim.BROADCAST: "broadcasts"}
_FEWEST = 8  # rounds; a wait of an hour is over by then


@dataclass
class Figures:
    """What a run did.

    Attributes:
        phases: what the processes were doing when they were killed, and how often.
        planned: how many kills were asked for.
        under_way: how often the call under a key was under way at a kill.
        failed: orders that were answered with a `StoreError`, and given again.
        lost: messages that were acknowledged and are not there.
    """

    planned: int = 0
    messages: int = 0
    accepted: int = 0
    resent: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    under_way: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """The number of killed processes."""
        return self.phases.total()


class Run:
    """One run of rounds on one store.

    Args:
        nest: where the processes come from.
        url: of a store that is empty.
        log: the file that the channels write.
        workers: how many processes share the store.
        aims: where to kill; nothing is killed without.
        server: what is killed, and started again, instead of the processes.
        places: of receivers that the channels call, instead of writing the log.
        book: the name of the rules.
    """

    def __init__(  # noqa: PLR0913 - what a run may differ in
        self,
        nest: Nest,
        url: str,
        log: Path,
        *,
        workers: int = 1,
        aims: Aims | None = None,
        seed: int = 0,
        server: Server | None = None,
        places: list[str] | None = None,
        book: str = "shop",
    ) -> None:
        self._url = url
        self._aims = aims or Aims(0, seed)
        self._chance = Random(f"run-{seed}")
        self._workers = [Worker(nest, url, log, places, book) for _ in range(workers)]
        self._acknowledged: list[str] = []
        self._lock = Lock()
        self._server, self._server_lock = server, Lock()
        self.figures = Figures(planned=len(self._aims))

    def go(self, through: Iterable[Round]) -> list[Round]:
        """Send rounds, and then let time pass until no work is left; return what was sent.

        With aims, no more rounds than these need.
        """
        sent: list[Round] = []
        try:
            self._open(self._workers[0], format_instant(START))
            for each in through:
                if self._aims.wait_for_an_opening:
                    self._workers[0].end()
                self._round(each)
                sent.append(each)
                if self.figures.planned and len(sent) >= _FEWEST and not len(self._aims):
                    break
            self._finish(sent[-1].now + ROUND + _THE_END)
        finally:
            for worker in self._workers:
                worker.end()
        self._look_for_lost()
        return sent

    def _round(self, given: Round) -> None:
        orders = [
            {"do": "ingest", "now": format_instant(given.now), "batch": batch}
            for batch in given.batches
        ]
        for answer in self._all(orders):
            self.figures.accepted += answer["accepted"]
        self.figures.messages += sum(map(len, given.batches))
        for batch in given.batches:
            self._acknowledged += [str(m["messageId"]) for m in batch if "messageId" in m]
        self._finish(given.now)

    def _finish(self, now: datetime) -> None:
        """Do due work and dispatch, a lease later each time, until no work is left."""
        self._everybody({"do": "wake", "now": format_instant(now)})
        for step in range(_MOST_STEPS):
            order = {"do": "due", "now": format_instant(now + step * LEASE)}
            answers = self._everybody(order, is_aimed=step < _AIMED_STEPS)
            if not any(answer["left"] for answer in answers):
                return
        message = f"deliveries are still pending after {_MOST_STEPS} leases"
        raise AssertionError(message)

    def _everybody(self, order: Order, *, is_aimed: bool = True) -> list[Answer]:
        return self._all([order for _ in self._workers], is_aimed=is_aimed)

    def _all(self, orders: list[Order], *, is_aimed: bool = True) -> list[Answer]:
        """Give each worker its order, all at once; one of them may be killed."""
        aim = self._aims.take(orders[0]["do"]) if is_aimed else None
        victim = self._chance.randrange(len(self._workers))
        with ThreadPoolExecutor(len(self._workers)) as threads:
            answers = [
                threads.submit(self._until_done, worker, order, aim if n == victim else None)
                for n, (worker, order) in enumerate(zip(self._workers, orders, strict=False))
            ]
            return [answer.result() for answer in answers]

    def _until_done(self, worker: Worker, order: Order, aim: Aim | None) -> Answer:
        """Repeat an order until it is answered."""
        while True:
            if not worker.is_alive:
                self._open(worker, order["now"])
            answer = self._tried(worker, order, aim)
            if answer is not None:
                return answer
            aim = None

    def _open(self, worker: Worker, now: str) -> None:
        """Start a process, again if it is killed meanwhile; the first one makes the tables."""
        opening = {"do": "open", "now": now}
        while self._tried(worker, opening, self._aims.take("open")) is None:
            pass

    def _tried(self, worker: Worker, order: Order, aim: Aim | None) -> Answer | None:
        tried = worker.attempt(order, aim, self._strike if self._server else None)
        with self._lock:
            self._note(order, tried.phase, aim)
            self.figures.under_way.update(tried.under_way)
        if tried.answer is None or "failed" not in tried.answer:
            return tried.answer
        if self._server is None or tried.answer["failed"] != "unreachable":
            raise AssertionError(tried.answer)
        with self._lock:
            self.figures.failed += 1
        with self._server_lock:  # until it is back
            return None

    def _strike(self) -> None:
        assert self._server is not None
        with self._server_lock:
            self._server.crash()
            self._server.start()

    def _note(self, order: Order, phase: str | None, aim: Aim | None) -> None:
        if phase is None:
            if aim is not None:
                self._aims.give_back(aim)
            return
        self.figures.phases[phase] += 1
        self.figures.resent += len(order.get("batch", ()))
        self._look_for_lost()

    def _look_for_lost(self) -> None:
        store = open_store(self._url)
        with store.session() as session:
            known = session.known_messages(self._acknowledged)
        store.close()
        self.figures.lost += [name for name in self._acknowledged if name not in known]


@dataclass
class Verdict:
    """The comparison of a disturbed run with an undisturbed one."""

    figures: Figures
    contents: Contents
    dispatched: int
    repeated: int
    differences: list[str]


def compare(
    undisturbed: tuple[str, Path], disturbed: tuple[str, Path], figures: Figures
) -> Verdict:
    """Compare two stores, each with its channels' log."""
    expected, found = contents_of(undisturbed[0]), contents_of(disturbed[0])
    before, after = Handed(undisturbed[1]), Handed(disturbed[1])
    found_out = [f"acknowledged and lost: {name}" for name in figures.lost]
    found_out += after.faults()
    found_out += differences(
        expected | {"handed over": before.lines()}, found | {"handed over": after.lines()}
    )
    return Verdict(figures, found, len(after.times), after.repeated, found_out)


def disturbed_and_not(
    kills: int,
    urls: tuple[str, str],
    logs: tuple[Path, Path],
    *,
    workers: int,
    seed: int,
    server: Server | None = None,
    at: Victim = Victim.PROCESS,
) -> Verdict:
    """Run rounds with kills, then the same rounds without, and compare.

    Args:
        kills: how many processes to kill; the rounds are as many as that needs.
        urls, logs: of the disturbed run, then of the undisturbed one.
        workers: of the disturbed run; the undisturbed one has one worker for all batches.
        seed: what everything follows from.
        server: what to kill instead of processes.
        at: what is killed. With ``delivery`` the channels call a mail server and an HTTP server of this process,
            and the kills come while they do; with ``journey`` people go through journeys, with ``broadcast`` they
            get broadcasts at their own time and at a rate.
    """
    place = urls[0], logs[0]
    over_the_network = at is Victim.DELIVERY
    book = _BOOKS.get(at, "shop")
    through = islice(rounds(seed=seed, workers=workers), _FEWEST + kills * _MOST_ROUNDS)
    with closing(Nest()) as nest, ExitStack() as open_ones:
        servers = [open_ones.enter_context(receivers()) for _ in urls if over_the_network]
        places: list[list[str] | None] = [each.places for each in servers] or [None, None]
        run = Run(
            nest,
            *place,
            workers=workers,
            aims=Aims(kills, seed, at=at),
            seed=seed,
            server=server,
            places=places[0],
            book=book,
        )
        sent = run.go(through)
        alone = (Round(each.now, ([*chain(*each.batches)],)) for each in sent)
        Run(nest, urls[1], logs[1], places=places[1], book=book).go(alone)
        for each, log in zip(servers, logs, strict=False):
            each.write(log)
    verdict = compare((urls[1], logs[1]), (urls[0], logs[0]), run.figures)
    if over_the_network:  # only then a process says which calls are under way
        verdict.differences += Handed(logs[0]).unexplained(run.figures.under_way)
    return verdict
