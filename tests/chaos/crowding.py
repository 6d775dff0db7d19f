"""Many processes that send to the same few people under caps, and are killed: nobody may get more than a cap allows.

Each process ingests purchases, starts broadcasts and does due work, in several threads. It says when a call has
ended, and is killed after some of them; another one goes on. Afterwards every person has been sent exactly as many
mails as the cap of mails allows, since far more were asked for, and no window has more pushes than the cap of pushes.

Which calls a thread makes follows from the seed; how they meet is the machine's affair.
"""

import argparse
import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from subprocess import PIPE, Popen
from threading import Lock

from tests.paths import ROOT
from tests.rule_files import File, book_of, broadcast, campaign

from whereupon import Delivery, Engine
from whereupon.delivery.retries import Retry, RetryLater
from whereupon.ports import Clock
from whereupon.records import DeliveryState
from whereupon.scheduling import SystemClock
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

PEOPLE = tuple(f"person-{number}" for number in range(5))
MAILS, PUSHES, WINDOW = 3, 2, timedelta(seconds=1)
"""The caps: so many mails within a week, and so many pushes within the window."""

_SHORT = timedelta(milliseconds=1)
_RETRY = Retry(first=_SHORT, longest=_SHORT)
_PATIENCE = 120.0
"""Seconds that a call may wait for others; only one that hangs ever takes so long."""
_LATER = timedelta(hours=1)
"""After all of it: no lease of a killed process lasts so long."""
_ROUNDS = 20


def _mail(subject: str) -> File:
    return {"send": "email", "subject": subject}


RULES = book_of(
    {
        "settings": "settings",
        "cap": [
            {"at_most": MAILS, "per": "7d", "channels": ["email"]},
            {
                "at_most": PUSHES,
                "per": "1s",
                "channels": ["push"],
                "otherwise": {"wait_up_to": "1h"},
            },
        ],
    },
    campaign("thanks", "buy", whereupon=[_mail("a"), _mail("b")]),
    campaign("later", "buy", whereupon=[{"wait": "1s"}, _mail("c")]),
    campaign("alarm", "buy", whereupon=[{"send": "push", "title": "d"}]),
    campaign("receipt", "buy", whereupon=[_mail("g") | {"kind": "transactional"}]),
    broadcast("news", "api", whereupon=[_mail("h")]),
)


@dataclass
class Crowded:
    """What a run has led to.

    Attributes:
        kills: how many processes were killed.
        sent: how many mails of marketing were sent.
        held_back: how many a cap held back.
        wrong: what contradicts the caps.
    """

    kills: int = 0
    sent: int = 0
    held_back: int = 0
    wrong: list[str] = field(default_factory=list)


# --- one process ------------------------------------------------------------------------------------


def _channel(delivery: Delivery) -> None:
    """Fail some calls for the first time, so that deliveries are tried again."""
    if delivery.attempts == 0 and int(delivery.idempotency_key, 16) % 4 == 0:
        raise RetryLater(after=timedelta(0))


def _opened(url: str, clock: Clock | None = None) -> Engine:
    logging.getLogger("whereupon").addHandler(logging.NullHandler())  # calls fail, as planned
    store = f"{url}{'&' if '?' in url else '?'}patience={_PATIENCE}"
    engine = Engine.open(store, rules=RULES, retry=_RETRY, clock=clock)
    for name in ("email", "push"):
        engine.channel(name)(_channel)
    return engine


def work(url: str, seed: str, threads: int, most: int) -> None:
    """Send from several threads; a line is printed for each call that has ended."""
    said = Lock()
    with _opened(url) as engine:

        def call_on(number: int) -> None:
            random = Random(f"{seed}.{number}")
            for _ in range(most):
                _call(engine, random)
                with said:
                    sys.stdout.write(".\n")
                    sys.stdout.flush()

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(call_on, range(threads)))


