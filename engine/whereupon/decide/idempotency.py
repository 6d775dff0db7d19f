"""The idempotency keys of steps.

A key depends on the rule, on what opened the entry, on who entered and on the step's address alone. So every
try, every machine and every store computes the same key, before and after two persons are merged.
"""

from collections.abc import Iterable
from hashlib import blake2b

from whereupon.records import Entry
from whereupon.rules.model import Rule
from whereupon.rules.route import MOST_ROUNDS, base_of

ENTRANT = "entrant"
"""The key, in the facts of an entry whose person was merged, of the user id that entered."""


def entrant_of(entry: Entry, user_id: str) -> str:
    """The user id that entered.

    Args:
        entry: its person may have been merged into another since.
        user_id: the first user id of its person; of one who was merged, the id before the merge.
    """
    return str(entry.facts.get(ENTRANT, user_id))


def step_key(entry: Entry, user_id: str) -> str:
    """The key of the entry's next step: 32 hexadecimal digits of a hash.

    Args:
        user_id: the first user id of its person.
    """
    return _hash(entry.rule, entry.occasion, entrant_of(entry, user_id), entry.address)


def keys_at(entry: Entry, user_id: str, addresses: Iterable[str]) -> list[str]:
    """The keys that an entry has at some steps.

    Args:
        entry: its person may have been merged into another since.
        user_id: the first user id of its person; of one who was merged, the id before the merge.
    """
    entrant = entrant_of(entry, user_id)
    return [_hash(entry.rule, entry.occasion, entrant, address) for address in addresses]


def possible_keys(rule: Rule, occasion: str, entrant: str) -> list[str]:
    """The keys that the steps of an entry have, done or not.

    Args:
        entrant: the user id that entered.
    """
    return [_hash(rule.id, occasion, entrant, address) for address in possible_addresses(rule)]


def possible_addresses(rule: Rule | None, until: str | None = None) -> list[str]:
    """The addresses at which an entry may have made something, those of further rounds included.

    Args:
        rule: the version that it follows; None if that cannot be read, which leaves the steps of the top level.
        until: where the entry stands; steps behind it are left out. None for every step.
    """
    if rule is None:
        number = (until or "").partition("#")[0].partition(".")[0]
        return [str(i) for i in range(int(number) + 1)] if number.isdecimal() else []
    places = rule.route.places
    stands = None if until is None else places.get(base_of(until))
    loops: set[str] = set(stands.loops) if stands is not None else set()
    last = len(places) if stands is None else stands.order
    found: list[str] = []
    for address, place in places.items():
        if place.order <= last or not loops.isdisjoint(place.loops):
            found += _rounds(address, len(place.loops))
    return found


def delivering_addresses(rule: Rule | None, until: str) -> list[str]:
    """The addresses at which an entry may have made a delivery; see `possible_addresses`."""
    found = possible_addresses(rule, until)
    if rule is None:
        return found
    places = rule.route.places
    return [address for address in found if places[base_of(address)].step.delivers]


def _rounds(address: str, depth: int) -> list[str]:
    """The address in every round; of nested loops, with at most one of them in a further round."""
    found = [address]
    for loop in range(depth):
        for number in range(1, MOST_ROUNDS + 1):
            rounds = [0] * depth
            rounds[loop] = number
            found.append(f"{address}#{'.'.join(map(str, rounds))}")
    return found


def step_message_id(key: str) -> str:
    """The id of the message that the step with an idempotency key sends."""
    return f"step-{key}"


def _hash(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
