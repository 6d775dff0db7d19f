"""The last messages that broke persons' silences."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from whereupon.messages.model import MessageType
from whereupon.messages.times import as_micros, from_micros
from whereupon.records import Breaking, LastMessage
from whereupon.storage.sql.access import SqlAccess

_TRACK = MessageType.TRACK.value
_LAST_CHARACTER = "\U0010ffff"


class SqlSilences(SqlAccess):
    """The ports say what each method answers."""

    def last_messages(
        self, breaking: Breaking, since: Mapping[int, datetime]
    ) -> dict[int, LastMessage]:
        """By the index over owners and times, backwards until the first one."""
        names = [] if breaking.any else [*self._numbers(breaking)]
        if not since or not (names or breaking.any):
            return {}
        rows = self._database.rows([(key, as_micros(at), 0) for key, at in since.items()])
        found = self._queries.last_messages.fetch(
            self._connection,
            needs=rows,
            every=int(breaking.any),
            names=self._database.members(names),
        )
        return {key: LastMessage(key, from_micros(at), name) for key, at, name in found}

    def _numbers(self, breaking: Breaking) -> Iterator[int]:
        """The numbers of the names that are meant."""
        exact = self._names.find(self._connection, {(_TRACK, name) for name in breaking.names})
        yield from exact.values()
        for prefix in breaking.prefixes:
            span = {"first": prefix, "last": prefix + _LAST_CHARACTER}
            for (number,) in self._queries.names_beginning.fetch(self._connection, **span):
                yield number
