"""The inbox: the calls by which a host shows it, and the one by which a channel fills it."""

from abc import ABC
from collections.abc import Sequence
from datetime import timedelta

from whereupon.api.parts import EngineParts
from whereupon.api.report_calls import ReportCalls, report_message
from whereupon.records import Delivery, InboxItem

_STEP = 200
"""Items that are marked at once."""


class InboxCalls(EngineParts, ReportCalls, ABC):
    """The calls about the inboxes of persons (see `whereupon.channels.Inbox`)."""

    def inbox(
        self, person: str, *, unread: bool = False, limit: int = 50, before: str | None = None
    ) -> list[InboxItem]:
        """What is in a person's inbox and has not expired, newest first.

        Args:
            person: one of the person's user ids. The inbox of an unknown one is empty.
            unread: whether to leave out what is read.
            limit: the most items to return.
            before: the `cursor` of the last item of the page before.

        Raises:
            ValueError: ``limit`` is less than 1, or ``before`` is no cursor.
        """
        return self._inboxes.items(person, unread=unread, limit=limit, before=before)

    def unread(self, person: str) -> int:
        """How many items of a person's inbox are unread and have not expired; 0 for an unknown user id."""
        return self._inboxes.count_unread(person)

    def mark_read(self, person: str, key: str) -> bool:
        """Mark an item of a person's inbox as read, and report it as ``opened``; returns whether it was unread.

        Args:
            person: one of the person's user ids.
            key: the `key` of the item.

        Raises:
            UnknownNameError: the person has no item of that key; another person may have it.
        """
        self._check_open()
        if self._inboxes.item(person, key).read_at is not None:
            return False
        return self._mark_read(person, [key]) == 1

    def mark_all_read(self, person: str) -> int:
        """Mark all of a person's inbox as read, each as `mark_read` does; returns how many items were unread."""
        self._check_open()
        total = 0
        while found := self.inbox(person, unread=True, limit=_STEP):
            total += self._mark_read(person, [item.key for item in found])
        return total

    def _mark_read(self, person: str, keys: Sequence[str]) -> int:
        """Report first: a crash then leaves unread what was reported, and the same report counts once."""
        self.ingest([report_message(key, "opened") for key in keys])
        return self._inboxes.mark_read(person, keys)

    def put_in_inbox(self, delivery: Delivery, *, expires: timedelta | None, keep: int) -> bool:
        """Put a delivery into its person's inbox; for channels (see `ChannelHost.put_in_inbox`)."""
        return self._inboxes.put(delivery, expires=expires, keep=keep)
