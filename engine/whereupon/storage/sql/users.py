"""What a batch reads of ids, of their persons, and of the entries inside which these are."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
from whereupon.records import Entry, Identifier, IdKind, Person
from whereupon.storage.sql.access import SqlAccess

_USER_ID, _ANONYMOUS_ID = IdKind.USER, IdKind.ANONYMOUS  # looked up slowly as attributes
_USER, _ANONYMOUS = _USER_ID.value, _ANONYMOUS_ID.value

_new: Final = tuple.__new__  # a named tuple of values that are in its order already


class SqlUsers(SqlAccess):
    """These reads. The ports say what each method answers.

    On a database with one writer at a time, one statement reads user ids with the rest, and the transaction remembers
    the rest until it writes: nobody else may change it meanwhile. For most batches it then asks nothing more.
    """

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[Identifier]:
        """What is known of these ids."""
        found: list[Identifier] = []
        if user_ids:
            found += self._identifiers(_USER, user_ids)
        if anonymous_ids:
            found += self._identifiers(_ANONYMOUS, anonymous_ids)
        return found

    def _identifiers(self, kind: str, ids: Collection[str]) -> Iterable[Identifier]:
        members = self._database.members(sorted({*ids}))
        if kind == _USER and self._database.one_writer:
            return self._users(members)
        found = self._queries.identifiers.fetch(self._connection, kind=kind, ids=members)
        if self._locks is not None:
            found = self._locks.without_erasures(found)
        of = _USER_ID if kind == _USER else _ANONYMOUS_ID
        return [_new(Identifier, (of, value, key)) for value, key in found]

    def _users(self, ids: object) -> Iterable[Identifier]:
        """Of user ids, with what is asked next of their persons."""
        found: list[Identifier] = []
        for row in self._users_and_messages(ids) if self._expected else self._known(ids):
            self._known_users[row[1]] = row
            found.append(_new(Identifier, (_USER_ID, row[0], row[1])))
        return found

    def _known(self, ids: object) -> Iterable[rows.Record]:
        return self._queries.known_users.fetch(self._connection, ids=ids)

    def _users_and_messages(self, ids: object) -> Iterable[rows.Record]:
        """The same rows; which of the expected messages are recorded is kept until it is asked."""
        refs, self._expected = self._expected, ()
        members, process = self._database.members(refs), self.cache.row
        ask = self._queries.known_users_and_messages
        found = list(ask.fetch(self._connection, ids=ids, refs=members, process=process))
        self._noted(found.pop()[1:])
        known: set[str] = set()
        while found and found[-1][1] == 0:
            known.add(found.pop()[0])
        self._known_messages = refs, known
        return found

    def persons(self, keys: Collection[int]) -> list[Person]:
        """These persons."""
        known = self._known_users
        found: list[Sequence[Any]] = []
        asked: set[int] = set()
        for key in keys:
            if key not in known:
                asked.add(key)
            elif known[key][2] is not None:
                found.append(known[key][1:6])
        if asked:
            members = self._database.members(asked)
            found += self._queries.persons.fetch(self._connection, keys=members)
        return [*map(rows.person_from, found)]

    def active_entries(self, person_keys: Collection[int]) -> list[Entry]:
        """Entries of these persons that have not ended."""
        known = self._known_users
        if known:
            person_keys = [key for key in person_keys if key not in known or known[key][6]]
            if not person_keys:
                return []
        members = self._database.members(person_keys)
        found = self._queries.active_entries.fetch(self._connection, keys=members)
        return list(map(rule_rows.entry_from, found))
