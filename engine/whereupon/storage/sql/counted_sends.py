"""What caps count: the marketing deliveries to a person that wait or were sent lately."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from whereupon.messages.times import as_micros, from_micros
from whereupon.records import CountedSend, DeliveryState
from whereupon.storage.sql.access import SqlAccess
from whereupon.storage.sql.rows import Record

_SENT: Final = DeliveryState.SENT.value
_WITHHELD: Final = DeliveryState.WITHHELD.value


class SqlCountedSends(SqlAccess):
    """The ports say what each method answers."""

    def counted_sends(self, person_keys: Collection[int], since: datetime) -> list[CountedSend]:
        """By an index over persons and times."""
        asked = {"keys": self._database.members(person_keys), "since": as_micros(since)}
        found = self._queries.counted_sends.fetch(self._connection, **asked)
        return list(map(_counted_from, found))

    def sends_before(
        self, keys: Collection[int], since: datetime
    ) -> Mapping[int, list[CountedSend]]:
        """From each delivery to the others of its person."""
        asked = {"keys": self._database.members(keys), "since": as_micros(since)}
        before: dict[int, list[CountedSend]] = defaultdict(list)
        for key, *row in self._queries.sends_before.fetch(self._connection, **asked):
            before[key].append(_counted_from(row))
        return before


def _counted_from(row: Record) -> CountedSend:
    name, person, channel, at, state, leased = row
    is_leased, is_withdrawn = leased is not None, state == _WITHHELD
    return CountedSend(
        name, person, channel, from_micros(at), state == _SENT, is_leased, is_withdrawn
    )
