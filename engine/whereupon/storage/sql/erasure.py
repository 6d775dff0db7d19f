"""What others keep that leads back to an erased person, and how it is blanked.

Rows of the person are deleted (see `writes`). Here is the rest. Requests and reports stay, without
names. Ids of semantic messages become digests. A broadcast that a message of the person opened stays for
its audience, without the message's data. An entry that such a message opened for another person, whose
claim had come in first, stays in the same way.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection

from whereupon.messages.model import erased_name
from whereupon.messages.times import as_micros
from whereupon.records import NEVER
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.rows import Record

_NEVER: Final = as_micros(NEVER)


class Erasure:
    """One session's blanking."""

    def __init__(self, connection: Connection, database: Database, statements: Queries) -> None:
        self._connection = connection
        self._database = database
        self._to = statements

    def open_runs(self, keys: object) -> set[tuple[str, str]]:
        """The unfinished broadcast runs, by rule and occasion, that `remove` will blank."""
        found = self._to.opened_runs.fetch(self._connection, keys=keys)
        return {(rule, occasion) for rule, occasion, cursor in found if cursor is not None}

    def sent_to_others(self, keys: object) -> list[int]:
        """The keys of other persons' deliveries that `remove` will blank."""
        found: list[int] = []
        for _, person, rule, occasion in self._others_entries(keys):
            sent = {"person": person, "rule": rule, "occasion": occasion}
            found += (key for (key,) in self._to.sent_to.fetch(self._connection, **sent))
        for rule, occasion, _ in self._to.opened_runs.fetch(self._connection, keys=keys):
            sent = {"rule": rule, "occasion": occasion}
            found += (key for (key,) in self._to.sent_by_run.fetch(self._connection, **sent))
        return found

    def remove(self, keys: object) -> set[str]:
        """Blank what leads to owners, while their rows still exist.

        Args:
            keys: the owners, as they are bound.

        Returns:
            The ids of messages of which only a digest stays.
        """
        users = self._to.users_among.fetch(self._connection, keys=keys)
        named = self.remove_names([user for (user,) in users])
        self._blank_entries(keys)
        for rule, occasion, _ in self._to.opened_runs.fetch(self._connection, keys=keys):
            new = erased_name(occasion)
            opened: dict[str, object] = {"rule": rule, "occasion": occasion}
            self._to.blank_trails_of_run.run(self._connection, **opened)
            for statement in self._to.each("blank_run"):
                statement.run(self._connection, **opened, new_occasion=new, never=_NEVER)
        return named

    def _others_entries(self, keys: object) -> Sequence[Record]:
        rivals = [person for (person,) in self._to.rivals.fetch(self._connection, keys=keys)]
        if not rivals:
            return ()
        among = {"rivals": self._database.members(rivals), "keys": keys}
        return self._to.others_entries.fetch(self._connection, **among)

    def _blank_entries(self, keys: object) -> None:
        for key, person, rule, occasion in self._others_entries(keys):
            new = erased_name(occasion)
            sent = {"person": person, "rule": rule, "occasion": occasion}
            self._to.blank_trail.run(self._connection, changed=key)
            self._to.blank_entry.run(self._connection, new_occasion=new, changed=key)
            for statement in self._to.each("blank_deliveries"):
                statement.run(self._connection, **sent, never=_NEVER)
            self._to.drop_inbox_of.run(self._connection, **sent)

    def remove_names(self, user_ids: Collection[str]) -> set[str]:
        """Blank these people in requests and reports; returns what `remove` returns."""
        ids, named = self._database.members(user_ids), set[str]()
        for key, message_id, person in self._to.requests_naming.fetch(self._connection, ids=ids):
            new_id = message_id if person is None else erased_name(message_id)
            self._to.blank_request.run(self._connection, new_id=new_id, changed=key)
            if person is not None:
                named.add(message_id)
        self._to.blank_requester.run(self._connection, ids=ids)
        for (message_id,) in self._to.reports_naming.fetch(self._connection, ids=ids):
            new_id = erased_name(message_id)
            self._to.blank_report.run(self._connection, new_id=new_id, changed=message_id)
            named.add(message_id)
        return named

    def drop_messages(self, message_ids: Collection[str]) -> None:
        """Delete the messages with these ids."""
        for message_id in sorted(message_ids):
            self._to.drop_message.run(self._connection, message_id=message_id)