def _call(engine: Engine, random: Random) -> None:
    match random.randrange(8):
        case 0:
            engine.run_due()
        case 1:
            engine.trigger("news", key=str(random.random()))
        case _:
            people = random.sample(PEOPLE, random.choice((1, 1, 2, len(PEOPLE))))
            engine.ingest([_event("buy", person) for person in people])


def _event(event: str, person: str) -> File:
    return {"type": "track", "event": event, "userId": person}


# --- all of them ------------------------------------------------------------------------------------


def crowd(url: str, *, processes: int, threads: int, most: int, kills: int, seed: str) -> Crowded:
    """Let processes send on one store, kill some of them, and look at what was sent.

    Args:
        url: of an empty store.
        most: calls of each thread.
        kills: after each of them another process goes on.
    """
    with _opened(url) as engine:
        engine.ingest([{"type": "identify", "userId": person} for person in PEOPLE])
    left, lock = [kills], Lock()

    def keep_up(place: int) -> None:
        random, killed = Random(f"{seed}.{place}"), 0
        while _run(url, f"{seed}.{place}.{killed}", threads, most, random, left, lock):
            killed += 1

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(keep_up, range(processes)))
    return _checked(url, kills - left[0])


def _run(
    url: str, seed: str, threads: int, most: int, random: Random, left: list[int], lock: Lock
) -> bool:
    """Run one process to its end, or kill it; whether it was killed."""
    command = [sys.executable, "-m", "tests.chaos.crowding", "--url", url, "--seed", seed]
    command += ["--threads", str(threads), "--most", str(most)]
    with lock:
        until = random.randrange(threads * most) if left[0] else -1
        left[0] -= until >= 0
    with Popen(command, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for said, _ in enumerate(process.stdout):
            if said == until:
                process.kill()
                return True
    if until >= 0:  # it ended before, so nothing was killed
        with lock:
            left[0] += 1
    assert process.returncode == 0, process.returncode
    return False


def _checked(url: str, kills: int) -> Crowded:
    """Ask for more mails than there are places left, send all that waits, and count."""
    left, clock = Crowded(kills), FrozenClock(SystemClock().now() + _LATER)
    with _opened(url, clock) as engine:
        for _ in range(MAILS):
            engine.ingest([_event("buy", person) for person in PEOPLE])
        for _ in range(_ROUNDS):
            clock.move_to(clock.now() + _LATER)
            engine.run_due()
            if not engine.deliveries(DeliveryState.PENDING, limit=1):
                break
    with closing(open_store(url)) as store, store.reading() as session:
        found = [*session.scan(Delivery)]
    mails = [d for d in found if d.channel == "email" and d.kind == "marketing"]
    sent = Counter(d.person for d in mails if d.state is DeliveryState.SENT)
    left.sent = sent.total()
    left.held_back = sum(d.reason == "cap" for d in mails)
    for person in PEOPLE:
        if sent[person] != MAILS:
            theirs = [d for d in mails if d.person == person and d.reason != "cap"]
            told = "; ".join(f"{d.rule} {d.state} {d.reason} {d.due_at}" for d in theirs)
            left.wrong.append(f"{person} was sent {sent[person]} mails, and not {MAILS}: {told}")
    left.wrong += _windows(found)
    return left


def _windows(found: Sequence[Delivery]) -> list[str]:
    """The windows in which a person was sent more pushes than the cap allows."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for delivery in found:
        if delivery.channel == "push" and delivery.state is DeliveryState.SENT:
            times[delivery.person].append(delivery.due_at)
    ordered = {person: sorted(theirs) for person, theirs in times.items()}
    return [
        f"{person} was sent {PUSHES + 1} pushes from {first} to {last}"
        for person, theirs in ordered.items()
        for first, last in zip(theirs, theirs[PUSHES:], strict=False)
        if last - first < WINDOW
    ]


def main() -> None:
    """Be one of the processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crowding", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--most", type=int, required=True)
    chosen = parser.parse_args()
    work(chosen.url, chosen.seed, chosen.threads, chosen.most)


if __name__ == "__main__":
    main()
