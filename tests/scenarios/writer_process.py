"""A process that writes the same as others at the same time, and prints what it sent.

    python -m tests.scenarios.writer_process URL NUMBER

All writers send the same messages, each in an order of its own, about few people on few devices, and do
due work between them. It prints ``ready``, begins when it is sent a line, and prints the idempotency key of each
delivery that it handed over.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from random import Random  # noqa: TID251 - seeded
from typing import TypeAlias

from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks
from tests.stores import tables_in

from whereupon import Delivery, Engine
from whereupon.scheduling.clocks import FrozenClock

PEOPLE, PURCHASES = 6, 48
Wire: TypeAlias = dict[str, object]
End: TypeAlias = dict[str, object]

RULES = book_of(
    thanks(),
    thanks(campaign="later", whereupon=[{"wait": "1m"}, {"send": "email", "subject": "Later"}]),
    thanks(campaign="once", reentry={"once_per_key": "properties.number"}),
)
_AFTERWARDS = NOON + timedelta(hours=1)


def messages() -> list[Wire]:
    """Purchases, known and anonymous; logins on devices; and merges."""
    made = [
        {**purchase(n, f"user-{n % PEOPLE}"), "timestamp": "2026-06-01T11:40:00Z"}
        for n in range(PURCHASES)
    ]
    for n in range(0, PURCHASES, 3):  # anonymously, on the buyer's own device
        made[n] = {**made[n], "userId": None, "anonymousId": f"anon-{n % PEOPLE}"}
    for n in range(PEOPLE):
        body: Wire = {"type": "identify", "userId": f"user-{n}", "anonymousId": f"anon-{n}"}
        made.append({**body, "messageId": f"identify-{n}", "timestamp": "2026-06-01T11:50:00Z"})
        group: Wire = {"type": "group", "userId": f"user-{n}", "groupId": f"acme-{n % 2}"}
        made.append({**group, "messageId": f"group-{n}", "timestamp": "2026-06-01T11:51:00Z"})
        made.append(_device(n))
    made += [_alias("user-0", "user-1"), _alias("user-1", "user-0"), _alias("user-3", "user-2")]
    return made


def _alias(user_id: str, previous_id: str) -> Wire:
    body: Wire = {"type": "alias", "userId": user_id, "previousId": previous_id}
    return {**body, "messageId": f"{previous_id}-is-{user_id}"}


def _device(number: int) -> Wire:
    device: Wire = {"type": "track", "event": "Device Created or Updated"}
    token = {"device": {"token": f"token-{number % 3}", "type": "ios"}}
    return {
        **device,
        "userId": f"user-{number}",
        "messageId": f"device-{number}",
        "context": token,
    }


def write(engine: Engine, number: int) -> None:
    """Send everything in batches, in the writer's own order, with due work in between.

    Only an alias comes after its people are known: before, it would be a claim.
    """
    chance = Random(number)  # noqa: S311
    early: list[Wire] = []
    late: list[Wire] = []
    for message in chance.sample(messages(), len(messages())):
        is_late = message["type"] == "alias" or (
            message["type"] == "track" and chance.random() < 0.5
        )
        (late if is_late else early).append(message)
    waiting = early + late
    while waiting:
        size = chance.randint(1, 7)
        batch, waiting = waiting[:size], waiting[size:]
        assert not engine.ingest(batch).rejected
        for _ in engine.wake(engine.clock.now()):
            pass


def end_of(url: str) -> End:
    """The final result, with people named by all their ids."""
    tables = tables_in(url)
    ids: dict[object, set[str]] = {}
    for value, kind, key in tables["whereupon_identifier"]:
        ids.setdefault(key, set()).add(f"{kind} {value}")
    names = {key: " = ".join(sorted(known)) for key, known in ids.items()}
    return {
        "people": sorted(names[row[0]] for row in tables["whereupon_person"]),
        "messages": sorted((row[1], names.get(row[3], "")) for row in tables["whereupon_message"]),
        "claims": sorted((names[r[0]], names[r[2]], r[4]) for r in tables["whereupon_claim"]),
        "entries": sorted(
            (row[1], row[5], names[row[3]], row[10]) for row in tables["whereupon_entry"]
        ),
        "deliveries": sorted(
            (row[2], row[12], names[row[3]], row[9]) for row in tables["whereupon_delivery"]
        ),
        "ties": sorted((names[row[0]], row[2]) for row in tables["whereupon_relationship"]),
    }


def main(url: str, number: str) -> None:
    """Write, and then do due work in competition with others."""
    clock = FrozenClock(NOON)
    delivered: list[str] = []
    with Engine.open(url, rules=RULES, clock=clock) as engine:
        for name in ("push", "email"):
            engine.channel(name)(lambda delivery: _note(delivered, delivery))
        for act in _acts(engine, int(number), clock):
            sys.stdout.write(f"{act}\n")
            sys.stdout.flush()
            sys.stdin.readline()
    sys.stdout.write("".join(f"{key}\n" for key in delivered))


def _note(delivered: list[str], delivery: Delivery) -> None:
    delivered.append(delivery.idempotency_key)


def _acts(engine: Engine, number: int, clock: FrozenClock) -> Iterator[str]:
    yield "ready"
    write(engine, number)
    yield "written"
    clock.move_to(_AFTERWARDS)
    engine.run_due()


if __name__ == "__main__":
    main(*sys.argv[1:])
