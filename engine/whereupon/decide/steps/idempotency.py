"""The idempotency keys of steps.

A key depends on the rule, on what opened the entry, on who entered and on the step alone. So every
try, every machine and every store computes the same key, before and after two persons are merged.
"""

from collections.abc import Mapping
from hashlib import blake2b

from pydantic import JsonValue

from whereupon.messages.codec import read_object
from whereupon.records import Entry, Person

ENTRANT = "entrant"
"""The key, in the facts of an entry whose person was merged, of the user id that entered."""


def step_key(entry: Entry, facts: Mapping[str, JsonValue], person: Person) -> str:
    """The key of the entry's next step: 32 hexadecimal digits of a hash.

    Args:
        facts: the entry's, decoded.
    """
    return _key(entry, str(facts.get(ENTRANT, person.user_id)), entry.position)


def completed_keys(entry: Entry, user_id: str) -> list[str]:
    """The keys of the steps that an entry has completed.

    Args:
        entry: its person may have been merged into another since.
        user_id: the first user id of its person; of one who was merged, the id before the merge.
    """
    entrant = str(read_object(entry.facts).get(ENTRANT, user_id))
    return [_key(entry, entrant, position) for position in range(entry.position)]


def possible_keys(rule: str, occasion: str, entrant: str, steps: int) -> list[str]:
    """The keys that the first steps of an entry have, done or not.

    Args:
        entrant: the user id that entered.
    """
    return [_hash(rule, occasion, entrant, position) for position in range(steps)]


def step_message_id(key: str) -> str:
    """The id of the message that the step with an idempotency key sends."""
    return f"step-{key}"


def _key(entry: Entry, entrant: str, position: int) -> str:
    return _hash(entry.rule, entry.occasion, entrant, position)


def _hash(*parts: str | int) -> str:
    return blake2b(
        "\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=16
    ).hexdigest()
